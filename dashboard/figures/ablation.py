"""Neurons switched off: what a share of them costs, and in which layer."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.theme import SPARE, Mode, colour_bar, describe, faint, figure, head_room, ink_on_scale, paper, safe, sequential

Measure = Literal["drop", "score"]
TITLES: dict[str, str] = {"drop": "relative drop", "score": "score"}
LOOKS = {"most activated": (SPARE[0], "circle", "solid"), "distinctive": (SPARE[5], "diamond", "solid"),
         "random (as most activated)": ("", "x-thin-open", "dash"), "random (as distinctive)": ("", "cross-thin-open", "dot"),
         "least activated": (SPARE[4], "square", "dashdot")}  # fmt: skip
"""Colour (none: that of secondary text), symbol and dash of each choice of neurons."""
BAND = 0.11


def _rgba(tint: str, share: float) -> str:
    return f"rgba({', '.join(str(int(tint[at : at + 2], 16)) for at in (1, 3, 5))}, {share})"


def span(curves: pd.DataFrame, measure: Measure) -> tuple[float, float]:
    """Ends of an axis that holds every line with its band, so that panels can be compared."""
    ends = curves[[measure, f"{measure}_low", f"{measure}_high"]].to_numpy(float)
    if not np.isfinite(ends).any():
        return 0.0, 1.0
    low, high = float(np.nanmin(ends)), float(np.nanmax(ends))
    low = min(low, 0.0) if measure == "drop" else low
    room = 0.04 * max(high - low, 0.05)
    return low - room, high + room


def curve(curves: pd.DataFrame, group: str, measure: Measure, ends: tuple[float, float], mode: Mode) -> go.Figure:
    """Share of neurons that are off against what that costs, a line for each choice of neurons, its 95 % interval as a band.

    Args:
        curves: as :func:`ptlib.analysis.ablation.curves`, of one set of layers.
        group: whose tasks.
    """
    part = curves[curves["group"] == group].sort_values("share")
    fig = figure(mode, height=270)
    if measure == "drop":
        fig.add_hline(y=0, line={"color": faint(mode), "width": 1})
    words = []
    for line, (tint, mark, dash) in LOOKS.items():
        rows = part[part["line"] == line]
        if rows.empty:
            continue
        tint = tint or faint(mode)
        x, low, high = rows["share"], rows[f"{measure}_low"], rows[f"{measure}_high"]
        fig.add_scatter(x=[*x, *x[::-1]], y=[*high, *low[::-1]], fill="toself", fillcolor=_rgba(tint, BAND), mode="lines", line={"width": 0},
                        hoverinfo="skip", showlegend=False)  # fmt: skip
        fig.add_scatter(
            x=x, y=rows[measure], mode="lines+markers", name=line, line={"color": tint, "dash": dash, "width": 2},
            marker={"symbol": mark, "size": 9, "color": tint, "line": {"width": 2 if "open" in mark else 1, "color": tint if "open" in mark else paper(mode)}},
            customdata=np.stack([low, high, rows["masked"], rows["scores"], [safe(text) for text in rows["over"]]], axis=1),
            hovertemplate=line + ", %{x:.0%} off (%{customdata[2]:.0f} neurons): %{y:.3f}<br>95 % interval %{customdata[0]:.3f} to %{customdata[1]:.3f} "
            "over %{customdata[4]}<br>%{customdata[3]} scores<extra></extra>",
        )  # fmt: skip
        words.append(f"{line} {', '.join(f'{value:.2f} at {share:.0%}' for share, value in zip(x, rows[measure], strict=True))}")
    shares = sorted(set(part["share"]))
    fig.update_xaxes(
        title=f"neurons off · {group}",
        type="log",
        tickvals=shares,
        ticktext=[f"{share:.0%}" for share in shares],
        minor={"showgrid": False},
    )
    fig.update_yaxes(title=TITLES[measure], range=list(ends), tickformat=".0%" if measure == "drop" else None, nticks=6)
    head_room(fig)
    return describe(fig, f"{TITLES[measure].capitalize()} on {group} by share of neurons off: {'; '.join(words) or 'nothing yet'}.")


def by_layer(drops: pd.DataFrame, line: str, group: str, mode: Mode) -> go.Figure:
    """Mean relative drop when one layer is masked at a time.

    Args:
        drops: as :func:`ptlib.analysis.ablation.by_layer`: layers in rows, shares in columns, NaN where missing.
    """
    values = drops.to_numpy(float)
    low, high = min(0.0, float(np.nanmin(values, initial=0.0))), max(0.05, float(np.nanmax(values, initial=0.0)))
    few = len(drops) <= 12
    fig = figure(mode, height=60 + (34 if few else 20) * len(drops))
    fig.add_heatmap(
        z=values.astype(np.float32), x=list(range(values.shape[1])), y=list(drops.index), zmin=low, zmax=high, colorscale=sequential(mode), xgap=1, ygap=1,
        hovertemplate="layer %{y}: %{z:.1%}<extra></extra>", colorbar=colour_bar(tickformat=".0%"),
    )  # fmt: skip
    for row, layer in enumerate(drops.index) if few else ():
        for column, value in enumerate(values[row]):
            known = np.isfinite(value)
            fig.add_annotation(x=column, y=layer, text=f"{value:.1%}" if known else "×", showarrow=False,
                               font={"size": 12, "color": ink_on_scale((value - low) / (high - low), mode) if known else faint(mode)})  # fmt: skip
    fig.update_xaxes(title="share of the layer's neurons that is off", tickvals=list(range(values.shape[1])),
                     ticktext=[f"{share:.0%}" for share in drops.columns], showgrid=False)  # fmt: skip
    fig.update_yaxes(title="layer", tickvals=list(drops.index)[:: 1 if few else 4], autorange="reversed", showgrid=False)
    head_room(fig, "relative drop")
    words = "; ".join(f"layer {layer} " + ", ".join("missing" if np.isnan(value) else f"{value:.1%}" for value in row)
                      for layer, row in zip(drops.index, values, strict=True))  # fmt: skip
    return describe(fig, f"Relative drop on {group} with {line} neurons of one layer off, by share: {words}.")
