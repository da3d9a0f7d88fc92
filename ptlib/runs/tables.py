"""Tidy tables of what the store holds for a selection. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from ptlib.library import Library
from ptlib.neurons.states import States, from_arrays, stack
from ptlib.runs.plan import Cell, Selection, score_cells, stimulation_cells
from ptlib.runs.queue import done_keys
from ptlib.store import Damaged, Store

NO_PROMPT = "no prompt"
COLUMNS = ["key", "plm", "prompt", "source", "source_type", "target", "target_type", "seed", "insertion", "kind"]


def scores(store: Store, library: Library, selection: Selection) -> pd.DataFrame:
    """One row a cell of the selection, missing ones with NaN.

    Columns: key, plm, prompt (unique name), source (its task), source_type, target, target_type, seed, insertion, kind
    (zero-shot, own, random, none, projected), metric, value, n, ci_low, ci_high, seconds, device, created, stopped (why a
    cell was stopped early, "" where it saw all its examples; then value is an estimate and the interval holds whenever one
    looks), total (examples it would see), relative (value over the score of the target's own prompt of the same seed; for
    baselines over the mean of its own prompts).
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
    keys = [cell.key for cell in cells]
    found = store.results(keys).assign(stopped="").assign(total=lambda rows: rows["n"])
    partial = store.partials(keys).rename(columns={"reason": "stopped"})
    partial = partial[(partial.stopped != "") & ~partial.index.isin(found.index)]
    columns = ["metric", "value", "n", "ci_low", "ci_high", "seconds", "device", "created", "stopped", "total"]
    table = table.join(pd.concat([part[columns] for part in (found, partial) if len(part)] or [found[columns]]), on="key")
    numbers = ["value", "n", "ci_low", "ci_high", "total"]
    table[numbers] = table[numbers].astype(float)
    table["stopped"] = table["stopped"].fillna("")
    table["relative"] = _relative(table)
    return table


def _relative(table: pd.DataFrame) -> pd.Series:
    own = table[table.kind == "own"]
    by_seed = own.set_index(["target", "seed"])["value"].to_dict()
    by_target = own.groupby("target")["value"].mean().to_dict()
    base = [by_seed.get((row.target, row.seed), np.nan) if row.kind in ("own", "zero-shot") else by_target.get(row.target, np.nan)
            for row in table.itertuples()]  # fmt: skip
    return table["value"] / np.asarray(base, dtype=float)


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
    """Those of the cells that have neither a result nor, where they may stop early, an interval as narrow as asked."""
    done = done_keys(store, cells)
    return [cell for cell in cells if cell.key not in done]


def stopped(store: Store, cells: Sequence[Cell]) -> list[Cell]:
    """Those of the cells that were stopped early and have no result to the end."""
    partial = store.partials([cell.key for cell in cells])
    known = set(partial.index[partial.reason != ""])
    present = store.present(list(known)) if known else {}
    return [cell for cell in cells if cell.key in known and cell.key not in present]
