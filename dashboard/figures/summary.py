"""Small figures for the overview: own prompts against baselines, same type against other types."""

from __future__ import annotations

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.theme import ACCENT, Mode, colour, faint, figure, safe


def baselines(table: pd.DataFrame, mode: Mode) -> go.Figure:
    """Own prompt, random prompts and no prompt for every task, joined by a line.

    Args:
        table: one row a task, columns task, type, own, random, none (mean scores, NaN where missing).
    """
    fig = figure(mode, height=110 + 28 * len(table))
    names = [safe(name) for name in table.task]
    for name, row in zip(names, table.itertuples(), strict=True):
        fig.add_scatter(x=[np.nanmin([row.random, row.none, row.own]), np.nanmax([row.random, row.none, row.own])], y=[name, name],
                        mode="lines", line={"color": faint(mode), "width": 1}, showlegend=False, hoverinfo="skip")  # fmt: skip
    for column, label, look in (
        ("random", "random prompts", {"symbol": "x-thin", "size": 9, "line": {"width": 2, "color": faint(mode)}}),
        ("none", "no prompt", {"symbol": "circle-open", "size": 9, "color": faint(mode)}),
        ("own", "own prompt", {"symbol": "circle", "size": 12, "color": [colour(kind) for kind in table.type]}),
    ):
        fig.add_scatter(x=table[column], y=names, mode="markers", marker=look, name=label,
                        hovertemplate="%{y}, " + label + ": %{x:.3f}<extra></extra>")  # fmt: skip
    fig.update_xaxes(title="accuracy on the test split", range=[0.2, 1.01])
    fig.update_yaxes(autorange="reversed", showgrid=False)
    return fig


def type_effect(rows: pd.DataFrame, mode: Mode) -> go.Figure:
    """Mean relative performance of prompts of the target's type, of other types, and of random prompts.

    Args:
        rows: columns label, value, ci_low, ci_high.
    """
    fig = figure(mode, height=110 + 46 * len(rows))
    fig.add_bar(
        y=[safe(label) for label in rows.label], x=rows.value, orientation="h",
        marker={"color": [ACCENT, "#D55E00", "#7F7F7F"][: len(rows)]},
        error_x={"type": "data", "symmetric": False, "array": rows.ci_high - rows.value, "arrayminus": rows.value - rows.ci_low,
                 "color": faint(mode)},
        text=[f"{value:.2f}" for value in rows.value], textposition="inside", insidetextanchor="start",
        hovertemplate="%{y}: %{x:.3f}<extra></extra>",
    )  # fmt: skip
    fig.add_vline(
        x=1, line={"color": faint(mode), "dash": "dot", "width": 1.5}, annotation_text="own prompt", annotation_position="top left"
    )
    fig.update_xaxes(title="relative performance", range=[0, 1.1])
    fig.update_yaxes(autorange="reversed", showgrid=False)
    return fig
