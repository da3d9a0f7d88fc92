"""Rows and columns of a matrix in an order, the block of it that is drawn, and those a search finds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from dashboard import picks
from dashboard.figures.matrix import BASELINES, Axis
from ptlib.analysis.order import leaf_order
from ptlib.errors import RunError

ORDERS = ("type", "clustering", "name")
SETTINGS = {"order": ORDERS[0], "find": "", "zoom": ""}
"""What a figure that is arranged takes beside its own settings. zoom: first and last row, first and last column, as
:func:`dashboard.picks.joined` writes them."""


class Arranged(NamedTuple):
    """A matrix as it is drawn."""

    rows: Axis
    columns: Axis
    gaps: bool
    """Whether types stand together, so that gaps between them mean something."""

    def place(self, pair: tuple[str, str] | None) -> tuple[int, int] | None:
        """Row and column of a pair of names, where both are there."""
        if pair is None or pair[0] not in self.rows.names or pair[1] not in self.columns.names:
            return None
        return list(self.rows.names).index(pair[0]), list(self.columns.names).index(pair[1])


def ordered(values: np.ndarray, rows: Axis, columns: Axis, order: str) -> Arranged:
    """Rows and columns in an order; what is no task (random prompts, no prompt) stays last.

    Args:
        values: (rows, columns), NaN where missing.

    Raises:
        RunError: an unknown order.
    """
    if order not in ORDERS:
        raise RunError("there is no such order", where="order", found=repr(order), expected=f"one of {', '.join(ORDERS)}")
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


def zoomed(arranged: Arranged, zoom: str) -> Arranged:
    """The block that a setting names; all of it where it names none that is here."""
    rows, columns, _ = arranged
    places = picks.unjoined(zoom, rows.names, rows.names, columns.names, columns.names)
    if places is None:
        return arranged
    spans = [_taken(axis, range(min(ends), max(ends) + 1)) for axis, ends in ((rows, places[:2]), (columns, places[2:]))]
    return arranged._replace(rows=spans[0], columns=spans[1])
