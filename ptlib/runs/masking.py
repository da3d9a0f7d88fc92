"""From a selection to cells with neurons masked, and the table of what they found. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import pandas as pd

from ptlib.errors import PromptError, RunError
from ptlib.library import Library, PromptEntry
from ptlib.neurons.mask import MEANS, Rule, check_layers, count
from ptlib.plms.describe import PlmInfo
from ptlib.prompts.insertion import family_insertions
from ptlib.runs.plan import Cell, Selection, settings_of
from ptlib.runs.snapshot import Snapshot
from ptlib.store import Store

SHARES = (0.01, 0.05, 0.1, 0.2, 0.5)
DRAWS = 5
LIMIT = 100
"""Test examples a cell, where nothing else is asked: there are many cells."""
Reader = Literal["own", "masked"]
READERS: dict[str, str] = {"own": "each task's own prompt", "masked": "the prompt itself"}
"""Who reads a task while neurons are off: its own prompt of the same seed, or the prompt whose neurons they are (transfer)."""
STATIC = ["plm", "prompt", "source", "source_type", "seed", "reader", "target", "target_type", "rule", "like", "share", "layers",
          "draw", "masked", "key", "intact_key"]  # fmt: skip


class Cut(NamedTuple):
    """Which neurons are switched off, and who reads meanwhile."""

    shares: tuple[float, ...] = SHARES
    rules: tuple[Rule, ...] = tuple(MEANS)
    layers: tuple[tuple[int, ...] | None, ...] = (None,)
    """Sets of layers that are masked together, one after the other; None stands for all."""
    draws: int = DRAWS
    """Of the random rule."""
    reader: Reader = "own"


class Masking(NamedTuple):
    """Cells of a cut, and how they belong together."""

    rows: pd.DataFrame
    """One row a masked score: :data:`STATIC`; ``layers`` is "all" or numbers from 1, ``masked`` how many neurons are off."""
    cells: list[Cell]
    """Masked scores and the scores with all neurons that they are held against, each once."""
    notes: tuple[str, ...]
    """What was asked for and cannot be, a sentence each."""


def masking(
    library: Library, selection: Selection, sources: Sequence[str], cut: Cut = Cut(), seeds: Sequence[int] | None = None
) -> Masking:  # fmt: skip
    """Every mask of the trained prompts of some source tasks, on every task of a selection.

    Args:
        selection: its trained prompts decide which neurons are distinctive; its tasks are read.
        sources, seeds: tasks and seeds of the prompts that are cut; the others only decide what is distinctive. None takes all seeds.

    Raises:
        RunError: a source or seed without prompts in the selection, a share, layer, rule or number of draws that cannot be, or nothing left
            to do. PromptError: a prompt that cannot be stimulated. PtlibError: unknown names, unreadable data.
    """
    plm = library.plm(selection.plm)
    prompts = [entry for entry in (library.prompt(name) for name in selection.prompts if name) if entry.kind == "trained"]
    chosen = [entry for entry in prompts if entry.task in sources and (seeds is None or entry.seed in seeds)]
    for what, asked, there in (
        ("task", sources, {entry.task for entry in prompts}),
        ("seed", seeds or (), {entry.seed for entry in prompts if entry.task in sources}),
    ):
        absent = next((one for one in asked if one not in there), None)
        if absent is not None:
            raise RunError(f"no prompt of this {what} is selected", where=selection.plm, found=absent, expected=f"one of {sorted(there)}")
    cut, notes = _possible(cut, plm, prompts)
    tasks = _tasks(library, selection, plm)
    own = {(entry.task, entry.seed): entry for entry in prompts}
    rows: list[list] = []
    cells: dict[str, Cell] = {}
    intact: dict[tuple[str, str], Cell] = {}
    for entry in chosen:
        readers = {task.name: own.get((task.name, entry.seed)) if cut.reader == "own" else entry for task in tasks}
        for mask, settings in _masks(entry, prompts, selection, plm, cut):
            for task in tasks:
                reader = readers[task.name]
                if reader is None:
                    continue
                pair = (reader.name, task.name)
                if pair not in intact:
                    intact[pair] = _cell("score", plm, selection, reader, task, "")
                off, whole = _cell("masked", plm, selection, reader, task, settings), intact[pair]
                cells[off.key] = off
                rows.append([plm.id, entry.name, entry.task, entry.type, entry.seed, reader.name, task.name, task.type, *mask, off.key,
                             whole.key])  # fmt: skip
    if not rows:
        raise RunError("no task has an own prompt of these seeds to read it with", where=selection.plm,
                       mend="Choose other tasks or seeds, or have the prompt itself read them.")  # fmt: skip
    # Without the score with all neurons none of the others says anything.
    first = {cell.key: cell for cell in intact.values()}
    return Masking(pd.DataFrame(rows, columns=STATIC), list((first | cells).values()), notes)


class _Read(NamedTuple):
    name: str
    type: str
    digest: str


def _tasks(library: Library, selection: Selection, plm: PlmInfo) -> list[_Read]:
    found = [library.task(name) for name in selection.tasks]
    return [_Read(task.name, task.type, task.for_family(plm.family).digest(selection.split, selection.limit)) for task in found]


def _possible(cut: Cut, plm: PlmInfo, prompts: Sequence[PromptEntry]) -> tuple[Cut, tuple[str, ...]]:
    """The cut as it can be made, and what is left out of it."""
    for rule in cut.rules:
        if rule not in MEANS:
            raise RunError("unknown choice of neurons", where="neurons", found=repr(rule), expected=f"one of {list(MEANS)}")
    if cut.reader not in READERS:
        raise RunError("unknown reader", where="neurons", found=repr(cut.reader), expected=f"one of {list(READERS)}")
    if cut.draws < 1 and "random" in cut.rules:
        raise RunError("random neurons need at least one draw", where="neurons", found=cut.draws, expected="5 or more")
    if not (cut.shares and cut.rules and cut.layers):
        raise RunError("nothing is asked for", where="neurons", mend="Choose at least one share, one rule and one layer.")
    layers = dict.fromkeys(tuple(check_layers(part, plm.layers, plm.id)) for part in cut.layers)
    shares = tuple(sorted({round(share, 6) for share in cut.shares}))
    for share in shares:
        count(share, 1, plm.ffn)
    notes: tuple[str, ...] = ()
    rules = tuple(dict.fromkeys(cut.rules))
    if "distinctive" in rules and len({entry.type for entry in prompts}) < 2:
        rules = tuple(rule for rule in rules if rule != "distinctive")
        notes = ("Distinctive neurons are left out: they need prompts of another type, and all selected prompts are of one.",)
        if not rules:
            raise RunError("distinctive neurons need prompts of another type", where=plm.id, found="prompts of one type",
                           mend="Select sources of two types.")  # fmt: skip
    whole = tuple(range(plm.layers))
    parts = tuple(None if part == whole else part for part in layers)
    return cut._replace(rules=rules, layers=parts, shares=shares), notes


def _masks(entry: PromptEntry, prompts: Sequence[PromptEntry], selection: Selection, plm: PlmInfo, cut: Cut) -> list[tuple[tuple, str]]:
    """(rule, like, share, layers, draw, neurons off) of every mask of a prompt, and its settings."""
    types = _by_type(entry, prompts, selection, plm) if "distinctive" in cut.rules else {}
    found = []
    for layers in cut.layers:
        shown = "all" if layers is None else ", ".join(str(layer + 1) for layer in layers)
        for share in cut.shares:
            off = count(share, plm.layers if layers is None else len(layers), plm.ffn)
            for rule, like, draw in _choices(cut, layers):
                settings = settings_for(rule, share, _name(entry, selection, plm), layers, draw, like, types)
                found.append(((rule, like, share, shown, draw, off), settings))
    return found


def _choices(cut: Cut, layers: tuple[int, ...] | None) -> list[tuple[str, str, int]]:
    """(rule, whose layer mix, draw). In a single layer every mix is the same."""
    certain = [rule for rule in cut.rules if rule != "random"]
    mixes = [rule for rule in certain if rule != "least"] or ["most"]
    if layers is not None and len(layers) == 1:
        mixes = ["most"]
    drawn = [("random", like, draw) for like in mixes for draw in range(cut.draws)] if "random" in cut.rules else []
    return [(rule, "", 0) for rule in certain] + drawn


def settings_for(
    rule: str, share: float, of: Sequence[str], layers: Sequence[int] | None, draw: int, like: str, types: dict[str, list]
) -> str:
    """What decides a mask, and nothing else: rule, share, layers (from 0; absent for all), ``of`` (digest and insertion of the prompt
    whose neurons they are), for random neurons the draw and ``like``, and where distinctive ones count ``own`` and ``others``, the
    prompts of each type by digest and insertion."""
    told = {"rule": rule, "share": share, "of": list(of), "layers": None if layers is None else list(layers)}
    told |= {"draw": draw, "like": like} if rule == "random" else {}
    return settings_of(**told, **(types if "distinctive" in (rule, like) else {}))


def _by_type(entry: PromptEntry, prompts: Sequence[PromptEntry], selection: Selection, plm: PlmInfo) -> dict[str, list]:
    groups: dict[str, list] = {}
    for one in prompts:
        groups.setdefault(one.type, []).append(_name(one, selection, plm))
    # In an order of contents, so that names do not count.
    return {"own": sorted(groups.pop(entry.type)), "others": sorted(map(sorted, groups.values()))}


def _name(entry: PromptEntry, selection: Selection, plm: PlmInfo) -> list[str]:
    way = selection.insertion or entry.insertion
    if way not in family_insertions(plm.family):
        raise PromptError("this prompt cannot be stimulated: how it meets the input is not known here", where=entry.name,
                          found=repr(way), expected=f"one of {list(family_insertions(plm.family))}", mend="Choose an insertion.")  # fmt: skip
    return [entry.digest, way]


def _cell(kind: str, plm: PlmInfo, selection: Selection, reader: PromptEntry, task: _Read, settings: str) -> Cell:
    digest, way = _name(reader, selection, plm)
    return Cell(kind, plm.id, plm.fingerprint, digest, reader.name, way, selection.dtype, task.name, task.digest, selection.split,
                selection.limit, None, settings)  # fmt: skip


def results(found: Masking, snapshot: Snapshot) -> pd.DataFrame:
    """The rows with what the store holds: value, ci_low, ci_high, n, and ``intact``, the score with all neurons; NaN where missing."""
    table = pd.concat([found.rows, snapshot.frame(found.rows["key"])[["metric", "value", "ci_low", "ci_high", "n"]]], axis=1)
    table["intact"] = snapshot.frame(found.rows["intact_key"])["value"]
    return table


def stored(store: Store, found: Masking) -> pd.DataFrame:
    """The same, read from the store now."""
    snapshot = Snapshot(store)
    snapshot.refresh()
    return results(found, snapshot)
