"""Similarity of prompts as a matrix in dendrogram order."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from dashboard.figures.matrix import groups_of
from dashboard.figures.strokes import strokes
from dashboard.theme import Mode, colour, colour_bar, describe, faint, figure, head_room, label, safe, sequential, type_key


def square_matrix(values: np.ndarray, names: Sequence[str], types: Sequence[str], title: str, mode: Mode) -> go.Figure:
    """Similarity of every pair of prompts, rows and columns in dendrogram order (average linkage on 1 - similarity,
    optimal leaf order), with the dendrogram above. Columns stand in the order of the rows.

    Args:
        values: (n, n); the diagonal is not drawn.
    """
    order, tree = dendrogram(values)
    n = len(order)
    shown = values[np.ix_(order, order)].astype(np.float32)
    np.fill_diagonal(shown, np.nan)
    labels = [safe(names[index]) for index in order]
    kinds = [types[index] for index in order]
    top = max(0.1, float(np.ceil(np.nanmax(shown, initial=0.0) * 20) / 20))
    fig = figure(mode, height=int(min(800, 180 + 16 * n)))
    fig.add_heatmap(
        z=shown, zmin=min(0.0, float(np.nanmin(shown, initial=0.0))), zmax=top, colorscale=sequential(mode), colorbar=colour_bar(),
        hovertemplate="%{customdata}<br>" + title + " %{z:.3f}<extra></extra>",
        customdata=np.array([[f"{a} and {b}" for b in labels] for a in labels]),
    )  # fmt: skip
    strokes(fig, tree, yaxis="y2", line={"color": faint(mode), "width": 1.2})
    strip = {"type": "rect", "line": {"width": 0}}
    for first, last, kind in groups_of(kinds):
        ends = {"fillcolor": colour(kind), **strip}
        fig.add_shape(**ends, xref="paper", xsizemode="pixel", xanchor=0, x0=-10, x1=-5, y0=first - 0.5, y1=last - 0.5)
        fig.add_shape(**ends, yref="paper", ysizemode="pixel", yanchor=0.84, y0=4, y1=9, x0=first - 0.5, x1=last - 0.5)
    # As many names as stay legible; the others are found by pointing.
    ticks = list(range(0, n, max(1, -(-n // 46))))
    type_key(fig, kinds, symbols=False)
    fig.update_xaxes(showticklabels=False, showgrid=False, range=[-0.5, n - 0.5], title="prompts, in the same order")
    fig.update_layout(
        yaxis={"domain": [0, 0.84], "tickvals": ticks, "ticktext": [label(names[order[tick]]) for tick in ticks], "ticklabelstandoff": 11,
               "tickfont": {"size": 11}, "range": [n - 0.5, -0.5], "showgrid": False, "title": "prompt"},
        yaxis2={"domain": [0.87, 1], "visible": False, "rangemode": "tozero"},
    )  # fmt: skip
    head_room(fig, title)
    return describe(fig, _square_words(shown, labels, title))


def by_group(values: np.ndarray, groups: Sequence[str], types: Sequence[str]) -> tuple[np.ndarray, list[str], list[str]]:
    """Means of a similarity over the pairs of two groups, an item with itself left out.

    Args:
        values: (n, n). groups, types: (n,) of the items; a group's type is its first item's.

    Returns:
        (groups, groups), NaN for a group of one with itself; the groups' names, and their types.
    """
    names = list(dict.fromkeys(groups))
    member = np.equal.outer(names, groups).astype(float)
    apart = ~np.eye(len(values), dtype=bool) & np.isfinite(values)
    count = member @ apart @ member.T
    with np.errstate(invalid="ignore", divide="ignore"):
        found = (member @ np.where(apart, values, 0) @ member.T) / count
    return found, names, [types[list(groups).index(name)] for name in names]


def _square_words(shown: np.ndarray, labels: Sequence[str], title: str) -> str:
    text = f"Matrix of {title} between {len(labels)} prompts in dendrogram order"
    if not np.isfinite(shown).any():
        return text + "."
    row, column = np.unravel_index(np.nanargmax(shown), shown.shape)
    return (text + f": from {np.nanmin(shown):.2f} to {shown[row, column]:.2f}, mean {np.nanmean(shown):.2f}; most alike are "
            f"{labels[row]} and {labels[column]}.")  # fmt: skip


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
