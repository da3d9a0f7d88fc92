"""Figures as pages send them, so that the browser draws each of them once.

Streamlit's chart hands plotly every figure twice: as it came, and a copy of it. Plotly leaves the copy alone where it finds nothing
changed, which it can only tell of a figure that has a data revision, no template, no free-form ``meta`` and no packed columns
(the diff of ``Plotly.react``, plotly.js 4).
"""

from __future__ import annotations

import base64
import json
import zlib
from typing import Any

import numpy as np
import plotly.graph_objects as go
from plotly.utils import PlotlyJSONEncoder

LONGEST = 10_000
"""Numbers in a column that are written out; longer columns stay packed and are drawn twice, which costs less than reading them."""
DIGITS = 7
"""All that single precision holds."""


class Once(go.Figure):
    """A figure whose description is what the browser is sent; ``layout.meta`` and ``layout.template`` are not in it.

    Args:
        clicks: whether the page hears of clicks on points; streamlit then sets what the mouse does, unless the figure says it.
    """

    def __init__(self, fig: go.Figure, *, clicks: bool = False) -> None:
        super().__init__()
        sent = _written_out(fig.to_dict())
        layout = _without_template(sent["layout"], sent["data"])
        layout.pop("meta", None)
        if clicks:
            layout = {"dragmode": "pan", "hovermode": "closest", **layout}
        layout["datarevision"] = zlib.crc32(json.dumps(sent["data"], cls=PlotlyJSONEncoder).encode())
        self._sent = {"data": sent["data"], "layout": layout}

    def to_dict(self) -> dict[str, Any]:
        """The description, as it is: not to be changed."""
        return self._sent


def once(fig: go.Figure, *, clicks: bool = False) -> Once:
    """The figure as pages send it, written out once of each figure: what was shown is not changed any more."""
    known = fig.__dict__.setdefault("_as_sent", {})
    if clicks not in known:
        known[clicks] = Once(fig, clicks=clicks)
    return known[clicks]


def _written_out(part: Any) -> Any:
    """A description with its short columns as lists of numbers, missing ones None."""
    if isinstance(part, dict):
        return _column(part) if "bdata" in part else {key: _written_out(value) for key, value in part.items()}
    # Lists of plain values, as names of points, are long and hold no columns.
    return [_written_out(one) for one in part] if isinstance(part, list) and part and isinstance(part[0], dict | list) else part


def _column(packed: dict[str, Any]) -> Any:
    found = np.frombuffer(base64.b64decode(packed["bdata"]), packed["dtype"])
    if len(found) > LONGEST:
        return packed
    if found.dtype.kind == "f":
        found = np.array([float(f"{value:.{DIGITS}g}") if np.isfinite(value) else None for value in found.tolist()], dtype=object)
    return found.reshape([int(side) for side in packed["shape"].split(",")] if "shape" in packed else -1).tolist()


def _without_template(layout: dict[str, Any], data: list[dict[str, Any]]) -> dict[str, Any]:
    """The layout with its template's settings written into it; as it is where the template says something of traces."""
    template = layout.get("template") or {}
    if template.get("data"):
        return layout
    common = dict(template.get("layout", {}))
    common.pop("template", None)
    axes = {side: common.pop(f"{side}axis", {}) for side in "xy"}
    found = _over(common, {key: value for key, value in layout.items() if key != "template"})
    for name in _axes(layout, data):
        found[name] = _over(axes[name[0]], found.get(name, {}))
    return found


def _axes(layout: dict[str, Any], data: list[dict[str, Any]]) -> set[str]:
    """Names of the flat axes: those that the layout has, and those that traces refer to."""
    named = {key for key in layout if key.startswith(("xaxis", "yaxis"))}
    flat = [trace for trace in data if "3d" not in trace["type"]]
    return named | {f"{side}axis{trace.get(f'{side}axis', side)[1:]}" for trace in flat for side in "xy"}


def _over(below: dict[str, Any], above: dict[str, Any]) -> dict[str, Any]:
    """Two settings in one; where both say something, ``above`` counts."""
    found = dict(below)
    for key, value in above.items():
        found[key] = _over(found[key], value) if isinstance(value, dict) and isinstance(found.get(key), dict) else value
    return found
