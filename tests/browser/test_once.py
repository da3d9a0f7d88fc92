"""Plotly in a browser draws what pages send once, though streamlit hands it over twice."""

from pathlib import Path

import plotly
import pytest
from plotly.io import to_json

from dashboard.once import Once
from tests.dashboard.test_figures import everything

TWICE = """async texts => {
  const [one, other] = texts.map(text => JSON.parse(text)), node = document.getElementById('figure');
  let drawn = 0;
  const keep = Element.prototype.setAttribute;
  Element.prototype.setAttribute = function (name, value) { drawn += name === 'd' || name === 'xlink:href'; return keep.call(this, name, value); };
  await Plotly.newPlot(node, one.data, one.layout);
  const first = drawn;
  drawn = 0;
  await Plotly.react(node, other.data, other.layout);
  Element.prototype.setAttribute = keep;
  Plotly.purge(node);
  return [first, drawn];
}"""
"""How many paths and pictures are drawn at first, and when the second figure takes the first one's place."""


@pytest.fixture(scope="module")
def sheet(browser):
    page = browser.new_page()
    page.set_content("<div id=figure style='width:700px'></div>")
    page.add_script_tag(path=Path(plotly.__file__).parent / "package_data" / "plotly.min.js")
    yield page
    page.close()


def text(name, mode="light"):
    return to_json(Once(everything(mode)[name]).to_dict(), validate=False)


@pytest.mark.parametrize("name", [name for name in everything("light") if name != "deep"])
def test_the_same_figure_again_is_not_drawn_again(name, sheet):
    first, again = sheet.evaluate(TWICE, [text(name), text(name)])
    assert first > 0
    assert again == 0


def test_another_figure_in_its_place_is_drawn(sheet):
    _, again = sheet.evaluate(TWICE, [text("scatter"), text("scatter").replace("0.6", "0.65")])
    assert again == 0, "the revision says that nothing changed"
    _, again = sheet.evaluate(TWICE, [text("scatter"), text("scatter", "dark")])
    assert again > 0
