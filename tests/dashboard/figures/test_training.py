"""Figures of trainings: what is drawn is what the table says, gaps and odd names included."""

import numpy as np
import pandas as pd

from dashboard.figures import training as figures
from dashboard.theme import alt_text
from ptlib.runs.initialisation import MEAN, OTHER, SAME

POINTS = pd.DataFrame({"training": ["<b>one</b>"] * 3 + ["two"] * 2, "step": [0, 5, 10, 0, 5], "loss": [np.nan, 0.6, 0.4, np.nan, 0.7],
                       "validation": [0.5, 0.7, 0.6, 0.4, 0.45]})  # fmt: skip
BANDS = pd.DataFrame({"group": ["random"] * 2 + [SAME] * 2, "source": ["", "", "<meals>", "<meals>"], "step": [0, 1] * 2, "value": [0.4, 0.6, 0.8, 0.85],
                      "low": [0.3, 0.5, np.nan, np.nan], "high": [0.5, 0.7, np.nan, np.nan]})  # fmt: skip
SAVED = pd.DataFrame({"target": ["films", "films", "pairs"], "group": [SAME, OTHER, SAME], "saved": [20.0, -30.0, 5.0], "saved_low": [10.0, -90.0, np.nan],
                      "saved_high": [30.0, 30.0, np.nan], "never": [0, 2, 0], "trainings": [3, 3, 1]})  # fmt: skip


def lines(fig, name):
    return [trace for trace in fig.data if trace.name == name and trace.mode != "markers"]


def test_loss_and_score_of_each_training_and_a_ring_on_the_best():
    fig = figures.curves(POINTS, "light", "accuracy", {"<b>one</b>": 5})
    loss, score = lines(fig, "&lt;b&gt;one&lt;/b&gt;")
    assert list(loss.x) == [5, 10], "there is no loss before the first step"
    assert list(score.y) == [0.5, 0.7, 0.6]
    ring = next(trace for trace in fig.data if trace.marker.symbol == "circle-open" and len(trace.x))
    assert (list(ring.x), list(ring.y)) == ([5], [0.7])
    low, high = fig.layout.yaxis.range
    assert low <= 0.4 < 0.7 <= high <= 1.1
    assert "best 0.70" in alt_text(fig)
    assert len({(trace.line.dash, trace.line.color) for trace in fig.data if trace.yaxis == "y2"}) == 2


def test_bands_where_there_is_an_interval_and_the_goal():
    fig = figures.starts(BANDS, "dark", "accuracy", 0.6)
    filled = [trace for trace in fig.data if trace.fill == "toself"]
    assert [list(trace.y) for trace in filled] == [[0.5, 0.7, 0.5, 0.3]]
    assert lines(fig, f"{SAME}: &lt;meals&gt;")[0].y[-1] == 0.85
    assert fig.layout.shapes[0].y0 == 0.6


def test_every_start_has_a_look_of_its_own():
    for mode in ("light", "dark"):
        looks = [figures.look(group, mode) for group in ("random", SAME, OTHER, MEAN)]
        for channel in range(3):
            assert len({look[channel] for look in looks}) == 4


def test_steps_saved_in_rows_with_all_targets_last():
    every = pd.DataFrame({"group": [SAME], "saved": [12.0], "saved_low": [8.0], "saved_high": [16.0], "never": [0], "trainings": [4]})
    fig = figures.steps_saved(SAVED, "light", every)
    assert fig.layout.yaxis.ticktext == ("films", "pairs", "all targets")
    same = next(trace for trace in fig.data if trace.name == SAME)
    assert list(same.x) == [20, 5, 12]
    assert [round(place) for place in same.y] == [0, 1, 2]
    assert next(iter(same.error_x.array)) == 10
    low, high = fig.layout.xaxis.range
    assert low <= -30
    assert high >= 20
    assert "same type 12.0 (8.0 to 16.0)" in alt_text(fig)


def test_likeness_has_a_line_a_type_and_says_from_when_it_leads():
    table = pd.DataFrame({"step": [0, 5] * 2, "type": ["nli", "nli", "own task", "own task"], "value": [0.1, 0.4, 0.2, 0.6], "low": [0.0, 0.3, np.nan, np.nan],
                          "high": [0.2, 0.5, np.nan, np.nan], "n": [3, 3, 1, 1]})  # fmt: skip
    fig = figures.likeness(table, "light", "nli", 5)
    assert lines(fig, "nli (its type), 3 prompts")[0].line.width == 3
    assert lines(fig, "own task, 1 prompts")[0].line.dash == "dash"
    assert "ahead from step 5" in [note.text for note in fig.layout.annotations]
    assert "nli 0.10 to 0.40" in alt_text(fig)


def test_a_band_of_few_prompts_does_not_flatten_the_lines():
    table = pd.DataFrame({"step": [0, 160] * 2, "type": ["nli", "nli", "own task", "own task"], "value": [0.1, 0.4, 0.2, 0.6], "low": [0.0, 0.3, -9.0, -9.0],
                          "high": [0.2, 0.5, 9.0, 9.0], "n": [3, 3, 2, 2]})  # fmt: skip
    fig = figures.likeness(table, "light", "nli", 160)
    low, high = fig.layout.yaxis.range
    assert sum(trace.fill == "toself" for trace in fig.data) == 1
    assert -0.1 < low < 0
    assert 0.6 < high < 0.7
    assert fig.layout.xaxis.range[1] < 170
    assert fig.layout.annotations[0].xanchor == "right"


def test_the_same_table_gives_the_same_figure():
    assert figures.curves(POINTS, "light", "accuracy").to_json() == figures.curves(POINTS, "light", "accuracy").to_json()
