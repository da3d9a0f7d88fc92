"""Odd prompts are named, sound ones are not."""

import numpy as np

from ptlib.prompts import quality


def test_copies_by_digest():
    assert quality.copies(["a", "b", "a", "c", "b", "a"]) == [[0, 2, 5], [1, 4]]


def test_flags():
    rng = np.random.default_rng(0)
    sound = rng.normal(size=(3, 4, 6)) * 50
    near = sound[1] + rng.normal(size=(4, 6)) * 0.01
    zero = np.zeros((4, 6))
    zero[0, 0] = 1e-38
    equal = np.repeat(rng.normal(size=(1, 6)), 4, axis=0)
    found = quality.flags(np.stack([*sound, near, zero, equal]), ["a", "b", "c", "near", "zero", "equal"])
    assert found[0] == found[2] == ""
    assert "collapsed onto near" in found[1]
    assert "collapsed onto b" in found[3]
    assert "all but zero" in found[4]
    assert "all rows are equal" in found[5]


def test_distances_of_nearly_equal_prompts_survive_large_norms():
    base = np.full((1, 4, 6), 1e6)
    found = quality.flags(np.concatenate([base, base + 1e5, base + 1e5 + 1]), ["a", "b", "c"])
    assert found[0] != ""  # constant rows
