"""Order, search and zoom: which rows and columns of a matrix are drawn, and which of them stand out."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import streamlit as st

from dashboard.figures.matrix import BASELINES, Axis
from ptlib.analysis.order import leaf_order

ORDERS = ("type", "clustering", "name")
ZOOM = "zoom"
"""In the address: first and last row, first and last column."""


class Arranged(NamedTuple):
    """A matrix as it is drawn."""

    rows: Axis
    columns: Axis
    gaps: bool
    """Whether types stand together, so that gaps between them mean something."""


def controls(*, key: str = "") -> tuple[str, str]:
    """Draws order and search; gives both. To be called in a horizontal container."""
    order = st.segmented_control(
        "Order", ORDERS, default=ORDERS[0], key=f"order{key}", bind="query-params", required=True,
        help="By type of task; like beside like (average linkage of rows and of columns, each on its own, optimal leaf order); or by name.",
    )  # fmt: skip
    text = st.text_input(
        "Find", key=f"find{key}", bind="query-params", placeholder="part of a name", help="Outlines its rows and columns.", width=170
    )
    return order, text


def ordered(values: np.ndarray, rows: Axis, columns: Axis, order: str) -> Arranged:
    """Rows and columns in an order; what is no task (random prompts, no prompt) stays last.

    Args:
        values: (rows, columns), NaN where missing.
    """
    if order == "type":
        return Arranged(rows, columns, True)
    last = [at for at, kind in enumerate(rows.types) if kind in BASELINES]
    first = [at for at in range(len(rows.names)) if at not in set(last)]
    if order == "name":
        down, across = sorted(first, key=lambda at: rows.names[at]), sorted(range(len(columns.names)), key=lambda at: columns.names[at])
    else:
        down, across = [first[at] for at in leaf_order(values[first])], leaf_order(values[first].T)
    return Arranged(_taken(rows, [*down, *last]), _taken(columns, across), False)


def _taken(axis: Axis, places: Sequence[int]) -> Axis:
    return Axis([axis.names[at] for at in places], [axis.types[at] for at in places])


def matches(text: str, arranged: Arranged) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Numbers of the rows and columns whose name holds the text, whatever its case."""
    wanted = text.strip().casefold()
    if not wanted:
        return (), ()
    return tuple(tuple(at for at, name in enumerate(axis.names) if wanted in name.casefold()) for axis in arranged[:2])


def zoomed(arranged: Arranged) -> Arranged:
    """The block that the address names; all of it where it names none that is here."""
    names = st.query_params.get(ZOOM, "").split("~")
    if len(names) != 4:
        return arranged
    spans = []
    for axis, ends in zip(arranged[:2], (names[:2], names[2:]), strict=True):
        if any(end not in axis.names for end in ends):
            return arranged
        places = sorted(list(axis.names).index(end) for end in ends)
        spans.append(_taken(axis, range(places[0], places[1] + 1)))
    return arranged._replace(rows=spans[0], columns=spans[1])


def boxes(figure: str, arranged: Arranged) -> dict:
    """Options for :func:`dashboard.components.show` with which a box that is drawn over an overview opens its block."""

    def drawn() -> None:
        found = st.session_state[f"figure-{figure}"].selection.box
        if found:
            ends = [
                axis.names[at] for axis, side in zip(arranged[:2], ("y", "x"), strict=True) for at in span(found[0][side], len(axis.names))
            ]
            st.query_params[ZOOM] = "~".join(ends)

    return {"on_select": drawn, "selection_mode": "box"}


def span(ends: Sequence[float], count: int) -> tuple[int, int]:
    """First and last of the cells whose middle lies between two places on an axis; the nearest one where there is none."""
    low, high = min(ends), max(ends)
    first, last = math.ceil(low), math.floor(high)
    if first > last:
        first = last = round((low + high) / 2)
    return tuple(min(max(at, 0), count - 1) for at in (first, last))


def whole() -> None:
    """The whole matrix again."""
    st.query_params.pop(ZOOM, None)
