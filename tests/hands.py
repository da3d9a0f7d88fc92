"""A worker's work in the test's own process: cells evaluated and kept as the worker does it."""

from ptlib.runs import plan, queue, select, supervise
from ptlib.runs.evaluator import Evaluator
from ptlib.runs.material import deliver, gather


def evaluate(store, library, cells, should_stop=lambda: False, worker="w", evaluator=None):
    """Evaluates cells of one batch and keeps what comes; gives (cell, None or the sentence of its failure) as each ends."""
    evaluator = evaluator or Evaluator(library, "cpu")
    by_key = {cell.key: cell for cell in cells}
    for parcel in evaluator.evaluate(gather(store, library, cells), should_stop):
        deliver(store, worker, by_key.get(parcel.key), parcel)
        if parcel.kind in ("result", "failed") or (parcel.kind == "partial" and parcel.row["reason"]):
            yield by_key[parcel.key], parcel.error or None


def work(store, library, worker="w"):
    """Everything that is queued."""
    queue.beat(store, worker, "cpu", "")
    evaluator = Evaluator(library, "cpu")
    while cells := queue.claim(store, worker):
        list(evaluate(store, library, cells, worker=worker, evaluator=evaluator))


def everything(store, library):
    """All cells of the library's usual selection."""
    queue.start(store, plan(library, select(library)), "all", "test")
    work(store, library)
    queue.leave(store, "w")


def end_started():
    """Kills the workers that this process started."""
    for process in supervise._started.values():
        process.kill()
        process.wait()
    supervise._started.clear()
    supervise._last.clear()
