"""Matrices: numbers that can be read, frames, what is missing, order, words."""

import re

import numpy as np
import pytest

from dashboard.figures import matrix
from dashboard.theme import alt_text, colour

NAMES, TYPES = ["films", "meals", "pairs"], ["sentiment", "sentiment", "nli"]
VALUES = np.array([[0.95, 0.8, 0.3], [0.7, 0.9, np.nan], [0.5, 0.4, 0.85], [0.5, 0.5, 0.33]])


def drawn(values=VALUES, mode="light", **more):
    rows = matrix.Axis([*NAMES, "random prompts"], [*TYPES, "random"])
    options = {"own": [(0, 0), (1, 1), (2, 2)], "relative": False, "low": values - 0.1, "high": values + 0.1,
               "count": np.full(values.shape, 50.0)}  # fmt: skip
    return matrix.transfer_matrix(values, rows, matrix.Axis(NAMES, TYPES), mode=mode, **{**options, **more})


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_every_number_stands_once_and_both_traces_share_a_size(mode):
    heat = [trace for trace in drawn(mode=mode).data if trace.type == "heatmap"]
    written = sorted(text for trace in heat for text in np.asarray(trace.text).ravel() if text.strip())
    assert written == sorted(f"{value:.2f}"[1:] for value in VALUES.ravel() if np.isfinite(value))
    # Plotly's size follows from the longest text of a trace and from neighbours: none may be empty where the other writes.
    assert {trace.textfont.color for trace in heat} == {"#111111", "#FFFFFF"}
    assert {max(map(len, np.asarray(trace.text).ravel())) for trace in heat} == {3}


def test_no_numbers_where_they_would_not_fit():
    wide = np.full((2, matrix.WRITE_NUMBERS + 1), 0.5)
    names = [f"t{number}" for number in range(wide.shape[1])]
    fig = matrix.transfer_matrix(wide, matrix.Axis(["a", "b"], ["nli"] * 2), matrix.Axis(names, ["nli"] * len(names)), low=wide,
                                 high=wide, count=wide, own=[], relative=False, mode="light")  # fmt: skip
    assert all(trace.texttemplate is None for trace in fig.data if trace.type == "heatmap")


def test_legend_names_what_is_drawn():
    def names(fig):
        return [trace.name for trace in fig.data if trace.name and trace.showlegend is not False]

    assert names(drawn()) == ["sentiment", "nli", "own prompt", "missing"]
    assert names(drawn(np.nan_to_num(VALUES), own=[])) == ["sentiment", "nli"]


def test_strips_carry_the_types_colours():
    strips = [shape for shape in drawn().layout.shapes if shape.fillcolor]
    assert [shape.fillcolor for shape in strips] == [colour(kind) for kind in ("sentiment", "nli", "random", "sentiment", "nli")]


def test_frames_are_own_prompts_and_the_open_cell():
    def frames(fig):
        return [shape.path for shape in fig.layout.shapes if shape.type == "path"]

    outer, inner = frames(drawn())
    assert outer == inner
    corners = [tuple(map(float, re.findall(r"-?[\d.]+", part)[:2])) for part in outer.split("Z")[:-1]]
    assert [(round(x + 0.48), round(y + 0.45)) for x, y in corners] == [(column, row) for row, column in [(0, 0), (1, 1), (2, 2)]]
    assert frames(drawn(selected=(2, 0)))[-1] == "M-0.48,1.55H0.48V2.45H-0.48Z"
    assert frames(drawn(own=[])) == []


def test_nothing_computed_yet():
    fig = drawn(np.full(VALUES.shape, np.nan))
    assert alt_text(fig) == "Matrix of accuracy, 4 source prompts by 3 target tasks, 12 cells missing."


def test_words_name_the_best_foreign_prompt():
    assert "highest 0.80, films on meals" in alt_text(drawn())
    assert "Own prompts: mean 0.90" in alt_text(drawn())


def test_colours_reach_the_lowest_and_the_highest_value():
    fig = drawn(VALUES - 0.25)
    assert fig.data[0].zmin <= np.nanmin(VALUES - 0.25)
    assert drawn(VALUES * 1.5, relative=True).data[0].zmax >= 1.4


def test_two_labels_of_one_word_are_two_rows():
    fig = matrix.confusion(np.array([[3, 1], [0, 4]]), ["good", "good"], "light")
    assert list(fig.layout.yaxis.tickvals) == [0, 1]
    assert alt_text(fig) == "Confusion matrix of 8 examples and 2 labels; 7 on the diagonal are right."


def test_cells_stopped_early_carry_a_dot_and_say_so():
    early = np.zeros(VALUES.shape, dtype=bool)
    early[0, 1] = True
    plain, dotted = drawn(), drawn(early=early)
    dots = [trace for trace in dotted.data if trace.type == "scatter" and trace.marker.symbol == "circle" and trace.x[0] is not None]
    assert [(round(float(trace.x[0])), round(float(trace.y[0]))) for trace in dots] == [(1, 0)]
    told, untold = (next(trace.customdata[:, 3] for trace in fig.data if trace.name == "cells") for fig in (dotted, plain))
    assert [place for place, note in enumerate(told) if "stopped early" in note] == [1]
    assert not any("stopped early" in note for note in untold)
