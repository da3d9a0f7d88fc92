"""Small figures for the overview: own prompts against baselines, same type against other types."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.figures.strokes import strokes
from dashboard.theme import Mode, colour, describe, faint, figure, head_room, ink, key, label, paper, safe, symbol


def baselines(table: pd.DataFrame, mode: Mode, metric: str = "accuracy") -> go.Figure:
    """Own prompt, random prompts, no prompt and (where given) the majority class for every task, joined by a line.

    Args:
        table: one row a task, columns task, type, own, random, none and optionally majority (scores, NaN where missing).
    """
    fig = figure(mode, height=60 + 28 * len(table))
    place = np.arange(len(table))
    looks = {"majority": ("majority class", {"symbol": "line-ns", "size": 9, "line": {"width": 2, "color": faint(mode)}}),
             "random": ("random", {"symbol": "x-thin", "size": 9, "line": {"width": 2, "color": faint(mode)}}),
             "none": ("no prompt", {"symbol": "circle-open", "size": 9, "color": faint(mode)}),
             "own": ("own prompt", {"symbol": [symbol(kind) for kind in table.type], "size": 12,
                                    "color": [colour(kind) for kind in table.type]})}  # fmt: skip
    columns = [name for name in looks if name in table]
    names = [safe(name) for name in table.task]
    scores = table[columns].to_numpy(float)
    known = [(at, row) for at, row in zip(place, scores, strict=True) if np.isfinite(row).any()]
    strokes(fig, [((np.nanmin(row), np.nanmax(row)), (at, at)) for at, row in known], line={"color": faint(mode), "width": 1})
    for column in columns:
        title, marker = looks[column]
        fig.add_scatter(x=table[column], y=place, mode="markers", marker=marker, name=title, showlegend=column != "own", customdata=names,
                        hovertemplate="%{customdata}, " + title + ": %{x:.3f}<extra></extra>")  # fmt: skip
    key(fig, [("own prompt", {"color": ink(mode), "symbol": "circle"})])
    low = float(np.nanmin(scores, initial=1.0))
    fig.update_xaxes(title=f"{metric} on the test split", range=[np.floor(low * 10 - 0.2) / 10, 1.02])
    fig.update_yaxes(tickvals=place, ticktext=[label(name) for name in table.task], showgrid=False, range=[len(table) - 0.4, -0.6])
    head_room(fig)
    ahead = int((table.own > table.random).sum())
    return describe(fig, f"{metric} of {len(table)} tasks: own prompt {table.own.mean():.2f} on average, random prompts "
                         f"{table.random.mean():.2f}, no prompt {table.none.mean():.2f}; the own prompt is ahead of random on {ahead}.")  # fmt: skip


def type_effect(rows: pd.DataFrame, mode: Mode) -> go.Figure:
    """Mean relative performance of prompts of the target's type, of other types, and of random prompts, with intervals.

    Args:
        rows: columns label, value, ci_low, ci_high; drawn from top to bottom.
    """
    fig = figure(mode, height=116 + 48 * len(rows))
    place = list(range(len(rows)))
    fig.add_vline(x=1, line={"color": faint(mode), "dash": "dot", "width": 1.5})
    fig.add_annotation(x=1, y=1, yref="paper", yanchor="bottom", xanchor="right", xshift=6, text="own prompt", showarrow=False,
                       font={"size": 12, "color": faint(mode)})  # fmt: skip
    strokes(fig, [((row.ci_low, row.ci_high), (at, at)) for at, row in zip(place, rows.itertuples(), strict=True)],
            line={"color": faint(mode), "width": 3})  # fmt: skip
    fig.add_scatter(
        x=rows.value, y=place, mode="markers+text", text=[f"{value:.2f}" for value in rows.value], textposition="top center",
        textfont={"size": 13}, marker={"size": 13, "color": ink(mode), "line": {"color": paper(mode), "width": 1.5}},
        customdata=np.stack([[safe(name) for name in rows.label], rows.ci_low.round(3), rows.ci_high.round(3)], axis=1),
        hovertemplate="%{customdata[0]}: %{x:.3f}<br>95 % interval %{customdata[1]} to %{customdata[2]}<extra></extra>",
    )  # fmt: skip
    fig.update_layout(showlegend=False)
    fig.update_xaxes(title="relative performance", range=[0, max(1.08, float(rows.ci_high.max()) + 0.03)])
    fig.update_yaxes(tickvals=place, ticktext=[label(name) for name in rows.label], showgrid=False, range=[len(rows) - 0.5, -0.7])
    words = "; ".join(f"{row.label} {row.value:.2f} ({row.ci_low:.2f} to {row.ci_high:.2f})" for row in rows.itertuples())
    return describe(fig, f"Mean relative performance with 95 % interval: {words}. The own prompt is 1.")
