"""Training curves, what a start saves, and how a prompt becomes like its type."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.theme import (
    CHOSEN,
    SPARE,
    Mode,
    accent,
    colour,
    describe,
    faint,
    figure,
    head_room,
    ink,
    label,
    paper,
    safe,
    symbol,
    type_order,
)
from ptlib.analysis.likeness import OWN_TASK
from ptlib.runs.initialisation import GROUPS, MEAN, OTHER, SAME, UNSEEN

DASHES = ("solid", "dash", "dot", "dashdot", "longdash", "longdashdot")
SYMBOLS = ("circle", "square", "diamond", "cross", "triangle-up", "star")


def look(group: str, mode: Mode) -> tuple[str, str, str]:
    """Colour, dash and symbol of a kind of start."""
    colours = {SAME: accent(mode), OTHER: CHOSEN, MEAN: SPARE[2], **dict(zip(UNSEEN.values(), (accent(mode), CHOSEN), strict=True))}
    at = GROUPS.index(group) if group in GROUPS else 0
    return colours.get(group, faint(mode)), ("dot", "solid", "dash", "longdash", "solid", "dash")[at], SYMBOLS[at]


def _clear(tint: str, share: float) -> str:
    red, green, blue = (int(tint[at : at + 2], 16) for at in (1, 3, 5))
    return f"rgba({red},{green},{blue},{share})"


def _band(fig: go.Figure, part: pd.DataFrame, tint: str) -> None:
    """The interval around a line, where there is one."""
    there = part[np.isfinite(part["low"])]
    if len(there) > 1:
        fig.add_scatter(x=[*there["step"], *there["step"][::-1]], y=[*there["high"], *there["low"][::-1]], fill="toself", mode="lines", line={"width": 0},
                        fillcolor=_clear(tint, 0.18), hoverinfo="skip", showlegend=False)  # fmt: skip


def curves(points: pd.DataFrame, mode: Mode, metric: str, bests: dict[str, int] | None = None) -> go.Figure:
    """Loss above and validation score below, one line a training; a ring marks the prompt that is kept.

    Args:
        points: columns training (name), step, loss (nats, NaN at step 0), validation.
        bests: name -> step of the best validation score.
    """
    fig = figure(mode, height=380)
    names = list(dict.fromkeys(points["training"]))
    tints = [accent(mode), *SPARE]
    for place, name in enumerate(names):
        part, tint = points[points["training"] == name], tints[place % len(tints)]
        line = {"color": tint, "width": 2, "dash": DASHES[place % len(DASHES)]}
        shape = {"size": 5, "symbol": SYMBOLS[place % len(SYMBOLS)]}
        mode_of = "lines+markers" if len(part) < 40 else "lines"
        loss = part[np.isfinite(part["loss"])]
        fig.add_scatter(x=loss["step"], y=loss["loss"], yaxis="y2", mode=mode_of, line=line, marker=shape, showlegend=False, name=label(name),
                        hovertemplate="step %{x}: loss %{y:.3f} nats<extra>" + safe(name) + "</extra>")  # fmt: skip
        fig.add_scatter(x=part["step"], y=part["validation"], mode=mode_of, line=line, marker=shape, name=label(name), showlegend=len(names) > 1,
                        hovertemplate=f"step %{{x}}: {metric} %{{y:.3f}}<extra>" + safe(name) + "</extra>")  # fmt: skip
        best = part[part["step"] == (bests or {}).get(name, -1)]
        fig.add_scatter(x=best["step"], y=best["validation"], mode="markers", showlegend=False, hoverinfo="skip",
                        marker={"size": 14, "symbol": "circle-open", "color": ink(mode), "line": {"width": 2}})  # fmt: skip
    low, high = float(points["validation"].min()), float(points["validation"].max())
    room = max(0.02, 0.08 * (high - low))
    fig.update_layout(
        yaxis={"domain": [0, 0.56], "title": f"validation {metric}", "range": [max(0.0, low - room), min(1.0, high) + room]}, yaxis2={"domain": [0.64, 1], "title": "loss, nats", "anchor": "x", "rangemode": "tozero"},
        xaxis={"title": "step", "anchor": "y", "rangemode": "tozero"},
    )  # fmt: skip
    head_room(fig)
    words = "; ".join(f"{name}: {part['validation'].iloc[0]:.2f} at step {part['step'].iloc[0]}, best {part['validation'].max():.2f}, "
                      f"{part['validation'].iloc[-1]:.2f} at step {part['step'].iloc[-1]}" for name, part in points.groupby("training", sort=False))  # fmt: skip
    return describe(fig, f"Loss and validation {metric} over training steps. {words}.")


def starts(bands: pd.DataFrame, mode: Mode, metric: str, goal: float | None = None) -> go.Figure:
    """Validation score over steps, a line a start, with its 95 % interval over seeds as a band.

    Args:
        bands: of one target: columns group, source, step, value, low, high.
        goal: the score that random initialisation ends with, mean over seeds.
    """
    fig = figure(mode, height=360)
    words = []
    for (group, source), part in bands.groupby(["group", "source"], sort=False):
        tint, dash, _ = look(group, mode)
        name = group if not source or group == MEAN else f"{group}: {source}"
        _band(fig, part, tint)
        fig.add_scatter(x=part["step"], y=part["value"], mode="lines", name=safe(name), line={"color": tint, "width": 2.5, "dash": dash},
                        customdata=part[["low", "high"]], hovertemplate="step %{x}: %{y:.3f} (%{customdata[0]:.3f} to %{customdata[1]:.3f})<extra>" + safe(name) + "</extra>")  # fmt: skip
        words.append(f"{name} from {part['value'].iloc[0]:.2f} to {part['value'].iloc[-1]:.2f}")
    if goal is not None:
        fig.add_hline(y=goal, line={"color": faint(mode), "width": 1, "dash": "dot"})
    low = min(bands["value"].min(), bands["low"].min() if bands["low"].notna().any() else 1)
    fig.update_xaxes(title="training step", rangemode="tozero")
    fig.update_yaxes(
        title=f"validation {metric}", range=[max(0.0, low - 0.03), min(1.0, max(bands["value"].max(), bands["high"].max())) + 0.02]
    )
    head_room(fig)
    return describe(fig, f"Validation {metric} over training steps by start: {'; '.join(words)}.")


def steps_saved(table: pd.DataFrame, mode: Mode, every: pd.DataFrame | None = None) -> go.Figure:
    """Steps saved against random initialisation, a row a target and a mark a kind of start, with 95 % intervals over seeds.

    Args:
        table: columns target, group, saved, saved_low, saved_high, never, trainings; one row a target and group.
        every: the same over all targets, column group; drawn below, in bold.
    """
    targets = list(dict.fromkeys(table["target"]))
    rows = [*targets, *(["all targets"] if every is not None else [])]
    both = table if every is None else pd.concat([table, every.assign(target="all targets")], ignore_index=True)
    groups = [name for name in GROUPS if name in set(both["group"])]
    fig = figure(mode, height=60 + 15 * len(rows) * (len(groups) + 1))
    fig.add_vline(x=0, line={"color": ink(mode), "width": 1})
    for place, group in enumerate(groups):
        part, (tint, _, shape) = both[both["group"] == group], look(group, mode)
        at = np.array([rows.index(name) for name in part["target"]]) + (place - (len(groups) - 1) / 2) / (len(groups) + 1)
        value = part["saved"].to_numpy(float)
        fig.add_scatter(
            x=value, y=at, mode="markers", name=safe(group), marker={"symbol": shape, "size": 9, "color": tint, "line": {"width": 1, "color": paper(mode)}},
            error_x={"type": "data", "symmetric": False, "array": part["saved_high"] - value, "arrayminus": value - part["saved_low"], "thickness": 1.5, "width": 0, "color": tint},
            customdata=np.stack([[safe(name) for name in part["target"]], part["saved_low"].round(1), part["saved_high"].round(1), part["never"], part["trainings"]], axis=1),
            hovertemplate="%{customdata[0]}: %{x:.1f} steps (%{customdata[1]} to %{customdata[2]}); %{customdata[3]} of %{customdata[4]} never got there<extra>" + safe(group) + "</extra>",
        )  # fmt: skip
    if every is not None:
        fig.add_hline(y=len(targets) - 0.5, line={"color": faint(mode), "width": 1})
    # Intervals from three seeds can be far wider than any number of steps.
    ends = np.abs(both["saved"].to_numpy(float))
    reach = float(np.nanmax(ends, initial=1.0)) * 1.6
    fig.update_xaxes(title="steps saved against random initialisation", range=[-reach, reach])
    fig.update_yaxes(
        tickvals=list(range(len(rows))), ticktext=[label(name) for name in rows], range=[len(rows) - 0.4, -0.6], showgrid=False
    )
    head_room(fig)
    words = (
        ""
        if every is None
        else "; ".join(f"{row.group} {row.saved:.1f} ({row.saved_low:.1f} to {row.saved_high:.1f})" for row in every.itertuples())
    )
    return describe(fig, f"Training steps saved by target and kind of start, against random initialisation. Over all targets: {words}.")


def likeness(table: pd.DataFrame, mode: Mode, own_type: str, leads: int | None = None) -> go.Figure:
    """ON of a prompt in training with finished prompts, a line a type with the 95 % interval over its prompts.

    The own task's two or three prompts have an interval wider than the plot: it is in the hover text and the table.

    Args:
        table: columns step, type, value, low, high, n.
        leads: the step from which the own type stays ahead.
    """
    fig = figure(mode, height=340)
    names = [*([OWN_TASK] if OWN_TASK in set(table["type"]) else []), *type_order(set(table["type"]) - {OWN_TASK})]
    for name in names:
        part = table[table["type"] == name]
        tint = ink(mode) if name == OWN_TASK else colour(name)
        own = name == own_type
        words = f"{name}{' (its type)' if own else ''}, {part['n'].iloc[0]} prompts"
        if name != OWN_TASK:
            _band(fig, part, tint)
        fig.add_scatter(x=part["step"], y=part["value"], mode="lines+markers" if len(part) < 25 else "lines", name=safe(words),
                        line={"color": tint, "width": 3 if own else 2, "dash": "dash" if name == OWN_TASK else "solid"},
                        marker={"symbol": "circle" if name == OWN_TASK else symbol(name), "size": 7}, customdata=part[["low", "high"]],
                        hovertemplate="step %{x}: %{y:.3f} (%{customdata[0]:.3f} to %{customdata[1]:.3f})<extra>" + safe(name) + "</extra>")  # fmt: skip
    if leads is not None:
        fig.add_vline(x=leads, line={"color": faint(mode), "width": 1.5, "dash": "dot"})
        late = leads > table["step"].max() / 2
        fig.add_annotation(x=leads, y=1, yref="paper", yanchor="top", xanchor="right" if late else "left", xshift=-4 if late else 4, text=f"ahead from step {leads}",
                           showarrow=False, font={"size": 12, "color": faint(mode)})  # fmt: skip
    fig.update_xaxes(title="training step", range=[0, float(table["step"].max()) * 1.02])
    fig.update_yaxes(title="ON with finished prompts", range=_reach(table))
    head_room(fig)
    ends = "; ".join(
        f"{name} {part['value'].iloc[0]:.2f} to {part['value'].iloc[-1]:.2f}" for name, part in table.groupby("type", sort=False)
    )
    return describe(fig, f"ON of the prompt in training with finished prompts of each type, first to last step: {ends}.")


def _reach(table: pd.DataFrame) -> list[float]:
    """From the lowest to the highest of what is drawn: all lines, and the bands of the types."""
    bands = table[table["type"] != OWN_TASK]
    ends = np.concatenate([table["value"], bands["low"], bands["high"]])
    low, high = float(np.nanmin(ends)), float(np.nanmax(ends))
    edge = 0.06 * ((high - low) or 1.0)
    return [low - edge, high + edge]


def curve_table(named: Sequence[tuple[str, pd.DataFrame]]) -> pd.DataFrame:
    """Curves of several trainings under one another, with a column ``training``."""
    return pd.concat([part.assign(training=name) for name, part in named], ignore_index=True)
