"""Matrices: transfer (source x target), ON in dendrogram order, type blocks, confusion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from dashboard.theme import SEQUENTIAL, Mode, colour, faint, figure, ink, paper, quiet, safe

WRITE_NUMBERS = 24
"""Numbers stand in the cells of matrices up to this many columns; wider ones have a colour bar instead."""


class Axis(NamedTuple):
    """Names along one side of a matrix, and the type each belongs to (for colour and grouping)."""

    names: Sequence[str]
    types: Sequence[str]


def _type_strips(fig: go.Figure, axis: Axis, side: str, mode: Mode) -> None:
    """A coloured strip beside the names, and a gap of paper between types."""
    start = 0
    for end in range(1, len(axis.types) + 1):
        if end < len(axis.types) and axis.types[end] == axis.types[start]:
            continue
        first, last = start - 0.5, end - 0.5
        strip = {"type": "rect", "line": {"width": 0}, "fillcolor": colour(axis.types[start]), "layer": "above"}
        if side == "left":
            fig.add_shape(**strip, xref="paper", x0=-0.008, x1=-0.002, y0=first, y1=last)
            fig.add_shape(
                type="line", x0=-0.5, x1=1, xref="paper", y0=first, y1=first, line={"color": paper(mode), "width": 4}
            ) if start else None
        else:
            fig.add_shape(**strip, yref="paper", y0=1.002, y1=1.012, x0=first, x1=last)
            fig.add_shape(
                type="line", y0=0, y1=1, yref="paper", x0=first, x1=first, line={"color": paper(mode), "width": 4}
            ) if start else None
        start = end


def transfer_matrix(
    values: np.ndarray, sources: Axis, targets: Axis, *, low: np.ndarray, high: np.ndarray, count: np.ndarray,
    own: Sequence[tuple[int, int]], relative: bool, mode: Mode, selected: tuple[int, int] | None = None,
    spread: str = "95 % interval",
) -> go.Figure:  # fmt: skip
    """Source prompts (rows) on target tasks (columns), grouped by type; own prompts framed, missing cells crossed out.

    Every cell carries an invisible marker at (column, row), since plotly reports no clicks on heatmaps.

    Args:
        values: (sources, targets), NaN where missing; scores, or relative performance.
        low, high: ends of what ``spread`` names, shown on hover.
        count: examples of each cell.
        own: (row, column) of own prompts.
    """
    rows, columns = values.shape
    top = 1.0 if not relative else max(1.05, float(np.nanmax(values, initial=1.0)))
    fig = figure(mode, height=120 + 30 * rows)
    scale_title = "relative<br>performance" if relative else "accuracy"
    fig.add_heatmap(
        z=values.astype(np.float32), zmin=0.25, zmax=top, colorscale=SEQUENTIAL, hoverinfo="skip",
        # Plotly fits the size of these numbers to the cells, so that they never overlap on a phone.
        text=[[f"{value:.2f}".removeprefix("0") if np.isfinite(value) else "" for value in line] for line in values],
        texttemplate="%{text}" if columns <= WRITE_NUMBERS else None,
showscale=columns > WRITE_NUMBERS,
        colorbar={"title": {"text": scale_title, "side": "top"}, "thickness": 10, "len": 0.6, "outlinewidth": 0},
    )  # fmt: skip
    y, x = np.divmod(np.arange(rows * columns), columns)
    flat = values.ravel()
    there = np.isfinite(flat)
    what = "relative performance" if relative else "accuracy"
    notes = [
        f"<b>{safe(sources.names[r])}</b> on <b>{safe(targets.names[c])}</b><br>"
        + (f"{what} {v:.3f}<br>{spread} {lo:.3f} to {hi:.3f}, n = {k:.0f}<br>click for details" if ok else "not computed yet")
        for r, c, v, lo, hi, k, ok in zip(y, x, flat, low.ravel(), high.ravel(), count.ravel(), there, strict=True)
    ]
    fig.add_scatter(
        x=x[~there], y=y[~there], mode="markers", hoverinfo="skip",
        marker={"symbol": "x-thin", "size": 9, "line": {"color": faint(mode), "width": 1}},
    )  # fmt: skip
    fig.add_scatter(
        x=x, y=y, mode="markers", hovertext=notes, hoverinfo="text", name="cells",
        marker={"symbol": "square", "size": 26, "opacity": 0, "color": ink(mode)},
        selected={"marker": {"opacity": 0}}, unselected={"marker": {"opacity": 0}},
    )  # fmt: skip
    _type_strips(fig, sources, "left", mode)
    _type_strips(fig, targets, "top", mode)
    for row, column in own:
        fig.add_shape(type="rect", x0=column - 0.5, x1=column + 0.5, y0=row - 0.5, y1=row + 0.5,
                      line={"color": ink(mode), "width": 1.5})  # fmt: skip
    if selected is not None:
        row, column = selected
        fig.add_shape(type="rect", x0=column - 0.5, x1=column + 0.5, y0=row - 0.5, y1=row + 0.5,
                      line={"color": "#E69F00", "width": 4})  # fmt: skip
    fig.update_xaxes(tickvals=list(range(columns)), ticktext=[safe(name) for name in targets.names], tickangle=-55,
                     range=[-0.5, columns - 0.5], title="target task", showgrid=False, side="bottom")  # fmt: skip
    fig.update_yaxes(tickvals=list(range(rows)), ticktext=[safe(name) for name in sources.names],
        ticklabelstandoff=10,
                     range=[rows - 0.5, -0.5], title="source prompt", showgrid=False)  # fmt: skip
    _type_legend(fig, [*sources.types, *targets.types])
    fig.update_layout(clickmode="event+select", dragmode=False, plot_bgcolor=quiet(mode), legend={"y": 1.03})
    return fig


def _type_legend(fig: go.Figure, types: Sequence[str]) -> None:
    """A key to the strips; the other traces stay out of it."""
    fig.update_traces(showlegend=False, selector=lambda trace: trace.type == "scatter")
    for kind in dict.fromkeys(kind for kind in types if kind not in ("random", "none")):
        fig.add_scatter(x=[None], y=[None], mode="markers", name=safe(kind), hoverinfo="skip",
                        marker={"symbol": "square", "size": 11, "color": colour(kind)})  # fmt: skip


def square_matrix(values: np.ndarray, names: Sequence[str], types: Sequence[str], title: str, mode: Mode) -> go.Figure:
    """Similarity of every pair of prompts, rows and columns in dendrogram order (average linkage on 1 - similarity,
    optimal leaf order), with the dendrogram above.

    Args:
        values: (n, n), 1 or NaN on the diagonal.
    """
    order, tree = dendrogram(values)
    n = len(order)
    shown = values[np.ix_(order, order)].astype(np.float32)
    np.fill_diagonal(shown, np.nan)
    fig = figure(mode, height=int(min(820, 230 + 24 * n)))
    labels = [safe(names[index]) for index in order]
    fig.add_heatmap(
        z=shown, colorscale=SEQUENTIAL, hovertemplate="%{customdata}<br>" + title + " %{z:.3f}<extra></extra>",
        customdata=np.array([[f"{a} and {b}" for b in labels] for a in labels]),
        colorbar={"title": {"text": title, "side": "top"}, "thickness": 10, "len": 0.6, "outlinewidth": 0},
    )  # fmt: skip
    for xs, ys in tree:
        fig.add_scatter(x=xs, y=ys, mode="lines", yaxis="y2", hoverinfo="skip", line={"color": faint(mode), "width": 1.2})
    axis = Axis(labels, [types[index] for index in order])
    for place, kind in enumerate(axis.types):
        fig.add_shape(type="rect", xref="paper", x0=-0.008, x1=-0.002, y0=place - 0.5, y1=place + 0.5,
                      line={"width": 0}, fillcolor=colour(kind))  # fmt: skip
    step = max(1, n // 42)
    ticks = list(range(0, n, step))
    fig.update_xaxes(tickvals=ticks, ticktext=[labels[tick] for tick in ticks], tickangle=-50, showgrid=False, range=[-0.5, n - 0.5])
    _type_legend(fig, axis.types)
    fig.update_layout(
        yaxis={"domain": [0, 0.84], "tickvals": ticks, "ticktext": [labels[tick] for tick in ticks],
            "ticklabelstandoff": 10,
                                 "range": [n - 0.5, -0.5], "showgrid": False},
        yaxis2={"domain": [0.86, 1], "visible": False, "rangemode": "tozero"},
    )  # fmt: skip
    return fig


def dendrogram(values: np.ndarray) -> tuple[list[int], list[tuple[list[float], list[float]]]]:
    """Leaf order and the lines of the tree, leaves at 0, 1, 2, ..."""
    from scipy.cluster import hierarchy
    from scipy.spatial.distance import squareform

    if len(values) < 3:
        return list(range(len(values))), []
    distance = np.clip(1 - np.nan_to_num(values, nan=0.0), 0, None)
    distance = (distance + distance.T) / 2
    np.fill_diagonal(distance, 0)
    flat = squareform(distance, checks=False)
    links = hierarchy.optimal_leaf_ordering(hierarchy.linkage(flat, "average"), flat)
    drawn = hierarchy.dendrogram(links, no_plot=True)
    lines = [([(x - 5) / 10 for x in xs], list(ys)) for xs, ys in zip(drawn["icoord"], drawn["dcoord"], strict=True)]
    return drawn["leaves"], lines


def type_blocks(values: np.ndarray, types: Sequence[str], mode: Mode) -> go.Figure:
    """Mean relative performance by type of source and of target, own prompts left out."""
    fig = figure(mode, height=110 + 52 * len(types))
    names = [safe(kind) for kind in types]
    fig.add_heatmap(
        z=values.astype(np.float32), x=names, y=names, zmin=0.25, zmax=1, colorscale=SEQUENTIAL, showscale=False,
        texttemplate="%{z:.2f}", textfont={"size": 15}, xgap=3, ygap=3,
        hovertemplate="source %{y}, target %{x}: %{z:.3f}<extra></extra>",
    )  # fmt: skip
    fig.update_xaxes(title="type of target", showgrid=False)
    fig.update_yaxes(title="type of source", showgrid=False, autorange="reversed")
    return fig


def confusion(counts: np.ndarray, labels: Sequence[str], mode: Mode) -> go.Figure:
    """How often each label (rows) was answered with each word (columns)."""
    names = [safe(label) for label in labels]
    fig = figure(mode, height=120 + 46 * len(labels))
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    fig.add_heatmap(
        z=share.astype(np.float32), x=names, y=names, zmin=0, zmax=1, colorscale=SEQUENTIAL, showscale=False, xgap=2, ygap=2,
        text=counts, texttemplate="%{text}", textfont={"size": 14},
        hovertemplate="label %{y}, answered %{x}: %{text} (%{z:.0%} of the label)<extra></extra>",
    )  # fmt: skip
    fig.update_xaxes(title="answered", showgrid=False)
    fig.update_yaxes(title="label", showgrid=False, autorange="reversed")
    return fig
