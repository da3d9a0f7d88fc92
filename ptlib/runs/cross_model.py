"""Prompts carried from one PLM to another: which projectors to train, what to score, and the table of it. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from ptlib.analysis import cross_model as analysis
from ptlib.analysis.collapse import Collapse, collapse
from ptlib.errors import RunError, TaskError
from ptlib.library import Library, PromptEntry
from ptlib.prompts import family_insertions, inert_rows
from ptlib.prompts.insertion import UNKNOWN
from ptlib.runs import tables
from ptlib.runs.kinds import projector as room
from ptlib.runs.parcel import Parcel
from ptlib.runs.plan import Cell, Grid, Selection, settings_of
from ptlib.runs.snapshot import Snapshot
from ptlib.store import Damaged, Store
from ptlib.tasks import Task
from ptlib.transfer.projector import ProjectorSettings, Side, target_side

WRONG = 3
"""Prompts of wrong types tried on a task where not all are asked for."""


def projector_cell(
    library: Library, source: str, target: str, tasks: Sequence[str], settings: ProjectorSettings, *, seeds: Sequence[int] | None = None,
    carry: Sequence[int] | None = None, insertion: str | None = None, length: int | None = None,
) -> Cell:  # fmt: skip
    """One projector from a source PLM to a target PLM.

    Args:
        tasks: that it is trained on.
        settings: its seed tells several projectors of the same tasks apart.
        seeds: of the source prompts it is trained on (and, for Distance Minimizing, of the target PLM's own prompts); None takes all.
        carry: seeds of the source prompts that it projects, of every task the source PLM has prompts of; None takes one seed,
            another for each projector in turn.
        insertion: how projected prompts meet the target; None takes the own prompts', or the family's own.
        length: of projected prompts; None takes the own prompts' (Distance Minimizing), or the source's.

    Raises:
        PtlibError: unknown names, settings that train nothing, no prompts to learn from, or data that is not here.
    """
    settings.check()
    one, other = library.plm(source), library.plm(target)
    if one.fingerprint == other.fingerprint:
        raise RunError("source and target are one PLM", where=source, mend="Choose two; within a PLM prompts need no projector.")
    if not tasks:
        raise RunError("a projector needs a task to learn from", where=f"{source} to {target}")
    shelf = [entry for entry in library.prompts(source, ("trained",)) if entry.insertion != UNKNOWN]
    learned = [entry for entry in shelf if entry.task in tasks and (seeds is None or entry.seed in seeds)]
    # In the library's order: the same tasks are the same cell.
    tasks = sorted(dict.fromkeys(library.task(name).name for name in tasks), key=list(library.tasks).index)
    for name in tasks:
        if not any(entry.task == name for entry in learned):
            raise RunError(
                "the source PLM has no prompt of this task to learn from",
                where=f"{name} on {source}",
                mend="Train one, or choose other tasks or seeds.",
            )
    pairs = _with_own(library, learned, target) if settings.way == "distance" else [(entry, None) for entry in learned]
    own = next((entry for _, entry in pairs if entry is not None), None)
    first = learned[0]
    way = insertion or (own.insertion if own else family_insertions(other.family)[0])
    _check_fit(
        learned,
        target_side(settings, Side.of(one, first.length, first.insertion), other, way, length or (own.length if own else None)),
        own,
    )
    alike = [entry for entry in shelf if _shape(entry) == _shape(first)]
    there = sorted({entry.seed for entry in alike if entry.seed is not None})
    chosen = carry if carry is not None else there[settings.seed % len(there) :][:1] if there else None
    data = {} if settings.way == "distance" else {name: _training_data(library.task(name).for_family(other.family)) for name in tasks}
    # What Distance Minimizing does not look at is no part of the key.
    settings = replace(settings, batch=1) if settings.way == "distance" else settings
    told = settings_of(source=source, source_plm=one.fingerprint, tasks=tasks, data=data, length=length,
                       pairs=[[entry.digest, entry.task, aim.digest if aim else ""] for entry, aim in pairs],
                       carry=[entry.digest for entry in alike if chosen is None or entry.seed in chosen], **asdict(settings))  # fmt: skip
    return Cell("projector", target, other.fingerprint, "", "", way, "float32", settings=told)


def _shape(entry: PromptEntry) -> tuple[int, str]:
    return entry.length, entry.insertion


def _check_fit(learned: Sequence[PromptEntry], target: Side, own: PromptEntry | None) -> None:
    for entry in learned:
        if _shape(entry) != _shape(learned[0]):
            raise RunError("source prompts of different lengths or insertions cannot train one projector", where=entry.name,
                           found=f"length {entry.length}, {entry.insertion}", expected=f"length {learned[0].length}, {learned[0].insertion} as {learned[0].name}",
                           mend="Choose other seeds.")  # fmt: skip
    if own is not None and own.length != target.length:
        raise RunError("Distance Minimizing cannot aim at prompts of another length", where=own.name, found=f"length {own.length}",
                       expected=f"length {target.length}", mend="Leave the length out, or take Task Tuning.")  # fmt: skip


def _training_data(task: Task) -> str:
    if task.generates:
        raise TaskError("Task Tuning cannot learn from a task whose answer is free text", where=task.name, mend="Take Distance Minimizing.")
    return task.digest("train")


def _with_own(library: Library, learned: Sequence[PromptEntry], target: str) -> list[tuple[PromptEntry, PromptEntry]]:
    """Source prompts beside the target PLM's own prompts of the same task and seed, or of the task's first seed."""
    found = []
    for entry in learned:
        own = [one for one in library.prompts(target, ("trained",)) if one.task == entry.task and one.insertion != UNKNOWN]
        if not own:
            raise RunError("Distance Minimizing needs the target PLM's own prompt of the task", where=f"{entry.task} on {target}", found="none",
                           mend="Train one, choose tasks that both PLMs have prompts of, or take Task Tuning.")  # fmt: skip
        found.append((entry, next((one for one in own if one.seed == entry.seed), own[0])))
    return found


class Carried(NamedTuple):
    """A projector's prompts in the library."""

    digest: str
    """Of the projector."""
    entries: tuple[PromptEntry, ...]
    """Of the target PLM; the Gaussian control's task is empty."""

    @property
    def story(self) -> dict:
        """How the projector was trained: the entries' shared ``meta``."""
        return dict(self.entries[0].meta)


def carried(library: Library, target: str, source: str | None = None) -> list[Carried]:
    """Projectors of which projected prompts of the target PLM are in the library."""
    found: dict[str, list[PromptEntry]] = {}
    for entry in library.prompts(target, ("projected",)):
        if "projector" in entry.meta and source in (None, entry.meta.get("source_plm")):
            found.setdefault(str(entry.meta["projector"]), []).append(entry)
    return [Carried(digest, tuple(entries)) for digest, entries in found.items()]


def restore(store: Store, cells: Sequence[Cell]) -> None:
    """Puts projected prompts back that are in the cache and no longer in the user's library. Raises StoreError where it cannot."""
    for cell in cells:
        try:
            arrays = store.result_arrays(cell.key)
        except Damaged:
            continue
        if arrays is not None:
            room.keep(cell, Parcel("result", cell.key, arrays=arrays))


def of_cells(library: Library, cells: Sequence[Cell]) -> list[Carried]:
    """The projectors that these cells trained, as far as their prompts are in the library; in the cells' order."""
    place = {cell.key: number for number, cell in enumerate(cells)}
    found = [
        item
        for target in dict.fromkeys(cell.plm_id for cell in cells)
        for item in carried(library, target)
        if item.story.get("cell") in place
    ]
    return sorted(found, key=lambda item: place[item.story["cell"]])


def score_cells(
    library: Library, projectors: Sequence[Carried], tasks: Sequence[str], limit: int | None = None, everything: bool = False
) -> list[Cell]:
    """What has to be scored on the target PLM: every task's own projected prompt, controls, and baselines.

    Args:
        everything: every projected prompt on every task; otherwise of wrong types three a task.
    """
    found: dict[str, Cell] = {}
    for target in dict.fromkeys(entry.plm_id for item in projectors for entry in item.entries):
        mine = [item for item in projectors if item.entries[0].plm_id == target]
        grid = Grid(library, _selection(library, target, mine, tasks, limit))
        place = {entry.name: number for number, entry in enumerate(grid.entries)}
        baselines = [number for number, entry in enumerate(grid.entries) if entry.kind != "projected"]
        for row, name in enumerate(tasks):
            wanted = [*baselines, *(place[entry.name] for item in mine for entry in _tried(library, item, name, everything))]
            for number in wanted:
                entry = grid.entries[number]
                if entry.kind == "trained" and entry.task != name:
                    continue
                cell = grid.cell(row * len(grid.entries) + number)
                found[cell.key] = cell
    return list(found.values())


def _tried(library: Library, item: Carried, target: str, everything: bool) -> list[PromptEntry]:
    if everything:
        return list(item.entries)
    kind = library.task(target).type
    near = [entry for entry in item.entries if entry.task in ("", target)]
    wrong = [entry for entry in item.entries if entry.task and entry.type != kind]
    rng = np.random.default_rng(int(item.digest[:8], 16) ^ sum(map(ord, target)))
    return near + [wrong[number] for number in rng.permutation(len(wrong))[:WRONG]]


def _selection(library: Library, target: str, projectors: Sequence[Carried], tasks: Sequence[str], limit: int | None) -> Selection:
    own = [entry.name for entry in library.prompts(target, ("trained",)) if entry.task in tasks and entry.insertion != UNKNOWN]
    drawn = [entry.name for entry in library.prompts(target, ("random",)) if entry.insertion != UNKNOWN]
    names = [entry.name for item in projectors for entry in item.entries]
    return Selection(target, tuple(dict.fromkeys([*names, *own, *drawn])), tuple(tasks), "test", limit)


COLUMNS = ["source_plm", "target_plm", "projector", "way", "form", "trained_on", "projector_seed", "prompt", "source", "source_type", "seed", "target",
           "target_type", "relation", "role", "value", "n", "ci_low", "ci_high", "random", "own", "relative"]  # fmt: skip


def cross_scores(
    store: Store, library: Library, projectors: Sequence[Carried], tasks: Sequence[str], limit: int | None = None, snapshot: Snapshot | None = None
) -> pd.DataFrame:  # fmt: skip
    """One row a projected prompt and task, missing ones with NaN: :data:`COLUMNS`.

    ``relation`` and ``role`` as in :mod:`ptlib.analysis.cross_model`; ``random`` and ``own`` are the means of the target PLM's
    random and own prompts on the task; ``relative`` is value over own.
    """
    parts = []
    for target in dict.fromkeys(entry.plm_id for item in projectors for entry in item.entries):
        mine = [item for item in projectors if item.entries[0].plm_id == target]
        scores = tables.scores_of(Grid(library, _selection(library, target, mine, tasks, limit)), snapshot or _snapshot(store))
        baseline = {kind: scores[scores["kind"] == kind].groupby("target")["value"].mean() for kind in ("random", "own")}
        parts += [_rows(library, item, scores, baseline, target) for item in mine]
    return pd.concat(parts, ignore_index=True) if parts else pd.DataFrame(columns=COLUMNS)


def _snapshot(store: Store) -> Snapshot:
    found = Snapshot(store)
    found.refresh()
    return found


def _rows(library: Library, item: Carried, scores: pd.DataFrame, baseline: dict[str, pd.Series], target: str) -> pd.DataFrame:
    story, names = item.story, [entry.name for entry in item.entries]
    rows = scores[scores["prompt"].isin(names)].copy()
    trained = [str(name) for name in story["trained_on"]]
    types = {name: task.type for name, task in library.tasks.items()}
    known = [types[name] for name in trained if name in types]
    rows["relation"] = [
        analysis.relation(name, kind, trained, known) for name, kind in zip(rows["target"], rows["target_type"], strict=True)
    ]
    rows["role"] = [
        analysis.role(*row) for row in zip(rows["source"], rows["source_type"], rows["target"], rows["target_type"], strict=True)
    ]
    rows["random"], rows["own"] = (rows["target"].map(baseline[kind]) for kind in ("random", "own"))
    rows["relative"] = rows["value"] / rows["own"]
    told = {"source_plm": story["source_plm"], "target_plm": target, "projector": item.digest, "way": story["way"], "form": story["form"],
            "trained_on": " ".join(trained), "projector_seed": story["seed"]}  # fmt: skip
    return rows.assign(**told)[COLUMNS]


def spread_of(library: Library, item: Carried) -> tuple[Collapse, Collapse | None]:
    """How much a projector's prompts differ (its Gaussian control left out), and how much the source prompts did where they are here.

    Raises:
        PromptError: a broken file.
    """
    entries = [entry for entry in item.entries if entry.task]
    sources = (
        {entry.digest: entry for entry in library.prompts(str(item.story["source_plm"]), ("trained",))}
        if item.story["source_plm"] in library.plms
        else {}
    )
    first = [sources[entry.meta["source_prompt"]] for entry in entries if entry.meta.get("source_prompt") in sources]
    names = [entry.task for entry in entries]
    return collapse(live(library, entries), names), collapse(live(library, first), names) if len(first) == len(entries) else None


def live(library: Library, entries: Sequence[PromptEntry]) -> np.ndarray:
    """(prompts, rows that reach the PLM, hidden) of prompts of one shape and insertion."""
    drop = sorted({row for entry in entries for row in inert_rows(entry.insertion, library.plms[entry.plm_id].family)})
    return np.stack([np.delete(entry.load().values, drop, axis=0) for entry in entries]) if entries else np.empty((0, 0, 0))
