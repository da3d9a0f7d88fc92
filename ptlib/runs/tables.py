"""Tidy tables of what the store holds for a selection. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ptlib.library import Library
from ptlib.neurons.states import States, from_arrays, stack
from ptlib.runs.plan import Cell, Selection, score_cells, stimulation_cells
from ptlib.store import Damaged, Store

NO_PROMPT = "no prompt"
COLUMNS = ["key", "plm", "prompt", "source", "source_type", "target", "target_type", "seed", "insertion", "kind"]


def scores(store: Store, library: Library, selection: Selection) -> pd.DataFrame:
    """One row a cell of the selection, missing ones with NaN.

    Columns: key, plm, prompt (unique name), source (its task), source_type, target, target_type, seed, insertion, kind
    (zero-shot, own, random, none, projected), metric, value, n, ci_low, ci_high, seconds, device, created, relative (value
    over the score of the target's own prompt of the same seed; for baselines over the mean of its own prompts).
    """
    cells = score_cells(library, selection)
    entries = {entry.name: entry for entry in library.prompts(selection.plm)}
    rows = []
    for cell in cells:
        entry = entries.get(cell.prompt_name)
        source, kind = (entry.task, entry.kind) if entry else ("", "none")
        if kind == "trained":
            kind = "own" if source == cell.task else "zero-shot"
        rows.append({"key": cell.key, "plm": cell.plm_id, "prompt": cell.prompt_name or NO_PROMPT, "source": source,
                     "source_type": entry.type if entry else "none", "target": cell.task,
                     "target_type": library.task(cell.task).type, "seed": entry.seed if entry else None,
                     "insertion": cell.insertion, "kind": kind})  # fmt: skip
    table = pd.DataFrame(rows, columns=COLUMNS)
    found = store.results([cell.key for cell in cells])
    columns = ["metric", "value", "n", "ci_low", "ci_high", "seconds", "device", "created"]
    table = table.join(found[columns], on="key")
    table[["value", "n", "ci_low", "ci_high"]] = table[["value", "n", "ci_low", "ci_high"]].astype(float)
    table["relative"] = _relative(table)
    return table


def _relative(table: pd.DataFrame) -> pd.Series:
    own = table[table.kind == "own"]
    by_seed = own.set_index(["target", "seed"])["value"].to_dict()
    by_target = own.groupby("target")["value"].mean().to_dict()
    base = [by_seed.get((row.target, row.seed), np.nan) if row.kind in ("own", "zero-shot") else by_target.get(row.target, np.nan)
            for row in table.itertuples()]  # fmt: skip
    return table["value"] / np.asarray(base, dtype=float)


def score_matrix(table: pd.DataFrame, prompts: Sequence[str], tasks: Sequence[str], column: str = "value") -> np.ndarray:
    """(prompts, tasks) float64, NaN where missing, rows by unique prompt name."""
    row = {name: place for place, name in enumerate(prompts)}
    place = {name: number for number, name in enumerate(tasks)}
    found = np.full((len(row), len(place)), np.nan)
    for prompt, target, value in zip(table["prompt"], table["target"], table[column], strict=True):
        if prompt in row and target in place:
            found[row[prompt], place[target]] = value
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
    """Those of the cells that have no result yet."""
    present = store.present([cell.key for cell in cells])
    return [cell for cell in cells if cell.key not in present]
