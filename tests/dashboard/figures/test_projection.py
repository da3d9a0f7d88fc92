"""Points: one look a group, types keep theirs, the chosen and its nearest are ringed."""

import itertools

import numpy as np
import pandas as pd
import pytest

from dashboard.figures import projection
from dashboard.theme import TYPE_COLOURS, alt_text, colour


def points(tasks=8):
    kinds = list(itertools.islice(itertools.cycle(["sentiment", "nli"]), tasks))
    names = [f"task-{number}" for number in range(tasks)]
    table = pd.DataFrame({"name": [f"plm/{name}" for name in names], "source": names, "type": kinds, "seed": ["0", "1"] * (tasks // 2)})
    return table.assign(x=np.arange(tasks), y=np.arange(tasks))


def looks(fig, count):
    return [(trace.marker.color, trace.marker.symbol) for trace in fig.data[:count]]


@pytest.mark.parametrize("deep", [False, True])
def test_tasks_have_their_types_colour_and_their_own_symbol(deep):
    table = points(14).assign(z=0.0) if deep else points(14)
    fig = projection.space(table, "source", ["1", "2", "3"][: 3 if deep else 2], "PCA", "light")
    found = looks(fig, 14)
    assert len(set(found)) == 14
    assert {tint for tint, _ in found} == {colour("sentiment"), colour("nli")}


@pytest.mark.parametrize("deep", [False, True])
def test_of_very_many_tasks_the_key_names_the_types(deep):
    table = points(30).assign(z=0.0) if deep else points(30)
    fig = projection.space(table, "source", ["1", "2", "3"][: 3 if deep else 2], "PCA", "light", "plm/task-3")
    assert [trace.name for trace in fig.data if trace.showlegend is not False] == ["sentiment", "nli", "task-3"]
    assert [trace.legendgroup for trace in fig.data[:30]] == ["sentiment"] * 15 + ["nli"] * 15
    assert sum(len(trace.x) for trace in fig.data[:30]) == 30


def test_points_of_a_crowd_are_small_and_have_no_rim():
    few, many = (projection.space(points(count), "type", ["1", "2"], "PCA", "light").data[0].marker for count in (1000, 1002))
    assert few.line.width == 1
    assert many.line.width is None
    assert many.size < few.size


def test_seeds_do_not_look_like_types():
    found = looks(projection.space(points(), "seed", ["1", "2"], "PCA", "light"), 2)
    assert len({tint for tint, _ in found}) == len({shape for _, shape in found}) == 2
    assert not {tint for tint, _ in found} & set(TYPE_COLOURS.values())


def test_rings_lie_on_the_points_they_name():
    fig = projection.space(points(), "type", ["1", "2"], "PCA", "dark", "plm/task-3", ["plm/task-1", "plm/task-5"])
    near, chosen = fig.data[-2:]
    assert (list(near.x), list(chosen.x)) == ([1, 5], [3])
    assert (near.name, chosen.name) == ("nearest", "task-3")
    assert alt_text(fig).endswith("Nearest to plm/task-3: plm/task-1, plm/task-5.")


def test_parameters_are_printed_in_the_figure():
    fig = projection.space(points(), "type", ["1", "2"], "UMAP, 10 neighbours, seed 3", "light")
    assert fig.layout.annotations[-1].text == "UMAP, 10 neighbours, seed 3"


def test_axis_titles_say_the_share_of_variance():
    assert projection.axis_titles("pca", np.array([0.34, 0.2]), 2) == ["PC 1 (34%)", "PC 2 (20%)"]
    assert projection.axis_titles("tsne", None, 2) == ["t-SNE 1", "t-SNE 2"]
