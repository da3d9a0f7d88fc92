"""Every indicator against its definition, written out as slow loops over tokens."""

import numpy as np
import pytest

from ptlib.analysis import indicators


def cosine(a, b):
    return float(np.dot(a, b) / (np.linalg.norm(a) * np.linalg.norm(b)))


def slow(name, one, other):
    pairs = [(a, b) for a in one for b in other]
    if name == "E_concat":
        return 1 / (1 + np.sqrt(((one - other) ** 2).sum()))
    if name == "E_average":
        return 1 / (1 + np.mean([np.sqrt(((a - b) ** 2).sum()) for a, b in pairs]))
    if name == "C_concat":
        return cosine(one.ravel(), other.ravel())
    return float(np.mean([cosine(a, b) for a, b in pairs]))


@pytest.mark.parametrize("name", list(indicators.EMBEDDING_INDICATORS))
@pytest.mark.parametrize("drop", [(), (0,)])
def test_definition(name, drop):
    prompts = np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32)
    found = indicators.EMBEDDING_INDICATORS[name](prompts, drop)
    kept = np.delete(prompts.astype(float), drop, axis=1)
    for a in range(4):
        for b in range(4):
            assert found[a, b] == pytest.approx(slow(name, kept[a], kept[b]), abs=1e-9)


def test_an_inert_row_can_hide_everything():
    prompts = np.random.default_rng(1).normal(size=(2, 3, 4))
    prompts[:, 0] = 1e6
    assert indicators.c_concat(prompts)[0, 1] > 0.999
    assert abs(indicators.c_concat(prompts, (0,))[0, 1]) < 0.9


def test_same_type():
    assert indicators.same_type(["a", "b", "a"]).tolist() == [[1, 0, 1], [0, 1, 0], [1, 0, 1]]


@pytest.mark.parametrize("name", list(indicators.EMBEDDING_INDICATORS))
def test_in_blocks_and_single_precision_it_is_the_slow_definition(name, monkeypatch):
    """Prompts that are equal, or nearly so, are where a fast formula would round."""
    rng = np.random.default_rng(3)
    prompts = rng.normal(2, 8, size=(5, 6, 40)).astype(np.float32)
    prompts[1] = prompts[0]
    prompts[2] = prompts[0] + rng.normal(0, 1e-4, (6, 40))
    prompts[3, :3] = prompts[0, :3]
    prompts[4, :] = prompts[4, 0]
    monkeypatch.setattr(indicators, "SINGLE", 1)
    monkeypatch.setattr(indicators, "FEATURES", 7)
    found = indicators.EMBEDDING_INDICATORS[name](prompts)
    wide = prompts.astype(np.float64)
    expected = np.array([[slow(name, one, other) for other in wide] for one in wide])
    assert np.abs(found - expected).max() < 1e-6


@pytest.mark.parametrize("name", list(indicators.EMBEDDING_INDICATORS))
def test_a_new_prompt_costs_its_rows_only(name):
    prompts, asked = np.random.default_rng(4).normal(size=(7, 5, 6)).astype(np.float32), []
    indicator = indicators.EMBEDDING_INDICATORS[name]

    def counting(some, drop=(), others=None):
        asked.append(len(some))
        return indicator(some, drop, others)

    whole = indicator(prompts, (0,))
    grown = indicators.grow(counting, prompts, whole[:5, :5], (0,))
    assert asked == [2]
    assert np.abs(grown - whole).max() < 1e-12
    assert np.array_equal(indicators.grow(counting, prompts[:5], whole[:5, :5]), whole[:5, :5])
    assert np.array_equal(indicators.grow(indicator, prompts, None, (0,)), whole)
