"""Runs as rows: start, claim, finish, cancel, resume, and how far they are. Imports no torch.

A cell of a run is queued, running, done, failed or cancelled. A worker claims a batch of cells in one transaction; when
the worker dies its cells are queued again, three times at most.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Sequence
from typing import NamedTuple

import pandas as pd
import psutil

from ptlib.errors import RunError
from ptlib.runs.plan import Cell
from ptlib.store import Store

MAX_ATTEMPTS = 3
LEASE_SECONDS = 20
"""A worker without a heartbeat for this long, or without a process, has died."""
BATCH_CELLS = 64
"""Cells claimed together at most, so that others find work and progress is seen."""
OPEN = ("queued", "running")


class Progress(NamedTuple):
    """How far a run is."""

    run_id: str
    title: str
    state: str
    """"queued", "running", "done", "failed" (some cells), "cancelled"."""
    total: int
    done: int
    failed: int
    cancelled: int
    running: int
    rate: float
    """Cells a second since the first finished; 0 before."""
    seconds_left: float | None
    """Unknown before the first cell is finished."""
    doing: str
    """What the worker is at."""
    created: float
    seconds: float
    """From the first start to the last finish, or to now."""

    @property
    def open(self) -> bool:
        """Whether anything is still to come."""
        return self.state in OPEN


def start(store: Store, cells: Sequence[Cell], title: str, asked_by: str) -> str:
    """Queues the cells that have no result and are not queued elsewhere in this run; returns the run's id.

    Raises:
        RunError: nothing to compute.
    """
    unique = {cell.key: cell for cell in cells}
    present = store.present(list(unique))
    todo = [cell for key, cell in unique.items() if key not in present]
    if not todo:
        raise RunError("nothing to run: every cell has its result already", where=title)
    run_id, now = secrets.token_hex(4), time.time()
    with store.write() as db:
        db.execute("INSERT INTO runs VALUES (?, ?, ?, ?, NULL)", [run_id, now, title, asked_by])
        db.executemany(
            "INSERT INTO run_cells (run_id, key, position, batch, spec, state) VALUES (?, ?, ?, ?, ?, 'queued')",
            [(run_id, cell.key, place, cell.batch, cell.spec()) for place, cell in enumerate(todo)],
        )
    return run_id


def claim(store: Store, worker: str) -> list[Cell]:
    """Takes the next batch (one PLM, one task, one run) for a worker; empty when nothing is queued.

    Cells that another run has finished meanwhile are marked done on the way.
    """
    with store.write() as db:
        db.execute("UPDATE run_cells SET state = 'done', finished = ? WHERE state = 'queued' "
                   "AND key IN (SELECT key FROM results)", [time.time()])  # fmt: skip
        head = db.execute(
            "SELECT run_id, batch FROM run_cells JOIN runs ON runs.id = run_id WHERE state = 'queued' "
            "AND key NOT IN (SELECT key FROM run_cells WHERE state = 'running') "
            "ORDER BY runs.created, position LIMIT 1"
        ).fetchone()
        if head is None:
            return []
        rows = db.execute(
            "UPDATE run_cells SET state = 'running', worker = ?, started = ?, attempts = attempts + 1 WHERE rowid IN "
            "(SELECT rowid FROM run_cells WHERE run_id = ? AND batch = ? AND state = 'queued' "
            "AND key NOT IN (SELECT key FROM run_cells WHERE state = 'running') ORDER BY position LIMIT ?) "
            "RETURNING spec, position",
            [worker, time.time(), head["run_id"], head["batch"], BATCH_CELLS],
        ).fetchall()
    return [Cell.from_spec(row["spec"]) for row in sorted(rows, key=lambda row: row["position"])]


def finish(store: Store, keys: Sequence[str], state: str = "done", error: str | None = None) -> None:
    """Ends cells in every run that waits for them; done cells have their result in the store already."""
    where = "state IN ('queued', 'running')" if state == "done" else "state = 'running'"
    with store.write() as db:
        db.executemany(f"UPDATE run_cells SET state = ?, error = ?, finished = ? WHERE key = ? AND {where}",
                       [(state, error, time.time(), key) for key in keys])  # fmt: skip


def release(store: Store, worker: str) -> None:
    """Gives a worker's unfinished cells back: cancelled where their run was, queued again elsewhere, failed after
    three attempts."""
    with store.write() as db:
        _release(db, worker)


def _release(db, worker: str) -> None:
    db.execute("UPDATE run_cells SET state = 'cancelled', finished = ? WHERE worker = ? AND state = 'running' "
               "AND run_id IN (SELECT id FROM runs WHERE cancelled IS NOT NULL)", [time.time(), worker])  # fmt: skip
    db.execute(
        "UPDATE run_cells SET state = 'failed', finished = ?, error = ? WHERE worker = ? AND state = 'running' "
        "AND attempts >= ?",
        [time.time(), f"The worker died {MAX_ATTEMPTS} times while it was at this cell. See the worker's log in the "
         "cache, then resume the run.", worker, MAX_ATTEMPTS],
    )  # fmt: skip
    db.execute("UPDATE run_cells SET state = 'queued', worker = NULL, started = NULL WHERE worker = ? "
               "AND state = 'running'", [worker])  # fmt: skip


def beat(store: Store, worker: str, device: str, doing: str) -> None:
    """Says that a worker is alive, and what it is at."""
    memory = psutil.Process().memory_info().rss
    with store.write() as db:
        db.execute(
            "INSERT INTO workers VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
            "heartbeat = excluded.heartbeat, doing = excluded.doing, peak_memory = max(peak_memory, excluded.peak_memory)",
            [worker, os.getpid(), device, time.time(), time.time(), doing, memory],
        )


def leave(store: Store, worker: str) -> None:
    """Signs a worker off, its unfinished cells given back."""
    with store.write() as db:
        _release(db, worker)
        db.execute("DELETE FROM workers WHERE id = ?", [worker])


def bury(store: Store) -> None:
    """Gives back the cells of workers that died without signing off."""
    with store.read() as db:
        known = db.execute("SELECT id, pid, heartbeat FROM workers").fetchall()
        owners = {row[0] for row in db.execute("SELECT DISTINCT worker FROM run_cells WHERE state = 'running'")}
    dead = owners - {row["id"] for row in known}
    for row in known:
        if not psutil.pid_exists(row["pid"]) or time.time() - row["heartbeat"] > LEASE_SECONDS:
            dead.add(row["id"])
    for worker in dead:
        leave(store, worker)


def is_cancelled(store: Store, worker: str) -> bool:
    """Whether a run that this worker has cells of was cancelled."""
    with store.read() as db:
        return db.execute("SELECT 1 FROM run_cells JOIN runs ON runs.id = run_id WHERE worker = ? "
                          "AND state = 'running' AND cancelled IS NOT NULL LIMIT 1", [worker]).fetchone() is not None  # fmt: skip


def cancel(store: Store, run_id: str) -> None:
    """Cancels a run: queued cells at once, running ones as soon as their worker looks up (between batches)."""
    _known(store, run_id)
    with store.write() as db:
        db.execute("UPDATE runs SET cancelled = ? WHERE id = ?", [time.time(), run_id])
        db.execute("UPDATE run_cells SET state = 'cancelled', finished = ? WHERE run_id = ? AND state = 'queued'",
                   [time.time(), run_id])  # fmt: skip


def resume(store: Store, run_id: str) -> None:
    """Queues a run's failed and cancelled cells again."""
    _known(store, run_id)
    bury(store)
    with store.write() as db:
        db.execute("UPDATE runs SET cancelled = NULL WHERE id = ?", [run_id])
        db.execute("UPDATE run_cells SET state = 'queued', attempts = 0, error = NULL, worker = NULL, started = NULL, "
                   "finished = NULL WHERE run_id = ? AND state IN ('failed', 'cancelled')", [run_id])  # fmt: skip


def _known(store: Store, run_id: str) -> None:
    with store.read() as db:
        if db.execute("SELECT 1 FROM runs WHERE id = ?", [run_id]).fetchone() is None:
            raise RunError(f"no run {run_id!r}", where=store.path, mend="List them with: ptlib runs list")


def progress(store: Store, run_id: str) -> Progress:
    """How far one run is. Raises RunError for an unknown run."""
    found = [item for item in all_progress(store) if item.run_id == run_id]
    if not found:
        _known(store, run_id)
    return found[0]


def all_progress(store: Store) -> list[Progress]:
    """Every run, newest first."""
    with store.read() as db:
        rows = db.execute(
            "SELECT runs.*, count(*) AS total, sum(state = 'done') AS done, sum(state = 'failed') AS failed, "
            "sum(state = 'cancelled') AS gone, sum(state = 'running') AS running, sum(state = 'queued') AS queued, "
            "min(started) AS first, max(finished) AS last FROM runs JOIN run_cells ON run_id = runs.id "
            "GROUP BY runs.id ORDER BY runs.created DESC"
        ).fetchall()
        doing = db.execute("SELECT doing FROM workers ORDER BY heartbeat DESC LIMIT 1").fetchone()
    return [_progress(row, doing["doing"] if doing and row["running"] else "") for row in rows]


def _progress(row, doing: str) -> Progress:
    left = row["queued"] + row["running"]
    if left:
        state = "running" if row["running"] or row["done"] else "queued"
    else:
        state = "failed" if row["failed"] else "cancelled" if row["gone"] else "done"
    ended = time.time() if left else (row["last"] or row["created"])
    seconds = max(0.0, ended - row["first"]) if row["first"] else 0.0
    rate = row["done"] / seconds if seconds and row["done"] else 0.0
    return Progress(row["id"], row["title"], state, row["total"], row["done"], row["failed"], row["gone"], row["running"],
                    rate, left / rate if rate else None, doing, row["created"], seconds)  # fmt: skip


def errors(store: Store, run_id: str) -> pd.DataFrame:
    """Failed cells of a run: spec (JSON), error, attempts."""
    with store.read() as db:
        rows = db.execute("SELECT spec, error, attempts FROM run_cells WHERE run_id = ? AND state = 'failed'", [run_id])
        return pd.DataFrame([tuple(row) for row in rows], columns=["spec", "error", "attempts"])


class Estimate(NamedTuple):
    """What a set of cells will cost."""

    cells: int
    examples: int
    seconds: float
    measured: bool
    """From finished cells of this PLM; otherwise a guess from its size."""


def estimate(store: Store, cells: Sequence[Cell], examples: dict[str, int], parameters: int) -> Estimate:
    """Expected seconds on one worker.

    Args:
        examples: rows of each task in the cells' split and limit.
        parameters: of the PLM, for the guess where nothing was measured yet.
    """
    scores = [cell for cell in cells if cell.kind == "score"]
    rows = sum(examples[cell.task] for cell in scores)
    with store.read() as db:
        found = db.execute("SELECT sum(seconds) AS s, sum(n) AS n FROM results WHERE kind = 'score' AND plm = ?",
                           [cells[0].plm if cells else ""]).fetchone()  # fmt: skip
    measured = bool(found["n"])
    # The guess: 40 slots an example, two operations a parameter and slot, 20 billion operations a second.
    each = found["s"] / found["n"] if measured else parameters * 2 * 40 / 20e9
    return Estimate(len(cells), rows, rows * each + 0.01 * (len(cells) - len(scores)), measured)
