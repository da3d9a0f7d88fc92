"""The two things that are compared: two PLMs, two settings or two runs, as the user picks them."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pandas as pd
import streamlit as st

from dashboard import data
from dashboard.kept import kept
from dashboard.selection import AS_TRAINED, LIMITS, View
from ptlib.plms.device import DTYPES
from ptlib.prompts import family_insertions
from ptlib.runs import Cell, comparison, select

MOST_RUNS = 100


class Side(NamedTuple):
    """One of the two that are compared."""

    name: str
    table: pd.DataFrame
    """As :func:`ptlib.runs.tables.scores`."""
    view: View | None = None
    """None for a run: what a run lacks is run from the page Runs."""


def two_plms(view: View) -> tuple[Side, Side] | None:
    """The PLM of the selection and another that has prompts of the same tasks."""
    shelf = data.library()
    others = [name for name in shelf.plms if name != view.plm.id and set(shelf.sources_for(name)) & set(view.sources)]
    if not others:
        st.info(
            "No other PLM has prompts of these tasks. Bring one with `./run.sh ptlib plms add`, and prompts with `./run.sh ptlib import prompts`."
        )
        return None
    # A PLM of the same size first: most differences of others are those of size.
    others.sort(key=lambda name: shelf.plms[name].parameters != view.plm.parameters)
    name = st.selectbox("With PLM", others, key="other-plm", bind="query-params", width=260)
    other = shelf.plms[name]
    tasks, sources = shelf.tasks_for(name, published=view.published), shelf.sources_for(name)
    return Side(view.plm.id, data.scores(view), view), of_view(replace(
        view, plm=other, tasks=[task for task in view.tasks if task in tasks], sources=[task for task in view.sources if task in sources],
    ), name)  # fmt: skip


def two_settings(view: View) -> tuple[Side, Side] | None:
    """The selection as it is, and with another insertion, precision or number of examples."""
    ways, here = family_insertions(view.plm.family), view.selection
    if view.published:
        st.info("Published results have no settings to choose. Take measured ones in the sidebar.")
        return None
    # As the prompts meet the input now, so that the other side starts as another way.
    now = {entry.insertion for entry in data.library().given(view.plm.id)} if here.insertion is None else {here.insertion}
    other = next((way for way in ways if way not in now), AS_TRAINED)
    way = st.selectbox(
        "With insertion", [AS_TRAINED, *ways], index=[AS_TRAINED, *ways].index(other), key="other-insertion", bind="query-params", width=190
    )
    dtype = st.selectbox("With precision", DTYPES, index=DTYPES.index(here.dtype), key="other-dtype", bind="query-params", width=170)
    limits = {limit: name for name, limit in LIMITS.items()}
    limit = st.selectbox(
        "With test examples", list(LIMITS), index=list(LIMITS).index(limits[view.limit]), key="other-n", bind="query-params", width=170
    )
    changed = replace(view, limit=LIMITS[limit], selection=replace(here, insertion=None if way == AS_TRAINED else way, dtype=dtype))
    names = [" · ".join(part for part, differs in (
        (side.selection.insertion or AS_TRAINED, changed.selection.insertion != here.insertion), (side.selection.dtype, changed.selection.dtype != here.dtype),
        (f"{limits[side.limit]} examples", changed.limit != view.limit)) if differs) or "the same settings" for side in (view, changed)]  # fmt: skip
    return Side(names[0], data.scores(view), view), of_view(changed, names[1])


def of_view(view: View, name: str) -> Side:
    """The side that another selection is."""
    offered = family_insertions(view.plm.family)
    way = view.selection.insertion if view.selection.insertion in offered else None
    have = {entry.seed for entry in data.library().given(view.plm.id)}
    chosen = select(data.library(), view.plm.id, tasks=view.tasks, sources=view.sources, seeds=[seed for seed in view.seeds if seed in have], limit=view.limit,
                    insertion=way, dtype=view.selection.dtype, baselines=False)  # fmt: skip
    found = replace(view, selection=chosen, further=[])
    return Side(name, data.scores(found), found)


def two_runs(view: View) -> tuple[Side, Side] | None:
    """The scores among the cells of two runs."""
    runs = {item.run_id: item for item in data.all_runs(MOST_RUNS)}
    if len(runs) < 2:
        st.info(
            f"Two runs are needed; here {'is 1' if runs else 'are none'}. Run missing cells on the page Transfer, or open a study on the page Runs."
        )
        return None
    sides = []
    for what, first in (("First run", 0), ("Second run", 1)):
        chosen = st.selectbox(
            what,
            list(runs),
            index=first,
            format_func=lambda run: f"{runs[run].title} ({run})",
            key=f"run-{first}",
            bind="query-params",
            width=330,
        )
        cells = kept().get(("cells of run", chosen), runs[chosen].total, lambda run=chosen: data.cells_of_run(run))
        parts = sorted({comparison.part_of(cell) for cell in cells if cell.kind == "score"}, key=str)
        if not parts:
            st.info("This run has no scores to compare.")
            return None
        part = (
            parts[0]
            if len(parts) == 1
            else st.selectbox(
                f"Part of the {what.lower()}", parts, format_func=lambda part: ", ".join(words(part)), key=f"part-{first}", width=230
            )
        )
        sides.append((chosen, part, scores_of(view, cells, part, chosen)))
    differ = [one != other for one, other in zip(sides[0][1], sides[1][1], strict=True)]
    one, two = (
        Side(" · ".join([f"run {run}", *(word for word, yes in zip(words(part), differ, strict=True) if yes)]), table)
        for run, part, table in sides
    )
    return one, two


def words(part: tuple[str, str, int | None]) -> tuple[str, str, str]:
    """A part of a run for the eye: PLM, precision and examples."""
    return part[0], part[1], f"{'all' if part[2] is None else f'first {part[2]}'} examples"


def alike(one: Side, other: Side) -> bool:
    """Whether both sides are the same cells."""
    keys = [
        set(side.table.loc[side.table["kind"].isin(comparison.TRAINED), "key"]) if "key" in side.table else None for side in (one, other)
    ]
    return keys[0] is not None and keys[0] == keys[1]


def scores_of(view: View, cells: list[Cell], part: tuple, run: str) -> pd.DataFrame:
    """The scores of a part of a run, as far as the selection's seeds, sources and tasks go."""
    version = (data.snapshot().refresh(), len(cells))
    table = kept().get(("scores of run", run, part), version, lambda: comparison.scores_of_run(
        [cell for cell in cells if comparison.part_of(cell) == part], data.library(), data.snapshot()), may_lag=data.busy())  # fmt: skip
    if part[0] != view.plm.id:
        # The sidebar's tasks are those of its PLM; of another one's run everything counts.
        return table
    return kept().get(("chosen of run", run, part, view.selection), id(table), lambda: (
        table[table["source"].isin(view.sources) & table["target"].isin(view.tasks) & table["seed"].isin(view.seeds)], table))[0]  # fmt: skip


def lacking(one: Side, other: Side) -> tuple[list[Cell], list[str]]:
    """Scores that either side lacks and that can be computed here, and PLMs whose weights are not here."""
    cells, absent = [], []
    for side in (one, other):
        if side.view is not None:
            mine = [cell for cell in data.missing(side.view).missing if cell.kind == "score" and cell.prompt]
            if side.view.plm.here:
                cells += mine
            elif mine:
                absent.append(side.view.plm.id)
    return list({cell.key: cell for cell in cells}.values()), absent
