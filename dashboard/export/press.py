"""A figure laid out for print: size, letters, greys, title, and cells that fall on whole pixels. Plotly's JSON in and out."""

from __future__ import annotations

import copy
import json
import math
import textwrap
from dataclasses import dataclass
from typing import Any, NamedTuple

import plotly.graph_objects as go
from plotly.utils import PlotlyJSONEncoder

from dashboard.export import head
from dashboard.export.grey import in_grey
from dashboard.theme import FONT, safe
from ptlib.errors import RunError

DOTS = 300
"""PNG dots an inch, at least."""
PIXELS_AN_INCH = 96
USUAL_HEIGHT = 450
TITLE_ROOM, TITLE_LINE, TITLE_LETTER, TITLE_LINES = 30, 20, 9.0, 3
"""Pixels of a title of one line, of each more, of its letters; and lines at most."""


class Size(NamedTuple):
    """A place in a paper or a talk."""

    inches: float
    """Width."""
    tall: float | None
    """Height in inches, where the place has one; otherwise the figure's content decides."""
    pixels: int
    """Width the figure is laid out in; letters of 12 of these pixels are 12 / pixels of the width."""


SIZES = {
    "single column": Size(3.25, None, 372),
    "double column": Size(6.75, None, 648),
    "slide 16:9": Size(40 / 3, 7.5, 800),
    "poster": Size(24, None, 720),
}
FONTS = {
    "sans": FONT,
    "serif": "Times New Roman, Nimbus Roman, Liberation Serif, TeX Gyre Termes, DejaVu Serif, serif",
    "computer modern": "CMU Serif, Latin Modern Roman, LMRoman10, Computer Modern, cmr10, TeX Gyre Termes, DejaVu Serif, serif",
}
FORMATS = ("pdf", "svg", "png")


@dataclass(frozen=True)
class Print:
    """How a figure is printed."""

    size: str = "double column"
    font: str = "sans"
    grey: bool = False
    title: bool = False

    def check(self) -> Print:
        """Itself. Raises RunError for a size or a font that is none."""
        for name, known in (("size", SIZES), ("font", FONTS)):
            if getattr(self, name) not in known:
                raise RunError(
                    f"no such {name}", where=f"print: {name}", found=repr(getattr(self, name)), expected=f"one of {', '.join(known)}"
                )
        return self


class Sheet(NamedTuple):
    """A figure and the paper it is printed on."""

    figure: dict[str, Any]
    width: int
    height: int
    """Pixels of the layout."""
    zoom: float
    """Inches on paper for each inch of the layout."""
    fixed: bool
    """Whether the paper has a height of its own."""
    scale: int
    """Whole PNG pixels for each pixel of the layout, for at least DOTS an inch on paper."""


def lay_out(figure: dict[str, Any], chosen: Print, title: str = "") -> Sheet:
    """The figure on its paper.

    Args:
        figure: plotly's JSON, in the light mode.
        title: plain text; printed where ``chosen`` says so.

    Raises:
        RunError: an unknown size or font.
    """
    size = SIZES[chosen.check().size]
    found = copy.deepcopy(in_grey(figure) if chosen.grey else figure)
    layout = found["layout"]
    for place, trace in enumerate(found["data"]):
        # Plotly draws lots for names that are not given, and writes them into SVGs.
        trace["uid"] = f"t{place}"
    head.fit(found, size.pixels)
    if chosen.title and title:
        _put_title(found, title, size.pixels)
    width, height = size.pixels, int(layout.get("height") or USUAL_HEIGHT)
    if size.tall is not None:
        # At least as many pixels as the content needs, at the place's shape.
        fit = max(width * size.tall / size.inches, height)
        width, height = round(fit * size.inches / size.tall), round(fit)
        set_height(found, height)
    layout.update(width=width, height=height, autosize=False)
    layout["font"] = {**layout.get("font", {}), "family": FONTS[chosen.font]}
    return Sheet(found, width, height, PIXELS_AN_INCH * size.inches / width, size.tall is not None, math.ceil(DOTS * size.inches / width))


def _put_title(figure: dict[str, Any], title: str, width: int) -> None:
    layout = figure["layout"]
    lines = textwrap.wrap(title, max(20, int(width / TITLE_LETTER)), max_lines=TITLE_LINES, placeholder=" …")
    room = TITLE_ROOM + TITLE_LINE * (len(lines) - 1)
    set_height(figure, int(layout.get("height") or USUAL_HEIGHT) + room, room)
    layout["margin"] = {**layout.get("margin", {}), "t": layout.get("margin", {}).get("t", 28) + room}
    layout["title"] = {"text": "<br>".join(map(safe, lines)), "x": 0, "xref": "container", "xanchor": "left", "pad": {"l": 8, "t": 8},
                       "yref": "container", "y": 1, "yanchor": "top", "font": {"size": 15}, "automargin": False}  # fmt: skip


def title_room(layout: dict[str, Any]) -> int:
    """Pixels that the title takes above everything else."""
    text = layout.get("title", {}).get("text") or ""
    return TITLE_ROOM + TITLE_LINE * text.count("<br>") if text else 0


def set_height(figure: dict[str, Any], height: float, lower: float = 0) -> None:
    """A new height; legend and colour bars, which are placed by shares of it, as far from the top as before and ``lower`` pixels more."""
    layout = figure["layout"]
    old, layout["height"] = layout.get("height") or USUAL_HEIGHT, height
    for place in (layout.get("legend", {}), *head.bars(figure)):
        if "y" in place and place.get("yref", "container") == "container":
            place["y"] = 1 - ((1 - place["y"]) * old + lower) / height


def as_plain(fig: go.Figure) -> dict[str, Any]:
    """A figure as JSON holds it, numbers in plain lists, missing ones null."""
    parts = {"data": [trace.to_plotly_json() for trace in fig.data], "layout": fig.layout.to_plotly_json()}
    return json.loads(json.dumps(parts, cls=PlotlyJSONEncoder))
