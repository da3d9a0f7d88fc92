"""A task's cells together, until each is clear: what a worker does with a batch that may stop early."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ptlib.analysis.clear import Rule
from ptlib.errors import PtlibError
from ptlib.runs.parcel import Batch, Parcel
from ptlib.runs.plan import Cell

if TYPE_CHECKING:
    from ptlib.runs.evaluator import Evaluator
    from ptlib.transfer.early import Entry, Partial

BEGIN_SECONDS = 0.25
"""A cell gets a few examples at a time; the queue hears which one is at hand no more often than this."""


def until_clear(
    evaluator: Evaluator, plm: Any, batch: Batch, should_stop: Callable[[], bool], begin: Callable[[Cell], None]
) -> Iterator[Parcel]:  # fmt: skip
    """Gives each cell of a task as :meth:`ptlib.runs.evaluator.Evaluator.evaluate` does: a result where it saw all examples, a
    partial cell where it was stopped early. What was read before an interruption is given too, as partial cells without a
    reason."""
    from ptlib.transfer import early
    from ptlib.transfer.evaluate import Evaluation

    cells = batch.cells
    try:
        task = evaluator.task(cells[0], plm)
    except PtlibError as error:
        yield from (evaluator.failure(cell, error) for cell in cells)
        return
    if not early.can_stop_early(task):
        # Its score is no share of right answers: every example counts.
        yield from evaluator.each(plm, replace(batch, cells=tuple(replace(cell, until=None) for cell in cells)), should_stop, begin)
        return
    asked, failed = [], []
    for cell in cells:
        try:
            asked.append((cell, _entry(evaluator, batch, cell)))
        except PtlibError as error:
            yield evaluator.failure(cell, error)
    entries = [entry for _, entry in asked] + _rivals(evaluator, batch, plm)
    last = 0.0

    def begin_sometimes(place: int) -> None:
        nonlocal last
        if time.monotonic() - last > BEGIN_SECONDS:
            last = time.monotonic()
            begin(asked[place][0])

    rule = Rule(width=cells[0].until)
    found = early.until_clear(plm, entries, task, split=cells[0].split, limit=cells[0].limit, rule=rule, should_stop=should_stop,
                              begin=begin_sometimes, on_error=lambda place, error: failed.append((place, error)))  # fmt: skip
    for place, result in found:
        yield from _failures(evaluator, asked, failed)
        cell = asked[place][0]
        if isinstance(result, Evaluation):
            yield evaluator.result(cell, result, entries[place].prompt, task, batch, should_stop)
        else:
            yield _partial(cell, result, plm, task)
    yield from _failures(evaluator, asked, failed)


def _entry(evaluator: Evaluator, batch: Batch, cell: Cell) -> Entry:
    from ptlib.transfer.early import Entry

    known = {entry.digest: entry for entry in evaluator.library.prompts(cell.plm_id)}
    kind, source = (known[cell.prompt].kind, known[cell.prompt].task) if cell.prompt in known else ("", "")
    return Entry(
        evaluator.prompt(cell), kind == "trained" and source != cell.task, kind == "random", cell.insertion, evaluator.seen(batch, cell)
    )


def _rivals(evaluator: Evaluator, batch: Batch, plm: Any) -> list[Entry]:
    """Prompts of other tasks, and random ones, that saw all of this task's examples before."""
    from ptlib.transfer.early import Entry, order
    from ptlib.transfer.evaluate import Seen

    first, found = batch.cells[0], []
    if not batch.rivals:
        return found
    rows = order(evaluator.task(first, plm), first.split, first.limit)
    for entry in evaluator.library.prompts(first.plm_id, ("trained", "random")):
        if entry.digest in batch.rivals:
            seen = Seen(rows.astype(np.int32), batch.rivals[entry.digest][rows])
            found.append(Entry(entry.load(), entry.kind == "trained", entry.kind == "random", first.insertion, seen, asked=False))
    return found


def _failures(evaluator: Evaluator, asked: Sequence[tuple[Cell, Entry]], failed: list[tuple[int, Exception]]) -> Iterator[Parcel]:
    while failed:
        place, error = failed.pop()
        yield evaluator.failure(asked[place][0], error)


def _partial(cell: Cell, found: Partial, plm: Any, task: Any) -> Parcel:
    labels = task.read(cell.split, cell.limit).labels[found.seen.rows].astype(np.int16)
    row = {"key": cell.key, "plm": cell.plm, "prompt": cell.prompt, "task": cell.task, "task_digest": cell.task_digest,
           "insertion": cell.insertion, "dtype": plm.dtype, "metric": task.metric, "value": found.value, "n": len(found.seen.rows),
           "total": found.total, "ci_low": found.interval.low, "ci_high": found.interval.high, "reason": found.reason, "width": cell.until,
           "seconds": found.seen.seconds, "tokens": found.tokens, "device": plm.device}  # fmt: skip
    arrays = {
        "rows": found.seen.rows,
        "logits": found.seen.logits,
        "predictions": found.seen.logits.argmax(axis=1).astype(np.int16),
        "labels": labels,
    }
    return Parcel("partial", cell.key, row, arrays, seconds=found.seen.seconds)
