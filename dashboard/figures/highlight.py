"""What makes a pair, a row or a column stand out, alike on every figure."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.theme import CHOSEN, label

MOST_BANDS = 40
"""Outlines at most: of more, nothing stands out."""


def ring(fig: go.Figure, points: pd.DataFrame, pair: tuple[str, str] | None, *, named: bool = True, **place: int) -> None:
    """A ring around every point of a pair.

    Args:
        points: columns source, target, similarity (x), transfer (y). ``place``: row and col of a panel.
        named: whether the legend says which pair it is.
    """
    if pair is None:
        return
    part = points[(points.source == pair[0]) & (points.target == pair[1])]
    if part.empty:
        return
    where = {"x": part.similarity.to_numpy(np.float32), "y": part.transfer.to_numpy(np.float32), "mode": "markers", "hoverinfo": "skip"}
    # Dark below bright: it is seen on either paper.
    fig.add_scatter(
        **where, showlegend=False, marker={"symbol": "circle-open", "size": 17, "color": "#111111", "line": {"width": 5}}, **place
    )
    fig.add_scatter(**where, showlegend=named, name=label(f"{pair[0]} on {pair[1]}"),
                    marker={"symbol": "circle-open", "size": 17, "color": CHOSEN, "line": {"width": 3}}, **place)  # fmt: skip


def bands(rows: Sequence[int], columns: Sequence[int], shape: tuple[int, int]) -> list[dict]:
    """Outlines of whole rows and columns of a matrix, neighbours in one."""
    line = {"type": "rect", "line": {"color": CHOSEN, "width": 2}}
    found = [{**line, "x0": -0.5, "x1": shape[1] - 0.5, "y0": first - 0.5, "y1": last + 0.5} for first, last in _stretches(rows)]
    found += [{**line, "y0": -0.5, "y1": shape[0] - 0.5, "x0": first - 0.5, "x1": last + 0.5} for first, last in _stretches(columns)]
    return found[:MOST_BANDS]


def _stretches(places: Sequence[int]) -> list[tuple[int, int]]:
    """First and last of each stretch of numbers that follow each other."""
    parts = np.split(np.asarray(places, dtype=int), np.flatnonzero(np.diff(places) != 1) + 1)
    return [(int(part[0]), int(part[-1])) for part in parts if len(part)]
