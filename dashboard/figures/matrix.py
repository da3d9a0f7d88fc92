"""Matrices: transfer (source x target), measured minus published, type blocks, confusion."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import plotly.graph_objects as go

from dashboard.figures.highlight import bands
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
    ink_on_scale,
    key,
    label,
    paper,
    quiet,
    safe,
    sequential,
    type_key,
)  # fmt: skip

WRITE_NUMBERS = 24
"""Numbers stand in the cells of matrices up to this many columns."""
BASELINES = ("random", "none")


class Axis(NamedTuple):
    """Names along one side of a matrix, and the type each belongs to (for colour and grouping)."""

    names: Sequence[str]
    types: Sequence[str]


def cells(
    fig: go.Figure, values: np.ndarray, text: np.ndarray | None, span: tuple[float, float], mode: Mode, *, gap: int = 0, **more: object,
) -> None:  # fmt: skip
    """A heatmap with numbers that shrink with the cells, black or white by the colour below them.

    Plotly sizes a heatmap's text by its cells but has one colour a trace, so dark and light numbers are two traces; blanks
    keep both at one size.
    """
    low, high = span
    shared = {"zmin": low, "zmax": high, "colorscale": sequential(mode), "xgap": gap, "ygap": gap}
    fig.add_heatmap(z=values.astype(np.float32), **shared, **more)
    if text is None:
        return
    tints = np.array([[ink_on_scale((v - low) / (high - low), mode) if np.isfinite(v) else "" for v in row] for row in values])
    blank = " " * max(map(len, text.ravel()))
    first = fig.data[-1]
    for tint in ("#111111", "#FFFFFF"):
        mine = tints == tint
        looks = {"text": np.where(mine, text, blank), "texttemplate": "%{text}", "textfont": {"color": tint}}
        if tint == "#111111":
            first.update(looks)
        else:
            fig.add_heatmap(z=np.where(mine, values, np.nan).astype(np.float32), **shared, **looks, showscale=False, hoverinfo="skip")


def groups_of(types: Sequence[str]) -> list[tuple[int, int, str]]:
    """Runs of one type: (first, one past last, type)."""
    starts = [at for at in range(len(types)) if not at or types[at] != types[at - 1]]
    return [(first, last, types[first]) for first, last in zip(starts, [*starts[1:], len(types)], strict=True)]


def type_strips(fig: go.Figure, rows: Axis, columns: Axis, mode: Mode, *, gaps: bool = True) -> None:
    """A coloured strip beside rows and columns, a gap of paper between types, a wide one before the baselines.

    ``gaps``: False where rows are not in the order of their types.
    """
    strip = {"type": "rect", "line": {"width": 0}, "layer": "above"}
    gap, shapes = {"type": "line", "line": {"color": paper(mode), "width": 3}}, []
    for first, last, kind in groups_of(rows.types):
        ends = {"y0": first - 0.5, "y1": last - 0.5}
        shapes.append(
            {**strip, **ends, "fillcolor": colour(kind), "xref": "paper", "xsizemode": "pixel", "xanchor": 0, "x0": -10, "x1": -5}
        )
        wide = bool(first) and kind in BASELINES and rows.types[first - 1] not in BASELINES
        if first and (gaps or wide):
            shapes.append({**gap, "x0": -0.5, "x1": len(columns.names) - 0.5, "y0": first - 0.5, "y1": first - 0.5,
                           "line": {"color": paper(mode), "width": 9 if wide else 3}})  # fmt: skip
    for first, last, kind in groups_of(columns.types):
        ends = {"x0": first - 0.5, "x1": last - 0.5}
        shapes.append({**strip, **ends, "fillcolor": colour(kind), "yref": "paper", "ysizemode": "pixel", "yanchor": 1, "y0": 5, "y1": 10})
        if first and gaps:
            shapes.append({**gap, "y0": -0.5, "y1": len(rows.names) - 0.5, "x0": first - 0.5, "x1": first - 0.5})
    # At once: plotly looks at all shapes whenever one is added.
    fig.update_layout(shapes=[*fig.layout.shapes, *shapes])


def frames(cells: Sequence[tuple[int, int]], lines: Sequence[tuple[str, float]]) -> list[dict]:
    """Frames just inside (row, column) cells, their lines from the outer to the inner; one shape a line, however many cells."""
    corners = [(column - 0.48, column + 0.48, row - 0.45, row + 0.45) for row, column in cells]
    path = "".join(f"M{left:g},{low:g}H{right:g}V{high:g}H{left:g}Z" for left, right, low, high in corners)
    return [{"type": "path", "path": path, "line": {"color": tint, "width": width}} for tint, width in lines] if corners else []


DIVERGING = ("#67001F", "#B2182B", "#D6604D", "#F4A582", "#FDDBC7", "#F7F7F7", "#D1E5F0", "#92C5DE", "#4393C3", "#2166AC", "#053061")
"""RdBu of ColorBrewer: red is lower than published, blue is higher."""


def signed_bar(most: float) -> dict:
    """A key to :data:`DIVERGING` from -most to most: zero, and a round number on either side."""
    edge = np.floor(most * 10) / 10 if most >= 0.1 else np.floor(most * 100) / 100
    return colour_bar(tickvals=[-edge, 0, edge], ticktext=[f"−{edge:g}", "0", f"+{edge:g}"])


def difference(measured: np.ndarray, published: np.ndarray, sources: Axis, targets: Axis, mode: Mode) -> go.Figure:
    """Measured minus published scores of source prompts (rows) on target tasks (columns).

    Args:
        measured, published: (sources, targets), NaN where missing.
    """
    gap = measured - published
    rows, columns = gap.shape
    most = max(0.05, float(np.nanmax(np.abs(gap), initial=0.05)))
    fig = figure(mode, height=125 + 28 * rows)
    notes = [[f"<b>{safe(one)}</b> on <b>{safe(two)}</b><br>measured {measured[r, c]:.3f}, published {published[r, c]:.3f}"
              if np.isfinite(gap[r, c]) else f"<b>{safe(one)}</b> on <b>{safe(two)}</b><br>not both there"
              for c, two in enumerate(targets.names)] for r, one in enumerate(sources.names)]  # fmt: skip
    fig.add_heatmap(
        z=gap.astype(np.float32), zmin=-most, zmax=most, colorscale=list(DIVERGING), hoverinfo="text", hovertext=notes, xgap=1, ygap=1,
        text=[[f"{value:+.2f}" if np.isfinite(value) else "" for value in row] for row in gap],
        texttemplate="%{text}" if columns <= WRITE_NUMBERS else None, colorbar=signed_bar(most),
    )  # fmt: skip
    type_strips(fig, sources, targets, mode)
    fig.update_xaxes(tickvals=list(range(columns)), ticktext=[label(name) for name in targets.names], autotickangles=[-40, -65, -90],
                     range=[-0.5, columns - 0.5], title="target task", showgrid=False, fixedrange=True)  # fmt: skip
    fig.update_yaxes(tickvals=list(range(rows)), ticktext=[label(name) for name in sources.names], ticklabelstandoff=11,
                     range=[rows - 0.5, -0.5], title="source prompt", showgrid=False, fixedrange=True)  # fmt: skip
    type_key(fig, [*sources.types, *targets.types], symbols=False)
    head_room(fig, "measured − published")
    there = np.isfinite(gap)
    words = f"on average {np.nanmean(gap):+.3f}, at most {np.nanmax(np.abs(gap)):.3f} apart" if there.any() else "none of them there twice"
    return describe(fig, f"Measured minus published scores, {rows} source prompts by {columns} target tasks: {words}.")


def transfer_matrix(
    values: np.ndarray, sources: Axis, targets: Axis, *, low: np.ndarray, high: np.ndarray, count: np.ndarray,
    own: Sequence[tuple[int, int]], relative: bool, mode: Mode, selected: tuple[int, int] | None = None, spread: str = "95 % interval",
    metric: str = "accuracy", early: np.ndarray | None = None, gaps: bool = True, found: tuple[Sequence[int], Sequence[int]] = ((), ()),
    framed: str = "own prompt", hint: str = "<br>click for details",
) -> go.Figure:  # fmt: skip
    """Source prompts (rows) on target tasks (columns), grouped by type; own prompts framed, missing cells crossed out,
    baselines set apart.

    Every cell carries an invisible marker at (column, row), since plotly reports no clicks on heatmaps.

    Args:
        values: (sources, targets), NaN where missing; scores, or relative performance.
        low, high: ends of what ``spread`` names, shown on hover.
        count: examples of each cell.
        own: (row, column) of own prompts.
        selected: (row, column) of the cell that is open.
        metric: what a score measures.
        early: (sources, targets) bool, cells that were stopped early; they carry a dot.
        gaps: whether types stand apart; False in other orders.
        found: numbers of rows and of columns that a search found; they are outlined.
        framed: what the frames of ``own`` say. hint: ends the words on hover.
    """
    rows, columns = values.shape
    dotted = np.zeros(values.shape, dtype=bool) if early is None else early & np.isfinite(values)
    what = "relative performance" if relative else metric
    bottom = min(0.25, float(np.floor(np.nanmin(values, initial=1.0) * 20) / 20))
    top = max(1.05, float(np.nanmax(values, initial=1.0))) if relative else 1.0
    fig = figure(mode, height=125 + 28 * rows)
    text = np.array([[f"{v:.2f}".removeprefix("0") if np.isfinite(v) else "" for v in row] for row in values])
    cells(fig, values, text if columns <= WRITE_NUMBERS else None, (bottom, top), mode, hoverinfo="skip", colorbar=colour_bar())
    _pointed_at(fig, values, sources, targets, {"low": low, "high": high, "count": count}, dotted, mode,
                f"{what} %{{customdata[2]:.3f}}<br>{spread}%{{customdata[3]}}{hint}")  # fmt: skip
    there = np.isfinite(values)
    type_strips(fig, sources, targets, mode, gaps=gaps)
    marked = bands(*found, values.shape) + frames(own, [("#FFFFFF", 3.5), ("#111111", 1.5)])
    if selected is not None:
        marked += frames([selected], [("#111111", 5.5), (CHOSEN, 3.5)])
    fig.update_layout(shapes=[*fig.layout.shapes, *marked])
    fig.update_xaxes(tickvals=list(range(columns)), ticktext=[label(name) for name in targets.names], autotickangles=[-40, -65, -90],
                     range=[-0.5, columns - 0.5], title="target task", showgrid=False)  # fmt: skip
    fig.update_yaxes(tickvals=list(range(rows)), ticktext=[label(name) for name in sources.names], ticklabelstandoff=11,
                     range=[rows - 0.5, -0.5], title="source prompt", showgrid=False)  # fmt: skip
    type_key(fig, [kind for kind in [*sources.types, *targets.types] if kind not in BASELINES], symbols=False)
    marks = [(framed, {"symbol": "square-open", "color": ink(mode), "line": {"width": 2}})] if own else []
    if not there.all():
        marks.append(("missing", {"symbol": "x-thin", "line": {"color": faint(mode), "width": 1.5}}))
    if dotted.any():
        marks.append(("stopped early", {"symbol": "circle", "size": 6, "color": "#FFFFFF", "line": {"color": "#111111", "width": 1}}))
    key(fig, marks)
    # Without fixed ranges a double click would stretch the axes, and the strips and frames no longer fit.
    fig.update_xaxes(fixedrange=True)
    fig.update_yaxes(fixedrange=True)
    fig.update_layout(clickmode="event+select", dragmode=False, hovermode="closest", hoverdistance=-1, plot_bgcolor=quiet(mode))
    head_room(fig, what)
    words = _transfer_words(values, sources, targets, own, what)
    return describe(fig, words + (f" {int(dotted.sum())} cells were stopped early." if dotted.any() else ""))


def _pointed_at(
    fig: go.Figure, values: np.ndarray, sources: Axis, targets: Axis, ends: dict[str, np.ndarray], dotted: np.ndarray, mode: Mode, says: str,
) -> None:  # fmt: skip
    """Marks that stand for the cells where the mouse is concerned: crosses on missing ones, invisible ones on the others, and dots."""
    rows, columns = np.divmod(np.arange(values.size), values.shape[1])
    names = np.array(
        [[safe(sources.names[row]), safe(targets.names[column])] for row, column in zip(rows, columns, strict=True)], dtype=object
    )
    there, dots = np.isfinite(values.ravel()), dotted.ravel()
    title = "<b>%{customdata[0]}</b> on <b>%{customdata[1]}</b><br>"
    fig.add_scatter(
        x=columns[~there], y=rows[~there], mode="markers", name="missing cells", showlegend=False, customdata=names[~there],
        hovertemplate=f"{title}not computed yet<extra></extra>", unselected={"marker": {"opacity": 1}},
        marker={"symbol": "x-thin", "size": 8, "line": {"color": faint(mode), "width": 1}},
    )  # fmt: skip
    if dots.any():
        # In the cell's corner, rimmed so that it is seen on every colour.
        fig.add_scatter(x=columns[dots] + 0.38, y=rows[dots] - 0.3, mode="markers", hoverinfo="skip", showlegend=False,
                        marker={"symbol": "circle", "size": 5, "color": "#FFFFFF", "line": {"color": "#111111", "width": 1}})  # fmt: skip
    more = [(f" {low:.3f} to {high:.3f}, n = {n:.0f}" if np.isfinite(n) else "") + ("<br>stopped early: an estimate" if early else "")
            for low, high, n, early in zip(*(ends[side].ravel() for side in ("low", "high", "count")), dots, strict=True)]  # fmt: skip
    told = np.column_stack([names, values.ravel().round(5).astype(object), np.array(more, dtype=object)])
    # Small markers and no limit of distance: a click anywhere in a cell of any size finds the nearest, which is its own.
    fig.add_scatter(
        x=columns[there], y=rows[there], mode="markers", name="cells", showlegend=False, customdata=told[there],
        hovertemplate=f"{title}{says}<extra></extra>", selected={"marker": {"opacity": 0}}, unselected={"marker": {"opacity": 0}},
        marker={"symbol": "square", "size": 6, "opacity": 0, "color": ink(mode), "maxdisplayed": 1},
    )  # fmt: skip


def _transfer_words(values: np.ndarray, sources: Axis, targets: Axis, own: Sequence[tuple[int, int]], what: str) -> str:
    there = np.isfinite(values)
    text = (
        f"Matrix of {what}, {len(sources.names)} source prompts by {len(targets.names)} target tasks, {int((~there).sum())} cells missing."
    )
    if not there.any():
        return text
    of_own = [values[cell] for cell in own if there[cell]]
    trained = np.array([kind not in BASELINES for kind in sources.types])[:, None] & there
    for cell in own:
        trained[cell] = False
    if of_own:
        text += f" Own prompts: mean {np.mean(of_own):.2f}."
    if trained.any():
        row, column = np.unravel_index(np.argmax(np.where(trained, values, -np.inf)), values.shape)
        text += (f" Prompts of other tasks: mean {values[trained].mean():.2f}; highest {values[row, column]:.2f}, "
                 f"{sources.names[row]} on {targets.names[column]}.")  # fmt: skip
    return text


def type_blocks(values: np.ndarray, types: Sequence[str], mode: Mode, selected: tuple[int, int] | None = None) -> go.Figure:
    """Mean relative performance by type of source and of target, own prompts left out.

    Args:
        values: (types, types), source types in rows; NaN where there is no pair.
        selected: (row, column) of the block that the open cell lies in.
    """
    fig = figure(mode, height=76 + 56 * len(types))
    text = np.array([[f"{v:.2f}" if np.isfinite(v) else "" for v in row] for row in values])
    span = (min(0.25, float(np.nanmin(values, initial=1.0))), max(1.0, float(np.nanmax(values, initial=0.0))))
    cells(fig, values, text, span, mode, showscale=False, customdata=_named(types, types, "{} prompts on {} tasks"),
           hovertemplate="%{customdata}: %{z:.3f}<extra></extra>")  # fmt: skip
    type_strips(fig, Axis(types, types), Axis(types, types), mode)
    _square_axes(fig, types, "type of target", "type of source", 11)
    if selected is not None:
        fig.update_layout(shapes=[*fig.layout.shapes, *frames([selected], [("#111111", 5.5), (CHOSEN, 3.5)])])
    fig.update_layout(margin={"t": 16})
    same, other = np.nanmean(np.diag(values)), np.nanmean(values[~np.eye(len(types), dtype=bool)])
    return describe(fig, f"Mean relative performance for {len(types)} types of source and target: {same:.2f} within a type on average, "
                         f"{other:.2f} between types.")  # fmt: skip


def confusion(counts: np.ndarray, labels: Sequence[str], mode: Mode) -> go.Figure:
    """How often each label (rows) was answered with each word (columns); coloured by the share of the row.

    Args:
        counts: (labels, labels) of examples.
    """
    fig = figure(mode, height=76 + 50 * len(labels))
    share = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    cells(fig, share, counts.astype(str), (0.0, 1.0), mode, gap=2, showscale=False,
           customdata=_named(labels, labels, "label {}, answered {}"), hovertemplate="%{customdata}: %{text} (%{z:.0%} of the label)<extra></extra>")  # fmt: skip
    _square_axes(fig, labels, "answered", "label", 0)
    fig.update_layout(margin={"t": 8})
    right, n = int(np.trace(counts)), int(counts.sum())
    return describe(fig, f"Confusion matrix of {n} examples and {len(labels)} labels; {right} on the diagonal are right.")


def _named(rows: Sequence[str], columns: Sequence[str], pattern: str) -> np.ndarray:
    return np.array([[pattern.format(safe(row), safe(column)) for column in columns] for row in rows])


def _square_axes(fig: go.Figure, names: Sequence[str], across: str, down: str, standoff: int) -> None:
    ticks = {"tickvals": list(range(len(names))), "ticktext": [label(name) for name in names], "showgrid": False, "fixedrange": True}
    fig.update_xaxes(**ticks, title=across, range=[-0.5, len(names) - 0.5], autotickangles=[0, -40, -65, -90])
    fig.update_yaxes(**ticks, title=down, range=[len(names) - 0.5, -0.5], ticklabelstandoff=standoff)
