"""The two things that are compared: two PLMs, two settings or two runs, by their names."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pandas as pd

from dashboard.gallery.drawn import Settings
from dashboard.gallery.source import Source
from dashboard.view import View
from ptlib.errors import RunError
from ptlib.plms.device import DTYPES
from ptlib.prompts import family_insertions
from ptlib.runs import Cell, comparison, select

PLMS, SETTINGS, RUNS = WAYS = ("PLMs", "settings", "runs")
AS_TRAINED = "as trained"
SAME_LIMIT = -1
CHOICE = {"compare": PLMS, "other_plm": "", "other_insertion": "", "other_dtype": "", "other_limit": SAME_LIMIT, "first_run": "", "first_part": "",
          "second_run": "", "second_part": ""}  # fmt: skip
"""What a figure of a comparison takes beside its own settings. Empty: as the selection has it; of PLMs and parts of a run, the first.
other_limit: first test examples, 0 for all."""

Part = tuple[str, str, int | None]


class Side(NamedTuple):
    """One of the two that are compared."""

    name: str
    table: pd.DataFrame
    """As :func:`ptlib.runs.tables.scores`."""
    view: View | None = None
    """None for a run: what a run lacks is run from the page Runs."""


def of(source: Source, view: View, settings: Settings) -> tuple[Side, Side]:
    """The two sides that the settings name.

    Raises:
        PtlibError: an unknown way, PLM, insertion, precision, run or part of one, or a run without scores.
    """
    _one_of("compare", settings["compare"], WAYS)
    return {PLMS: _two_plms, SETTINGS: _two_settings, RUNS: _two_runs}[settings["compare"]](source, view, settings)


def _one_of(name: str, value: object, known: tuple | list) -> None:
    if value not in known:
        raise RunError("this cannot be compared", where=name.replace("_", " "), found=repr(value), expected=f"one of {', '.join(map(str, known)) or 'none'}")  # fmt: skip


def other_plms(source: Source, view: View) -> list[str]:
    """PLMs that have prompts of the selection's source tasks."""
    shelf = source.library()
    others = [name for name in shelf.plms if name != view.plm.id and set(shelf.sources_for(name)) & set(view.sources)]
    # A PLM of the same size first: most differences of others are those of size.
    return sorted(others, key=lambda name: shelf.plms[name].parameters != view.plm.parameters)


def _two_plms(source: Source, view: View, settings: Settings) -> tuple[Side, Side]:
    """The PLM of the selection and another that has prompts of the same tasks."""
    others = other_plms(source, view)
    name = settings["other_plm"] or (others[0] if others else "")
    _one_of("other_plm", name, others)
    shelf = source.library()
    tasks, sources = shelf.tasks_for(name, published=view.published), shelf.sources_for(name)
    return Side(view.plm.id, source.scores(view), view), _of_view(source, replace(
        view, plm=shelf.plms[name], tasks=[task for task in view.tasks if task in tasks], sources=[task for task in view.sources if task in sources],
    ), name)  # fmt: skip


def _two_settings(source: Source, view: View, settings: Settings) -> tuple[Side, Side]:
    """The selection as it is, and with another insertion, precision or number of examples."""
    if view.published:
        raise RunError("published results have no settings to choose", where="compare", mend="Take measured ones.")
    here = view.selection
    way, dtype, limit = (
        settings["other_insertion"] or here.insertion or AS_TRAINED,
        settings["other_dtype"] or here.dtype,
        settings["other_limit"],
    )
    _one_of("other_insertion", way, [AS_TRAINED, *family_insertions(view.plm.family)])
    _one_of("other_dtype", dtype, DTYPES)
    changed = replace(view, limit=view.limit if limit == SAME_LIMIT else limit or None,
                      selection=replace(here, insertion=None if way == AS_TRAINED else way, dtype=dtype))  # fmt: skip
    names = [" · ".join(part for part, differs in (
        (side.selection.insertion or AS_TRAINED, changed.selection.insertion != here.insertion), (side.selection.dtype, changed.selection.dtype != here.dtype),
        (examples(side.limit), changed.limit != view.limit)) if differs) or "the same settings" for side in (view, changed)]  # fmt: skip
    return Side(names[0], source.scores(view), view), _of_view(source, changed, names[1])


def _of_view(source: Source, view: View, name: str) -> Side:
    """The side that another selection is."""
    offered = family_insertions(view.plm.family)
    way = view.selection.insertion if view.selection.insertion in offered else None
    have = {entry.seed for entry in source.library().given(view.plm.id)}
    chosen = select(source.library(), view.plm.id, tasks=view.tasks, sources=view.sources, seeds=[seed for seed in view.seeds if seed in have],
                    limit=view.limit, insertion=way, dtype=view.selection.dtype, baselines=False)  # fmt: skip
    found = replace(view, selection=chosen, further=[])
    return Side(name, source.scores(found), found)


def _two_runs(source: Source, view: View, settings: Settings) -> tuple[Side, Side]:
    """The scores among the cells of two runs."""
    found = []
    for place in ("first", "second"):
        run = settings[f"{place}_run"]
        cells = source.cells_of_run(run)
        parts = parts_of(cells)
        if not parts:
            raise RunError("this run has no scores to compare", where=f"{place} run", found=repr(run), mend="Choose another run.")
        named = {", ".join(words(part)): part for part in parts}
        told = settings[f"{place}_part"] or next(iter(named))
        _one_of(f"{place}_part", told, list(named))
        found.append((run, named[told], _scores_of(source, view, cells, named[told], run)))
    differ = [one != other for one, other in zip(found[0][1], found[1][1], strict=True)]
    one, two = (Side(" · ".join([f"run {run}", *(word for word, yes in zip(words(part), differ, strict=True) if yes)]), table)
                for run, part, table in found)  # fmt: skip
    return one, two


def parts_of(cells: list[Cell]) -> list[Part]:
    """What of a run can be a side: PLM, precision and the number of test examples."""
    return sorted({comparison.part_of(cell) for cell in cells if cell.kind == "score"}, key=str)


def words(part: Part) -> tuple[str, str, str]:
    """A part of a run for the eye."""
    return part[0], part[1], examples(part[2])


def examples(limit: int | None) -> str:
    """Examples a cell, in words."""
    return "all examples" if limit is None else f"first {limit} examples"


def _scores_of(source: Source, view: View, cells: list[Cell], part: Part, run: str) -> pd.DataFrame:
    """The scores of a part of a run, as far as the selection's seeds, sources and tasks go."""
    table = comparison.scores_of_run([cell for cell in cells if comparison.part_of(cell) == part], source.library(), source.snapshot())
    if part[0] != view.plm.id:
        # The selection's tasks are those of its PLM; of another one's run everything counts.
        return table
    return table[table["source"].isin(view.sources) & table["target"].isin(view.tasks) & table["seed"].isin(view.seeds)]


def alike(one: Side, other: Side) -> bool:
    """Whether both sides are the same cells."""
    keys = [
        set(side.table.loc[side.table["kind"].isin(comparison.TRAINED), "key"]) if "key" in side.table else None for side in (one, other)
    ]
    return keys[0] is not None and keys[0] == keys[1]
