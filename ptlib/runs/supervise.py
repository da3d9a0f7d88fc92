"""Starts the worker when there is work, and ends one that does not listen. Imports no torch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil

from ptlib.runs import queue
from ptlib.store import Store

GRACE_SECONDS = 2.0
"""After a cancel: time to stop between batches, then SIGTERM, then, as long again, SIGKILL."""
START_SECONDS = 30.0

_started: dict[Path, subprocess.Popen] = {}


def ensure_worker(store: Store, device: str | None = None) -> None:
    """Starts a worker process unless one lives. The worker's own lock decides when two callers try at once."""
    queue.bury(store)
    process = _started.get(store.folder)
    if process is not None and process.poll() is None:
        return
    if workers(store):
        return
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
    return [row for row in rows if psutil.pid_exists(row["pid"])]


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
            with suppress(ProcessLookupError):
                os.kill(row["pid"], signal.SIGKILL if late > 2 * GRACE_SECONDS else signal.SIGTERM)
    queue.bury(store)


def keep_going(store: Store) -> None:
    """What a watcher calls now and then: cancels take effect, dead workers' cells are queued, a worker is there."""
    enforce_cancel(store)
    if any(item.open for item in queue.all_progress(store)):
        ensure_worker(store)
