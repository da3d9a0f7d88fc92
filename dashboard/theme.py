"""One look for every figure: template, type scale, and a colour for each task type that never changes.

Colours are those of Okabe and Ito, which stay apart for colour-blind readers; every figure that uses them to tell things
apart gives a second channel as well (a symbol, a label or a place).
"""

from __future__ import annotations

import html
import textwrap
from collections.abc import Iterable, Sequence
from typing import Literal

import numpy as np
import plotly.graph_objects as go

Mode = Literal["light", "dark"]

TYPE_COLOURS = {
    "sentiment": "#0072B2", "nli": "#D55E00", "ethics": "#009E73", "paraphrase": "#CC79A7", "question answering": "#56B4E9",
    "summary": "#8C6BB1", "random": "#7F7F7F", "none": "#B0B0B0",
}  # fmt: skip
TYPE_SYMBOLS = {
    "sentiment": "circle",
    "nli": "square",
    "ethics": "diamond",
    "paraphrase": "cross",
    "question answering": "triangle-up",
    "summary": "hexagon",
    "random": "x",
}
SPARE = ("#E69F00", "#A6761D", "#66A61E", "#F0E442", "#1B9E77", "#E7298A")
"""For groups that are no task types, so that no seed or PLM looks like a type."""
SCALE = ("#FFFFD9", "#EDF8B1", "#C7E9B4", "#7FCDBB", "#41B6C4", "#1D91C0", "#225EA8", "#253494", "#081D58")
"""YlGnBu of ColorBrewer (Brewer and Harrower 2003): lightness falls evenly, so it survives colour blindness and grey print."""
CHOSEN = "#E69F00"
FONT = "Source Sans, Source Sans Pro, Helvetica Neue, Arial, DejaVu Sans, sans-serif"
LONGEST_LABEL = 22
"""Characters of a name beside an axis; hover and CSV have the whole name."""


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
    return "#101820" if mode == "light" else "#E6EAF0"


def paper(mode: Mode) -> str:
    """Background of figures and pages."""
    return "#FFFFFF" if mode == "light" else "#0E1117"


def quiet(mode: Mode) -> str:
    """Colour of grids and of what is less important."""
    return "#DDE2E8" if mode == "light" else "#323A46"


def faint(mode: Mode) -> str:
    """Colour of secondary text; AA contrast on the paper."""
    return "#5A6672" if mode == "light" else "#A3AEBB"


def accent(mode: Mode) -> str:
    """Colour of what a figure is about, where types of task play no part; as the page's buttons."""
    return "#0072B2" if mode == "light" else "#56B4E9"


def safe(text: object) -> str:
    """Text from files for plotly labels, which read a subset of HTML."""
    return html.escape(str(text), quote=False)


def label(text: object) -> str:
    """A name beside an axis or in a legend: shortened at its end, and safe."""
    name = str(text)
    return safe(name if len(name) <= LONGEST_LABEL else name[: LONGEST_LABEL - 1] + "…")


def sequential(mode: Mode) -> list[str]:
    """Colours from low to high: high values stand out from the paper in either mode."""
    return list(SCALE if mode == "light" else reversed(SCALE))


def ink_on_scale(share: float, mode: Mode) -> str:
    """Black or white, whichever reads better on the scale at ``share`` (0 to 1) of its length."""
    scale = sequential(mode)
    place = min(max(share, 0.0), 1.0) * (len(scale) - 1)
    low = min(int(place), len(scale) - 2)
    ends = [[int(tint[at : at + 2], 16) / 255 for at in (1, 3, 5)] for tint in scale[low : low + 2]]
    channels = [one + (place - low) * (two - one) for one, two in zip(*ends, strict=True)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    # Relative luminance of WCAG 2; at 0.179 black and white have the same contrast.
    return "#111111" if 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2] > 0.179 else "#FFFFFF"


def colour_bar(**more: object) -> dict:
    """A key to the colours in the top right corner, so that narrow screens keep their width for the data.

    :func:`head_room` makes room for it and writes its title, which plotly misplaces for bars outside the plot.
    """
    return {
        "orientation": "h", "thickness": 9, "len": BAR_LENGTH, "lenmode": "pixels", "outlinewidth": 0, "nticks": 5, "xref": "paper",
        "x": 1, "xanchor": "right", "yref": "container", "yanchor": "top", "xpad": 4, "ypad": 0, "tickfont": {"size": 11}, **more,
    }  # fmt: skip


def key(fig: go.Figure, entries: Iterable[tuple[str, dict]]) -> None:
    """Legend entries (name, marker) that stand for what is drawn by other traces."""
    for name, marker in entries:
        fig.add_scatter(x=[None], y=[None], mode="markers", name=name, hoverinfo="skip", marker={"size": 11, **marker})


def type_key(fig: go.Figure, kinds: Iterable[str], *, symbols: bool = True) -> None:
    """Legend entries for task types, by colour and (or a square) symbol."""
    key(fig, [(safe(kind), {"color": colour(kind), "symbol": symbol(kind) if symbols else "square"}) for kind in type_order(kinds)])


BAR_LENGTH, BAR_ROOM, LEGEND_ROW = 110, 50, 19
NARROW = 350
"""Pixels of a telephone's width."""


def key_room(names: Sequence[str], beside: int, width: int) -> int:
    """Pixels that a key of these names takes above the plot of a figure so wide.

    Plotly breaks the legend's lines at the width of the plot, in columns as wide as the widest entry.

    Args:
        beside: letters of the longest name beside the plot.
    """
    room, widths = width - 6.3 * beside - 32, key_widths(names)
    columns = max(1, int(room // max(widths, default=1)))
    rows = 1 if sum(widths) <= room else -(-len(names) // columns)
    return rows * LEGEND_ROW + 20 if names else 8


def key_widths(names: Sequence[str]) -> list[float]:
    """Pixels of a key's entries in one line."""
    return [42 + 6.6 * len(name) for name in names]


def head_room(fig: go.Figure, bar: str = "", strip: int = 0) -> go.Figure:
    """Adds the height that the legend and a colour bar (titled ``bar``) need above the plot on the narrowest screen, and above
    what stands ``strip`` pixels high on the plot.
    """
    names = [trace.name for trace in fig.data if trace.name and trace.showlegend is not False]
    beside = max((len(text) for text in fig.layout.yaxis.ticktext or ()), default=2)
    top = max(BAR_ROOM + strip if bar else 8, key_room(names, beside, NARROW))
    height = fig.layout.height + top
    fig.update_layout(height=height, margin={"t": top, **_axis_room(fig)}, legend={"y": 1 - (top - 12) / height})
    if bar:
        fig.update_traces(colorbar={"y": 1 - 22 / height}, selector={"type": "heatmap"})
        _bar_without_numbers(fig)
        fig.add_annotation(text=bar, x=1, xref="paper", xanchor="right", xshift=-4, y=1, yref="paper", yanchor="top", yshift=top - 1,
                           showarrow=False, font={"size": 12})  # fmt: skip
    return fig


def _bar_without_numbers(fig: go.Figure) -> None:
    """A colour bar for heatmaps that hold no number yet, which plotly leaves away with their bars: it would come with the first one."""
    for one in fig.select_traces({"type": "heatmap"}):
        if one.showscale is not False and not np.isfinite(np.asarray(one.z, dtype=float)).any():
            fig.add_scatter(x=[None], y=[None], mode="markers", showlegend=False, hoverinfo="skip", marker={
                "color": [one.zmin], "cmin": one.zmin, "cmax": one.zmax, "colorscale": one.colorscale, "showscale": True,
                "colorbar": one.colorbar.to_plotly_json()})  # fmt: skip


def _axis_room(fig: go.Figure) -> dict[str, int]:
    """Margins as wide as plotly will make them for a title and plain numbers: where it has to widen them it draws everything twice."""
    sides = {"l": (fig.layout.yaxis, 56), "b": (fig.layout.xaxis, 45)}
    return {side: room if axis.showticklabels is not False else 26 for side, (axis, room) in sides.items()
            if axis.title.text and not axis.ticktext and fig.layout.margin[side] is None}  # fmt: skip


def note(fig: go.Figure, text: str, mode: Mode, below: int = 34) -> go.Figure:
    """Small lines under the plot that travel with the picture: parameters, n, PLM. Broken to fit narrow screens.

    ``below``: pixels that the axis below the plot takes. The figure grows by the lines' height.
    """
    lines = textwrap.wrap(text, 52)
    fig.add_annotation(text="<br>".join(safe(line) for line in lines), x=0, xref="paper", xanchor="left", y=0, yref="paper", yanchor="top",
                       yshift=-below, align="left", showarrow=False, font={"size": 11, "color": faint(mode)})  # fmt: skip
    more = 15 * len(lines) + 6
    scale = fig.layout.height / (fig.layout.height + more)
    fig.update_layout(height=fig.layout.height + more, margin={"b": below + more})
    # The legend's place is a share of the height: what is below must not move it.
    return fig.update_layout(legend={"y": 1 - (1 - fig.layout.legend.y) * scale}) if fig.layout.legend.y is not None else fig


def describe(fig: go.Figure, text: str) -> go.Figure:
    """Keeps the alternative text with the figure, for readers who do not see it; read it with :func:`alt_text`."""
    fig.update_layout(meta={"alt": text})
    return fig


def alt_text(fig: go.Figure) -> str:
    """What the figure shows, made from its data when it was drawn."""
    return (fig.layout.meta or {}).get("alt", "")


def figure(mode: Mode, height: int, **layout: object) -> go.Figure:
    """An empty figure in the house style; ``layout`` goes to plotly. :func:`head_room` adds to ``height``."""
    axis = {"gridcolor": quiet(mode), "linecolor": quiet(mode), "zeroline": False, "ticks": "", "automargin": True, "ticklabeloverflow": "allow",
            "title": {"standoff": 8, "font": {"size": 13}}, "tickfont": {"size": 12}}  # fmt: skip
    template = go.layout.Template(
        layout={
            "font": {"family": FONT, "size": 13, "color": ink(mode)}, "paper_bgcolor": paper(mode),
            "plot_bgcolor": paper(mode), "xaxis": axis, "yaxis": axis,
            "hoverlabel": {"align": "left", "font": {"family": FONT, "size": 13}, "namelength": -1},
            "colorway": [*TYPE_COLOURS.values(), *SPARE], "margin": {"l": 8, "r": 8, "t": 28, "b": 8},
            "legend": {"orientation": "h", "x": 0, "xref": "container", "y": 1, "yref": "container", "yanchor": "bottom",
                       "title": {"text": ""}, "font": {"size": 12}, "itemsizing": "constant", "bgcolor": "rgba(0,0,0,0)"},
            "separators": ". ",
        }
    )  # fmt: skip
    return go.Figure(layout={"template": template, "height": height, **layout})
