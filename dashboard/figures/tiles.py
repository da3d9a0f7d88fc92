"""Many points as tiles, the stronger the more lie there: one path a shade, where a path a point takes a browser long and hides the rest."""

from __future__ import annotations

import numpy as np
import plotly.graph_objects as go

from dashboard.theme import Mode, key

FEWEST = 1000
"""Points that are worth it; fewer are told apart one by one."""
ACROSS, UP = 48, 28
GAP = 0.06
"""Share of a tile's side that is left free at each of its edges."""
SHADES = {
    "light": ("#D5DCE3", "#B4BFCA", "#8E9BA9", "#657382", "#3D4955"),
    "dark": ("#2B333E", "#434E5B", "#627080", "#8997A6", "#B9C4CF"),
}


def tiles(fig: go.Figure, x: np.ndarray, y: np.ndarray, mode: Mode, what: str) -> None:
    """Tiles shaded by how many points lie in each, and one entry in the key: ``what`` they are, and how many at most.

    Args:
        x, y: (n,) finite places of the points, n at least 1.
    """
    count, across, up = np.histogram2d(x, y, bins=(ACROSS, UP))
    most = int(count.max())
    level = np.searchsorted(steps(most), count, side="right")
    for place, tint in enumerate(SHADES[mode], 1):
        if (level == place).any():
            _level(fig, across, up, level == place, tint)
    key(fig, [(f"{what}, 1 to {most} a tile", {"color": SHADES[mode][2], "symbol": "square"})])


def steps(most: int) -> list[int]:
    """The least number of points of each shade, each the same multiple of the one before; the last is there where ``most`` allows it."""
    shades = len(SHADES["light"])
    base = max(2, int(most ** (1 / (shades - 1)) + 1e-9))
    return [base**place for place in range(shades)]


def _level(fig: go.Figure, across: np.ndarray, up: np.ndarray, there: np.ndarray, tint: str) -> None:
    columns, rows = np.nonzero(there)
    gone = np.full(len(columns), np.nan)
    left, right = _ends(across, columns)
    low, high = _ends(up, rows)
    fig.add_scatter(
        x=np.stack([left, right, right, left, gone], axis=1).astype(np.float32).ravel()[:-1],
        y=np.stack([low, low, high, high, gone], axis=1).astype(np.float32).ravel()[:-1],
        mode="lines", line={"width": 0, "simplify": False}, fill="toself", fillcolor=tint, hoverinfo="skip", showlegend=False,
    )  # fmt: skip


def _ends(edges: np.ndarray, places: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    gap = GAP * (edges[1] - edges[0])
    return edges[places] + gap, edges[places + 1] - gap
