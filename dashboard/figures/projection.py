"""Prompts as points in two or three dimensions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.theme import SPARE, TYPE_COLOURS, TYPE_SYMBOLS, Mode, colour, faint, figure, ink, safe, symbol, type_order

SYMBOLS_3D = {
    "circle": "circle",
    "square": "square",
    "diamond": "diamond",
    "cross": "cross",
    "x": "x",
    "star": "circle-open",
}
PALETTE = (*TYPE_COLOURS.values(), *SPARE)


def space(
    points: pd.DataFrame, by: str, axes: Sequence[str], caption: str, mode: Mode, chosen: str | None = None,
    near: Sequence[str] = (),
) -> go.Figure:  # fmt: skip
    """Prompts as points; the chosen one and its nearest are ringed.

    Args:
        points: columns name, source, type, seed, plm, x, y and, in three dimensions, z.
        by: column that colours: "type", "source", "seed" or "plm".
        axes: axis titles.
        caption: the projection's parameters, printed below the plot.
    """
    deep = "z" in points
    fig = figure(mode, height=600 if deep else 540)
    groups = type_order(points[by]) if by == "type" else list(dict.fromkeys(points[by]))
    for place, group in enumerate(groups):
        part = points[points[by] == group]
        marker = {
            "size": 5 if deep else 11, "opacity": 0.9,
            "color": colour(str(group)) if by == "type" else PALETTE[place % len(PALETTE)],
            "symbol": _symbol(str(group) if by == "type" else list(TYPE_SYMBOLS)[place % len(TYPE_SYMBOLS)], deep),
        }  # fmt: skip
        shared = {"mode": "markers", "name": safe(group), "marker": marker, "customdata": part[["name"]].to_numpy(),
                  "hovertext": [safe(name) for name in part.name], "hovertemplate": "%{hovertext}<extra></extra>"}  # fmt: skip
        if deep:
            fig.add_scatter3d(x=part.x, y=part.y, z=part.z, **shared)
        else:
            fig.add_scatter(
                x=part.x,
                y=part.y,
                **shared,
                selected={"marker": {"opacity": 0.9}},
                unselected={"marker": {"opacity": 0.9}},
            )
    _rings(fig, points, chosen, near, deep, mode)
    if deep:
        sides = {"backgroundcolor": "rgba(0,0,0,0)", "gridcolor": faint(mode), "showticklabels": False}
        fig.update_layout(scene={f"{name}axis": {**sides, "title": {"text": title}} for name, title in zip("xyz", axes, strict=True)})
    else:
        fig.update_xaxes(title=axes[0], showticklabels=False)
        fig.update_yaxes(title=axes[1], showticklabels=False)
    fig.add_annotation(text=safe(caption), xref="paper", yref="paper", x=0, y=0, yshift=-44, xanchor="left", showarrow=False,
                       font={"size": 12, "color": faint(mode)})  # fmt: skip
    fig.update_layout(margin={"b": 62}, clickmode="event+select")
    return fig


def _symbol(kind: str, deep: bool) -> str:
    return SYMBOLS_3D[symbol(kind)] if deep else symbol(kind)


def _rings(fig: go.Figure, points: pd.DataFrame, chosen: str | None, near: Sequence[str], deep: bool, mode: Mode) -> None:
    for names, tint, size in (([chosen] if chosen else [], "#E69F00", 21), (list(near), ink(mode), 18)):
        part = points[points.name.isin(names)]
        if len(part):
            ring = {
                "color": tint,
                "symbol": "circle-open",
                "size": size * (0.6 if deep else 1),
                "line": {"width": 2.5, "color": tint},
            }
            label = "chosen" if names == [chosen] else "nearest"
            if deep:
                fig.add_scatter3d(x=part.x, y=part.y, z=part.z, mode="markers", marker=ring, name=label, hoverinfo="skip")
            else:
                fig.add_scatter(x=part.x, y=part.y, mode="markers", marker=ring, name=label, hoverinfo="skip")


def axis_titles(method: str, explained: np.ndarray | None, dimensions: int) -> list[str]:
    """ "PC 1 (34 %)" for PCA; other methods' axes have no meaning of their own."""
    if explained is None:
        return [{"umap": "UMAP", "tsne": "t-SNE"}[method] + f" {number + 1}" for number in range(dimensions)]
    return [f"PC {number + 1} ({share:.0%})" for number, share in enumerate(explained[:dimensions])]
