"""Between the store and those who evaluate: what a batch needs from it, and what becomes of a parcel. Imports no torch."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence

from ptlib.errors import PtlibError
from ptlib.library import Library
from ptlib.runs import kinds, queue
from ptlib.runs.parcel import Batch, Known, Parcel, place_of
from ptlib.runs.plan import ALONE, Cell
from ptlib.store import Store, insert

log = logging.getLogger("ptlib.worker")


def gather(store: Store, library: Library, cells: Sequence[Cell]) -> Batch:
    """A batch of cells with what the store knows of them."""
    first = cells[0]
    with store.read() as db:
        slots = {place_of(first.plm, row["device"], row["dtype"], row["width"]): row["slots"]
                 for row in db.execute("SELECT * FROM batch_slots WHERE plm = ?", [first.plm])}  # fmt: skip
        tested = tuple(row[0] for row in db.execute("SELECT DISTINCT device FROM probes WHERE plm = ?", [first.plm]))
    if first.kind == "score":
        rivals = _rivals(store, library, cells) if first.until else {}
        return Batch(tuple(cells), _seen(store, cells), rivals, slots, tested)
    return Batch(tuple(cells), slots=slots, tested=tested, states=_states(store, cells) if first.kind in ALONE else {})


def _states(store: Store, cells: Sequence[Cell]) -> dict:
    found = {cell.key: store.partial_arrays(cell.key) for cell in cells}
    return {key: arrays for key, arrays in found.items() if arrays is not None}


def _seen(store: Store, cells: Sequence[Cell]) -> dict[str, Known]:
    rows, found = store.partials([cell.key for cell in cells]), {}
    for key in rows.index:
        arrays = store.partial_arrays(key)
        if arrays is not None:
            found[key] = Known(arrays["rows"], arrays["logits"], float(rows.seconds[key]))
    return found


def _rivals(store: Store, library: Library, cells: Sequence[Cell]) -> dict:
    """Answers of prompts of other tasks, and of random ones, that saw all of this task's examples before."""
    first, asked, found = cells[0], {cell.prompt for cell in cells}, {}
    there, _ = store.column(first.plm, first.task_digest, first.dtype, first.insertion)
    for entry in library.prompts(first.plm_id, ("trained", "random")):
        key = there.get(entry.digest)
        if key is None or entry.digest in asked or entry.task == first.task:
            continue
        try:
            arrays = store.result_arrays(key)
        except PtlibError as error:
            log.warning("not compared with: %s", error)
            continue
        if arrays is not None:
            found[entry.digest] = arrays["logits"]
    return found


def deliver(store: Store, worker: str, cell: Cell | None, parcel: Parcel) -> None:
    """Keeps what a parcel holds and says so in the queue: a result and the end of its cell are one transaction.

    What a training made goes to the user's library first: a cache may be deleted, and is never the only copy of it.

    Raises:
        StoreError: the cache or the library cannot be written; then the cell is still the worker's.
    """
    if parcel.kind in ("slots", "probe"):
        with store.write() as db:
            insert(db, {"slots": "batch_slots", "probe": "probes"}[parcel.kind], {**parcel.row, "created": time.time()})
    elif parcel.kind == "failed":
        log.error("%s: %s", cell.words if cell else parcel.key, parcel.error)
        if cell is not None and cell.kind in ALONE and parcel.arrays:
            # It diverged: the last good prompt is worth keeping.
            kinds.keep(cell, parcel)
        queue.finish(store, [parcel.key], "failed", parcel.error, worker=worker)
    elif parcel.kind == "partial":
        store.put_partial(dict(parcel.row), parcel.arrays)
        if parcel.row["reason"]:
            # It was stopped early; another run may want the same cell to the end.
            queue.finish(store, [parcel.key], worker=worker, seconds=parcel.seconds, examples=parcel.row["n"], device=parcel.row["device"])  # fmt: skip
    else:
        if cell is not None and cell.kind in ALONE:
            kinds.keep(cell, parcel)
        row = {**parcel.row, "tensor": store.put_arrays(parcel.arrays), "created": time.time()}
        queue.finish(store, [parcel.key], seconds=parcel.seconds, examples=parcel.row.get("n"), device=parcel.row["device"], row=row)
