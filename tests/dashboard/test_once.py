"""What the browser is sent of a figure: all that it shows, in a form that it draws once."""

import copy
import json

import numpy as np
import plotly.graph_objects as go
import pytest
from plotly.io import to_json

from dashboard.once import LONGEST, Once, once
from tests.dashboard.test_figures import everything


def sent(fig):
    return json.loads(to_json(Once(fig).to_dict(), validate=False))


@pytest.mark.parametrize("name", everything("light"))
def test_plotly_is_told_all_and_nothing_that_makes_it_draw_again(name):
    fig = everything("dark")[name]
    found = sent(fig)
    assert not {"template", "meta"} & set(found["layout"])
    assert "bdata" not in json.dumps(found)
    assert {"font", "paper_bgcolor", "hoverlabel", "colorway", "margin", "legend", "separators"} <= set(found["layout"])
    if "scene" not in found["layout"]:
        assert all(found["layout"][axis]["gridcolor"] == "#323A46" for axis in ("xaxis", "yaxis"))
    assert len(found["data"]) == len(fig.data)


def test_what_a_figure_says_itself_counts_more_than_its_template():
    fig = go.Figure(layout={"template": go.layout.Template(layout={"xaxis": {"gridcolor": "red", "tickfont": {"size": 9}}, "font": {"size": 11}}),
                            "xaxis2": {"gridcolor": "blue"}, "font": {"color": "green"}})  # fmt: skip
    fig.add_scatter(x=[1], y=[2], xaxis="x2")
    layout = sent(fig)["layout"]
    assert layout["xaxis2"] == {"gridcolor": "blue", "tickfont": {"size": 9}}
    assert layout["font"] == {"size": 11, "color": "green"}
    assert "xaxis" not in layout, "nothing is drawn on it"


def test_a_template_that_speaks_of_traces_stays():
    fig = go.Figure(layout={"template": go.layout.Template(data={"scatter": [{"marker": {"size": 3}}]})})
    fig.add_scatter(x=[1], y=[2])
    assert sent(fig)["layout"]["template"]["data"]["scatter"][0]["marker"]["size"] == 3


def test_other_data_are_another_revision_and_the_same_are_the_same():
    def revision(last):
        return sent(go.Figure(go.Scatter(x=np.arange(3.0), y=np.array([1, 2, last], dtype=np.float32))))["layout"]["datarevision"]

    assert revision(3) == revision(3) != revision(4)


def test_numbers_keep_what_single_precision_holds_and_gaps_stay_gaps():
    fig = go.Figure([go.Scatter(y=np.array([0.1, np.nan, 1 / 3], dtype=np.float32), x=np.arange(3)),
                     go.Heatmap(z=np.array([[1.5, np.inf], [2.5, -1]])), go.Scatter(y=np.zeros(LONGEST + 1))])  # fmt: skip
    curve, heat, long = sent(fig)["data"]
    assert (curve["y"], curve["x"]) == ([0.1, None, 0.3333333], [0, 1, 2])
    assert heat["z"] == [[1.5, None], [2.5, -1.0]]
    assert "bdata" in long["y"], "long columns stay packed"


def test_the_figure_itself_is_left_as_it_is():
    fig = everything("light")["scatter"]
    before = fig.to_json()
    Once(fig)
    assert fig.to_json() == before


def test_the_mouse_does_what_streamlit_has_it_do_unless_the_figure_says_otherwise():
    fig = go.Figure(go.Scatter(x=[1], y=[2]))
    assert Once(fig).to_dict()["layout"].get("dragmode") is None
    assert (Once(fig, clicks=True).to_dict()["layout"]["dragmode"], Once(fig, clicks=True).to_dict()["layout"]["hovermode"]) == (
        "pan",
        "closest",
    )
    assert Once(fig.update_layout(dragmode="select"), clicks=True).to_dict()["layout"]["dragmode"] == "select"


def test_a_figure_is_written_out_once_and_leaves_the_page_without_what_was_written():
    fig = everything("light")["scatter"]
    before = fig.to_json()
    assert once(fig) is once(fig)
    assert once(fig, clicks=True) is once(fig, clicks=True) is not once(fig)
    for clicks in (False, True):
        assert to_json(once(fig, clicks=clicks).to_dict(), validate=False) == to_json(Once(fig, clicks=clicks).to_dict(), validate=False)
    assert fig.to_json() == before
    assert "_as_sent" not in copy.deepcopy(fig).__dict__
