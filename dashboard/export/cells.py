"""Heatmaps in print: cells on whole pixels, and as vectors where they are few. Plotly draws them as a picture of its own otherwise,
which viewers blur and stretch."""

from __future__ import annotations

import re
from math import gcd
from typing import Any

import numpy as np
from plotly.colors import sample_colorscale

from dashboard.export.measure import Area
from dashboard.export.press import Sheet, set_height

MOST_VECTORS = 2500
"""Cells of a figure that become rectangles."""
LEAST_CELL = 4
"""Pixels of the layout below which cells are too narrow to be made all alike by whole ones."""
LEAST_LETTER, MOST_LETTER, LETTER_WIDTH = 7.0, 12.0, 0.62
"""Pixels of numbers in cells: smaller ones (5 points in a column) are left out; and a digit's width as a share of its height."""
LEAST_ROW = 14
"""Pixels of a row, for its name beside it."""
OVER = 0.6
"""Pixels that a rectangle reaches below the next one, so that no light comes through the seam."""


def heatmaps(figure: dict[str, Any]) -> list[dict[str, Any]]:
    """The heatmaps on the first pair of axes."""
    return [
        trace
        for trace in figure["data"]
        if trace.get("type") == "heatmap" and trace.get("xaxis", "x") == "x" and trace.get("yaxis", "y") == "y"
    ]


def fit(sheet: Sheet, area: Area) -> Sheet:
    """The same figure with a heatmap whose cells are whole PNG pixels: margins fixed as they were found, the plot a little narrower, the
    figure a little higher or lower. Numbers that would be too small to read are left out, and the rows are lower then.

    Args:
        area: where plotly put the first pair of axes.
    """
    figure, layout = sheet.figure, sheet.figure["layout"]
    rows, columns = np.shape(_values(heatmaps(figure)[0]))
    width, wanted = _whole(area.width, columns, sheet.scale), area.height
    if letter_of(figure, width / columns, area.height / rows) < LEAST_LETTER:
        for trace in heatmaps(figure):
            trace.pop("texttemplate", None)
        if not sheet.fixed:
            wanted = min(wanted, rows * max(LEAST_ROW, width / columns))
    low, high = (layout.get("yaxis") or {}).get("domain") or (0, 1)
    room = area.height / (high - low)
    height = _whole(wanted, rows, sheet.scale, nearest=not sheet.fixed)
    new_room = round(room + height - area.height)
    top, bottom = round(area.top - (1 - high) * room), round(sheet.height - (area.top + area.height + low * room))
    if sheet.fixed:
        bottom = sheet.height - top - new_room
    if high - low < 1:
        layout["yaxis"]["domain"] = [low, low + height / new_room]
    total = top + new_room + bottom
    set_height(figure, total)
    layout["margin"] = {
        "l": round(area.left),
        "r": sheet.width - round(area.left) - width,
        "t": top,
        "b": bottom,
        "pad": 0,
        "autoexpand": False,
    }
    for name in [key for key in layout if re.fullmatch(r"[xy]axis\d*", key)]:
        layout[name] = {**layout[name], "automargin": False}
    sheet = sheet._replace(height=total)
    return as_vectors(sheet, Area(area.left, area.top, width, height)) if rows * columns <= MOST_VECTORS else sheet


def _whole(length: float, count: int, scale: int, nearest: bool = False) -> int:
    """A length near another, in whole pixels of the layout, that ``count`` cells share in whole PNG pixels."""
    step = count if length >= LEAST_CELL * count else count // gcd(count, scale)
    found = round(length / step) if nearest else int(length // step)
    return step * found if found else round(length)


def letter_of(figure: dict[str, Any], across: float, down: float) -> float:
    """Pixels of the numbers in cells of this width and height; MOST_LETTER where there are none."""
    texts = [
        str(text).strip() for trace in heatmaps(figure) if trace.get("texttemplate") for row in trace.get("text") or () for text in row
    ]
    longest = max(map(len, texts), default=0)
    return min(MOST_LETTER, 0.85 * across / (LETTER_WIDTH * longest), 0.8 * down) if longest else MOST_LETTER


def as_vectors(sheet: Sheet, area: Area) -> Sheet:
    """The same figure with the cells of its heatmaps as rectangles, their numbers as text and their colour bars on empty traces."""
    figure, traces = sheet.figure, heatmaps(sheet.figure)
    rows, columns = np.shape(_values(traces[0]))
    letter = letter_of(figure, area.width / columns, area.height / rows)
    drawn: set[tuple[float, float]] = set()
    shapes: list[dict[str, Any]] = []
    data: list[dict[str, Any]] = []
    for trace in figure["data"]:
        if not any(trace is one for one in traces):
            data.append(trace)
            continue
        shapes += _rectangles(trace, area, drawn)
        data += [*_bar(trace), *_numbers(trace, letter)]
    figure["data"] = data
    figure["layout"]["shapes"] = [*shapes, *(figure["layout"].get("shapes") or ())]
    return sheet


def _bar(trace: dict[str, Any]) -> list[dict[str, Any]]:
    if trace.get("showscale") is False:
        return []
    low, high = _ends(trace)
    marker = {"color": [low], "cmin": low, "cmax": high, "colorscale": _scale(trace["colorscale"]), "showscale": True, "colorbar": trace.get("colorbar") or {}}  # fmt: skip
    return [
        {
            "type": "scatter",
            "x": [None],
            "y": [None],
            "mode": "markers",
            "marker": marker,
            "showlegend": False,
            "uid": f"{trace.get('uid')}bar",
        }
    ]


def _numbers(trace: dict[str, Any], letter: float) -> list[dict[str, Any]]:
    if not trace.get("texttemplate") or not trace.get("text"):
        return []
    x0, dx, y0, dy = _steps(trace)
    there = [(column, row, str(text)) for row, line in enumerate(trace["text"]) for column, text in enumerate(line) if str(text).strip()]
    return [{"type": "scatter", "mode": "text", "x": [x0 + dx * column for column, _, _ in there], "y": [y0 + dy * row for _, row, _ in there],
             "text": [text for *_, text in there], "textposition": "middle center", "showlegend": False, "cliponaxis": False,
             "textfont": {**(trace.get("textfont") or {}), "size": letter}, "uid": f"{trace.get('uid')}text"}]  # fmt: skip


def _rectangles(trace: dict[str, Any], area: Area, drawn: set[tuple[float, float]]) -> list[dict[str, Any]]:
    values, (x0, dx, y0, dy), (low, high) = _values(trace), _steps(trace), _ends(trace)
    rows, columns = values.shape
    there = np.isfinite(values)
    share = np.clip((values - low) / ((high - low) or 1), 0, 1)
    tints = iter(sample_colorscale(_scale(trace["colorscale"]), [float(part) for part in share[there]]) if there.any() else [])
    pixel_x, pixel_y = dx * columns / area.width, dy * rows / area.height
    gap_x, gap_y = (pixel * trace.get(name, 0) / 2 for pixel, name in ((pixel_x, "xgap"), (pixel_y, "ygap")))
    found = []
    for row, column in zip(*np.nonzero(there), strict=True):
        tint, place = next(tints), (x0 + dx * column, y0 + dy * row)
        if place in drawn:
            continue
        drawn.add(place)
        right = OVER * pixel_x if not gap_x and column + 1 < columns and there[row, column + 1] else -gap_x
        under = OVER * pixel_y if not gap_y and row + 1 < rows and there[row + 1, column] else -gap_y
        found.append({"type": "rect", "layer": "between", "line": {"width": 0}, "fillcolor": tint, "xref": "x", "yref": "y",
                      "x0": place[0] - dx / 2 + gap_x, "x1": place[0] + dx / 2 + right, "y0": place[1] - dy / 2 + gap_y,
                      "y1": place[1] + dy / 2 + under})  # fmt: skip
    return found


def _steps(trace: dict[str, Any]) -> tuple[float, float, float, float]:
    return tuple(float(trace.get(name, usual)) for name, usual in (("x0", 0), ("dx", 1), ("y0", 0), ("dy", 1)))


def _ends(trace: dict[str, Any]) -> tuple[float, float]:
    values = _values(trace)
    given = (trace.get("zmin"), trace.get("zmax"))
    return tuple(float(end) if end is not None else float(of(values)) for end, of in zip(given, (np.nanmin, np.nanmax), strict=True))


def _values(trace: dict[str, Any]) -> np.ndarray:
    return np.array([[np.nan if value is None else value for value in row] for row in trace["z"]], dtype=float)


def _scale(scale: Any) -> list:
    pairs = [list(entry) if isinstance(entry, list | tuple) else None for entry in scale]
    return pairs if all(pairs) else [[at / (len(scale) - 1), tint] for at, tint in enumerate(scale)]
