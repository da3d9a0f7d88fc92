"""Tidy tables of what the store holds for a selection. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ptlib.library import Library
from ptlib.neurons.states import States, from_arrays, stack
from ptlib.runs.plan import Cell, Grid, Selection, stimulation_cells
from ptlib.runs.queue import done_keys
from ptlib.runs.snapshot import Snapshot
from ptlib.store import Damaged, Store

NO_PROMPT = "no prompt"
TRAINED_HERE = "trained here"
COLUMNS = ["key", "plm", "prompt", "source", "source_type", "target", "target_type", "seed", "insertion", "kind"]


def scores(store: Store, library: Library, selection: Selection, snapshot: Snapshot | None = None) -> pd.DataFrame:
    """One row a cell of the selection, missing ones with NaN.

    Columns: key, plm, prompt (unique name), source (its task), source_type, target, target_type, seed, insertion, kind
    (zero-shot, own, random, none, projected, trained here: a row of its own beside the task's own prompts), metric, value, n, ci_low, ci_high, seconds, device, created, stopped (why a
    cell was stopped early, "" where it saw all its examples; then value is an estimate and the interval holds whenever one
    looks), total (examples it would see), relative (value over the score of the target's own prompt of the same seed; for
    baselines over the mean of its own prompts).
    """
    return scores_of(Grid(library, selection), snapshot or _read(store))


def _read(store: Store) -> Snapshot:
    found = Snapshot(store)
    found.refresh()
    return found


def scores_of(grid: Grid, snapshot: Snapshot) -> pd.DataFrame:
    """The same of cells that are known already."""
    count, tasks = len(grid.entries), len(grid.selection.tasks)
    further = np.array(grid.further, dtype=bool)
    trained = np.array([entry is not None and entry.kind == "trained" for entry in grid.entries], dtype=bool) & ~further
    sources = [entry.task if entry else "" for entry in grid.entries]
    own = trained & (np.array(sources, dtype=object)[None] == np.array(grid.selection.tasks, dtype=object)[:, None])
    kinds = np.array([entry.kind if entry else "none" for entry in grid.entries], dtype=object)
    kinds = np.where(own, "own", np.where(trained, "zero-shot", np.where(further, TRAINED_HERE, kinds)))

    def by_prompt(values: Sequence[object]) -> np.ndarray:
        return np.tile(np.array(values, dtype=object), tasks)

    def by_task(values: Sequence[object]) -> np.ndarray:
        return np.repeat(np.array(values, dtype=object), count)

    static = {"key": grid.keys, "plm": grid.plm.id, "prompt": by_prompt([entry.name if entry else NO_PROMPT for entry in grid.entries]),
              "source": by_prompt(sources), "source_type": by_prompt([entry.type if entry else "none" for entry in grid.entries]),
              "target": by_task(grid.selection.tasks), "target_type": by_task(grid.types),
              "seed": pd.Series(by_prompt([entry.seed if entry else None for entry in grid.entries]), dtype=float),
              "insertion": by_prompt(grid.insertions), "kind": kinds.ravel()}  # fmt: skip
    table = pd.concat([pd.DataFrame(static, columns=COLUMNS), snapshot.frame(grid.keys)], axis=1)
    table["relative"] = _relative(grid, table["value"].to_numpy().reshape(tasks, count), own, trained).ravel()
    return table


def _relative(grid: Grid, values: np.ndarray, own: np.ndarray, trained: np.ndarray) -> np.ndarray:
    """(tasks, prompts): over the own prompt of the same seed; for all others over the mean of the own prompts."""
    seeds = {seed: place for place, seed in enumerate(dict.fromkeys(entry.seed if entry else None for entry in grid.entries))}
    seed = np.array([seeds[entry.seed if entry else None] for entry in grid.entries], dtype=int)
    by_seed = np.full((len(values), len(seeds)), np.nan)
    tasks, prompts = np.nonzero(own)
    by_seed[tasks, seed[prompts]] = values[tasks, prompts]
    there = own & np.isfinite(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        by_target = np.where(there, values, 0).sum(axis=1) / there.sum(axis=1)
        return values / np.where(trained[None], by_seed[:, seed], by_target[:, None])


def best_sources(table: pd.DataFrame) -> pd.DataFrame:
    """The best prompt of another task for each target: columns target, prompt, source, value, ci_low, ci_high, n, total.

    Where cells were stopped early, the highest estimate need not be the best source: it is sought among the prompts that were
    left in the race or saw all examples. Targets none of whose zero-shot cells is there are left out.
    """
    rows = table[(table["kind"] == "zero-shot") & table["value"].notna()]
    settled = rows[rows["stopped"].isin(["", "best source"])]
    # A race that was interrupted has neither.
    rest = rows[~rows["target"].isin(settled["target"])]
    found = pd.concat([settled, rest]).sort_values("value", ascending=False, kind="stable").drop_duplicates("target")
    place = {name: number for number, name in enumerate(dict.fromkeys(table["target"]))}
    found = found.sort_values("target", key=lambda names: names.map(place))
    return found[["target", "prompt", "source", "value", "ci_low", "ci_high", "n", "total"]].reset_index(drop=True)


def score_matrix(table: pd.DataFrame, prompts: Sequence[str], tasks: Sequence[str], column: str = "value") -> np.ndarray:
    """(prompts, tasks) float64, NaN where missing, rows by unique prompt name."""
    found = np.full((len(prompts), len(tasks)), np.nan)
    row = pd.Index(prompts).get_indexer(table["prompt"])
    place = pd.Index(tasks).get_indexer(table["target"])
    here = (row >= 0) & (place >= 0)
    found[row[here], place[here]] = table[column].to_numpy(dtype=float)[here]
    return found


def stimulations(store: Store, library: Library, selection: Selection) -> tuple[States, list[Cell], list[Cell]]:
    """Stimulation of the selection's prompts.

    Returns:
        (prompts, layers, ffn) states; the cells they belong to, in order; the cells that are missing.
    """
    found, present, missing = [], [], []
    cells = stimulation_cells(library, selection)
    known = store.present([cell.key for cell in cells])
    for cell in cells:
        try:
            arrays = store.result_arrays(cell.key, known.get(cell.key)) if cell.key in known else None
        except Damaged:
            arrays = None
        if arrays is None:
            missing.append(cell)
        else:
            found.append(from_arrays(arrays))
            present.append(cell)
    info = library.plm(selection.plm)
    return stack(found, info.layers, info.ffn), present, missing


def missing(store: Store, cells: Sequence[Cell]) -> list[Cell]:
    """Those of the cells that have neither a result nor, where they may stop early, an interval as narrow as asked."""
    done = done_keys(store, cells)
    return [cell for cell in cells if cell.key not in done]


def stopped(store: Store, cells: Sequence[Cell]) -> list[Cell]:
    """Those of the cells that were stopped early and have no result to the end."""
    partial = store.partials([cell.key for cell in cells])
    known = set(partial.index[partial.reason != ""])
    present = store.present(list(known)) if known else {}
    return [cell for cell in cells if cell.key in known and cell.key not in present]
