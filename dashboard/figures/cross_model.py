"""Prompts of one PLM on another: what they score, against controls and baselines, and how much they differ."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.figures import matrix
from dashboard.figures.matrix import WRITE_NUMBERS, Axis
from dashboard.theme import Mode, accent, colour_bar, describe, faint, figure, head_room, ink, label, note, paper, safe, type_key

LOOKS = {
    "own task": ("projected, of this task", "circle"), "other type": ("control: of a wrong type", "circle-open"), "gaussian": ("control: Gaussian", "x-thin"),
    "random prompts": ("random prompts, not projected", "line-ns"), "own prompt": ("own prompt of the target PLM", "diamond-open"),
}  # fmt: skip
"""What a row of :func:`ptlib.analysis.cross_model.summary` is called, and its marker."""
HEADS = {"trained on": "tasks it was trained on", "same type": "unseen tasks, same type", "other types": "unseen tasks, other types"}


def roles(rows: pd.DataFrame, relatively: bool, mode: Mode, metric: str = "accuracy", where: str = "") -> go.Figure:
    """Mean score of what was projected, controls and baselines, with intervals, by how the task relates to the training tasks.

    Args:
        rows: of :func:`ptlib.analysis.cross_model.summary`; differences are left out.
        relatively: whether values are relative performance.
        where: PLMs, n and the like, in small print.
    """
    shown: list[tuple[str, object]] = []
    for relation in [name for name in HEADS if (rows["relation"] == name).any()]:
        shown.append((f"<b>{HEADS[relation]}</b>", None))
        part = rows[rows["relation"] == relation].set_index("what")
        shown += [(LOOKS[what][0], part.loc[what]) for what in LOOKS if what in part.index]
    fig = figure(mode, height=64 + 26 * len(shown))
    for at, (_, row) in enumerate(shown):
        if row is not None and np.isfinite(row.ci_low):
            fig.add_scatter(x=[row.ci_low, row.ci_high], y=[at, at], mode="lines", hoverinfo="skip", showlegend=False,
                            line={"color": accent(mode) if row.name == "own task" else faint(mode), "width": 3})  # fmt: skip
    for what, (name, marker) in LOOKS.items():
        mine = [(at, row) for at, (_, row) in enumerate(shown) if row is not None and row.name == what]
        if mine:
            tint = accent(mode) if what == "own task" else ink(mode)
            line = {"color": paper(mode) if marker == "circle" else tint, "width": 2}
            fig.add_scatter(
                x=[row.value for _, row in mine], y=[at for at, _ in mine], mode="markers", showlegend=False,
                marker={"symbol": marker, "size": 11, "color": tint, "line": line},
                customdata=[[name, round(row.ci_low, 3), round(row.ci_high, 3), int(row.n), int(row.tasks)] for _, row in mine],
                hovertemplate="%{customdata[0]}: %{x:.3f}<br>95 % interval %{customdata[1]} to %{customdata[2]}<br>n = %{customdata[3]}, %{customdata[4]} tasks<extra></extra>",
            )  # fmt: skip
    drawn = rows[rows["what"].isin(list(LOOKS))]
    low, high = float(np.nanmin(drawn["ci_low"], initial=0.9)), float(np.nanmax(drawn["ci_high"], initial=1.0))
    fig.update_xaxes(
        title="relative performance" if relatively else metric, range=[max(0.0, np.floor(low * 10 - 0.3) / 10), max(1.03, high + 0.03)]
    )
    fig.update_yaxes(tickvals=list(range(len(shown))), ticktext=[text for text, _ in shown], showgrid=False, range=[len(shown) - 0.5, -0.6])
    head_room(fig)
    if where:
        note(fig, where, mode, 52)
        # The plot begins far to the right, behind its long labels: the lines have room to its left only.
        fig.layout.annotations[-1].update(x=1, xanchor="right")
    words = "; ".join(f"{HEADS[row.relation]}, {LOOKS[row.what][0]} {row.value:.2f} ({row.ci_low:.2f} to {row.ci_high:.2f})"
                      for row in rows.itertuples() if row.what in LOOKS)  # fmt: skip
    return describe(fig, f"Mean {'relative performance' if relatively else metric} with 95 % interval: {words}.")


def projected_matrix(
    values: np.ndarray, low: np.ndarray, high: np.ndarray, count: np.ndarray, sources: Axis, targets: Axis, trained: Sequence[str], relatively: bool,
    mode: Mode, spread: str,
) -> go.Figure:  # fmt: skip
    """Projected prompts (rows, baselines below) on tasks of the target PLM; framed where the task is the prompt's own.

    Args:
        values, low, high, count: (sources, targets), NaN where missing: means, ends of what ``spread`` names, examples of each.
        trained: tasks the projectors were trained on; their names are bold.
    """
    own = [(row, targets.names.index(name)) for row, name in enumerate(sources.names) if name in targets.names]
    fig = matrix.transfer_matrix(values, sources, targets, low=low, high=high, count=count, own=own, relative=relatively, mode=mode, spread=spread,
                                 framed="prompt of this very task", hint="")  # fmt: skip
    bold = [f"<b>{label(name)}</b>" if name in trained else label(name) for name in targets.names]
    fig.update_xaxes(ticktext=bold, title="task of the target PLM (bold: trained on)")
    fig.update_yaxes(
        ticktext=[f"<b>{label(name)}</b>" if name in trained else label(name) for name in sources.names], title="what was projected"
    )
    diagonal = np.array([values[cell] for cell in own])
    off = np.ones(values.shape, dtype=bool)
    off[[kind in matrix.BASELINES for kind in sources.types]] = False
    for cell in own:
        off[cell] = False
    words = f" The task's own prompt, projected: mean {np.nanmean(diagonal):.2f}." if np.isfinite(diagonal).any() else ""
    others = values[off & np.isfinite(values)]
    words += f" Prompts of other tasks, projected: mean {others.mean():.2f}." if len(others) else ""
    return describe(
        fig,
        f"{'Relative performance' if relatively else 'Scores'} of {len(sources.names)} rows on {len(targets.names)} tasks of the target PLM.{words}",
    )


def distances(values: np.ndarray, names: Sequence[str], types: Sequence[str], mode: Mode, where: str = "") -> go.Figure:
    """Distance of every pair of prompts as a share of their mean norm: dark blocks of paper are prompts that collapsed onto each other.

    Args:
        values: (n, n).
        where: whose prompts; it stands below them.
    """
    n = len(names)
    shown = values.astype(np.float32).copy()
    np.fill_diagonal(shown, np.nan)
    fig = figure(mode, height=110 + max(16, min(30, 420 // max(n, 1))) * n)
    top = max(0.1, float(np.nanmax(shown, initial=0.0)))
    text = [[("" if np.isnan(value) else "0" if value < 0.005 else f"{value:.2f}".removeprefix("0")) for value in row] for row in shown]
    matrix.cells(fig, shown, np.array(text) if n <= WRITE_NUMBERS else None, (0.0, top), mode, gap=1, colorbar=colour_bar(),
                 customdata=np.array([[f"{safe(a)} and {safe(b)}" for b in names] for a in names]),
                 hovertemplate="%{customdata}<br>distance %{z:.4f} of their norm<extra></extra>")  # fmt: skip
    matrix.type_strips(fig, Axis(names, types), Axis(names, types), mode)
    ticks = {"tickvals": list(range(n)), "ticktext": [label(name) for name in names], "showgrid": False, "fixedrange": True}
    fig.update_xaxes(**ticks, range=[-0.5, n - 0.5], autotickangles=[-40, -65, -90], title=safe(where))
    fig.update_yaxes(**ticks, range=[n - 0.5, -0.5], ticklabelstandoff=11, title="projected prompt")
    type_key(fig, types, symbols=False)
    head_room(fig, "distance / norm", strip=10)
    pairs = shown[np.triu_indices(n, 1)]
    return describe(fig, f"Distances of {n} projected prompts as shares of their norm: from {np.nanmin(pairs, initial=np.inf):.3f} to {np.nanmax(pairs, initial=0):.3f}; "
                         f"{int((pairs <= 0.01).sum())} of {len(pairs)} pairs are within 1 %.")  # fmt: skip
