"""Order, search and zoom of a matrix, as the user picks them; all of it is in the address."""

from __future__ import annotations

import math
from collections.abc import Sequence

import streamlit as st

from dashboard import picks
from dashboard.gallery.arranged import ORDERS, Arranged

ZOOM = "zoom"


def controls() -> dict[str, str]:
    """Draws order and search; gives them with the zoom, as settings of a figure. To be called in a horizontal container."""
    order = st.segmented_control(
        "Order", ORDERS, default=ORDERS[0], key="order", bind="query-params", required=True,
        help="By type of task; like beside like (average linkage of rows and of columns, each on its own, optimal leaf order); or by name.",
    )  # fmt: skip
    text = st.text_input(
        "Find",
        key="find",
        bind="query-params",
        placeholder="part of a name",
        max_chars=80,
        help="Outlines its rows and columns.",
        width=170,
    )
    return {"order": order, "find": text, "zoom": st.query_params.get(ZOOM, "")}


def boxes(figure: str, arranged: Arranged) -> dict:
    """Options for :func:`dashboard.components.figure` with which a box that is drawn over an overview opens its block."""

    def drawn() -> None:
        found = st.session_state[f"figure-{figure}"].selection.box
        if found:
            ends = [
                axis.names[at] for axis, side in zip(arranged[:2], ("y", "x"), strict=True) for at in span(found[0][side], len(axis.names))
            ]
            st.query_params[ZOOM] = picks.joined(*ends)

    return {"on_select": drawn, "selection_mode": "box"}


def span(ends: Sequence[float], count: int) -> tuple[int, int]:
    """First and last of the cells whose middle lies between two places on an axis; the nearest one where there is none."""
    low, high = min(ends), max(ends)
    first, last = math.ceil(low), math.floor(high)
    if first > last:
        first = last = round((low + high) / 2)
    return tuple(min(max(at, 0), count - 1) for at in (first, last))


def whole_button(shown: Arranged, everything: Arranged) -> None:
    """Where a block is shown, the button that shows the whole matrix again."""
    if shown != everything:
        st.button(
            "Whole matrix",
            key="whole",
            icon=":material/zoom_out_map:",
            shortcut="Shift+Backspace",
            on_click=lambda: st.query_params.pop(ZOOM, None),
        )
