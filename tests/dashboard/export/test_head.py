"""On paper a figure has the room above its plot that its key takes there, and no more."""

import copy

import numpy as np
import pandas as pd
import pytest

from dashboard.export import head, measure, render
from dashboard.export.press import SIZES, Print, as_plain, lay_out
from dashboard.figures import matrix, projection
from dashboard.theme import NARROW
from tests.dashboard.test_figures import everything

EMPTY = matrix.transfer_matrix(np.full((2, 2), np.nan), *[matrix.Axis(["a", "b"], ["nli", "ethics"])] * 2, own=[(0, 0)], relative=False, mode="light",
                               **dict.fromkeys(["low", "high", "count"], np.full((2, 2), np.nan)))  # fmt: skip
WIDE = {name: fig for name, fig in everything("light").items() if name in ("transfer", "square", "scatter", "panels", "space")} | {
    "empty": EMPTY
}


def of_tasks(count):
    rng = np.random.default_rng(0)
    tasks = [f"one-task-called-{number:02}" for number in range(count)]
    points = pd.DataFrame(
        {"name": tasks, "source": tasks, "type": "nli", "seed": "0", "x": rng.normal(size=count), "y": rng.normal(size=count)}
    )
    return projection.space(points, "source", ["1", "2"], "PCA", "light")


def above_plot(layout):
    """Pixels from the key's place to the plot, and from the figure's edge to the key's place."""
    edge = (1 - layout["legend"]["y"]) * layout["height"]
    return layout["margin"]["t"] - edge, edge


def bar_below_edge(figure):
    return [(1 - bar["y"]) * figure["layout"]["height"] for bar in head.bars(figure) if bar.get("yref") == "container"]


@pytest.mark.parametrize("width", [NARROW, *(size.pixels for size in SIZES.values())])
@pytest.mark.parametrize("name", WIDE)
def test_key_and_bar_keep_their_places_and_the_plot_its_height(name, width):
    figure = as_plain(WIDE[name])
    before = copy.deepcopy(figure)
    head.fit(figure, width)
    old, new = before["layout"], figure["layout"]
    assert new["height"] - new["margin"]["t"] == old["height"] - old["margin"]["t"]
    assert new["height"] <= old["height"]
    kept = 1 if new["legend"].get("yanchor") == "top" else 0
    assert above_plot(new)[kept] == pytest.approx(above_plot(old)[kept])
    assert bar_below_edge(figure) == pytest.approx(bar_below_edge(before))
    bar = head.bar_title(new)
    assert bar is None or old["margin"]["t"] - head.bar_title(old)["yshift"] == new["margin"]["t"] - bar["yshift"]
    if width == NARROW:
        assert figure == before


def test_the_wider_the_paper_the_less_room_a_long_key_takes():
    heights = [lay_out(as_plain(of_tasks(13)), Print(size)).figure["layout"]["margin"]["t"] for size in ("single column", "double column")]
    assert heights[1] < heights[0] < of_tasks(13).layout.margin.t


def test_a_key_that_does_not_fit_beside_the_bar_stands_below_it():
    figure = as_plain(everything("light")["transfer"])
    for trace in figure["data"]:
        if trace.get("name") and trace.get("showlegend") is not False:
            trace["name"] = "a rather long name of a type"
    figure["layout"]["margin"]["t"], figure["layout"]["height"] = 400, figure["layout"]["height"] + 300
    head.bar_title(figure["layout"])["yshift"] = 399
    head.fit(figure, 648)
    names = sum(bool(trace.get("name")) and trace.get("showlegend") is not False for trace in figure["data"])
    assert names > 3
    assert figure["layout"]["margin"]["t"] >= 2 * 19 + 50


def test_a_matrix_without_a_number_has_its_colour_bar_where_the_first_number_will_bring_it():
    assert bar_below_edge(as_plain(EMPTY)) == pytest.approx([22, 22]), "the heatmap's, which plotly leaves away, and that of an empty trace"
    assert bar_below_edge(as_plain(everything("light")["transfer"])) == pytest.approx([22])


@pytest.mark.skipif(render.browser_path() is None, reason="no Chromium here (Debian: apt-get install chromium)")
@pytest.mark.parametrize("count", [3, 13, 20])
@pytest.mark.parametrize("size", ["single column", "double column"])
def test_nothing_is_left_above_the_key_but_a_line(count, size):
    svg = render.picture(as_plain(of_tasks(count)), "svg", Print(size)).decode()
    top = float(measure.LEGEND.search(svg)[2])
    assert 0 <= top < 45
    render.renderer().close()
