"""Roles and relations, intervals over tasks and projectors, and the sentence."""

import numpy as np
import pandas as pd
import pytest

from ptlib.analysis import cross_model
from ptlib.analysis.cross_model import finding, relation, role, summary, two_way


def scores(own, wrong, gaussian, spread=0.0, seed=0):
    rng, rows = np.random.default_rng(seed), []
    for projector in range(3):
        for target in "abcdef":
            for name, value in (
                (cross_model.OWN, own),
                (cross_model.WRONG, wrong),
                (cross_model.WRONG, wrong),
                (cross_model.GAUSSIAN, gaussian),
            ):
                rows.append({"projector": projector, "target": target, "relation": "same type", "role": name, "value": value + spread * rng.normal(),
                             "random": 0.5, "own": 0.9})  # fmt: skip
    return pd.DataFrame(rows)


def test_relation_and_role():
    assert relation("a", "x", ["a"], ["x"]) == "trained on"
    assert relation("b", "x", ["a"], ["x"]) == "same type"
    assert relation("c", "y", ["a"], ["x"]) == "other types"
    assert [role(*given) for given in (("a", "x", "a", "x"), ("b", "x", "a", "x"), ("c", "y", "a", "x"), ("", "projected", "a", "x"))] == [
        "own task", "same type", "other type", "gaussian"]  # fmt: skip


def test_the_interval_is_over_both():
    rng = np.random.default_rng(0)
    by_task, by_projector = np.repeat(rng.normal(size=(12, 1)), 8, axis=1), np.repeat(rng.normal(size=(1, 8)), 12, axis=0)
    for values in (by_task, by_projector):
        found = two_way(values)
        assert found.value == pytest.approx(values.mean())
        assert found.ci_high - found.ci_low > 0.3
        assert found.n == 96
    flat = two_way(np.full((4, 3), 0.5))
    assert flat.ci_low == pytest.approx(0.5)
    assert flat.ci_high == pytest.approx(0.5)
    assert two_way(values) == two_way(values)


def test_the_interval_covers_the_truth():
    rng, hits = np.random.default_rng(1), 0
    for number in range(200):
        values = rng.normal(size=(13, 1)) + 0.5 * rng.normal(size=(1, 13)) + 0.3 * rng.normal(size=(13, 13))
        found = two_way(values, seed=number, resamples=400)
        hits += found.ci_low <= 0 <= found.ci_high
    assert hits >= 0.86 * 200


def test_missing_scores_are_left_out():
    values = np.array([[0.5, np.nan], [0.7, np.nan]])
    assert two_way(values).value == pytest.approx(0.6)
    assert two_way(values).n == 2
    assert two_way(np.full((2, 2), np.nan)).n == 0


def test_summary_has_controls_baselines_and_the_difference():
    rows = summary(scores(0.8, 0.6, 0.55)).set_index("what")
    assert rows.loc["own task", "value"] == pytest.approx(0.8)
    assert rows.loc["own task", "n"] == 18
    assert rows.loc["other type", "n"] == 36
    assert rows.loc["gaussian", "value"] == pytest.approx(0.55)
    assert rows.loc["random prompts", ["value", "n"]].tolist() == [0.5, 6]
    assert rows.loc["own prompt", "value"] == pytest.approx(0.9)
    assert rows.loc["own task − other type", "value"] == pytest.approx(0.2)
    assert (rows.tasks == 6).all()
    assert "random prompts" not in set(summary(scores(0.8, 0.6, 0.5).assign(relative=1.0), "relative").what)
    assert summary(scores(0.8, 0.6, 0.5).assign(value=np.nan)).empty


def test_the_sentence_tells_a_mapping_from_a_constant():
    assert "It matters what is projected" in finding(summary(scores(0.8, 0.6, 0.55, 0.02)))
    constant = finding(summary(scores(0.8, 0.8, 0.8, 0.02)))
    assert "hardly matters what is projected" in constant
    assert "above random prompts (0.500)" in constant
    assert "not clearly above" in finding(summary(scores(0.45, 0.45, 0.45, 0.02)))
    assert finding(summary(scores(0.8, 0.6, 0.5).query("role == 'gaussian'"))) == ""
