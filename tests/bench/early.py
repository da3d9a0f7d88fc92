"""The early-stopped matrix: examples used, ranks kept, best source found, intervals that hold.

On the zoo, from its stored predictions (made first where they are missing), in the examples' own order and in others; on the
published score levels, whose examples are simulated; and 1,000 simulated matrices for the coverage alone.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from scipy.stats import norm, spearmanr

from ptlib.analysis.clear import Rule, Target, default_width
from ptlib.library import Library
from ptlib.runs import api, plan, select
from ptlib.store import Store
from ptlib.transfer.early import STEP, order
from tests.bench.results import keep, spread

ORDERS, MATRICES = 3, 1000
FOUND = ("examples used", "Spearman", "best source right", "cells covered", "matrices")


class Column(NamedTuple):
    """One target: what every prompt gets right in the end."""

    right: np.ndarray
    """(S, N) bool"""
    classes: np.ndarray
    """(N,)"""
    contenders: np.ndarray
    random: np.ndarray


class Outcome(NamedTuple):
    """What stopping early made of a matrix."""

    used: float
    spearman: float
    best: float
    covered: float


def stop_early(column: Column, shuffled: np.ndarray, rule: Rule | None = None) -> tuple[np.ndarray, np.ndarray, bool, np.ndarray]:
    """Examples each cell saw, its estimate, whether the best source was found, whether its interval holds."""
    right, target = column.right[:, shuffled], Target(column.classes[shuffled], column.contenders, column.random, rule)
    live = list(range(len(right)))
    while live:
        racing = [len(target.right[place]) for place in live if not target.out[place]]
        for place in live:
            at = len(target.right[place])
            if target.out[place] or at == min(racing):
                target.see(place, right[place, at : at + target.wants(place, STEP["cpu"])])
        verdicts = target.verdicts()
        live = [place for place in live if not verdicts[place].reason]
    final, scores = right.mean(axis=1), np.array([verdict.score for verdict in verdicts])
    alive = np.flatnonzero(~target.out)
    found = True
    if len(alive):
        best = alive[scores[alive].argmax()]
        found = bool(final[best] >= final[column.contenders].max() - 1e-9)
    held = np.array(
        [verdict.interval.low - 1e-9 <= value <= verdict.interval.high + 1e-9 for verdict, value in zip(verdicts, final, strict=True)]
    )
    return np.array([len(seen) for seen in target.right]), scores, found, held


def matrix(columns: list[Column], orders: list[np.ndarray], rule: Rule | None = None) -> Outcome:
    """All targets of one matrix."""
    parts = [stop_early(column, shuffled, rule) for column, shuffled in zip(columns, orders, strict=True)]
    used = sum(part[0].sum() for part in parts) / sum(column.right.size for column in columns)
    estimates, final = np.concatenate([part[1] for part in parts]), np.concatenate([column.right.mean(axis=1) for column in columns])
    return Outcome(used, float(spearmanr(estimates, final)[0]), float(np.mean([part[2] for part in parts])),
                   float(np.mean(np.concatenate([part[3] for part in parts]))))  # fmt: skip


def zoo(folder: Path, plm: str, library: Library) -> tuple[list[Column], list[np.ndarray]]:
    """The zoo's columns from stored predictions, and the order in which a run would read them."""
    store = Store(folder / "zoo-cache")
    selection = select(library, plm)
    cells = plan(library, selection)
    api.complete(store, cells, plm, "bench")
    known = {entry.digest: entry for entry in library.prompts(plm)}
    columns, orders = [], []
    for name in selection.tasks:
        column = [cell for cell in cells if cell.task == name]
        arrays = [store.result_arrays(cell.key) for cell in column]
        entries = [known.get(cell.prompt) for cell in column]
        columns.append(Column(
            np.array([one["predictions"] == one["labels"] for one in arrays]), arrays[0]["labels"],
            np.array([entry is not None and entry.kind == "trained" and entry.task != name for entry in entries]),
            np.array([entry is not None and entry.kind == "random" for entry in entries]),
        ))  # fmt: skip
        orders.append(order(library.task(name)))
    return columns, orders


LEAN = ((0.4, 0.5, 0.6, 0.7, 0.8, 0.9), (0.45, 2.02, 0.96, 0.76, 0.47, 0.13))
"""Accuracy on a task of two classes -> how far a prompt leans to one of them: half the gap of the classes' accuracies in probits,
median of the zoo's 1,728 zero-shot cells of two classes. A prompt at chance answers one class nearly always."""


def simulated(levels: np.ndarray, count: int, rng: np.random.Generator) -> list[Column]:
    """Right and wrong answers at given (sources, targets) accuracies on two classes; the own prompt on the diagonal.

    Half of the variance of the latent behind an answer is the example's difficulty, alike for all prompts.
    """
    columns = []
    for target in range(levels.shape[1]):
        classes, wanted = rng.integers(0, 2, count), np.clip(levels[:, target], 0.02, 0.98)[:, None]
        lean = np.interp(wanted, *LEAN) * rng.choice([-1, 1], (len(levels), 1)) * np.array([[1, -1]])
        low, high = np.full((len(levels), 1), -6.0), np.full((len(levels), 1), 6.0)
        for _ in range(40):
            middle = (low + high) / 2
            above = norm.cdf(middle + lean).mean(axis=1, keepdims=True) > wanted
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        latent = np.sqrt(0.5) * (rng.normal(size=count) + rng.normal(size=(len(levels), count)))
        right = (low + lean)[:, classes] + latent > 0
        columns.append(Column(right, classes, np.arange(len(levels)) != target, np.zeros(len(levels), dtype=bool)))
    return columns


def _row(name: str, found: list[Outcome]) -> list[str]:
    return [name, *(spread(values, 3) for values in zip(*found, strict=True)), str(len(found))]


def published_levels() -> dict[str, np.ndarray]:
    """PLM -> (sources, targets) zero-shot accuracies of the authors, where the published data lies beside the checkout."""
    from ptlib.published.results import MAIN, read_results

    named = os.environ.get("PTLIB_TEST_SHARED")
    folder = (Path(named) if named else Path(__file__).parents[3] / "shared") / "published"
    if not folder.is_dir():
        return {}
    table, found = read_results(folder)[0], {}
    table = table[(table.variant == MAIN) & (table.metric == "accuracy") & table.source.isin(table.target)]
    for plm, rows in table.groupby("plm"):
        grid = rows.groupby(["source", "target"]).value.mean().unstack()
        both = [name for name in grid.index if name in grid.columns and grid[name].notna().sum() > 5]
        levels = grid.reindex(index=both, columns=both)
        levels = levels[levels.notna().all(axis=1)]
        levels = levels[levels.index]
        if len(levels) >= 8:
            found[str(plm)] = levels.to_numpy()
    return found


def run(folder: Path, *, rounds: int, **_options) -> None:
    """Three tables."""
    library, rng, rule = Library.open(), np.random.default_rng(0), None
    rows, everything = [], []
    for plm in library.plms:
        columns, orders = zoo(folder, plm, library)
        others = [[rng.permutation(len(column.classes)) for column in columns] for _ in range(ORDERS)]
        found = [matrix(columns, one, rule) for one in (orders, *others)]
        everything += found
        rows += [_row(f"{plm}, the order of a run", found[:1]), _row(f"{plm}, other orders", found[1:])]
    rows.append(
        [f"mean of these {len(everything)}", *(f"{np.mean(values):.3f}" for values in zip(*everything, strict=True)), str(len(everything))]
    )
    keep("early", "The zoo", f"Rule: the default (interval {default_width(400)}, race {Rule(1).against:.0f}:1); 44 prompts x 13 tasks x 400 examples a PLM, own, random and no prompt "
         "included. Best source: the prompt of another task that is left in the race has the highest score on all examples (of 36). The rule's "
         "two numbers were chosen on this zoo, so these rows are not an independent check; the simulated ones below are.", ["", *FOUND], rows)  # fmt: skip
    rows, everything = [], []
    for plm, levels in published_levels().items():
        for count in (400, 1000, 2000):
            found = []
            for _ in range(rounds):
                columns = simulated(levels, count, rng)
                found.append(matrix(columns, [rng.permutation(count) for _ in columns], rule))
            everything += found
            rows.append(_row(f"{plm}, {levels.shape[0]} x {levels.shape[1]}, {count} examples", found))
    if rows:
        rows.append(
            [
                f"mean of these {len(everything)}",
                *(f"{np.mean(values):.3f}" for values in zip(*everything, strict=True)),
                str(len(everything)),
            ]
        )
    keep("early", "The published score levels, simulated examples", "Accuracies of the authors' zero-shot matrices; examples of unlike difficulty, prompts that "
         "lean to a class. " + ("" if rows else "Skipped: the published data is not here."), ["", *FOUND], rows)  # fmt: skip
    covered = []
    for _ in range(MATRICES):
        columns = simulated(rng.uniform(0.2, 0.98, (6, 6)), 150, rng)
        covered.append(matrix(columns, [rng.permutation(150) for _ in columns], rule).covered)
    keep("early", "Coverage", "Simulated matrices of 6 x 6 cells, 150 examples each, accuracies uniform from .2 to .98, stopped by the rule.",
         ["matrices", "cells", "cells whose interval holds the full score", "asked for"],
         [[MATRICES, MATRICES * 36, f"{np.mean(covered):.2%}", "95 %"]])  # fmt: skip
