"""Runs as rows: start, claim, finish, cancel, resume, and how far they are. Imports no torch.

A cell of a run is queued, running, done, failed or cancelled. A worker claims a batch of cells in one transaction and
says which one it is at; when it dies its cells are queued again, and the one it died at three times has failed.
"""

from __future__ import annotations

import os
import secrets
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import NamedTuple

import pandas as pd
import psutil

from ptlib.errors import RunError
from ptlib.runs.plan import Cell
from ptlib.store import Store

MAX_ATTEMPTS = 3
LEASE_SECONDS = 15
"""A worker without a heartbeat for this long, or without a process, has died. Shorter than the store's patience with a
locked database: a worker that hangs in a transaction is ended before others give up."""
BATCH_CELLS = 64
"""Cells claimed together at most, so that others find work and progress is seen."""
OPEN = ("queued", "running")
IS_SCORE = 'spec LIKE \'{"kind": "score"%\''
TIMED = "state = 'done' AND started IS NOT NULL"
"""Cells that this run's workers evaluated; others were finished for another run."""


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
    """Cells a second while cells are evaluated, pauses and loading left out; 0 before the first is finished."""
    seconds_left: float | None
    """Unknown before the first score is finished."""
    doing: str
    """What the worker is at."""
    created: float
    seconds: float
    """Spent on cells that are done."""

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
    done = done_keys(store, list(unique.values()))
    todo = [cell for key, cell in unique.items() if key not in done]
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


def done_keys(store: Store, cells: Sequence[Cell]) -> set[str]:
    """Keys of cells that need no work: they have a result, or may stop early and did, with an interval as narrow as asked."""
    keys = [cell.key for cell in cells]
    found = set(store.present(keys))
    if any(cell.until for cell in cells):
        partial = store.partials(keys)
        clear = partial.loc[partial.reason != "", "width"].to_dict()
        found |= {cell.key for cell in cells if cell.until and clear.get(cell.key, 1.0) <= cell.until}
    return found


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
            # Which source is best for a task is asked of its whole column.
            [worker, time.time(), head["run_id"], head["batch"], -1 if " until " in head["batch"] else BATCH_CELLS],
        ).fetchall()
    return [Cell.from_spec(row["spec"]) for row in sorted(rows, key=lambda row: row["position"])]


def begin(store: Store, worker: str, key: str) -> None:
    """Says which of its cells a worker is at now: the only one that counts an attempt if it dies. Until a worker has said
    so, while it loads the PLM, all cells it claimed count one."""
    mine = "worker = ? AND state = 'running'"
    with store.write() as db:
        db.execute(f"UPDATE run_cells SET attempts = attempts - 1, started = NULL WHERE {mine} AND started IS NOT NULL "
                   "AND key != ?", [worker, key])  # fmt: skip
        db.execute(f"UPDATE run_cells SET attempts = attempts + (started IS NULL), started = ? WHERE {mine} AND key = ?",
                   [time.time(), worker, key])  # fmt: skip


def finish(
    store: Store, keys: Sequence[str], state: str = "done", error: str | None = None, seconds: float | None = None, worker: str | None = None
) -> None:  # fmt: skip
    """Ends cells in every run that waits for them; done cells have their result in the store already.

    ``seconds``: how long the cell took, where that is not the time since it began; ``worker`` restricts it to cells that this
    worker holds, for cells that were stopped early and that another run may want to the end.
    """
    where = "state IN ('queued', 'running')" if state == "done" and worker is None else "state = 'running'"
    mine = "" if worker is None else " AND worker = ?"
    now = time.time()
    began = "started" if seconds is None else str(now - seconds)
    with store.write() as db:
        db.executemany(f"UPDATE run_cells SET state = ?, error = ?, finished = ?, started = {began} WHERE key = ? AND {where}{mine}",
                       [(state, error, now, key, *([worker] if worker else [])) for key in keys])  # fmt: skip


def settle(store: Store, worker: str, cell: Cell, error: str | None) -> None:
    """Ends a cell that a worker evaluated, or says why it failed."""
    partial = store.partials([cell.key]) if cell.until and not error else ()
    if len(partial):
        # It was stopped early; another run may want the same cell to the end.
        finish(store, [cell.key], seconds=float(partial.seconds.iloc[0]), worker=worker)
    else:
        finish(store, [cell.key], "failed" if error else "done", error)


def release(store: Store, worker: str) -> None:
    """Gives a living worker's unfinished cells back: cancelled where their run was, queued again elsewhere."""
    with store.write() as db:
        _release(db, worker, died=False)


def _release(db, worker: str, died: bool) -> None:
    db.execute("UPDATE run_cells SET state = 'cancelled', finished = ? WHERE worker = ? AND state = 'running' "
               "AND run_id IN (SELECT id FROM runs WHERE cancelled IS NOT NULL)", [time.time(), worker])  # fmt: skip
    if died:
        db.execute(
            "UPDATE run_cells SET state = 'failed', finished = ?, error = ? WHERE worker = ? AND state = 'running' "
            "AND started IS NOT NULL AND attempts >= ?",
            [time.time(), f"The worker died {MAX_ATTEMPTS} times while it was at this cell. See the worker's log in the "
             "cache, then resume the run.", worker, MAX_ATTEMPTS],
        )  # fmt: skip
    else:
        db.execute("UPDATE run_cells SET attempts = attempts - 1 WHERE worker = ? AND state = 'running' "
                   "AND started IS NOT NULL", [worker])  # fmt: skip
    db.execute("UPDATE run_cells SET state = 'queued', worker = NULL, started = NULL WHERE worker = ? "
               "AND state = 'running'", [worker])  # fmt: skip


def beat(store: Store, worker: str, device: str, doing: str) -> None:
    """Says that a worker is alive, and what it is at."""
    memory = psutil.Process().memory_info().rss
    with store.write() as db:
        db.execute(
            "INSERT INTO workers VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
            "heartbeat = excluded.heartbeat, device = excluded.device, doing = excluded.doing, "
            "peak_memory = max(peak_memory, excluded.peak_memory)",
            [worker, os.getpid(), device, time.time(), time.time(), doing, memory],
        )


def leave(store: Store, worker: str, died: bool = False) -> None:
    """Signs a worker off, its unfinished cells given back."""
    with store.write() as db:
        _release(db, worker, died)
        db.execute("DELETE FROM workers WHERE id = ?", [worker])


def bury(store: Store) -> None:
    """Gives back the cells of workers that died without signing off, and ends those that hang: they hold the device."""
    with store.read() as db:
        known = db.execute("SELECT id, pid, heartbeat FROM workers").fetchall()
        owners = {row[0] for row in db.execute("SELECT DISTINCT worker FROM run_cells WHERE state = 'running'")}
    dead = owners - {row["id"] for row in known}
    for row in known:
        late = time.time() - row["heartbeat"] > LEASE_SECONDS
        if late:
            end(row["pid"], signal.SIGKILL)
        if late or not alive(row["pid"]):
            dead.add(row["id"])
    for worker in dead:
        leave(store, worker, died=True)


def alive(pid: int) -> bool:
    """Whether there is a process of this number that has not ended."""
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def end(pid: int, number: int) -> None:
    """Sends a signal to a worker's process, and never to another program that has its number by now."""
    with suppress(psutil.Error):
        process = psutil.Process(pid)
        if "ptlib.runs.worker" in process.cmdline():
            process.send_signal(number)


def any_open(store: Store) -> bool:
    """Whether anything is queued or running."""
    with store.read() as db:
        return db.execute("SELECT 1 FROM run_cells WHERE state IN ('queued', 'running') LIMIT 1").fetchone() is not None


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
    _known(store, run_id)
    return _all_progress(store, "WHERE runs.id = ?", [run_id])[0]


def all_progress(store: Store) -> list[Progress]:
    """Every run, newest first."""
    return _all_progress(store, "", [])


def _all_progress(store: Store, which: str, values: Sequence[str]) -> list[Progress]:
    open_cell = "state IN ('queued', 'running')"
    with store.read() as db:
        rows = db.execute(
            "SELECT runs.*, count(*) AS total, sum(state = 'done') AS done, sum(state = 'failed') AS failed, "
            "sum(state = 'cancelled') AS gone, sum(state = 'running') AS running, sum(state = 'queued') AS queued, "
            f"sum({TIMED}) AS timed, total(CASE WHEN {TIMED} THEN finished - started END) AS busy, "
            f"sum({TIMED} AND {IS_SCORE}) AS scored, total(CASE WHEN {TIMED} AND {IS_SCORE} THEN finished - started END) AS scoring, "
            f"sum({open_cell} AND {IS_SCORE}) AS to_score, count(DISTINCT CASE WHEN state = 'running' THEN worker END) AS hands "
            f"FROM runs JOIN run_cells ON run_id = runs.id {which} GROUP BY runs.id ORDER BY runs.created DESC",
            values,
        ).fetchall()
        doing = db.execute("SELECT doing FROM workers ORDER BY heartbeat DESC LIMIT 1").fetchone()
    return [_progress(row, doing["doing"] if doing and row["running"] else "") for row in rows]


def _progress(row, doing: str) -> Progress:
    left = row["queued"] + row["running"]
    if left:
        state = "running" if row["running"] or row["done"] else "queued"
    else:
        state = "failed" if row["failed"] else "cancelled" if row["gone"] else "done"
    hands = max(1, row["hands"])
    rate = hands * row["timed"] / row["busy"] if row["busy"] > 0 else 0.0
    return Progress(row["id"], row["title"], state, row["total"], row["done"], row["failed"], row["gone"], row["running"],
                    rate, _seconds_left(row, left, hands), doing, row["created"], row["busy"])  # fmt: skip


def _seconds_left(row, left: int, hands: int) -> float | None:
    # A stimulation takes a small part of a score's time, so the two are counted apart.
    other, quick, quick_time = left - row["to_score"], row["timed"] - row["scored"], row["busy"] - row["scoring"]
    if not left or (row["to_score"] and not row["scored"]) or (other and not row["timed"]):
        return None
    each = row["scoring"] / row["scored"] if row["scored"] else 0.0
    return (row["to_score"] * each + other * (quick_time / quick if quick else each)) / hands


def errors(store: Store, run_id: str) -> pd.DataFrame:
    """Failed cells of a run: spec (JSON), error, attempts."""
    with store.read() as db:
        rows = db.execute("SELECT spec, error, attempts FROM run_cells WHERE run_id = ? AND state = 'failed'", [run_id])
        return pd.DataFrame([tuple(row) for row in rows], columns=["spec", "error", "attempts"])
