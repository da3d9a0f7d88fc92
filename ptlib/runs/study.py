"""Transfer and similarity side by side, ready for analysis: the arrays behind every correlation. Imports no torch."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from ptlib.analysis import indicators
from ptlib.errors import PromptError
from ptlib.library import Library, PromptEntry
from ptlib.neurons.overlap import overlap
from ptlib.prompts import inert_rows
from ptlib.published import scores as imported
from ptlib.runs import tables
from ptlib.runs.plan import select
from ptlib.runs.snapshot import Snapshot
from ptlib.store import Store


class Study(NamedTuple):
    """S prompt seeds of T tasks, every task with its own prompt, on one PLM."""

    plm: str
    tasks: list[str]
    types: list[str]
    seeds: list[int]
    transfer: np.ndarray
    """(S, T, T) scores, source prompts in rows, targets in columns; NaN where missing."""
    random: np.ndarray
    """(random prompts, T) scores."""
    none: np.ndarray
    """(T,) scores without a prompt."""
    prompts: np.ndarray
    """(S, T, length, hidden)"""
    active: np.ndarray
    """(S, T, layers, ffn) bool, or S = 0 where a stimulation is missing."""
    missing_scores: int
    stopped: int
    """Scores that are estimates, since their cells were stopped early."""
    missing_stimulations: int
    inert: tuple[int, ...]
    """Rows of these prompts that never reach the PLM."""

    @property
    def digest(self) -> str:
        """sha256 of all arrays: two studies that share it share every statistic."""
        total = hashlib.sha256(repr((self.plm, self.tasks, self.types, self.seeds)).encode())
        for array in (self.transfer, self.random, self.none, self.prompts, self.active):
            total.update(np.ascontiguousarray(array).tobytes())
        return total.hexdigest()

    def similarities(self, layers: Sequence[int] | None = None, drop_inert: bool = True) -> dict[str, np.ndarray]:
        """Indicator -> (S, T, T), source's prompt against the target's own prompt of the same seed.

        ``layers`` restricts ON; ``drop_inert`` leaves out rows that never reach the PLM. ON is absent while a
        stimulation is missing.
        """
        drop = self.inert if drop_inert else ()
        found = {}
        if len(self.active):
            found["ON"] = np.stack([overlap(states, layers) for states in self.active])
        for name, indicator in indicators.EMBEDDING_INDICATORS.items():
            found[name] = np.stack([indicator(prompts, drop) for prompts in self.prompts])
        found["same_type"] = np.stack([indicators.same_type(self.types)] * len(self.seeds))
        return found


def embeddings(entries: Sequence[PromptEntry]) -> np.ndarray:
    """(prompts, length, hidden) float32 of prompts that are alike in shape.

    Raises:
        PromptError: no prompts, a broken file, or prompts of different lengths.
    """
    if not entries:
        raise PromptError("no trained prompt is left to compare", where="selection", mend="Choose other tasks or seeds.")
    for entry in entries:
        if entry.length != entries[0].length:
            raise PromptError("prompts of different lengths cannot be compared", where=entry.name, found=f"length {entry.length}",
                              expected=f"{entries[0].length} as {entries[0].name}", mend="Choose prompts of one length.")  # fmt: skip
    return np.stack([entry.load().values for entry in entries])


def load_study(
    store: Store, library: Library, plm: str, *, tasks: Sequence[str] | None = None, seeds: Sequence[int] | None = None,
    split: str = "test", limit: int | None = None, published: bool = False,
    insertion: str | None = None, dtype: str = "float32", snapshot: Snapshot | None = None,
) -> Study:  # fmt: skip
    """Everything the store holds for a PLM's own prompts of some tasks and seeds; or the scores that came with an import.

    Tasks without a prompt of every seed are left out.

    Raises:
        PtlibError: unknown PLM or task, or a broken prompt file.
    """
    entries = library.given(plm)
    seeds = sorted({entry.seed for entry in entries if entry.seed is not None} if seeds is None else set(seeds))
    own = {(entry.seed, entry.task): entry for entry in entries}
    names = [
        name
        for name in (library.tasks_for(plm, published=published) if tasks is None else tasks)
        if all((seed, name) in own for seed in seeds)
    ]
    selection = select(library, plm, tasks=names, sources=names, seeds=seeds, split=split, limit=limit, insertion=insertion, dtype=dtype)
    table = imported.scores(library, plm, names, names) if published else tables.scores(store, library, selection, snapshot)
    grid = [[own[seed, name] for name in names] for seed in seeds]
    if published:
        # Results name the source task, not a prompt's file.
        transfer = np.array([tables.score_matrix(table.assign(prompt=table["source"]), names, names)])
    else:
        own_names = [entry.name for row in grid for entry in row]
        transfer = tables.score_matrix(table, own_names, names).reshape(len(seeds), len(names), len(names))
    drawn = list(table.loc[table["kind"] == "random", "prompt"].unique())
    stimulation, present, missing = tables.stimulations(store, library, selection)
    place = {cell.prompt: number for number, cell in enumerate(present)}
    rows = [place.get(entry.digest, -1) for row in grid for entry in row]
    complete = bool(rows) and min(rows) >= 0
    active = stimulation.activated[rows].reshape(len(seeds), len(names), *stimulation.activated.shape[1:]) if complete else np.empty((0,))
    values = embeddings([entry for row in grid for entry in row]) if names and seeds else np.empty((0,))
    values = values.reshape(len(seeds), len(names), *values.shape[1:])
    family = library.plm(plm).family
    inert = tuple(sorted({row for line in grid for entry in line for row in inert_rows(insertion or entry.insertion, family)}))
    own_missing = {entry.digest for row in grid for entry in row}
    return Study(
        plm, names, [library.task(name).type for name in names], seeds, transfer,
        tables.score_matrix(table, drawn, names), tables.score_matrix(table, [tables.NO_PROMPT], names)[0], values, active,
        int(table["value"].isna().sum()), 0 if published else int((table["stopped"] != "").sum()), sum(cell.prompt in own_missing for cell in missing), inert,
    )  # fmt: skip
