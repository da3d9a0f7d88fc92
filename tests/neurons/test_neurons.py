import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from ptlib.errors import PromptError
from ptlib.neurons.overlap import overlap, overlap_per_layer
from ptlib.neurons.stimulate import stimulate
from ptlib.prompts import SoftPrompt


def slow_on(one, other):
    both = sum(1 for a, b in zip(one.ravel(), other.ravel(), strict=True) if a and b)
    return both / (np.sqrt(one.sum()) * np.sqrt(other.sum())) if one.any() and other.any() else np.nan


@settings(deadline=None, max_examples=50)
@given(arrays(bool, (4, 3, 7)), st.sampled_from([None, [0], [1, 2]]))
def test_on_is_its_definition(active, layers):
    found = overlap(active, layers)
    chosen = active if layers is None else active[:, layers]
    for a in range(4):
        for b in range(4):
            expected = slow_on(chosen[a], chosen[b])
            assert found[a, b] == pytest.approx(expected, abs=1e-6, nan_ok=True)


def test_layers_one_by_one():
    active = np.random.default_rng(0).random((3, 4, 9)) > 0.5
    assert np.array_equal(overlap_per_layer(active)[2], overlap(active, [2]))


def test_each_prompt_stimulates_differently(tiny_plm, library):
    prompts = [library.prompt(f"tiny-1/{name}").load() for name in ("films-s0", "meals-s0")]
    found = stimulate(tiny_plm, prompts)
    assert found.values.shape == found.activated.shape == (2, 3, 48)
    assert found.values.dtype == np.float32
    assert np.array_equal(found.activated, found.values > 0)
    assert np.array_equal(stimulate(tiny_plm, prompts[1:]).values[0], found.values[1])
    assert not np.allclose(found.values[0], found.values[1])


def test_hooks_are_gone_also_after_an_error(tiny_plm):
    layers = tiny_plm.model.roberta.encoder.layer

    def broken():
        with tiny_plm.watch_neurons(None):
            assert all(layer.intermediate._forward_hooks for layer in layers)
            raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        broken()
    assert not any(layer.intermediate._forward_hooks for layer in layers)


def test_neurons_beyond_numbers_are_refused(tiny_plm):
    """NaN > 0 is False: such a prompt would look as if it activated nothing."""
    with pytest.raises(PromptError, match=r"prompt huge.*not finite numbers"):
        stimulate(tiny_plm, [SoftPrompt(np.full((5, 32), 1e30, np.float32), "huge", "", "")])


def test_a_prompt_that_activates_nothing_has_no_overlap():
    active = np.zeros((2, 1, 4), bool)
    active[0, 0, :2] = True
    found = overlap(active)
    assert found[0, 0] == 1
    assert np.isnan(found[[0, 1, 1], [1, 0, 1]]).all()


@settings(deadline=None, max_examples=50)
@given(arrays(bool, (5, 2, 31)))
def test_on_stays_within_zero_and_one_and_is_one_with_itself(active):
    found = overlap(active)
    known = found[~np.isnan(found)]
    assert ((known >= 0) & (known <= 1)).all()
    assert set(np.diag(found)[active.any(axis=(1, 2))]) <= {1.0}
    assert np.array_equal(found, found.T, equal_nan=True)


def test_overlap_with_other_prompts_and_in_blocks(monkeypatch):
    from ptlib.neurons import overlap as room

    active = np.random.default_rng(0).random((9, 3, 50)) < 0.3
    whole = overlap(active)
    monkeypatch.setattr(room, "NEURONS", 16)
    assert np.array_equal(overlap(active), whole)
    assert np.array_equal(overlap(active[6:], None, active), whole[6:])
    assert np.array_equal(overlap(active[6:], [1], active), overlap(active, [1])[6:])
