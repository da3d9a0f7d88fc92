"""Overlap against performance: the scatter, its panels by target, all indicators side by side, and the layers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go
from plotly.subplots import make_subplots

from dashboard.figures.highlight import ring
from dashboard.figures.strokes import strokes
from dashboard.figures.tiles import FEWEST, tiles
from dashboard.theme import (
    Mode,
    accent,
    colour,
    describe,
    faint,
    figure,
    head_room,
    ink,
    key,
    label,
    paper,
    safe,
    symbol,
    type_key,
    type_order,
)


def scatter(pairs: pd.DataFrame, x_title: str, y_title: str, mode: Mode, selected: tuple[str, str] | None = None) -> go.Figure:
    """Each pair of source and target a point, coloured by the type of the target; filled where source and target are of
    one type, open where not. Of very many, those of other types are tiles, the stronger the more lie there.

    Args:
        pairs: columns source, target, target_type, same_type (bool), similarity, transfer, seed.
        selected: source and target of the pair that is open; a ring is drawn around its points.
    """
    fig = figure(mode, height=400)
    says = f"<b>%{{customdata[0]}}</b> on <b>%{{customdata[1]}}</b>, seed %{{customdata[2]}}<br>{x_title} %{{x:.3f}}<br>{y_title} %{{y:.3f}}<extra></extra>"
    shaded = crowded(pairs)
    if shaded:
        _crowd(fig, pairs[~pairs.same_type], says, mode)
    # Open markers first, so that the fewer filled ones lie above them.
    for same in (True,) if shaded else (False, True):
        for kind in type_order(pairs.target_type):
            part = pairs[(pairs.target_type == kind) & (pairs.same_type == same)]
            if part.empty:
                continue
            fig.add_scatter(
                **_places(part), mode="markers", name=safe(kind), showlegend=False, hovertemplate=says,
                marker={"color": colour(kind), "symbol": symbol(kind) + ("" if same else "-open"), "size": 8, **({} if same else {"line": {"width": 1.5}})},
                unselected={"marker": {"opacity": 1}},
            )  # fmt: skip
    if pairs.same_type.any() or not shaded:
        type_key(fig, pairs.target_type)
    key(fig, [(name, {"color": faint(mode), "symbol": form}) for name, form, there in
              (("same type", "circle", pairs.same_type.any()), ("other type", "circle-open", not shaded and (~pairs.same_type).any())) if there])  # fmt: skip
    ring(fig, pairs, selected)
    fig.update_xaxes(title=x_title)
    fig.update_yaxes(title=y_title)
    fig.update_layout(clickmode="event+select")
    head_room(fig)
    return describe(fig, f"{len(pairs)} pairs of source and target; {x_title} from {pairs.similarity.min():.2f} to "
                         f"{pairs.similarity.max():.2f}, {y_title} from {pairs.transfer.min():.2f} to {pairs.transfer.max():.2f}; "
                         f"{int(pairs.same_type.sum())} pairs are of one type.")  # fmt: skip


def crowded(pairs: pd.DataFrame) -> bool:
    """Whether :func:`scatter` draws pairs of other types as tiles, since a point each would hide the rest."""
    return int((~pairs.same_type).sum()) > FEWEST


def _crowd(fig: go.Figure, pairs: pd.DataFrame, says: str, mode: Mode) -> None:
    """Tiles, and an unseen point a pair for hover and clicks."""
    place = _places(pairs)
    tiles(fig, place["x"], place["y"], mode, "other type")
    fig.add_scatter(
        **place, mode="markers", showlegend=False, hovertemplate=says, marker={"size": 8, "opacity": 0, "color": faint(mode), "maxdisplayed": 1},
        selected={"marker": {"opacity": 0}}, unselected={"marker": {"opacity": 0}},
    )  # fmt: skip


def _places(pairs: pd.DataFrame) -> dict[str, np.ndarray]:
    """Where pairs lie and what they are called."""
    return {"x": pairs.similarity.to_numpy(np.float32), "y": pairs.transfer.to_numpy(np.float32),
            "customdata": pairs[["source", "target", "seed"]].map(safe).to_numpy()}  # fmt: skip


def panels(
    pairs: pd.DataFrame, rho: pd.Series, x_title: str, y_title: str, mode: Mode, columns: int = 3, selected: tuple[str, str] | None = None,
) -> go.Figure:  # fmt: skip
    """The same points, one panel a target, the target's mean correlation in its title; all panels share their axes.

    Args:
        pairs: as :func:`scatter`, with source_type; points are coloured by it.
        rho: target -> correlation, NaN where undefined; gives the order.
        selected: source and target of the pair that is open.
    """
    targets = list(rho.index)
    columns = max(1, min(columns, len(targets)))
    rows = max(1, -(-len(targets) // columns))
    titles = [f"{label(name)}<br><b>{_signed(rho[name])}</b>" for name in targets]
    height = 60 + 160 * rows
    fig = make_subplots(rows, columns, subplot_titles=titles, shared_yaxes="all", shared_xaxes="all",
                        vertical_spacing=48 / height if rows > 1 else 0, horizontal_spacing=0.03)  # fmt: skip
    fig.update_layout(template=figure(mode, height).layout.template, height=height)
    fig.update_annotations(font_size=12)
    for place, name in enumerate(targets):
        part = pairs[pairs.target == name]
        fig.add_scatter(
            **_places(part), mode="markers", showlegend=False, unselected={"marker": {"opacity": 1}},
            marker={"color": [colour(kind) for kind in part.source_type], "symbol": [symbol(kind) for kind in part.source_type], "size": 7},
            hovertemplate="from <b>%{customdata[0]}</b>, seed %{customdata[2]}<br>%{x:.3f}, %{y:.3f}<extra></extra>",
            row=place // columns + 1, col=place % columns + 1,
        )  # fmt: skip
        ring(fig, part, selected, named=False, row=place // columns + 1, col=place % columns + 1)
        lowest = place + columns >= len(targets)
        fig.update_xaxes(showticklabels=lowest, nticks=5, tickangle=0, row=place // columns + 1, col=place % columns + 1)
    fig.update_yaxes(nticks=7)
    fig.update_layout(clickmode="event+select")
    type_key(fig, pairs.source_type)
    fig.add_annotation(text=x_title, x=0.5, y=0, xref="paper", yref="paper", yshift=-24, yanchor="top", showarrow=False)
    fig.add_annotation(text=y_title, x=0, y=0.5, xref="paper", yref="paper", xshift=-48, textangle=-90, showarrow=False)
    head_room(fig)
    # Two lines of title stand above the highest panels.
    fig.update_layout(margin={"l": 62, "b": 52, "t": fig.layout.margin.t + 24}, legend={"y": 1, "yanchor": "top"})
    known = rho[np.isfinite(rho)]
    ends = f" from {known.min():.2f} ({known.idxmin()}) to {known.max():.2f} ({known.idxmax()})" if len(known) else " undefined"
    return describe(fig, f"{len(targets)} panels, one a target, of {y_title} against {x_title}; Spearman correlation{ends}.")


def _signed(value: float) -> str:
    return f"{value:z.2f}".replace("-", "−") if np.isfinite(value) else "undefined"


def forest(table: pd.DataFrame, mode: Mode, highlight: str | None = None) -> go.Figure:
    """Mean per-target Spearman correlation of each indicator with its 95 % interval.

    Args:
        table: columns label, value, ci_low, ci_high, p; drawn from top to bottom. NaN values keep their row.
    """
    fig = figure(mode, height=88 + 42 * len(table))
    tints = [accent(mode) if name == highlight else faint(mode) for name in table.label]
    fig.add_vline(x=0, line={"color": faint(mode), "width": 1})
    for tint in dict.fromkeys(tints):
        strokes(fig, [((row.ci_low, row.ci_high), (place, place)) for place, row in enumerate(table.itertuples()) if tints[place] == tint],
                line={"color": tint, "width": 3})  # fmt: skip
    fig.add_scatter(
        x=table.value, y=list(range(len(table))), mode="markers+text", text=[_signed(value) for value in table.value],
        textposition="top center", textfont={"size": 12},
        marker={"size": 12, "color": tints, "line": {"color": paper(mode), "width": 1.5},
                "symbol": ["diamond" if name == highlight else "circle" for name in table.label]},
        customdata=np.stack([[safe(name) for name in table.label], table.ci_low.round(3), table.ci_high.round(3), table.p.round(4)], axis=1),
        hovertemplate="%{customdata[0]}: %{x:.3f}<br>95 % interval %{customdata[1]} to %{customdata[2]}<br>p %{customdata[3]}<extra></extra>",
    )  # fmt: skip
    ends = [edge for edge in (0.0, *table.ci_low, *table.ci_high) if np.isfinite(edge)]
    fig.update_layout(showlegend=False, margin={"t": 8})
    fig.update_xaxes(title="mean per-target Spearman correlation", range=[min(ends) - 0.02, max(ends) + 0.02])
    fig.update_yaxes(tickvals=list(range(len(table))), ticktext=[label(name) for name in table.label], showgrid=False,
                     range=[len(table) - 0.5, -0.7])  # fmt: skip
    words = "; ".join(f"{row.label} {row.value:z.2f} ({row.ci_low:z.2f} to {row.ci_high:z.2f})" for row in table.itertuples())
    return describe(fig, f"Mean per-target Spearman correlation with transfer and 95 % interval: {words}.")


def by_layer(layers: Sequence[float], low: Sequence[float], high: Sequence[float], overall: float, mode: Mode) -> go.Figure:
    """Correlation of ON with transfer when only one layer's neurons count, with its interval; the line is all layers.

    Args:
        layers, low, high: one value a layer, NaN where undefined.
    """
    fig = figure(mode, height=270)
    values, low, high = (np.asarray(part, dtype=float) for part in (layers, low, high))
    place = np.arange(1, len(values) + 1)
    fig.add_hline(y=0, line={"color": faint(mode), "width": 1})
    fig.add_scatter(
        x=place, y=values, mode="lines+markers", line={"color": accent(mode), "width": 2}, marker={"size": 9}, name="one layer, 95 % interval",
        error_y={"type": "data", "symmetric": False, "array": high - values, "arrayminus": values - low, "thickness": 2, "width": 0,
                 "color": accent(mode)},
        customdata=np.stack([low, high], axis=1),
        hovertemplate="layer %{x}: %{y:.3f} (%{customdata[0]:.3f} to %{customdata[1]:.3f})<extra></extra>",
    )  # fmt: skip
    if np.isfinite(overall):
        fig.add_scatter(x=[0.5, len(values) + 0.5], y=[overall, overall], mode="lines", name=f"all layers {_signed(overall)}",
                        hoverinfo="skip", line={"color": ink(mode), "dash": "dash", "width": 1.5})  # fmt: skip
    fig.update_xaxes(title="layer", showgrid=False, range=[0.5, len(values) + 0.5], tickvals=place if len(values) <= 24 else None)
    ends = [edge for edge in (0.0, overall, *low, *high) if np.isfinite(edge)]
    fig.update_yaxes(title="mean Spearman correlation", range=[min(ends) - 0.03, max(ends) + 0.05])
    head_room(fig)
    words = ", ".join(f"{value:.2f}" if np.isfinite(value) else "undefined" for value in values)
    return describe(fig, f"Correlation of ON with transfer by layer: {words}; all layers {overall:.2f}.")
