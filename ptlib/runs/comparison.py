"""Two tables of scores side by side: two PLMs, two settings or two runs, cell by cell and over all targets. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from ptlib.analysis import paired
from ptlib.errors import RunError, StoreError
from ptlib.library import Library
from ptlib.runs.plan import Cell
from ptlib.runs.snapshot import Snapshot
from ptlib.store import Store

TRAINED = ("own", "zero-shot")
PAIR = ["source", "target"]
MCNEMAR, SEVERAL, TEXT = "exact McNemar", "exact sign flip over examples", "sign flip over examples"


class Comparison(NamedTuple):
    """What two sides differ in."""

    cells: pd.DataFrame
    """One row a (source, target): see :func:`paired_cells` and :func:`with_tests`."""
    overall: paired.Difference
    """Over all cells that both sides have, tested over targets."""
    by_target: pd.DataFrame
    """One row a target: see :func:`by_target`."""


def paired_cells(one: pd.DataFrame, other: pd.DataFrame) -> pd.DataFrame:
    """One row a (source task, target) of which both tables have cells of trained prompts.

    Args:
        one, other: as :func:`ptlib.runs.tables.scores`.

    Returns:
        Columns source, source_type, target, target_type, one, other (means over prompt seeds, NaN while a cell is missing),
        difference (one minus other), n_one, n_other (examples a cell), seeds_one, seeds_other, estimates (cells that were
        stopped early).

    Raises:
        RunError: the two sides have no source and target in common.
    """
    sides = [_means(table) for table in (one, other)]
    found = sides[0].join(sides[1], how="inner", lsuffix="_one", rsuffix="_other")
    if found.empty:
        raise RunError("the two sides have no cell in common", where="compare", expected="a source task and a target that both have",
                       mend="Choose other sides, or clear the filters.")  # fmt: skip
    found = found.reset_index().rename(columns={"value_one": "one", "value_other": "other", "source_type_one": "source_type",
                                                "target_type_one": "target_type"})  # fmt: skip
    found["difference"] = found["one"] - found["other"]
    found["estimates"] = found["early_one"] + found["early_other"]
    return found[["source", "source_type", "target", "target_type", "one", "other", "difference", "n_one", "n_other", "seeds_one", "seeds_other",
                  "estimates"]]  # fmt: skip


def _means(table: pd.DataFrame) -> pd.DataFrame:
    rows = table[table["kind"].isin(TRAINED)]
    early = rows["stopped"] != "" if "stopped" in rows else pd.Series(False, index=rows.index)
    rows = rows.assign(early=early.astype(int), lacking=rows["value"].isna())
    found = rows.groupby(PAIR, sort=False).agg(
        source_type=("source_type", "first"), target_type=("target_type", "first"), value=("value", "mean"), n=("n", "min"),
        seeds=("value", "size"), early=("early", "sum"), lacking=("lacking", "any"),
    )  # fmt: skip
    found.loc[found["lacking"], "value"] = np.nan
    return found


def overall(cells: pd.DataFrame) -> paired.Difference:
    """The difference over all cells, tested over targets."""
    matrices = [cells.pivot_table(index="source", columns="target", values=side, dropna=False, sort=False) for side in ("one", "other")]
    return paired.paired_difference(matrices[0].to_numpy(), matrices[1].to_numpy())


def by_target(cells: pd.DataFrame) -> pd.DataFrame:
    """Mean difference of each target over its sources: columns target, target_type, value, ci_low, ci_high (sign flips over the
    sources), p, p_holm (over the targets), pairs; targets without a pair are left out."""
    rows = []
    for target, part in cells[cells["difference"].notna()].groupby("target", sort=False):
        gap = part["difference"].to_numpy()
        low, high, p = paired.sign_flip(gap, flips=paired.FEWER_FLIPS)
        rows.append({"target": target, "target_type": part["target_type"].iloc[0], "value": float(gap.mean()), "ci_low": low, "ci_high": high,
                     "p": p, "pairs": len(gap)})  # fmt: skip
    found = pd.DataFrame(rows, columns=["target", "target_type", "value", "ci_low", "ci_high", "p", "pairs"])
    return found.assign(p_holm=paired.holm(found["p"].to_numpy(dtype=float)))


class Examples(NamedTuple):
    """Files of a side's cells of one (source, target): what a test of that pair reads."""

    keys: tuple[str, ...]
    tensors: tuple[str, ...]


def examples(cells: pd.DataFrame, one: pd.DataFrame, other: pd.DataFrame, snapshot: Snapshot) -> list[tuple[Examples, Examples] | None]:
    """For each row of :func:`paired_cells` the files of both sides; None where a test makes no sense: a cell is missing, was
    stopped early, or is one that both sides share."""
    sides = []
    for table in (one, other):
        rows = table[table["kind"].isin(TRAINED)]
        if "key" not in rows:
            return [None] * len(cells)
        keys = rows["key"].to_numpy()
        files = np.array(snapshot.tensors(list(keys)), dtype=object)
        sides.append((keys, files, rows.groupby(PAIR, sort=False).indices))
    found: list[tuple[Examples, Examples] | None] = []
    for row in cells[PAIR].itertuples(index=False, name=None):
        pair = [Examples(tuple(keys[places[row]]), tuple(files[places[row]])) for keys, files, places in sides]
        whole = all(all(side.tensors) for side in pair)
        found.append((pair[0], pair[1]) if whole and pair[0].keys != pair[1].keys else None)
    return found


def tested(folder: Path | str, pairs: Sequence[tuple[Examples, Examples] | None]) -> list[tuple[float, str]]:
    """p and the name of the test of each pair; NaN and the reason why there is none.

    McNemar's exact test where each side has one seed; with several the same on an example's number of right answers; for free
    text a sign-flip test on the examples' scores. Reads every cell's stored answers, so it may take a while.
    """
    store = Store(folder)
    return [(np.nan, "") if pair is None else _test(store, *pair) for pair in pairs]


def _test(store: Store, one: Examples, other: Examples) -> tuple[float, str]:
    try:
        sides = [[store.result_arrays(*file) or {} for file in zip(side.keys, side.tensors, strict=True)] for side in (one, other)]
    except StoreError:
        return np.nan, "an answer was damaged"
    arrays = [cell for side in sides for cell in side]
    shapes = {(len(cell.get("logits", ())), len(cell.get("predictions", ()))) for cell in arrays}
    if len(shapes) > 1 or not all(np.array_equal(cell["labels"], arrays[0]["labels"]) for cell in arrays):
        return np.nan, "not the same examples"
    if not len(arrays[0]["predictions"]):
        gap = np.subtract(*(np.mean([cell["logits"][:, 0] for cell in side], axis=0) for side in sides))
        return paired.sign_flip(gap, flips=paired.FEWER_FLIPS)[2], TEXT
    right = [np.stack([cell["predictions"] == cell["labels"] for cell in side]) for side in sides]
    return paired.right_answers_p(*right), MCNEMAR if len(right[0]) == len(right[1]) == 1 else SEVERAL


def with_tests(cells: pd.DataFrame, found: Sequence[tuple[float, str]]) -> pd.DataFrame:
    """The cells with columns p, p_holm (adjusted over all cells that were tested) and test (its name, or why there is none)."""
    p = np.array([value for value, _ in found], dtype=float)
    return cells.assign(p=p, p_holm=paired.holm(p), test=[name for _, name in found])


def concluded(folder: Path | str, cells: pd.DataFrame, pairs: Sequence[tuple[Examples, Examples] | None]) -> Comparison:
    """Everything that is tested of the cells of :func:`paired_cells`; ``pairs`` as :func:`examples` gives them."""
    return Comparison(with_tests(cells, tested(folder, pairs)), overall(cells), by_target(cells))


def compare(one: pd.DataFrame, other: pd.DataFrame, *, store: Store | None = None) -> Comparison:
    """Two tables of scores, as :func:`ptlib.transfer_matrix` gives them, side by side with the difference and its tests.

    Raises:
        RunError: the two sides have no cell in common.
    """
    store = store or Store()
    snapshot = Snapshot(store)
    snapshot.refresh()
    cells = paired_cells(one, other)
    return concluded(store.folder, cells, examples(cells, one, other, snapshot))


def part_of(cell: Cell) -> tuple[str, str, int | None]:
    """What cells of a run that are compared together share: PLM, precision and the number of test examples."""
    return cell.plm_id, cell.dtype, cell.limit


def scores_of_run(cells: Sequence[Cell], library: Library, snapshot: Snapshot) -> pd.DataFrame:
    """The scores among a run's cells as a table: columns as :func:`ptlib.runs.tables.scores`, without relative performance.

    Prompts whose file has gone since keep their name; their source is unknown and they are left out.
    """
    here = {entry.digest: entry for entry in library.entries}
    rows = [(cell, here[cell.prompt]) for cell in cells if cell.kind == "score" and cell.prompt in here]
    types = {name: task.type for name, task in library.tasks.items()}
    table = pd.DataFrame({
        "key": [cell.key for cell, _ in rows], "plm": [cell.plm_id for cell, _ in rows], "prompt": [entry.name for _, entry in rows],
        "source": [entry.task for _, entry in rows], "source_type": [entry.type for _, entry in rows],
        "target": [cell.task for cell, _ in rows], "target_type": [types.get(cell.task, "other") for cell, _ in rows],
        "seed": pd.Series([entry.seed for _, entry in rows], dtype=float), "insertion": [cell.insertion for cell, _ in rows],
        "kind": ["own" if entry.task == cell.task else "zero-shot" if entry.kind == "trained" else entry.kind for cell, entry in rows],
    })  # fmt: skip
    return pd.concat([table, snapshot.frame(list(table["key"]))], axis=1)
