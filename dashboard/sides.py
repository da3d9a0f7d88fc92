"""The controls that name the two things to be compared, and what the two lack."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dashboard import data
from dashboard.components import plain
from dashboard.gallery import sides
from dashboard.gallery.sides import AS_TRAINED, Side
from dashboard.live import LIVE
from dashboard.selection import LIMITS, View
from ptlib.plms.device import DTYPES
from ptlib.prompts import family_insertions
from ptlib.runs import Cell

MOST_RUNS = 100
LONGEST = 40
"""Letters of a run's title, which stands in the address."""


def controls(view: View) -> dict | None:
    """Draws them; gives settings of the figures of a comparison, or None where there is nothing to choose, and says so."""
    way = st.segmented_control("Compare two", sides.WAYS, default=sides.PLMS, key="compare", bind="query-params", required=True)
    draw: Callable[[View], dict | None] = {sides.PLMS: _plm, sides.SETTINGS: _settings, sides.RUNS: _runs}[way]
    chosen = draw(view)
    return None if chosen is None else {"compare": way, **chosen}


def _plm(view: View) -> dict | None:
    others = sides.other_plms(LIVE, view)
    if not others:
        st.info(
            "No other PLM has prompts of these tasks. Bring one with `./run.sh ptlib plms add`, and prompts with `./run.sh ptlib import prompts`."
        )
        return None
    return {"other_plm": st.selectbox("With PLM", others, key="other-plm", bind="query-params", width=260)}


def _settings(view: View) -> dict | None:
    if view.published:
        st.info("Published results have no settings to choose. Take measured ones in the sidebar.")
        return None
    ways, here = [AS_TRAINED, *family_insertions(view.plm.family)], view.selection
    # As the prompts meet the input now, so that the other side starts as another way.
    now = {entry.insertion for entry in data.library().given(view.plm.id)} if here.insertion is None else {here.insertion}
    other = next((way for way in ways[1:] if way not in now), AS_TRAINED)
    way = st.selectbox("With insertion", ways, index=ways.index(other), key="other-insertion", bind="query-params", width=190)
    dtype = st.selectbox("With precision", DTYPES, index=DTYPES.index(here.dtype), key="other-dtype", bind="query-params", width=170)
    limit = st.selectbox("With test examples", list(LIMITS), index=list(LIMITS.values()).index(view.limit), key="other-n", bind="query-params",
                         width=170)  # fmt: skip
    return {"other_insertion": way, "other_dtype": dtype, "other_limit": LIMITS[limit] or 0}


def _runs(view: View) -> dict | None:
    runs = {item.run_id: item for item in data.all_runs(MOST_RUNS)}
    if len(runs) < 2:
        st.info(
            f"Two runs are needed; here {'is 1' if runs else 'are none'}. Run missing cells on the page Transfer, or open a study on the page Runs."
        )
        return None
    chosen = {}
    for place, first in (("first", 0), ("second", 1)):
        run = st.selectbox(f"{place.capitalize()} run", list(runs), index=first, format_func=lambda run: f"{runs[run].title[:LONGEST]} ({run})",
                           key=f"run-{first}", bind="query-params", width=330)  # fmt: skip
        chosen[f"{place}_run"] = run
        parts = [", ".join(sides.words(part)) for part in sides.parts_of(LIVE.cells_of_run(run))]
        if len(parts) > 1:
            chosen[f"{place}_part"] = st.selectbox(f"Part of the {place} run", parts, key=f"part-{first}", bind="query-params", width=230)
    return chosen


def lacking(one: Side, other: Side) -> list[Cell]:
    """Scores that either side lacks and that can be computed here; says whose weights are not here."""
    cells: dict[str, Cell] = {}
    for side in (one, other):
        if side.view is None:
            continue
        mine = [cell for cell in data.missing(side.view).missing if cell.kind == "score" and cell.prompt]
        if side.view.plm.here:
            cells |= {cell.key: cell for cell in mine}
        elif mine:
            st.info(f"The weights of {plain(side.view.plm.id)} are not here, so what it lacks cannot be computed.")
    return list(cells.values())
