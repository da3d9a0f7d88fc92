"""Neurons: shares against a slow count, layers counted from one, thin bars become points."""

import json

import numpy as np
import pytest

from dashboard.figures import neurons
from dashboard.theme import alt_text


@pytest.mark.parametrize("width", [7, 128, 300, 1000])
def test_shares_are_those_of_a_slow_count(width):
    stimulation = np.random.default_rng(width).normal(size=(3, width))
    heat = neurons.overview(stimulation > 0, "light").data[0]
    bins = heat.z.shape[1]
    edges = [int(number * width / bins) for number in range(bins + 1)]
    for layer in range(3):
        for place in range(bins):
            part = stimulation[layer, edges[place] : edges[place + 1]]
            assert heat.z[layer, place] == pytest.approx(np.mean(part > 0), abs=1e-6)
    assert heat.x0 - heat.dx / 2 == -0.5
    assert heat.x0 + (bins - 0.5) * heat.dx == pytest.approx(width - 0.5)


def test_layers_count_from_one():
    assert neurons.overview(np.ones((4, 9), bool), "dark").data[0].y0 == 1
    assert list(neurons.overlap_by_layer(np.array([0.5, 0.25]), 0.4, "dark").data[0].x) == [1, 2]
    assert neurons.one_layer(np.ones(3), np.ones(3, bool), 0, "value after GELU", "light").layout.xaxis.title.text == "neuron of layer 1"


def test_bars_thinner_than_a_pixel_become_points():
    assert {trace.type for trace in neurons.one_layer(np.ones(100), np.ones(100, bool), 0, "value", "light").data} == {"bar"}
    values = np.random.default_rng(0).normal(size=4096)
    many = neurons.one_layer(values, values > 0, 0, "value", "light")
    assert {trace.type for trace in many.data} == {"scatter"}
    assert "bdata" in json.loads(many.to_json())["data"][0]["y"]


def test_a_layer_without_overlap_says_so():
    fig = neurons.overlap_by_layer(np.array([np.nan, 0.25]), 0.25, "light")
    assert [note.text for note in fig.layout.annotations] == ["none", "0.25"]
    assert alt_text(fig) == "ON of the two prompts by layer: none, 0.25; over all layers 0.25."


def test_words_count_neurons():
    one, other = np.array([[1, 1, 0, 0]], bool), np.array([[1, 0, 1, 0]], bool)
    assert "a only: 1, by both: 1, by b only: 1, by neither: 1" in alt_text(neurons.compared(one, other, ("a", "b"), "light"))


def test_prompts_that_activate_nothing():
    nothing = np.zeros((2, 5), bool)
    assert [sum(bar.x) for bar in neurons.compared(nothing, nothing, ("a", "b"), "light").data] == [0, 0, 0]
