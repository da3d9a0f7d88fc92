"""Cross-model figures show what they are given, say so in words, and are the same to the byte."""

import numpy as np
import pandas as pd
import pytest

from dashboard.figures import cross_model
from dashboard.figures.matrix import Axis
from dashboard.theme import alt_text
from ptlib.analysis import cross_model as analysis

TYPES = ["sentiment", "sentiment", "nli"]


def table():
    rows = []
    for seed in (0, 1):
        for target, _, relation in (("a", "s", "trained on"), ("b", "s", "same type"), ("c", "n", "other types")):
            rows += [{"projector": str(seed), "target": target, "relation": relation, "role": role, "value": value + seed / 50, "relative": value,
                      "random": 0.5, "own": 0.9} for role, value in (("own task", 0.8), ("other type", 0.6), ("gaussian", 0.55))]  # fmt: skip
    return pd.DataFrame(rows)


def roles(mode="light", relatively=False):
    return cross_model.roles(analysis.summary(table(), "relative" if relatively else "value"), relatively, mode, where="one to other")


def test_roles_in_groups_with_controls_and_baselines():
    fig = roles()
    ticks = list(fig.layout.yaxis.ticktext)
    assert ticks.count("<b>unseen tasks, same type</b>") == 1
    assert ticks.count("projected, of this task") == 3
    assert ticks.count("control: Gaussian") == 3
    assert len(ticks) == 3 * 6
    assert "unseen tasks, same type, projected, of this task 0.81" in alt_text(fig)
    assert "control: of a wrong type 0.61" in alt_text(fig)
    low, high = fig.layout.xaxis.range
    assert low <= 0.5
    assert high > 0.9
    assert "random prompts, not projected" not in roles(relatively=True).layout.yaxis.ticktext


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_same_data_same_figure(mode):
    square = np.abs(np.random.default_rng(0).normal(size=(3, 3)))
    for make in (lambda: roles(mode), lambda: cross_model.distances(square, list("abc"), TYPES, mode, "x")):
        assert make().to_json() == make().to_json()


def test_distances_count_what_collapsed():
    values = np.array([[0.0, 0.002, 1.2], [0.002, 0.0, 1.4], [1.2, 1.4, 0.0]])
    fig = cross_model.distances(values, ["films", "<i>meals</i>", "pairs"], TYPES, "light", "from here")
    assert "1 of 3 pairs are within 1 %" in alt_text(fig)
    assert "<i>" not in fig.to_json().replace("\\u003ci", "")
    assert fig.layout.xaxis.title.text == "from here"


def test_matrix_frames_the_tasks_own_and_bolds_what_was_trained_on():
    values = np.array([[0.8, 0.4, np.nan], [0.5, 0.9, 0.6], [0.3, 0.3, 0.3]])
    fig = cross_model.projected_matrix(values, values, values, np.full((3, 3), 9.0), Axis(["films", "meals", "Gaussian"], ["s", "s", "random"]),
                                       Axis(["films", "meals", "pairs"], ["s", "s", "n"]), ["films"], False, "light", "lowest and highest")  # fmt: skip
    assert fig.layout.xaxis.ticktext == ("<b>films</b>", "meals", "pairs")
    assert "projected: mean 0.85" in alt_text(fig)
    assert "other tasks, projected: mean 0.50" in alt_text(fig)
    assert "click" not in str([trace.hovertext for trace in fig.data if trace.hovertext is not None])
    assert "prompt of this very task" in [trace.name for trace in fig.data]
