import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ptlib.errors import RunError
from ptlib.neurons.mask import MEANS, Stimulated, choose, count, distinctiveness
from ptlib.neurons.states import States


def stimulated(seed=0, layers=3, ffn=20):
    """A prompt of a type of three, and two other types."""
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(layers, ffn)).astype(np.float32)
    own = np.stack([values > 0, *(rng.random((2, layers, ffn)) < 0.4)])
    return Stimulated(States(values, values > 0), own, [rng.random((2, layers, ffn)) < 0.4, rng.random((4, layers, ffn)) < 0.4])


def test_the_most_and_the_least_are_the_ends_of_the_values_over_all_layers():
    found = stimulated()
    order = np.sort(found.prompt.values.ravel())
    assert sorted(found.prompt.values[choose("most", 0.1, found)]) == pytest.approx(order[-6:])
    assert sorted(found.prompt.values[choose("least", 0.1, found)]) == pytest.approx(order[:6])
    assert not (choose("most", 0.5, found) & choose("least", 0.5, found)).any()


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 1000), st.sampled_from(list(MEANS)), st.floats(0.01, 0.5), st.sampled_from([None, [0], [2, 1]]))
def test_every_rule_takes_as_many_from_the_layers_that_were_chosen(seed, rule, share, layers):
    found = stimulated(seed)
    off = choose(rule, share, found, layers, draw=seed)
    chosen = [0, 1, 2] if layers is None else layers
    assert off.sum() == max(1, int(share * 20 * len(chosen) + 1e-9)) == off[chosen].sum()
    assert np.array_equal(off, choose(rule, share, found, layers, draw=seed))


@pytest.mark.parametrize("like", ["most", "distinctive"])
def test_random_neurons_have_the_layer_mix_of_what_they_are_compared_with(like):
    found = stimulated(3)
    draws = [choose("random", 0.2, found, draw=draw, like=like) for draw in range(5)]
    for off in draws:
        assert np.array_equal(off.sum(axis=1), choose(like, 0.2, found).sum(axis=1))
    assert len({off.tobytes() for off in draws}) == 5
    larger = choose("random", 0.4, found, layers=[1], draw=2)
    assert (choose("random", 0.2, found, layers=[1], draw=2) <= larger).all(), "a draw grows with its share"


def test_distinctive_by_its_definition():
    own = np.array([[[1, 1, 0, 1]], [[1, 1, 0, 0]]], bool)
    others = [np.array([[[0, 1, 0, 0]]], bool), np.array([[[0, 0, 1, 0]], [[0, 0, 1, 1]]], bool)]
    assert distinctiveness(own, others).tolist() == [[1, 0, -1, 0]]
    values = np.array([[0.1, 5, 4, 0.2]], np.float32)
    found = Stimulated(States(values, values > 0), own, others)
    assert choose("distinctive", 0.25, found).tolist() == [[True, False, False, False]]
    # The last one and the second are equally distinctive; another type activates the second more.
    assert choose("distinctive", 0.5, found).tolist() == [[True, False, False, True]]


def test_shares_are_cut_down_as_in_the_released_code():
    assert count(0.29, 1, 100) == 29
    assert count(0.2, 12, 3072) == int(0.2 * 12 * 3072)
    assert count(0.001, 1, 20) == 1


@pytest.mark.parametrize("share", [0, -0.1, 0.51, 20, float("nan")])
def test_absurd_shares(share):
    with pytest.raises(RunError, match=r"share of neurons cannot be masked \(found .*expected above 0, at most 0.5"):
        choose("most", share, stimulated())


def test_what_cannot_be_is_a_sentence():
    found = stimulated()
    for layers, shown in (([3], "found 4"), ([-1], "found 0"), ([], "found none")):
        with pytest.raises(RunError, match=rf"no such layer; they count from 1 \({shown}, expected 1 to 3"):
            choose("most", 0.1, found, layers)
    with pytest.raises(RunError, match="unknown choice of neurons"):
        choose("best", 0.1, found)
    with pytest.raises(RunError, match="need prompts of another type"):
        choose("distinctive", 0.1, found._replace(others=[]))
