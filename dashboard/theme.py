"""One look for every figure: template, type scale, and a colour for each task type that never changes.

Colours are those of Okabe and Ito, which stay apart for colour-blind readers; every figure that uses them to tell things
apart gives a second channel as well (a symbol, a label or a place).
"""

from __future__ import annotations

import html
from collections.abc import Iterable
from typing import Literal

import plotly.graph_objects as go

Mode = Literal["light", "dark"]

TYPE_COLOURS = {
    "sentiment": "#0072B2", "nli": "#D55E00", "ethics": "#009E73", "paraphrase": "#CC79A7", "random": "#7F7F7F",
    "none": "#B0B0B0",
}  # fmt: skip
TYPE_SYMBOLS = {"sentiment": "circle", "nli": "square", "ethics": "diamond", "paraphrase": "cross", "random": "x"}
TYPE_NAMES = {"sentiment": "sentiment", "nli": "inference", "ethics": "ethics", "paraphrase": "paraphrase"}
SPARE = ("#E69F00", "#56B4E9", "#F0E442", "#8C6BB1", "#66A61E", "#A6761D")
SEQUENTIAL = "Cividis"
ACCENT = "#0072B2"
FONT = "Source Sans Pro, Source Sans, Helvetica Neue, Arial, DejaVu Sans, sans-serif"


def colour(kind: str) -> str:
    """Colour of a task type; further types get the spare colours by name."""
    return TYPE_COLOURS.get(kind) or SPARE[sum(map(ord, kind)) % len(SPARE)]


def type_order(kinds: Iterable[str]) -> list[str]:
    """Kinds in the order of TYPE_COLOURS, unknown ones after them."""
    known = list(TYPE_COLOURS)
    return sorted(dict.fromkeys(kinds), key=lambda kind: (known.index(kind) if kind in known else len(known), kind))


def symbol(kind: str) -> str:
    """Marker of a task type."""
    return TYPE_SYMBOLS.get(kind, "star")


def ink(mode: Mode) -> str:
    """Colour of text and axes."""
    return "#1F2933" if mode == "light" else "#E6EAF0"


def paper(mode: Mode) -> str:
    """Background of figures and pages."""
    return "#FFFFFF" if mode == "light" else "#0E1117"


def quiet(mode: Mode) -> str:
    """Colour of grids and of what is less important."""
    return "#DDE2E8" if mode == "light" else "#323A46"


def faint(mode: Mode) -> str:
    """Colour of secondary text; AA contrast on the paper."""
    return "#5A6672" if mode == "light" else "#A3AEBB"


def safe(text: object) -> str:
    """Text from files for plotly labels, which read a subset of HTML."""
    return html.escape(str(text), quote=False)


def figure(mode: Mode, height: int, **layout: object) -> go.Figure:
    """An empty figure in the house style; ``layout`` goes to plotly."""
    axis = {"gridcolor": quiet(mode), "linecolor": quiet(mode), "zeroline": False, "ticks": "", "automargin": True,
            "title": {"standoff": 8}}  # fmt: skip
    template = go.layout.Template(
        layout={
            "font": {"family": FONT, "size": 13, "color": ink(mode)}, "paper_bgcolor": paper(mode),
            "plot_bgcolor": paper(mode), "xaxis": axis, "yaxis": axis, "hoverlabel": {"align": "left"},
            "colorway": [*TYPE_COLOURS.values(), *SPARE], "margin": {"l": 8, "r": 8, "t": 28, "b": 8},
            "legend": {"orientation": "h", "yanchor": "bottom", "y": 1.02, "x": 0, "title": {"text": ""}},
            "separators": ". ",
        }
    )  # fmt: skip
    return go.Figure(layout={"template": template, "height": height, **layout})
