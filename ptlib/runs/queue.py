"""The cells themselves as the queue: start, claim, finish, give back. Imports no torch.

A cell of a run is queued, running, done, failed or cancelled. A worker claims a batch of cells in one transaction and says
which one it is at. Its heartbeat is the lease of all its cells: when it stops, they are queued again, and the one that
workers died at three times has failed. Several runs may wait for one cell; it is evaluated once.
"""

from __future__ import annotations

import os
import secrets
import signal
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress

import psutil

from ptlib.errors import RunError
from ptlib.runs import moment
from ptlib.runs.lane import last_beat
from ptlib.runs.plan import Cell
from ptlib.store import Store, drop_partial, insert

MAX_ATTEMPTS = 3
LEASE_SECONDS = 15
"""A worker without a heartbeat for this long, or without a process, has died. Shorter than the store's patience with a
locked database: a worker that hangs in a transaction is ended before others give up."""
BATCH_CELLS = 64
"""Cells claimed together at most, so that others find work and progress is seen."""
ENGINES = ("local", "ray", "slurm")
"""Where a run's cells are evaluated."""
RUNNING_KEYS = "SELECT key FROM run_cells WHERE state = 'running'"


def start(store: Store, cells: Sequence[Cell], title: str, asked_by: str, *, engine: str = "local", priority: int = 0) -> str:
    """Queues the cells that have no result, by PLM and in their order; returns the run's id.

    Raises:
        RunError: nothing to compute, or an unknown engine.
    """
    if engine not in ENGINES:
        raise RunError("unknown engine", where=title, found=repr(engine), expected=f"one of {list(ENGINES)}")
    unique = {cell.key: cell for cell in cells}
    done = done_keys(store, list(unique.values()))
    todo = [cell for key, cell in unique.items() if key not in done]
    if not todo:
        raise RunError("nothing to run: every cell has its result already", where=title)
    order = {plm: place for place, plm in enumerate(dict.fromkeys(cell.plm for cell in todo))}
    # Weights are loaded once: all cells of one PLM stand together.
    todo.sort(key=lambda cell: order[cell.plm])
    run_id = secrets.token_hex(4)
    with store.write() as db:
        db.execute("INSERT INTO runs (id, created, title, asked_by, priority, engine) VALUES (?, ?, ?, ?, ?, ?)",
                   [run_id, time.time(), title, asked_by, priority, engine])  # fmt: skip
        db.executemany(
            "INSERT INTO run_cells (run_id, key, position, batch, spec, state) VALUES (?, ?, ?, ?, ?, 'queued')",
            [(run_id, cell.key, place, cell.batch, cell.spec()) for place, cell in enumerate(todo)],
        )
        note(db, run_id, f"{len(todo)} cells queued by {asked_by}"
             + (f"; {len(unique) - len(todo)} had their result already" if len(todo) < len(unique) else "")
             + (f"; engine {engine}" if engine != "local" else ""))  # fmt: skip
    return run_id


def note(db, run_id: str, line: str) -> None:
    """A line for the run's log."""
    db.execute("INSERT INTO run_log VALUES (?, ?, ?)", [run_id, time.time(), line])


def done_keys(store: Store, cells: Sequence[Cell]) -> set[str]:
    """Keys of cells that need no work: they have a result, or may stop early and did, with an interval as narrow as asked."""
    keys = [cell.key for cell in cells]
    found = set(store.present(keys))
    if any(cell.until for cell in cells):
        partial = store.partials(keys)
        clear = partial.loc[partial.reason != "", "width"].to_dict()
        found |= {cell.key for cell in cells if cell.until and clear.get(cell.key, 1.0) <= cell.until}
    return found


def claim(store: Store, worker: str, engine: str = "local") -> list[Cell]:
    """Takes the next batch (one PLM, one task, one run) for a worker of an engine; empty when nothing is queued.

    Runs of higher priority go first, then older ones. Cells that have a result by now are marked done on the way.
    """
    with store.write() as db:
        runs = db.execute(
            "SELECT id FROM runs WHERE cancelled IS NULL AND paused IS NULL AND engine = ? AND EXISTS "
            "(SELECT 1 FROM run_cells WHERE run_id = runs.id AND state = 'queued') ORDER BY priority DESC, created, id",
            [engine],
        ).fetchall()
        for run in runs:
            while (rows := _take(db, run["id"], worker)) is not None:
                present = {row[0] for row in db.execute("SELECT key FROM results WHERE key IN (SELECT key FROM run_cells WHERE worker = ? "
                                                        "AND state = 'running')", [worker])}  # fmt: skip
                if present:
                    _mark(db, [(key, None, None, None) for key in present], "done")
                if todo := [row for row in rows if row["key"] not in present]:
                    return [Cell.from_spec(row["spec"]) for row in sorted(todo, key=lambda row: row["position"])]
    return []


def _take(db, run_id: str, worker: str) -> list | None:
    head = db.execute(f"SELECT batch FROM run_cells WHERE run_id = ? AND state = 'queued' AND key NOT IN ({RUNNING_KEYS}) "
                      "ORDER BY position LIMIT 1", [run_id]).fetchone()  # fmt: skip
    if head is None:
        return None
    return db.execute(
        "UPDATE run_cells SET state = 'running', worker = ?, started = ?, attempts = attempts + 1 WHERE rowid IN "
        f"(SELECT rowid FROM run_cells WHERE run_id = ? AND state = 'queued' AND batch = ? AND key NOT IN ({RUNNING_KEYS}) "
        "ORDER BY position LIMIT ?) RETURNING key, spec, position",
        # Which source is best for a task is asked of its whole column.
        [worker, time.time(), run_id, head["batch"], -1 if " until " in head["batch"] else BATCH_CELLS],
    ).fetchall()


def begin(store: Store, worker: str, key: str) -> None:
    """Says which of its cells a worker is at now: the only one that counts an attempt if it dies. Until a worker has said
    so, while it loads the PLM, all cells it claimed count one."""
    mine = "worker = ? AND state = 'running'"
    with store.write() as db:
        db.execute(f"UPDATE run_cells SET attempts = attempts - 1, started = NULL WHERE {mine} AND started IS NOT NULL "
                   "AND key != ?", [worker, key])  # fmt: skip
        db.execute(f"UPDATE run_cells SET attempts = attempts + (started IS NULL), started = ? WHERE {mine} AND key = ?",
                   [time.time(), worker, key])  # fmt: skip


def begin_more(store: Store, worker: str, keys: Sequence[str]) -> None:
    """As :func:`begin` for a worker that is at several cells at once, on several devices."""
    with store.write() as db:
        db.executemany("UPDATE run_cells SET attempts = attempts + (started IS NULL), started = ? WHERE worker = ? AND "
                       "state = 'running' AND key = ?", [(time.time(), worker, key) for key in keys])  # fmt: skip


def hold(store: Store, worker: str, keys: Sequence[str]) -> None:
    """Says that cells a worker claimed wait where they count no attempt: in an engine's own queue."""
    with store.write() as db:
        db.executemany("UPDATE run_cells SET attempts = attempts - 1, started = NULL WHERE worker = ? AND state = 'running' "
                       "AND key = ? AND started IS NOT NULL", [(worker, key) for key in keys])  # fmt: skip


def finish(
    store: Store, keys: Sequence[str], state: str = "done", error: str | None = None, *, seconds: float | None = None,
    examples: int | None = None, device: str | None = None, worker: str | None = None, row: Mapping[str, object] | None = None,
) -> None:  # fmt: skip
    """Ends cells in every run that waits for them, in one transaction with the row of their result.

    ``worker`` restricts it to cells that this worker holds: for cells that were stopped early and that another run may want
    to the end.
    """
    old = None
    with store.write() as db:
        if row is not None:
            insert(db, "results", row)
            old = drop_partial(db, str(row["key"]))
        runs = _mark(db, [(key, seconds, examples, device) for key in keys], state, error, worker)
        if error:
            for run_id, spec in {run: spec for run, spec in runs}.items():
                cell = Cell.from_spec(spec)
                note(db, run_id, f"failed: {cell.words}: {error}")
    store.forget(old)


def _mark(db, cells: Sequence[tuple], state: str, error: str | None = None, worker: str | None = None) -> list[tuple[str, str]]:
    where = "state IN ('queued', 'running')" if state == "done" and worker is None else "state = 'running'"
    mine, holder = ("", []) if worker is None else (" AND worker = ?", [worker])
    found = []
    for key, seconds, examples, device in cells:
        found += db.execute(
            f"UPDATE run_cells SET state = ?, error = ?, finished = ?, seconds = ?, examples = ?, device = ? WHERE key = ? AND {where}{mine} "
            "RETURNING run_id, spec",
            [state, error, time.time(), seconds, examples, device, key, *holder],
        ).fetchall()  # fmt: skip
    return [tuple(row) for row in found]


def release(store: Store, worker: str, keys: Sequence[str] | None = None) -> None:
    """Gives a living worker's unfinished cells back, all or some: cancelled where their run was, queued again elsewhere."""
    with store.write() as db:
        _release(db, worker, died=False, keys=keys)


def lost(store: Store, worker: str, keys: Sequence[str], reason: str) -> None:
    """Gives cells back that were lost with the engine's process that was at them; the begun one counts an attempt."""
    with store.write() as db:
        _release(db, worker, died=True, keys=keys, reason=reason)


def _release(db, worker: str, died: bool, keys: Sequence[str] | None = None, reason: str = "The worker died") -> None:
    names = "" if keys is None else f" AND key IN ({', '.join('?' * len(keys))})"
    mine, given = f"worker = ? AND state = 'running'{names}", [worker, *(keys or ())]
    db.execute(f"UPDATE run_cells SET state = 'cancelled', finished = ? WHERE {mine} AND run_id IN "
               "(SELECT id FROM runs WHERE cancelled IS NOT NULL)", [time.time(), *given])  # fmt: skip
    if died:
        for run_id, cells in _by_run(db.execute(f"SELECT run_id, spec, started FROM run_cells WHERE {mine}", given).fetchall()).items():
            begun = [cell for cell, started in cells if started is not None]
            at = f" at {begun[0].words}" if len(begun) == 1 else ""
            note(db, run_id, f"{reason}{at}; {len(cells)} unfinished cells queued again")
        db.execute(
            f"UPDATE run_cells SET state = 'failed', finished = ?, error = ? WHERE {mine} AND started IS NOT NULL AND attempts >= ?",
            [time.time(), f"{reason} {MAX_ATTEMPTS} times while it was at this cell. See the worker's log in the cache, then retry the "
             "failed cells.", *given, MAX_ATTEMPTS],
        )  # fmt: skip
    else:
        db.execute(f"UPDATE run_cells SET attempts = attempts - 1 WHERE {mine} AND started IS NOT NULL", given)
    db.execute(f"UPDATE run_cells SET state = 'queued', worker = NULL, started = NULL WHERE {mine}", given)


def _by_run(rows: Sequence) -> dict[str, list[tuple[Cell, float | None]]]:
    found: dict[str, list[tuple[Cell, float | None]]] = {}
    for row in rows:
        found.setdefault(row["run_id"], []).append((Cell.from_spec(row["spec"]), row["started"]))
    return found


def beat(
    store: Store, worker: str, device: str, doing: str, *, engine: str = "local", plms: str = "", memory: int | None = None, memory_of: int | None = None
) -> None:  # fmt: skip
    """Says that a worker is alive, what it is at, which PLMs it holds and how much of its device's memory (bytes) is taken."""
    own = psutil.Process().memory_info().rss
    with store.write() as db:
        db.execute(
            "INSERT INTO workers VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
            "heartbeat = excluded.heartbeat, device = excluded.device, doing = excluded.doing, plms = excluded.plms, "
            "memory = excluded.memory, memory_of = excluded.memory_of, peak_memory = max(peak_memory, excluded.peak_memory)",
            [worker, os.getpid(), moment.boot(), engine, device, time.time(), moment.now(), doing, plms,
             own if memory is None else memory, memory_of or psutil.virtual_memory().total, own],
        )  # fmt: skip


def leave(store: Store, worker: str, died: bool = False) -> None:
    """Signs a worker off, its unfinished cells given back."""
    with store.write() as db:
        _release(db, worker, died)
        db.execute("DELETE FROM workers WHERE id = ?", [worker])


def bury(store: Store) -> None:
    """Gives back the cells of workers that died without signing off, and ends those that hang: they hold the device."""
    with store.read() as db:
        known = db.execute("SELECT id, pid, boot, heartbeat FROM workers").fetchall()
        owners = {row[0] for row in db.execute("SELECT DISTINCT worker FROM run_cells WHERE state = 'running'")}
    dead = owners - {row["id"] for row in known}
    for row in known:
        here = row["boot"] == moment.boot()
        # The lane's file beats on while the database is locked for long.
        late = moment.now() - max(row["heartbeat"], last_beat(store.folder, row["id"])) > LEASE_SECONDS
        if here and late:
            end(row["pid"], signal.SIGKILL)
        if not here or late or not alive(row["pid"]):
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


def unwanted(store: Store, worker: str) -> dict[str, bool]:
    """Cells of a worker whose run was cancelled (True) or paused (False), by key."""
    with store.read() as db:
        return {row[0]: bool(row[1]) for row in db.execute(
            "SELECT key, cancelled IS NOT NULL FROM run_cells JOIN runs ON runs.id = run_id WHERE worker = ? AND state = 'running' "
            "AND (cancelled IS NOT NULL OR paused IS NOT NULL)", [worker])}  # fmt: skip


def cancel(store: Store, run_id: str) -> None:
    """Cancels a run: queued cells at once, running ones as soon as their worker looks up (between batches)."""
    with store.write() as db:
        _known(db, store, run_id)
        db.execute("UPDATE runs SET cancelled = ? WHERE id = ? AND cancelled IS NULL", [time.time(), run_id])
        db.execute("UPDATE run_cells SET state = 'cancelled', finished = ? WHERE run_id = ? AND state = 'queued'",
                   [time.time(), run_id])  # fmt: skip
        note(db, run_id, "cancelled")


def pause(store: Store, run_id: str) -> None:
    """Holds a run: nothing more of it is claimed, and what runs is given back between two batches of texts."""
    with store.write() as db:
        _known(db, store, run_id)
        db.execute("UPDATE runs SET paused = ? WHERE id = ? AND paused IS NULL", [time.time(), run_id])
        note(db, run_id, "paused")


def prefer(store: Store, run_id: str, priority: int) -> None:
    """Sets a run's priority; higher ones go first, and what is running comes to the end of its batch."""
    with store.write() as db:
        _known(db, store, run_id)
        db.execute("UPDATE runs SET priority = ? WHERE id = ?", [priority, run_id])
        note(db, run_id, f"priority {priority}")


def resume(store: Store, run_id: str) -> None:
    """Goes on with a run: ends its pause, and queues its failed and cancelled cells again."""
    _again(store, run_id, ("failed", "cancelled"), "resumed")


def retry(store: Store, run_id: str) -> None:
    """Queues a run's failed cells again."""
    _again(store, run_id, ("failed",), "failed cells queued again")


def _again(store: Store, run_id: str, states: Sequence[str], line: str) -> None:
    bury(store)
    with store.write() as db:
        _known(db, store, run_id)
        db.execute("UPDATE runs SET cancelled = NULL, paused = NULL WHERE id = ?", [run_id])
        db.execute("UPDATE run_cells SET state = 'queued', attempts = 0, error = NULL, worker = NULL, started = NULL, finished = NULL, seconds = NULL "
                   f"WHERE run_id = ? AND state IN ({', '.join('?' * len(states))})", [run_id, *states])  # fmt: skip
        note(db, run_id, line)


def _known(db, store: Store, run_id: str) -> None:
    if db.execute("SELECT 1 FROM runs WHERE id = ?", [run_id]).fetchone() is None:
        raise RunError(f"no run {run_id!r}", where=store.path, mend="List them with: ptlib runs list")
