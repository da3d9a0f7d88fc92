"""Prompts as points in two or three dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import count

import numpy as np
import pandas as pd
import plotly.graph_objects as go

from dashboard.theme import (
    CHOSEN,
    SPARE,
    TYPE_SYMBOLS,
    Mode,
    colour,
    describe,
    faint,
    figure,
    head_room,
    ink,
    label,
    note,
    paper,
    quiet,
    safe,
    symbol,
    type_order,
)  # fmt: skip

SYMBOLS_3D = {"circle": "circle", "square": "square", "diamond": "diamond", "cross": "cross", "x": "x",
              "star": "diamond-open", "triangle-up": "circle-open", "pentagon": "square-open", "hexagon": "square-open"}  # fmt: skip
SIZES_3D = {"cross": 9, "x": 9}
"""These two are drawn with thin arms."""
CROWD = 1000
"""Points beyond which each is small, and its rim, which takes a browser a fifth of its time, left out."""
MOST_KEYS = 24
SYMBOLS = (*TYPE_SYMBOLS.values(), "triangle-up", "star", "pentagon")


def space(
    points: pd.DataFrame, by: str, axes: Sequence[str], caption: str, mode: Mode, chosen: str | None = None,
    near: Sequence[str] = (), again: np.ndarray | None = None, movers: Sequence[int] = (),
) -> go.Figure:  # fmt: skip
    """Prompts as points; the chosen one and its nearest are ringed.

    Args:
        points: columns name, source, type, seed, plm, x, y and, in three dimensions, z.
        by: column that colours: "type", "source", "seed" or "plm". Tasks have their type's colour and a symbol of their own.
        axes: axis titles.
        caption: the projection's parameters, printed below the plot.
        again: (runs, n, dimensions) places of the same points in further drawings, laid over this one.
        movers: rows of the points that move most; lines lead to their places in ``again``.
    """
    deep = "z" in points
    looks = _looks(points, by)
    fig = figure(mode, height=560 if deep else 500)
    if again is not None:
        _again(fig, points, again, movers, deep, mode)
    _groups(fig, points, by, looks, deep, mode)
    _rings(fig, points, chosen, near, deep, mode)
    if deep:
        sides = {"backgroundcolor": "rgba(0,0,0,0)", "gridcolor": quiet(mode), "linecolor": quiet(mode), "showticklabels": False,
                 "zeroline": False}  # fmt: skip
        fig.update_layout(scene={f"{name}axis": {**sides, "title": {"text": title}} for name, title in zip("xyz", axes, strict=True)})
        fig.update_layout(
            scene={"aspectmode": "cube", "camera": {"eye": {"x": 1.65, "y": 1.65, "z": 1.0}, "center": {"x": 0, "y": 0, "z": -0.08}}}
        )
    else:
        fig.update_xaxes(title=axes[0], showticklabels=False)
        fig.update_yaxes(title=axes[1], showticklabels=False)
        fig.update_layout(clickmode="event+select")
    head_room(fig)
    note(fig, caption, mode)
    text = f"{len(points)} prompts in {len(axes)} dimensions ({caption}), coloured by {by}: " + ", ".join(map(str, looks)) + "."
    text += f" Nearest to {chosen}: {', '.join(near)}." if chosen and len(near) else ""
    return describe(fig, text + (f" Move most when drawn again: {', '.join(points.name.iloc[list(movers)])}." if len(movers) else ""))


def keyed_by_type(points: pd.DataFrame) -> bool:
    """Whether the key of points coloured by task names the types."""
    return points.source.nunique() > MOST_KEYS


def _groups(fig: go.Figure, points: pd.DataFrame, by: str, looks: dict[object, tuple[str, str]], deep: bool, mode: Mode) -> None:
    """A trace a group. Of very many tasks the key names the types: it would be longer than the figure."""
    members, crowded = points.groupby(by, sort=False).indices, len(points) > CROWD
    by_type, told = by == "source" and keyed_by_type(points), set()
    for group, (tint, shape) in looks.items():
        part = points.iloc[members[group]]
        marker = {
            "size": SIZES_3D.get(shape, 6) if deep else 7 if crowded else 11,
            "color": tint,
            "symbol": SYMBOLS_3D[shape] if deep else shape,
        }
        if not deep and not crowded:
            marker["line"] = {"color": paper(mode), "width": 1}
        kind = part.type.iloc[0]
        keyed = {"name": label(kind), "legendgroup": safe(kind), "showlegend": kind not in told} if by_type else {"name": label(group)}
        told.add(kind)
        _points(fig, part, deep, mode="markers", marker=marker, **keyed,
                hovertext=[safe(name) for name in part.name], hovertemplate="%{hovertext}<extra></extra>")  # fmt: skip


def _looks(points: pd.DataFrame, by: str) -> dict[object, tuple[str, str]]:
    """Colour and symbol of every group; types keep theirs everywhere."""
    if by == "type":
        return {kind: (colour(kind), symbol(kind)) for kind in type_order(points.type)}
    if by == "source":
        kind_of = dict(zip(points.source, points.type, strict=True))
        order = type_order(points.type)
        places = {kind: count() for kind in order}
        names = sorted(kind_of, key=lambda name: order.index(kind_of[name]))
        return {name: (colour(kind_of[name]), SYMBOLS[next(places[kind_of[name]]) % len(SYMBOLS)]) for name in names}
    groups = sorted(dict.fromkeys(points[by]), key=str)
    return {group: (SPARE[place % len(SPARE)], SYMBOLS[place % len(SYMBOLS)]) for place, group in enumerate(groups)}


def _points(fig: go.Figure, part: pd.DataFrame, deep: bool, **options: object) -> None:
    """One trace at the points of ``part``; a click does not fade the others."""
    place = {axis: part[axis].to_numpy(np.float32) for axis in ("xyz" if deep else "xy")}
    if deep:
        fig.add_scatter3d(**place, **options)
    else:
        fig.add_scatter(**place, **options, unselected={"marker": {"opacity": 1}})


def _again(fig: go.Figure, points: pd.DataFrame, again: np.ndarray, movers: Sequence[int], deep: bool, mode: Mode) -> None:
    """Where the points that move most lie in the further drawings: a line from each point to each of its places."""
    axes = "xyz" if deep else "xy"
    here = points[list(axes)].to_numpy(dtype=float)[list(movers)]
    there = again[:, list(movers)]
    # Each line is two points and a gap.
    lines = np.full((len(again), len(movers), 3, len(axes)), np.nan)
    lines[:, :, 0], lines[:, :, 1] = here, there
    part = pd.DataFrame(lines.reshape(-1, len(axes)), columns=list(axes))
    _points(fig, part, deep, mode="lines", name="drawn again", hoverinfo="skip", opacity=0.55, legendrank=2000,
            line={"color": faint(mode), "width": 2 if deep else 1.2})  # fmt: skip


def _rings(fig: go.Figure, points: pd.DataFrame, chosen: str | None, near: Sequence[str], deep: bool, mode: Mode) -> None:
    groups = [(list(near), ink(mode), 18, "nearest")]
    if chosen is not None:
        groups.append(([chosen], CHOSEN, 22, label(chosen.split("/")[-1])))
    for names, tint, size, title in groups:
        part = points[points.name.isin(names)]
        if len(part):
            _points(fig, part, deep, mode="markers", name=title, hoverinfo="skip", marker={
                "color": tint, "symbol": "circle-open", "size": size * (0.6 if deep else 1), "line": {"width": 2.5, "color": tint}})  # fmt: skip


def axis_titles(method: str, explained: np.ndarray | None, dimensions: int) -> list[str]:
    """ "PC 1 (34 %)" for PCA; other methods' axes have no meaning of their own."""
    if explained is None:
        return [{"umap": "UMAP", "tsne": "t-SNE"}[method] + f" {number + 1}" for number in range(dimensions)]
    return [f"PC {number + 1} ({share:.0%})" for number, share in enumerate(explained[:dimensions])]
