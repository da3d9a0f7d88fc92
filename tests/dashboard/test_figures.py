"""Figures show what they are given, say so in words, and are the same to the byte for the same data."""

import numpy as np
import pandas as pd
import pytest

from dashboard import export, theme
from dashboard.figures import correlation, matrix, neurons, projection, similarity, summary

RNG = np.random.default_rng(0)
TYPES = ["sentiment", "nli", "ethics"]


def transfer(**more):
    values = np.array([[0.9, 0.4, np.nan], [0.5, 0.8, 0.6], [0.3, 0.35, 0.7]])
    axis = matrix.Axis(["films", "<b>pairs</b>", "duty"], TYPES)
    options = {
        "low": values - 0.02,
        "high": values + 0.02,
        "count": np.full((3, 3), 400.0),
        "own": [(0, 0)],
        "relative": False,
        "mode": "light",
    }
    return matrix.transfer_matrix(values, axis, axis, **{**options, **more})


def pairs():
    return pd.DataFrame({
        "source": ["a", "b", "c"], "target": ["b", "c", "a"], "source_type": TYPES, "target_type": TYPES, "seed": [0, 0, 1],
        "same_type": [True, False, True], "similarity": [0.1, 0.2, 0.3], "transfer": [0.5, 0.6, 0.7],
    })  # fmt: skip


def everything(mode):
    stimulation = np.random.default_rng(1).normal(size=(4, 300))
    square = np.corrcoef(np.random.default_rng(2).normal(size=(5, 9)))
    points = pd.DataFrame({"name": list("abcd"), "source": list("abcd"), "type": [*TYPES, "random"], "seed": list("0011"),
                           "x": range(4), "y": range(4)})  # fmt: skip
    forest = pd.DataFrame({"label": ["ON", "C"], "value": [0.5, 0.3], "ci_low": [0.3, 0.1], "ci_high": [0.7, 0.5], "p": [0.01, 0.2]})
    return {
        "transfer": transfer(mode=mode),
        "square": similarity.square_matrix(square, list("abcde"), [*TYPES, "nli", "nli"], "ON", mode),
        "blocks": matrix.type_blocks(np.eye(3), TYPES, mode),
        "confusion": matrix.confusion(np.array([[5, 1], [2, 9]]), ["no", "yes"], mode),
        "overview": neurons.overview(stimulation > 0, mode),
        "layer": neurons.one_layer(stimulation[0], stimulation[0] > 0, 0, "value after GELU", mode),
        "compared": neurons.compared(stimulation > 1, stimulation > 1.5, ("a", "b"), mode),
        "by layer": neurons.overlap_by_layer(np.array([0.2, np.nan]), 0.3, mode),
        "scatter": correlation.scatter(pairs(), "ON", "score", mode),
        "panels": correlation.panels(pairs(), pd.Series({"a": 0.5, "b": np.nan, "c": 0.1}), "ON", "score", mode),
        "forest": correlation.forest(forest, mode, "ON"),
        "curve": correlation.by_layer([0.1, 0.2], [0, 0.1], [0.2, 0.3], 0.25, mode),
        "space": projection.space(points, "type", ["PC 1", "PC 2"], "PCA", mode, "a", ["b"]),
        "deep": projection.space(points.assign(z=1.0), "seed", ["1", "2", "3"], "PCA", mode, "a", ["b"]),
        "baselines": summary.baselines(pd.DataFrame({"task": list("abc"), "type": TYPES, "own": [0.9] * 3, "random": [0.5] * 3, "none": [0.6] * 3}), mode),
        "effect": summary.type_effect(forest, mode),
    }  # fmt: skip


@pytest.mark.parametrize("mode", ["light", "dark"])
def test_same_data_same_figure(mode):
    one, two = everything(mode), everything(mode)
    for name, fig in one.items():
        assert fig.to_json() == two[name].to_json(), name
        assert fig.layout.template.layout.paper_bgcolor == theme.paper(mode), name


@pytest.mark.parametrize(
    "name", ["transfer", "blocks", "confusion", "overview", "layer", "scatter", "forest", "curve", "space", "baselines", "effect"]
)
def test_axes_have_titles(name):
    fig = everything("light")[name]
    assert fig.layout.xaxis.title.text
    assert fig.layout.yaxis.title.text or name in ("forest", "baselines", "effect")


def test_every_cell_can_be_clicked():
    there, missing = (next(trace for trace in transfer().data if trace.name == name) for name in ("cells", "missing cells"))
    places = [*zip(there.y, there.x, strict=True), *zip(missing.y, missing.x, strict=True)]
    assert sorted(places) == [(row, column) for row in range(3) for column in range(3)]


def test_missing_cells_are_crossed_and_said():
    fig = transfer()
    crosses = [trace for trace in fig.data if trace.type == "scatter" and trace.marker.symbol == "x-thin"]
    assert (list(crosses[0].x), list(crosses[0].y)) == ([2], [0])
    assert "not computed yet" in crosses[0].hovertemplate
    cells = next(trace for trace in fig.data if trace.name == "cells")
    assert list(cells.customdata[0]) == ["films", "films", 0.9, " 0.880 to 0.920, n = 400"]
    assert list(cells.customdata[1][:2]) == ["films", "&lt;b&gt;pairs&lt;/b&gt;"]


def test_names_are_never_markup():
    text = transfer().to_json()
    assert "<b>pairs</b>" not in text.replace("\\u003c", "<").replace("\\u003e", ">")


def test_large_arrays_travel_as_bytes():
    import json

    fig = neurons.overview(np.random.default_rng(0).normal(size=(24, 4096)) > 0, "light")
    heat = json.loads(fig.to_json())["data"][0]["z"]
    assert "bdata" in heat
    assert len(fig.to_json()) < 100_000


def test_the_compared_states_add_up():
    one, other = RNG.random((3, 40)) > 0.5, RNG.random((3, 40)) > 0.5
    alone, both, others = neurons.compared(one, other, ("a", "b"), "light").data
    for bar, expected in ((alone, one & ~other), (both, one & other), (others, ~one & other)):
        assert list(bar.x) == expected.sum(axis=1).tolist()
    assert list(both.customdata) == (~one & ~other).sum(axis=1).tolist()


def test_dendrogram_puts_the_alike_together():
    values = np.array([[1, 0.1, 0.9], [0.1, 1, 0.2], [0.9, 0.2, 1]])
    order, lines = similarity.dendrogram(values)
    assert abs(order.index(0) - order.index(2)) == 1
    assert len(lines) == 2


def test_csv_runs_no_formula():
    text = export.csv(pd.DataFrame({"name": ["=1+1", "fine", "-x"], "value": [-1, 2, 3]})).decode()
    assert "'=1+1" in text
    assert "'-x" in text
    assert ",-1" in text


def test_download_names_are_harmless():
    assert export.file_name("../../etc/passwd", "a b<c>") == "etc-passwd-a-b-c"
    assert export.file_name("///") == "figure"


def test_the_toolbar_knows_no_cloud():
    config = export.toolbar("x")
    assert "sendChartToCloud" in config["modeBarButtonsToRemove"]
    assert config["displaylogo"] is False
    assert export.toolbar("x", "png")["toImageButtonOptions"]["scale"] > 3
