"""Two sides of a comparison: their difference cell by cell, one against the other, and by target."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.figures.highlight import bands
from dashboard.figures.matrix import DIVERGING, WRITE_NUMBERS, Axis, frames, signed_bar, type_strips
from dashboard.figures.strokes import strokes
from dashboard.figures.wide import HEIGHT, boxable, is_wide, unique
from dashboard.theme import (
    CHOSEN,
    Mode,
    colour,
    colour_bar,
    describe,
    faint,
    figure,
    head_room,
    ink,
    key,
    label,
    paper,
    quiet,
    safe,
    sequential,
    symbol,
    type_key,
    type_order,
)  # fmt: skip

ALPHA = 0.05
NOT_CLEAR = {"symbol": "line-ne", "size": 6, "line": {"width": 1.5}}


def grids(cells: pd.DataFrame, rows: Axis, columns: Axis, *names: str) -> list[np.ndarray]:
    """(rows, columns) of each column of a table of cells, NaN where there is no cell."""
    row, column = pd.Index(rows.names).get_indexer(cells["source"]), pd.Index(columns.names).get_indexer(cells["target"])
    here = (row >= 0) & (column >= 0)
    found = []
    for name in names:
        grid = np.full((len(rows.names), len(columns.names)), np.nan)
        grid[row[here], column[here]] = cells[name].to_numpy(dtype=float)[here]
        found.append(grid)
    return found


def difference_matrix(
    cells: pd.DataFrame, rows: Axis, columns: Axis, sides: tuple[str, str], mode: Mode, *, gaps: bool = True,
    selected: tuple[int, int] | None = None, found: tuple[Sequence[int], Sequence[int]] = ((), ()),
) -> go.Figure:  # fmt: skip
    """First side minus second, blue where the first is higher, red where the second is. Cells whose difference is not clear are
    struck by a thin line.

    Args:
        cells: columns source, target, one, other, difference, n_one, n_other and, where cells were tested, p_holm.
        gaps, selected, found: as :func:`dashboard.figures.matrix.transfer_matrix`.
    """
    tested = cells if "p_holm" in cells else cells.assign(p_holm=np.nan)
    gap, one, other, n_one, n_other, p = grids(tested, rows, columns, "difference", "one", "other", "n_one", "n_other", "p_holm")
    told = np.stack([gap, one, other, n_one, n_other, p], axis=-1)
    most = max(0.05, float(np.nanmax(np.abs(gap), initial=0.05)))
    looks = {
        "z": gap.astype(np.float32),
        "zmin": -most,
        "zmax": most,
        "colorscale": list(DIVERGING),
        "colorbar": signed_bar(most),
    }
    wide = is_wide(*gap.shape)
    fig = figure(mode, height=min(HEIGHT, 125 + 28 * len(rows.names)) if wide else 125 + 28 * len(rows.names))
    (_many if wide else _few)(fig, told, rows, columns, looks, sides, mode)
    type_strips(fig, rows, columns, mode, gaps=gaps and not wide)
    marked = bands(*found, gap.shape) + (frames([selected], [("#111111", 5.5), (CHOSEN, 3.5)]) if selected else [])
    fig.update_layout(shapes=[*fig.layout.shapes, *marked], plot_bgcolor=quiet(mode), clickmode="event+select", hovermode="closest")
    fig.update_xaxes(
        title="target task", range=[-0.5, len(columns.names) - 0.5], showgrid=False, fixedrange=True, autotickangles=[-40, -65, -90]
    )
    fig.update_yaxes(title="source prompt", range=[len(rows.names) - 0.5, -0.5], showgrid=False, fixedrange=True, ticklabelstandoff=11)
    type_key(fig, [*rows.types, *columns.types], symbols=False)
    if (p > ALPHA).any() and not wide:
        key(fig, [("not clear", {**NOT_CLEAR, "line": {"width": 1.5, "color": ink(mode)}})])
    head_room(fig, "difference")
    return describe(fig, _words(gap, p, sides))


def _few(fig: go.Figure, told: np.ndarray, rows: Axis, columns: Axis, looks: dict, sides: tuple[str, str], mode: Mode) -> None:
    """Cells with their numbers and a marker in each, since plotly reports no clicks on heatmaps."""
    gap, p = told[..., 0], told[..., 5]
    n, m = gap.shape
    numbers = {} if m > WRITE_NUMBERS else {"text": [[_number(value) for value in row] for row in gap], "texttemplate": "%{text}"}
    fig.add_heatmap(**looks, xgap=1, ygap=1, hoverinfo="skip", **numbers)
    y, x = np.divmod(np.arange(n * m), m)
    there, unclear = np.isfinite(gap).ravel(), (p > ALPHA).ravel()
    fig.add_scatter(y=y[unclear] + 0.34, x=x[unclear] + 0.43, mode="markers", hoverinfo="skip", showlegend=False,
                    marker={**NOT_CLEAR, "line": {"width": 1.5, "color": "#444444"}})  # fmt: skip
    fig.add_scatter(x=x[~there], y=y[~there], mode="markers", hoverinfo="skip", showlegend=False,
                    marker={"symbol": "x-thin", "size": 8, "line": {"color": faint(mode), "width": 1}})  # fmt: skip
    notes = [_note(rows.names[r], columns.names[c], told[r, c], sides) for r, c in zip(y, x, strict=True)]
    fig.add_scatter(x=x, y=y, mode="markers", hovertext=notes, hoverinfo="text", marker={"size": 6, "opacity": 0, "maxdisplayed": 1}, showlegend=False,
                    selected={"marker": {"opacity": 0}}, unselected={"marker": {"opacity": 0}})  # fmt: skip
    fig.update_layout(dragmode=False, hoverdistance=-1)
    fig.update_xaxes(tickvals=list(range(m)), ticktext=[label(name) for name in columns.names])
    fig.update_yaxes(tickvals=list(range(n)), ticktext=[label(name) for name in rows.names])


def _many(fig: go.Figure, told: np.ndarray, rows: Axis, columns: Axis, looks: dict, sides: tuple[str, str], mode: Mode) -> None:
    """An overview, as :func:`dashboard.figures.wide.overview`."""
    down, across = unique(rows.names), unique(columns.names)
    one, other = map(safe, sides)
    fig.add_heatmap(
        **looks, x=across, y=down, customdata=told[..., 1:].astype(np.float32), hoverongaps=False,
        hovertemplate="<b>%{y}</b> on <b>%{x}</b><br>difference %{z:+.3f}<br>" + one + " %{customdata[0]:.3f}, n = %{customdata[2]:.0f}<br>" + other
        + " %{customdata[1]:.3f}, n = %{customdata[3]:.0f}<br>p (Holm) %{customdata[4]:.2g}<extra></extra>",
    )  # fmt: skip
    boxable(fig, down, across)


def _note(source: str, target: str, told: np.ndarray, sides: tuple[str, str]) -> str:
    gap, one, other, n_one, n_other, p = told
    head = f"<b>{safe(source)}</b> on <b>{safe(target)}</b><br>"
    if not np.isfinite(gap):
        return head + "not on both sides"
    test = f"p = {p:.2g} (Holm)" if np.isfinite(p) else "not tested"
    return (f"{head}difference {_signed(gap)}, {test}<br>{safe(sides[0])} {one:.3f}, n = {n_one:.0f}<br>{safe(sides[1])} {other:.3f}, n = {n_other:.0f}"
            "<br>click for details")  # fmt: skip


def _number(value: float) -> str:
    return f"{value:+.2f}".replace("0.", ".", 1).replace("-", "−") if np.isfinite(value) else ""


def _words(gap: np.ndarray, p: np.ndarray, sides: tuple[str, str]) -> str:
    there = np.isfinite(gap)
    text = f"Difference of scores, {sides[0]} minus {sides[1]}, {gap.shape[0]} source prompts by {gap.shape[1]} target tasks"
    if not there.any():
        return text + "; none is there on both sides."
    clear = int((p <= ALPHA).sum())
    return (text + f": on average {np.nanmean(gap):+.3f}, from {np.nanmin(gap):+.2f} to {np.nanmax(gap):+.2f}; {clear} of {int(np.isfinite(p).sum())} "
            "tested cells differ clearly.")  # fmt: skip


def against(cells: pd.DataFrame, sides: tuple[str, str], mode: Mode, selected: tuple[str, str] | None = None) -> go.Figure:
    """Each cell a point, the second side across and the first up; on the line both are alike. Filled: differs clearly.

    Args:
        cells: as :func:`difference_matrix`, with target_type.
    """
    shown = cells[cells["difference"].notna()]
    clear = shown["p_holm"] <= ALPHA if "p_holm" in shown else pd.Series(False, index=shown.index)
    fig = figure(mode, height=400)
    ends = [float(shown[["one", "other"]].min().min()) - 0.02, 1.02] if len(shown) else [0.0, 1.0]
    fig.add_scatter(
        x=ends, y=ends, mode="lines", hoverinfo="skip", showlegend=False, line={"color": faint(mode), "width": 1.2, "dash": "dot"}
    )
    for filled in (False, True):
        for kind in type_order(shown.target_type):
            part = shown[(shown.target_type == kind) & (clear == filled)]
            if part.empty:
                continue
            fig.add_scatter(
                x=part.other.to_numpy(np.float32), y=part.one.to_numpy(np.float32), mode="markers", showlegend=False, unselected={"marker": {"opacity": 1}},
                marker={"color": colour(kind), "symbol": symbol(kind) + ("" if filled else "-open"), "size": 8},
                customdata=part[["source", "target"]].map(safe).to_numpy(),
                hovertemplate="<b>%{customdata[0]}</b> on <b>%{customdata[1]}</b><br>" + f"{safe(sides[0])} %{{y:.3f}}<br>{safe(sides[1])} %{{x:.3f}}<extra></extra>",
            )  # fmt: skip
    type_key(fig, shown.target_type)
    key(fig, [(name, {"color": faint(mode), "symbol": form}) for name, form, some in
              (("differs clearly", "circle", clear.any()), ("not clear", "circle-open", (~clear).any())) if some])  # fmt: skip
    part = shown[(shown.source == selected[0]) & (shown.target == selected[1])] if selected else shown[:0]
    for tint, width in (("#111111", 5), (CHOSEN, 3)) if len(part) else ():
        fig.add_scatter(x=part.other, y=part.one, mode="markers", hoverinfo="skip", showlegend=tint == CHOSEN, name=label(" on ".join(selected)),
                        marker={"symbol": "circle-open", "size": 17, "color": tint, "line": {"width": width}})  # fmt: skip
    fig.update_xaxes(title=f"score, {label(sides[1])}", range=ends)
    fig.update_yaxes(title=f"score, {label(sides[0])}", range=ends)
    fig.update_layout(clickmode="event+select")
    head_room(fig)
    above = int((shown.difference > 0).sum())
    return describe(fig, f"{len(shown)} cells, {sides[0]} against {sides[1]}: {above} are higher with the first, {int((shown.difference < 0).sum())} "
                         "with the second.")  # fmt: skip


def by_target(table: pd.DataFrame, sides: tuple[str, str], mode: Mode) -> go.Figure:
    """Mean difference of every target with its interval.

    Args:
        table: columns target, target_type, value, ci_low, ci_high, p_holm, pairs; drawn from top to bottom. Infinite ends, of
            targets with few sources, are drawn to the edge.
    """
    fig = figure(mode, height=88 + 28 * len(table))
    finite = table[["ci_low", "ci_high", "value"]].to_numpy(dtype=float)
    most = max(0.05, float(np.abs(finite[np.isfinite(finite)]).max(initial=0.0)) * 1.08)
    fig.add_vline(x=0, line={"color": faint(mode), "width": 1})
    for kind in type_order(table.target_type):
        strokes(fig, [(np.clip([row.ci_low, row.ci_high], -most, most), (place, place)) for place, row in enumerate(table.itertuples())
                      if row.target_type == kind], line={"color": colour(kind), "width": 3})  # fmt: skip
    clear = table.p_holm <= ALPHA
    fig.add_scatter(
        x=table.value, y=list(range(len(table))), mode="markers", showlegend=False,
        marker={"size": 11, "color": [colour(kind) if yes else paper(mode) for kind, yes in zip(table.target_type, clear, strict=True)],
                "symbol": [symbol(kind) for kind in table.target_type], "line": {"color": [colour(kind) for kind in table.target_type], "width": 2}},
        customdata=np.stack([[safe(name) for name in table.target], [_signed(v) for v in table.ci_low], [_signed(v) for v in table.ci_high], table.pairs,
                             [f"{p:.2g}" for p in table.p_holm]], axis=1),
        hovertemplate="<b>%{customdata[0]}</b> %{x:+.3f}<br>95 % interval %{customdata[1]} to %{customdata[2]}, %{customdata[3]} sources<br>p (Holm) "
        "%{customdata[4]}<extra></extra>",
    )  # fmt: skip
    key(fig, [(name, marker) for name, marker, some in (
        ("differs clearly", {"color": faint(mode), "symbol": "circle"}, clear.any()),
        ("not clear", {"color": paper(mode), "symbol": "circle", "line": {"color": faint(mode), "width": 2}}, (~clear).any())) if some])  # fmt: skip
    fig.update_xaxes(title=f"{label(sides[0])} minus {label(sides[1])}", range=[-most, most])
    fig.update_yaxes(
        tickvals=list(range(len(table))), ticktext=[label(name) for name in table.target], showgrid=False, range=[len(table) - 0.5, -0.6]
    )
    head_room(fig)
    words = "; ".join(f"{row.target} {row.value:+.2f} ({_signed(row.ci_low)} to {_signed(row.ci_high)})" for row in table.itertuples())
    return describe(fig, f"Mean difference by target, {sides[0]} minus {sides[1]}, with 95 % interval: {words}.")


def _signed(value: float) -> str:
    return f"{value:+.3f}".replace("-", "−") if np.isfinite(value) else "unbounded"


def scores(cells: pd.DataFrame, rows: Axis, columns: Axis, side: str, name: str, mode: Mode) -> go.Figure:
    """Scores of one side, in the colours of the transfer matrix; the scale is the same for both sides.

    Args:
        side: "one" or "other".
    """
    values = grids(cells, rows, columns, side)[0]
    bottom = min(0.25, float(np.floor(np.nanmin(cells[["one", "other"]].to_numpy(dtype=float), initial=1.0) * 20) / 20))
    fig = figure(mode, height=110 + 22 * len(rows.names))
    fig.add_heatmap(
        z=values.astype(np.float32), zmin=bottom, zmax=1.0, colorscale=sequential(mode), colorbar=colour_bar(), hoverongaps=False,
        hovertemplate="<b>%{y}</b> on <b>%{x}</b>: %{z:.3f}<extra></extra>", x=unique(columns.names), y=unique(rows.names),
    )  # fmt: skip
    type_strips(fig, rows, columns, mode, gaps=False)
    fig.update_xaxes(type="category", title="target task", showgrid=False, fixedrange=True, autotickangles=[-40, -65, -90])
    fig.update_yaxes(
        type="category", title="source prompt", range=[len(rows.names) - 0.5, -0.5], showgrid=False, fixedrange=True, ticklabelstandoff=11
    )
    type_key(fig, [*rows.types, *columns.types], symbols=False)
    head_room(fig, "score")
    there = values[np.isfinite(values)]
    return describe(fig, f"Scores of {name}, {len(rows.names)} source prompts by {len(columns.names)} target tasks"
                         + (f": from {there.min():.2f} to {there.max():.2f}, mean {there.mean():.2f}." if len(there) else "."))  # fmt: skip
