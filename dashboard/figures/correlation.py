"""Overlap against performance: the scatter, its panels by target, all indicators side by side, and the layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboard.theme import ACCENT, Mode, colour, faint, figure, ink, quiet, safe, symbol, type_order


def scatter(pairs: pd.DataFrame, x_title: str, y_title: str, mode: Mode) -> go.Figure:
    """Each pair of source and target a point, coloured by the type of the target; filled where source and target are of
    one type, open where not.

    Args:
        pairs: columns source, target, target_type, same_type (bool), similarity, transfer, seed.
    """
    fig = figure(mode, height=430)
    for kind in type_order(pairs.target_type):
        group = pairs[pairs.target_type == kind]
        for same, part in group.groupby("same_type", sort=True):
            fig.add_scatter(
                x=part.similarity.to_numpy(np.float32), y=part.transfer.to_numpy(np.float32), mode="markers",
                name=safe(kind), legendgroup=kind, showlegend=bool(same),
                marker={"color": colour(kind), "symbol": symbol(kind) + ("" if same else "-open"), "size": 8, "opacity": 0.8},
                customdata=part[["source", "target", "seed"]].map(safe).to_numpy(),
                hovertemplate="%{customdata[0]} on %{customdata[1]} (seed %{customdata[2]})<br>" + x_title
                + " %{x:.3f}<br>" + y_title + " %{y:.3f}<extra></extra>",
            )  # fmt: skip
    fig.update_xaxes(title=x_title)
    fig.update_yaxes(title=y_title)
    return fig


def panels(pairs: pd.DataFrame, rho: pd.Series, x_title: str, y_title: str, mode: Mode, columns: int = 3) -> go.Figure:
    """The same points, one panel a target, the target's mean correlation in its title."""
    targets = list(rho.index)
    rows = int(np.ceil(len(targets) / columns))
    titles = [f"{safe(name)}<br>{rho[name]:.2f}" if np.isfinite(rho[name]) else f"{safe(name)}<br>undefined" for name in targets]
    base = figure(mode, height=70 + 190 * rows)
    fig = make_subplots(rows, columns, subplot_titles=titles, shared_yaxes=True, shared_xaxes=True,
                        vertical_spacing=min(0.12, 0.5 / rows), horizontal_spacing=0.03)  # fmt: skip
    fig.update_layout(template=base.layout.template, height=base.layout.height, showlegend=False)
    for place, name in enumerate(targets):
        part = pairs[pairs.target == name]
        fig.add_scatter(
            x=part.similarity.to_numpy(np.float32), y=part.transfer.to_numpy(np.float32), mode="markers",
            marker={"color": [colour(kind) for kind in part.source_type], "symbol": [symbol(kind) for kind in part.source_type], "size": 7},
            customdata=part[["source", "seed"]].map(safe).to_numpy(),
            hovertemplate="from %{customdata[0]} (seed %{customdata[1]})<br>%{x:.3f}, %{y:.3f}<extra></extra>",
            row=place // columns + 1, col=place % columns + 1,
        )  # fmt: skip
    fig.update_annotations(font_size=12)
    fig.add_annotation(text=x_title, x=0.5, y=0, xref="paper", yref="paper", yshift=-38, showarrow=False)
    fig.add_annotation(text=y_title, x=0, y=0.5, xref="paper", yref="paper", xshift=-52, textangle=-90, showarrow=False)
    fig.update_layout(margin={"l": 64, "b": 54})
    return fig


def forest(table: pd.DataFrame, mode: Mode, highlight: str | None = None) -> go.Figure:
    """Mean per-target Spearman correlation of each indicator with its 95 % interval.

    Args:
        table: columns label, value, ci_low, ci_high, p; drawn from top to bottom.
    """
    fig = figure(mode, height=110 + 38 * len(table))
    names = [safe(label) for label in table.label]
    fig.add_vline(x=0, line={"color": faint(mode), "width": 1})
    fig.add_scatter(
        x=table.value, y=names, mode="markers",
        error_x={"type": "data", "symmetric": False, "array": table.ci_high - table.value,
                 "arrayminus": table.value - table.ci_low, "thickness": 2, "width": 5, "color": faint(mode)},
        marker={"size": 12, "color": [ACCENT if label == highlight else faint(mode) for label in table.label],
                "symbol": ["diamond" if label == highlight else "circle" for label in table.label]},
        customdata=np.stack([table.ci_low, table.ci_high, table.p], axis=1),
        hovertemplate="%{y}: %{x:.3f}<br>95 % interval %{customdata[0]:.3f} to %{customdata[1]:.3f}<br>p %{customdata[2]:.4f}<extra></extra>",
    )  # fmt: skip
    fig.update_xaxes(title="mean Spearman correlation")
    fig.update_yaxes(autorange="reversed", showgrid=False)
    return fig


def by_layer(layers: Sequence[float], low: Sequence[float], high: Sequence[float], overall: float, mode: Mode) -> go.Figure:
    """Correlation of ON with transfer when only one layer's neurons count, with its interval; the line is all layers."""
    fig = figure(mode, height=300)
    names = [str(layer + 1) for layer in range(len(layers))]
    values = np.asarray(layers, dtype=float)
    fig.add_scatter(
        x=names, y=values, mode="lines+markers", line={"color": ACCENT}, marker={"size": 10},
        error_y={"type": "data", "symmetric": False, "array": np.asarray(high) - values, "arrayminus": values - np.asarray(low),
                 "thickness": 1.5, "color": faint(mode)}, hovertemplate="layer %{x}: %{y:.3f}<extra></extra>",
    )  # fmt: skip
    if np.isfinite(overall):
        fig.add_hline(
            y=overall,
            line={"color": ink(mode), "dash": "dash", "width": 1.5},
            annotation_text=f"all layers {overall:.2f}",
        )
    fig.add_hline(y=0, line={"color": quiet(mode), "width": 1})
    fig.update_xaxes(title="layer", type="category", showgrid=False)
    fig.update_yaxes(title="mean Spearman correlation")
    return fig
