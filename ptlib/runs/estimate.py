"""What a set of cells will cost, before it is run. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ptlib.runs.plan import ALONE, Cell
from ptlib.store import Store

STIMULATION_SECONDS = 0.01
BACKWARD = 3


class Estimate(NamedTuple):
    """What a set of cells will cost."""

    cells: int
    examples: int
    seconds: float
    measured: bool
    """From finished cells of this PLM (of the same task where there are any); otherwise a guess from its size."""


def estimate(store: Store, cells: Sequence[Cell], examples: dict[str, int], parameters: int) -> Estimate:
    """Expected seconds on one worker.

    Args:
        examples: rows of each task in the cells' split and limit.
        parameters: of the PLM, for the guess where nothing was measured yet.
    """
    scores = [cell for cell in cells if cell.kind != "stimulation"]
    work = [examples_of(cell, examples) for cell in scores]
    with store.read() as db:
        found = db.execute("SELECT task, sum(seconds) AS s, sum(n) AS n FROM results WHERE kind = 'score' AND plm = ? "
                           "AND n > 0 GROUP BY task", [cells[0].plm if cells else ""]).fetchall()  # fmt: skip
    # The guess: 40 slots an example, two operations a parameter and slot, 20 billion operations a second.
    each = sum(row["s"] for row in found) / sum(row["n"] for row in found) if found else parameters * 2 * 40 / 20e9
    by_task = {row["task"]: row["s"] / row["n"] for row in found}
    seconds = sum(count * by_task.get(cell.task, each) for cell, count in zip(scores, work, strict=True))
    return Estimate(len(cells), sum(work), seconds + STIMULATION_SECONDS * (len(cells) - len(scores)), bool(found))


def examples_of(cell: Cell, examples: dict[str, int]) -> int:
    """What a cell costs, in examples that go through the PLM once: a training step is a forward and a backward pass, worth three."""
    if cell.kind not in ALONE:
        return examples[cell.task]
    told = cell.told
    steps, rows = int(told.get("steps", 0)), int(told.get("validation_examples", examples.get(cell.task, 0)))
    validations = steps // int(told.get("evaluate_every", max(1, steps // 4))) + 1 if cell.kind == "training" else 0
    return BACKWARD * steps * int(told.get("batch", 1)) * int(told.get("accumulation", 1)) + validations * rows
