"""Many lines as one trace: to the browser a trace costs as much as all its lines."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import plotly.graph_objects as go


def strokes(fig: go.Figure, lines: Iterable[tuple[Sequence[float], Sequence[float]]], **options: object) -> None:
    """Lines (xs, ys) that stand for themselves: no key, nothing on hover. ``options`` go to plotly."""
    across, up = [], []
    for xs, ys in lines:
        across += [*xs, None]
        up += [*ys, None]
    if across:
        fig.add_scatter(x=across[:-1], y=up[:-1], mode="lines", hoverinfo="skip", showlegend=False, **options)
