"""Where plotly put things, read from an SVG it drew: axes and legend, in pixels of the layout."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

from dashboard.export.press import Sheet, set_height, title_room

PLACE = re.compile(r'<clipPath class="axesclip" id="clip[0-9a-f]+xy"><rect x="([\d.-]+)" y="([\d.-]+)" width="([\d.]+)" height="([\d.]+)"')
LEGEND = re.compile(
    r'<g class="legend"[^>]*transform="translate\(([\d.-]+),\s*([\d.-]+)\)"[^>]*>\s*<rect class="bg"[^>]*?height="([\d.]+)"'
)
CLEAR = 2
"""Pixels between the legend and what is above it."""


class Area(NamedTuple):
    """A place on the sheet."""

    left: float
    top: float
    width: float
    height: float


def axes(svg: str) -> Area | None:
    """The first pair of axes."""
    found = PLACE.search(svg)
    return Area(*map(float, found.groups())) if found else None


def lowered(sheet: Sheet, svg: str) -> Sheet | None:
    """The same figure with room for its legend, where that took more lines than its maker foresaw; None where it has its room.

    Letters of other fonts are wider, and a column is narrower than a telephone.
    """
    found = LEGEND.search(svg)
    if found is None:
        return None
    layout: dict[str, Any] = sheet.figure["layout"]
    lacking = title_room(layout) + CLEAR - float(found[2])
    if lacking <= 0:
        return None
    more = round(lacking + 0.5)
    set_height(sheet.figure, sheet.height + more, more)
    layout["margin"] = {**layout.get("margin", {}), "t": layout.get("margin", {}).get("t", 28) + more}
    if not sheet.fixed:
        return sheet._replace(height=sheet.height + more)
    set_height(sheet.figure, sheet.height)
    return sheet
