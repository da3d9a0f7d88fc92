"""Collapsed prompts are told from those that differ, with numbers that a sum by hand gives too."""

import numpy as np
import pytest

from ptlib.analysis.collapse import collapse, distances, groups, nearest, together, verdict


def prompts(n, noise, seed=0, size=1.0):
    rng = np.random.default_rng(seed)
    return size * (rng.normal(size=(1, 4, 6)) + noise * rng.normal(size=(n, 4, 6)))


def test_distances_of_nearly_equal_prompts_survive_large_norms():
    base = np.full((1, 24), 1e6)
    assert nearest(np.concatenate([base, base + 1e5, base + 1e5 + 1])) == [(1, 2), (2, 1)]


def test_one_prompt_under_many_names():
    found = collapse(prompts(6, 1e-4))
    assert (found.n, found.distinct) == (6, 1)
    assert found.cosine > 0.999
    assert found.spread < 0.001
    assert "of 6 projected prompts 1 differ" in verdict(found)


def test_a_tensor_a_type_as_published():
    two = np.concatenate([prompts(6, 1e-4, 1, 371.0), prompts(3, 1e-4, 2, 3576.0), prompts(1, 1.0, 3)])
    assert groups(two.reshape(10, -1)).tolist() == [0] * 6 + [1] * 3 + [2]
    assert collapse(two).distinct == 3
    assert together(two, list("abcdefghij")) == [list("abcdef"), list("ghi")]
    assert together(two[:0], []) == []
    assert verdict(collapse(two)).startswith("Collapsed: of 10")


def test_nearly_constant_is_not_collapsed_and_is_said():
    found, source = collapse(prompts(8, 0.05)), collapse(np.random.default_rng(0).normal(size=(8, 4, 6)))
    assert found.distinct == 8
    assert verdict(found, source).startswith("Nearly constant: 8 projected prompts differ, but little")
    assert verdict(source, source).startswith("Not collapsed")
    assert "100% of the spread of their sources" in verdict(source, source)


def test_the_numbers_by_hand():
    found = collapse(np.array([[[3.0, 0.0]], [[0.0, 4.0]]]))
    assert found.cosine == pytest.approx(0.0, abs=1e-12)
    # Mean (1.5, 2): both lie 2.5 away; mean square norm (9 + 16) / 2.
    assert found.spread == pytest.approx(np.sqrt(6.25 / 12.5))
    assert np.isnan(found.between)


def test_distances_are_shares_of_the_norm():
    found = distances(np.array([[[3.0, 0.0]], [[0.0, 4.0]], [[3.0, 0.0]]]))
    assert found[0, 1] == pytest.approx(5 / 3.5)
    assert found[0, 2] == found[0, 0] == 0.0


def test_share_between_tasks():
    same = np.array([[[1.0, 0.0]], [[1.0, 0.0]], [[-1.0, 0.0]], [[-1.0, 0.0]]])
    assert collapse(same, ["a", "a", "b", "b"]).between == pytest.approx(1.0)
    assert collapse(same, ["a", "b", "a", "b"]).between == pytest.approx(0.0)
    assert np.isnan(collapse(same, ["a"] * 4).between)
    assert np.isnan(collapse(same, list("abcd")).between)


def test_too_few_and_all_zero():
    assert collapse(np.zeros((0, 2, 2))).n == 0
    assert "One prompt alone" in verdict(collapse(np.ones((1, 2, 2))))
    assert collapse(np.zeros((3, 2, 2))).spread == 0.0


def test_the_authors_projected_prompts_collapse_to_one_tensor_a_type(published):
    from ptlib.prompts.torch_file import read

    paths = sorted((published / "prompts_cross_model" / "T5_to_Roberta").glob("*/task_prompt"))
    found = collapse(np.stack([opened.matrices[0].values for opened in read(paths)])[:, 1:])
    assert found.n == 9
    assert found.distinct < 9
    assert verdict(found).startswith("Collapsed: of 9")
