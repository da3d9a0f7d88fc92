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
