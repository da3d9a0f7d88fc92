"""Many points as tiles: every point lies in a tile whose shade tells how many do, and pairs stay to be pointed at."""

from itertools import pairwise

import numpy as np
import pandas as pd
import plotly.graph_objects as go
import pytest

from dashboard.figures import correlation
from dashboard.figures.tiles import ACROSS, GAP, SHADES, UP, steps, tiles


def rectangles(fig):
    """(left, right, low, high, shade) of every tile."""
    found = []
    for trace in fig.data:
        if trace.fill == "toself":
            x, y = (np.append(side, np.nan).reshape(-1, 5) for side in (trace.x, trace.y))
            found += [(*xs[:2], ys[0], ys[2], SHADES["light"].index(trace.fillcolor)) for xs, ys in zip(x, y, strict=True)]
    return found


def test_every_point_lies_in_one_tile_and_shades_tell_how_many_do():
    rng = np.random.default_rng(0)
    x, y = rng.normal(0.5, 0.1, 3000), rng.normal(0.7, 0.05, 3000)
    fig = go.Figure()
    tiles(fig, x, y, "light", "other type")
    count, across, up = np.histogram2d(x, y, bins=(ACROSS, UP))
    wide, high = across[1] - across[0], up[1] - up[0]
    shown = np.zeros_like(count)
    for left, right, low, top, shade in rectangles(fig):
        column, row = np.searchsorted(across, (left + right) / 2) - 1, np.searchsorted(up, (low + top) / 2) - 1
        assert (left, right, low, top) == pytest.approx((across[column] + GAP * wide, across[column + 1] - GAP * wide,
                                                         up[row] + GAP * high, up[row + 1] - GAP * high), rel=1e-5)  # fmt: skip
        assert shade == sum(count[column, row] >= step for step in steps(int(count.max()))) - 1
        shown[column, row] += 1
    assert (shown == (count > 0)).all()
    assert fig.data[-1].name == f"other type, 1 to {int(count.max())} a tile"


@pytest.mark.parametrize("most", [1, 2, 31, 32, 300, 5000, 10**6])
def test_shades_begin_at_one_and_the_last_is_worth_having(most):
    least = steps(most)
    assert len(least) == len(SHADES["light"])
    assert least[0] == 1
    assert len({after // before for before, after in pairwise(least)}) == 1
    assert most < 16 or least[-1] <= most


def pairs(n):
    rng = np.random.default_rng(1)
    same = rng.random(n) < 0.1
    return pd.DataFrame({"source": [f"<b>s{k}</b>" for k in range(n)], "target": "t", "target_type": "nli", "same_type": same, "seed": 0,
                         "similarity": rng.random(n), "transfer": rng.random(n)})  # fmt: skip


def test_of_few_pairs_each_is_a_point():
    assert not rectangles(correlation.scatter(pairs(900), "ON", "score", "light"))


def test_of_many_pairs_those_of_other_types_are_tiles_that_can_be_pointed_at():
    rows = pairs(2000)
    fig = correlation.scatter(rows, "ON", "score", "light", selected=("<b>s3</b>", "t"))
    assert rectangles(fig)
    unseen = next(trace for trace in fig.data if trace.marker.maxdisplayed == 1)
    assert len(unseen.x) == int((~rows.same_type).sum())
    assert unseen.marker.opacity == unseen.selected.marker.opacity == unseen.unselected.marker.opacity == 0
    assert set(unseen.customdata[:, 0]) == {f"&lt;b&gt;s{k}&lt;/b&gt;" for k in np.flatnonzero(~rows.same_type)}
    points = [trace for trace in fig.data if trace.mode == "markers" and trace.marker.maxdisplayed is None and trace.showlegend is False]
    assert sum(len(trace.x) for trace in points if trace.hovertemplate) == int(rows.same_type.sum())


def test_of_other_types_alone_no_type_is_in_the_key():
    rows = pairs(2000)
    fig = correlation.scatter(rows[~rows.same_type], "ON", "score", "light")
    assert [trace.name for trace in fig.data if trace.name and trace.showlegend is not False] == [
        f"other type, 1 to {_most(rows[~rows.same_type])} a tile"
    ]


def _most(rows):
    return int(np.histogram2d(rows.similarity, rows.transfer, bins=(ACROSS, UP))[0].max())


def test_many_pairs_in_one_place_make_one_tile():
    rows = pairs(2000).assign(similarity=0.5, transfer=1.0)
    assert len(rectangles(correlation.scatter(rows, "ON", "score", "light"))) == 1
