"""A transfer matrix too large for numbers in its cells: an overview in which a box opens a block."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import plotly.graph_objects as go

from dashboard.figures.highlight import bands
from dashboard.figures.matrix import Axis, frames, type_strips
from dashboard.theme import CHOSEN, Mode, colour_bar, describe, figure, head_room, quiet, safe, sequential, type_key

WIDE = 60
"""Rows or columns beyond which single cells are too small to be written in and clicked."""
HEIGHT = 760


def is_wide(rows: int, columns: int) -> bool:
    """Whether a matrix is drawn as an overview."""
    return max(rows, columns) > WIDE


def overview(
    values: np.ndarray, rows: Axis, columns: Axis, *, low: np.ndarray, high: np.ndarray, count: np.ndarray, relative: bool, mode: Mode,
    spread: str, metric: str, selected: tuple[int, int] | None = None, found: tuple[list[int], list[int]] = ((), ()),
) -> go.Figure:  # fmt: skip
    """Source prompts (rows) on target tasks (columns). Axes are plotly's category axes: it writes as many names as there is room for.

    Numbers travel as typed arrays and hover text is made in the browser, so that 200 x 200 cells stay below a megabyte.

    Args:
        values, low, high, count: (rows, columns); NaN where missing.
        found: numbers of rows and of columns that a search found; they are outlined.
    """
    what = "relative performance" if relative else metric
    names = [unique(axis.names) for axis in (rows, columns)]
    told = np.stack([low, high, count], axis=-1).astype(np.float32)
    fig = figure(mode, height=int(min(HEIGHT, 125 + 28 * len(rows.names))))
    top = max(1.05, float(np.nanmax(values, initial=1.0))) if relative else 1.0
    fig.add_heatmap(
        z=values.astype(np.float32), x=names[1], y=names[0], zmin=min(0.25, float(np.floor(np.nanmin(values, initial=1.0) * 20) / 20)), zmax=top,
        colorscale=sequential(mode), colorbar=colour_bar(), hoverongaps=False, customdata=told,
        hovertemplate=f"<b>%{{y}}</b> on <b>%{{x}}</b><br>{what} %{{z:.3f}}<br>{spread} %{{customdata[0]:.3f}} to %{{customdata[1]:.3f}}, "
        "n = %{customdata[2]:.0f}<extra></extra>",
    )  # fmt: skip
    boxable(fig, *names)
    type_strips(fig, rows, columns, mode, gaps=False)
    marked = bands(*found, values.shape) + (frames([selected], [("#111111", 5.5), (CHOSEN, 3.5)]) if selected else [])
    fig.update_layout(shapes=[*fig.layout.shapes, *marked], clickmode="event+select", plot_bgcolor=quiet(mode))
    fig.update_xaxes(range=[-0.5, len(columns.names) - 0.5], title="target task", showgrid=False, fixedrange=True,
                     autotickangles=[-40, -65, -90])  # fmt: skip
    fig.update_yaxes(range=[len(rows.names) - 0.5, -0.5], title="source prompt", showgrid=False, fixedrange=True,
                     ticklabelstandoff=11)  # fmt: skip
    type_key(fig, [kind for kind in [*rows.types, *columns.types] if kind not in ("random", "none")], symbols=False)
    head_room(fig, what)
    there = np.isfinite(values)
    words = (
        f"from {np.nanmin(values):.2f} to {np.nanmax(values):.2f}, mean {np.nanmean(values):.2f}" if there.any() else "none computed yet"
    )
    return describe(fig, f"Overview of {what}, {len(rows.names)} source prompts by {len(columns.names)} target tasks, {int((~there).sum())} cells "
                         f"missing: {words}.")  # fmt: skip


def boxable(fig: go.Figure, down: list[str], across: list[str]) -> None:
    """Category axes, and a box as what the mouse draws; browsers report it only where there is something to be selected."""
    fig.add_scatter(x=[across[0], across[-1]], y=[down[0], down[-1]], mode="markers", marker={"opacity": 0}, showlegend=False, hoverinfo="skip",
                    selected={"marker": {"opacity": 0}}, unselected={"marker": {"opacity": 0}})  # fmt: skip
    fig.update_xaxes(type="category")
    fig.update_yaxes(type="category")
    fig.update_layout(dragmode="select")


def unique(names: Sequence[str]) -> list[str]:
    """Names for a category axis: safe, and those that would look alike told apart by a number."""
    found: dict[str, int] = {}
    shown = []
    for name in names:
        text = safe(name if len(name) <= 32 else name[:31] + "…")
        found[text] = found.get(text, 0) + 1
        shown.append(text if found[text] == 1 else f"{text} ({found[text]})")
    return shown
