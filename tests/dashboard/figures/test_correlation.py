"""Scatter, panels, intervals: every pair drawn once, legends complete under every filter, undefined values kept."""

import numpy as np
import pandas as pd
import pytest

from dashboard.figures import correlation
from dashboard.theme import alt_text

KINDS = {"a": "sentiment", "b": "sentiment", "c": "nli", "d": "ethics"}


def pairs(same: bool | None = None) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    rows = [{"source": s, "target": t, "seed": 0, "source_type": KINDS[s], "target_type": KINDS[t], "same_type": KINDS[s] == KINDS[t],
             "similarity": rng.random(), "transfer": rng.random()} for s in KINDS for t in KINDS if s != t]  # fmt: skip
    table = pd.DataFrame(rows)
    return table if same is None else table[table.same_type == same]


def legend(fig):
    return [trace.name for trace in fig.data if trace.name and trace.showlegend is not False]


def points(fig):
    return sum(len(trace.x) for trace in fig.data if trace.x is not None and trace.x[0] is not None)


def test_every_pair_is_a_point():
    assert points(correlation.scatter(pairs(), "ON", "score", "light")) == 12
    assert points(correlation.panels(pairs(), pd.Series(0.5, index=list(KINDS)), "ON", "score", "light")) == 12


@pytest.mark.parametrize(("same", "last"), [(None, ["same type", "other type"]), (False, ["other type"])])
def test_the_legend_is_whole_under_every_filter(same, last):
    assert legend(correlation.scatter(pairs(same), "ON", "score", "light")) == ["sentiment", "nli", "ethics", *last]


def test_filled_is_same_type():
    for trace in correlation.scatter(pairs(), "ON", "score", "light").data:
        if trace.showlegend is False:
            kinds = {KINDS[row[0]] == KINDS[row[1]] for row in np.asarray(trace.customdata)}
            assert kinds == {not trace.marker.symbol.endswith("-open")}


@pytest.mark.parametrize("count", [1, 3, 4, 13])
def test_each_column_of_panels_has_its_axis_labelled_once(count):
    names = [f"t{number}" for number in range(count)]
    table = pairs().assign(target=names[0])
    fig = correlation.panels(table, pd.Series(np.linspace(-1, 1, count), index=names), "ON", "score", "light")
    labelled = [axis for axis in fig.select_xaxes() if axis.showticklabels]
    assert len(labelled) == min(3, count)
    assert sum(note.text.startswith("t") and "<b>" in note.text for note in fig.layout.annotations) == count


def test_undefined_correlation_is_said():
    fig = correlation.panels(pairs(), pd.Series({"a": np.nan, "b": -0.25}), "ON", "score", "light")
    titles = [note.text for note in fig.layout.annotations]
    assert "a<br><b>undefined</b>" in titles
    assert "b<br><b>−0.25</b>" in titles


def test_intervals_lie_inside_the_picture():
    table = pd.DataFrame(
        {"label": ["ON", "<C>"], "value": [0.5, np.nan], "ci_low": [0.1, np.nan], "ci_high": [0.9, np.nan], "p": [0.01, np.nan]}
    )
    fig = correlation.forest(table, "light", "ON")
    low, high = fig.layout.xaxis.range
    assert low < 0
    assert high > 0.9
    assert fig.layout.yaxis.ticktext == ("ON", "&lt;C&gt;")
    assert "ON 0.50 (0.10 to 0.90)" in alt_text(fig)


def test_a_layer_without_correlation_leaves_a_gap():
    fig = correlation.by_layer([0.5, np.nan], [0.4, np.nan], [0.6, np.nan], np.nan, "dark")
    assert "0.50, undefined" in alt_text(fig)
    assert legend(fig) == ["one layer, 95 % interval"]
