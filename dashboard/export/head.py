"""The room above a plot: on a page it is what the narrowest screen needs, on paper what the figure's key takes there."""

from __future__ import annotations

from typing import Any

from dashboard.theme import BAR_LENGTH, BAR_ROOM, NARROW, key_room, key_widths

CLEAR_OF_BAR = 37
"""Pixels that a key needs more where it stands below a colour bar, and not beside it."""
BESIDE_BAR, BELOW_BAR = 40, 14
"""Pixels from a key to the bar beside it with the figure's edge, and from the bar to the plot, for the strip of types that stands on it."""


def fit(figure: dict[str, Any], width: int) -> None:
    """Takes away the room that the key of a figure (plotly's JSON) will not need on a paper of this width in pixels."""
    layout = figure["layout"]
    names = [trace["name"] for trace in figure["data"] if trace.get("name") and trace.get("showlegend") is not False]
    if not names or layout.get("showlegend") is False or "y" not in layout.get("legend", {}):
        return
    beside = max(map(len, (layout.get("yaxis") or {}).get("ticktext") or ()), default=2)
    there, needed, title = key_room(names, beside, NARROW), key_room(names, beside, width), bar_title(layout)
    if title is not None:
        there = title["yshift"] + 1
        fits = sum(key_widths(names)) <= width - BAR_LENGTH - BESIDE_BAR
        needed = max(BAR_ROOM + BELOW_BAR, needed) if fits else max(BAR_ROOM, needed + CLEAR_OF_BAR)
    if there > needed:
        _lower(figure, there - needed, title)


def bars(figure: dict[str, Any]) -> list[dict[str, Any]]:
    """The colour bars of a figure's traces and of their markers."""
    return [part["colorbar"] for trace in figure["data"] for part in (trace, trace.get("marker") or {}) if part.get("colorbar")]


def bar_title(layout: dict[str, Any]) -> dict[str, Any] | None:
    """The words above a colour bar, which stand at the top of the figure (:func:`dashboard.theme.head_room`)."""
    top = layout.get("margin", {}).get("t", 0)
    return next((one for one in layout.get("annotations") or () if one.get("yref") == "paper" and one.get("yanchor") == "top"
                 and one.get("xanchor") == "right" and 0 < one.get("yshift", 0) < top), None)  # fmt: skip


def _lower(figure: dict[str, Any], spare: int, title: dict[str, Any] | None) -> None:
    """Less room: a key stays as far above the plot as it is, or at the figure's edge where it hangs from that, as a colour bar does."""
    layout = figure["layout"]
    old = layout["height"]
    layout["height"] = new = old - spare
    layout["margin"] = {**layout["margin"], "t": layout["margin"]["t"] - spare}
    if layout["legend"].get("yanchor") != "top":
        layout["legend"]["y"] = 1 - ((1 - layout["legend"]["y"]) * old - spare) / new
    if title is not None:
        title["yshift"] -= spare
    for bar in bars(figure):
        if bar.get("yref") == "container":
            bar["y"] = 1 - (1 - bar["y"]) * old / new
