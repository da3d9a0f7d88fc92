"""A task's cells together, until each is clear: what a worker does with a batch that may stop early."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from ptlib.analysis.clear import Rule
from ptlib.errors import PtlibError
from ptlib.runs.plan import Cell

if TYPE_CHECKING:
    from ptlib.runs.execute import Executor
    from ptlib.transfer.early import Entry, Partial

log = logging.getLogger("ptlib.worker")
BEGIN_SECONDS = 0.25
"""A cell gets a few examples at a time; the queue hears which one is at hand no more often than this."""


def until_clear(
    executor: Executor, plm: Any, cells: Sequence[Cell], should_stop: Callable[[], bool], begin: Callable[[Cell], None]
) -> Iterator[tuple[Cell, str | None]]:  # fmt: skip
    """Gives each cell of a task as :meth:`ptlib.runs.execute.Executor.execute` does; the store has it by then, as a result
    where it saw all examples, as a partial cell where it was stopped early. What was read before an interruption is kept."""
    from ptlib.transfer import early
    from ptlib.transfer.evaluate import Evaluation

    try:
        task = executor.task(cells[0], plm)
    except PtlibError as error:
        yield from ((cell, str(error)) for cell in cells)
        return
    if not early.can_stop_early(task):
        # Its score is no share of right answers: every example counts.
        yield from executor.execute([replace(cell, until=None) for cell in cells], should_stop, begin)
        return
    asked, failed = [], []
    for cell in cells:
        try:
            asked.append((cell, _entry(executor, cell)))
        except PtlibError as error:
            yield cell, str(error)
    entries = [entry for _, entry in asked] + _rivals(executor, cells, plm)
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
        yield from _failures(executor, asked, failed)
        cell = asked[place][0]
        if isinstance(result, Evaluation):
            executor.keep(cell, result, entries[place].prompt, task, should_stop)
            yield cell, None
        else:
            _keep(executor, cell, result, plm, task)
            if result.reason:
                yield cell, None
    yield from _failures(executor, asked, failed)


def _entry(executor: Executor, cell: Cell) -> Entry:
    from ptlib.transfer.early import Entry

    known = {entry.digest: entry for entry in executor.library.prompts(cell.plm_id)}
    kind, source = (known[cell.prompt].kind, known[cell.prompt].task) if cell.prompt in known else ("", "")
    return Entry(executor.prompt(cell), kind == "trained" and source != cell.task, kind == "random", cell.insertion, executor.seen(cell))


def _rivals(executor: Executor, cells: Sequence[Cell], plm: Any) -> list[Entry]:
    """Prompts of other tasks, and random ones, that saw all of this task's examples before."""
    from ptlib.transfer.early import Entry, order
    from ptlib.transfer.evaluate import Seen

    first, asked = cells[0], {cell.prompt for cell in cells}
    there, _ = executor.store.column(first.plm, first.task_digest, plm.dtype, first.insertion)
    found, rows = [], None
    for entry in executor.library.prompts(first.plm_id, ("trained", "random")):
        key = there.get(entry.digest)
        if key is None or entry.digest in asked or entry.task == first.task:
            continue
        try:
            logits = executor.store.result_arrays(key)["logits"]
        except PtlibError:
            continue
        rows = order(executor.task(first, plm), first.split, first.limit) if rows is None else rows
        seen = Seen(rows.astype(np.int32), logits[rows])
        found.append(Entry(entry.load(), entry.kind == "trained", entry.kind == "random", first.insertion, seen, asked=False))
    return found


def _failures(executor: Executor, asked: Sequence[tuple[Cell, Entry]], failed: list[tuple[int, Exception]]) -> Iterator[tuple[Cell, str]]:
    from ptlib.runs.execute import unexpected

    while failed:
        place, error = failed.pop()
        if not isinstance(error, PtlibError):
            log.error("%s on %s", asked[place][0].prompt_name, asked[place][0].task, exc_info=error)
        yield asked[place][0], str(error) if isinstance(error, PtlibError) else unexpected(executor.store, error)


def _keep(executor: Executor, cell: Cell, found: Partial, plm: Any, task: Any) -> None:
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
    executor.store.put_partial(row, arrays)
