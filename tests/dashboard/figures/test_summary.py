"""Overview figures: baselines and intervals, with what is missing left out."""

import numpy as np
import pandas as pd

from dashboard.figures import summary
from dashboard.theme import alt_text

TABLE = pd.DataFrame({"task": ["films", "<pairs>"], "type": ["sentiment", "nli"], "own": [0.9, 0.8], "random": [0.5, np.nan],
                      "none": [0.95, np.nan]})  # fmt: skip


def test_lines_join_the_lowest_and_the_highest():
    lines = [trace for trace in summary.baselines(TABLE, "light").data if trace.mode == "lines"]
    assert [list(line.x) for line in lines] == [[0.5, 0.95, None, 0.8, 0.8]]


def test_a_task_without_scores_has_no_line():
    empty = TABLE.assign(own=np.nan, random=np.nan, none=np.nan)
    assert [trace for trace in summary.baselines(empty, "light").data if trace.mode == "lines"] == []


def test_the_axis_holds_every_score():
    low, high = summary.baselines(TABLE.assign(random=0.12), "light").layout.xaxis.range
    assert low <= 0.12
    assert high >= 1


def test_majority_is_drawn_where_given():
    names = [trace.name for trace in summary.baselines(TABLE.assign(majority=0.5), "dark").data]
    assert "majority class" in names
    assert "majority class" not in [trace.name for trace in summary.baselines(TABLE, "dark").data]


def test_words_and_names():
    fig = summary.baselines(TABLE, "light")
    assert "own prompt 0.85 on average" in alt_text(fig)
    assert fig.layout.yaxis.ticktext == ("films", "&lt;pairs&gt;")


def test_intervals_beyond_the_own_prompt_are_seen():
    rows = pd.DataFrame({"label": ["same type"], "value": [1.05], "ci_low": [0.9], "ci_high": [1.4]})
    assert summary.type_effect(rows, "light").layout.xaxis.range[1] > 1.4
