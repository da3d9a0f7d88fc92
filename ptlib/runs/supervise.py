"""Starts the worker when there is work, and ends one that does not listen. Imports no torch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from ptlib.runs import queue
from ptlib.store import Store

GRACE_SECONDS = 1.5
"""After a cancel: time a worker has to stop by itself before it gets a SIGTERM."""
KILL_SECONDS = 0.5
"""From SIGTERM to SIGKILL."""
START_SECONDS = 30.0
PAUSE_SECONDS = 2.0
"""Between two starts: one that dies at once, or finds the device taken, is not started over and over."""

_started: dict[Path, subprocess.Popen] = {}
_last: dict[Path, float] = {}


def ensure_worker(store: Store, device: str | None = None) -> None:
    """Starts a worker process unless one lives. The worker's own lock decides when two callers try at once."""
    queue.bury(store)
    process = _started.get(store.folder)
    if process is not None and process.poll() is None:
        return
    if workers(store) or time.monotonic() - _last.get(store.folder, -PAUSE_SECONDS) < PAUSE_SECONDS:
        return
    _last[store.folder] = time.monotonic()
    root = str(Path(__file__).parents[2])
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")])),
           "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"), "TOKENIZERS_PARALLELISM": "false",
           "HF_HUB_OFFLINE": "1"}  # fmt: skip
    command = [sys.executable, "-m", "ptlib.runs.worker", "--cache", str(store.folder)]
    command += ["--device", device] if device else []
    (store.folder / "logs").mkdir(exist_ok=True)
    with (store.folder / "logs" / "worker.out").open("ab") as out:
        # A session of its own: the worker outlives the page that asked for it and ends by itself when idle.
        _started[store.folder] = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                                  start_new_session=True)  # fmt: skip


def workers(store: Store) -> list[dict]:
    """Living workers: id, pid, device, started, heartbeat, doing, peak_memory (bytes)."""
    with store.read() as db:
        rows = [dict(row) for row in db.execute("SELECT * FROM workers")]
    return [row for row in rows if queue.alive(row["pid"])]


def enforce_cancel(store: Store) -> None:
    """Ends workers that still run cells of a run cancelled longer ago than the grace time."""
    with store.read() as db:
        rows = db.execute(
            "SELECT DISTINCT workers.id, pid, cancelled FROM run_cells JOIN runs ON runs.id = run_id "
            "JOIN workers ON workers.id = run_cells.worker WHERE state = 'running' AND cancelled IS NOT NULL"
        ).fetchall()
    for row in rows:
        late = time.time() - row["cancelled"]
        if late > GRACE_SECONDS:
            queue.end(row["pid"], signal.SIGKILL if late > GRACE_SECONDS + KILL_SECONDS else signal.SIGTERM)
    queue.bury(store)


def cancel(store: Store, run_id: str) -> None:
    """Cancels a run and sees to it that its worker stops; returns when none of its cells is running.

    Raises:
        RunError: no such run.
    """
    queue.cancel(store, run_id)
    end = time.monotonic() + 2 * (GRACE_SECONDS + KILL_SECONDS)
    while queue.progress(store, run_id).running and time.monotonic() < end:
        enforce_cancel(store)
        time.sleep(0.1)


def keep_going(store: Store) -> None:
    """What a watcher calls now and then: cancels take effect, dead workers' cells are queued, a worker is there."""
    enforce_cancel(store)
    if queue.any_open(store):
        ensure_worker(store)
