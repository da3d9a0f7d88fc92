"""Starts workers when there is work, and ends those that do not listen. Imports no torch."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from ptlib.errors import RunError
from ptlib.runs import moment, queue
from ptlib.runs import progress as runs_progress
from ptlib.store import Store

GRACE_SECONDS = 1.5
"""After a cancel: time a worker has to stop by itself before it gets a SIGTERM."""
KILL_SECONDS = 0.5
"""From SIGTERM to SIGKILL."""
START_SECONDS = 30.0
PAUSE_SECONDS = 2.0
"""Between two starts: one that dies at once, or finds the device taken, is not started over and over."""
NVIDIA = Path("/proc/driver/nvidia/gpus")

Lane = tuple[str, str | None, int]
_started: dict[tuple[Path, Lane], subprocess.Popen] = {}
_last: dict[tuple[Path, Lane], float] = {}


def devices() -> list[str | None]:
    """Devices of this machine that workers run on, a worker each.

    ``PTLIB_DEVICES`` names them ("cuda:0,cuda:1"; one named twice gets two workers); without it every visible NVIDIA GPU, or
    where there is none the best device that a worker finds (None).
    """
    named = [part.strip() for part in os.environ.get("PTLIB_DEVICES", "").split(",") if part.strip()]
    if named:
        return list(named)
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        count = len([part for part in visible.split(",") if part.strip() and part.strip() != "-1"])
    else:
        count = len(list(NVIDIA.glob("*"))) if NVIDIA.is_dir() else 0
    return [f"cuda:{place}" for place in range(count)] if count > 1 else [None]


def lanes(engine: str) -> list[Lane]:
    """Workers that an engine has on this machine: engine, device, number among those of one device."""
    if engine != "local":
        return [(engine, None, 1)]
    names = devices()
    return [(engine, name, names[: place + 1].count(name)) for place, name in enumerate(names)]


def ensure_worker(store: Store, device: str | None = None) -> None:
    """Starts the workers that queued cells wait for, unless they live. Each worker's own lock decides when two callers try at
    once. ``device`` takes the place of this machine's devices."""
    queue.bury(store)
    living = {row["lane"] for row in workers(store)}
    for engine in sorted(runs_progress.to_do(store)):
        for lane in [("local", device, 1)] if device and engine == "local" else lanes(engine):
            _ensure(store, lane, living)


def _ensure(store: Store, lane: Lane, living: set[str]) -> None:
    from ptlib.runs.lane import Lane as File

    place, engine, device, number = (store.folder, lane), *lane
    process = _started.get(place)
    if process is not None and process.poll() is None:
        return
    if File(store.folder, engine, device, number).name in living or time.monotonic() - _last.get(place, -PAUSE_SECONDS) < PAUSE_SECONDS:
        return
    _last[place] = time.monotonic()
    root = str(Path(__file__).parents[2])
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [root, os.environ.get("PYTHONPATH")])),
           "OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1"), "TOKENIZERS_PARALLELISM": "false",
           "HF_HUB_OFFLINE": "1"}  # fmt: skip
    command = [sys.executable, "-m", "ptlib.runs.worker", "--cache", str(store.folder), "--engine", engine, "--lane", str(number)]
    command += ["--device", device] if device else []
    try:
        (store.folder / "logs").mkdir(exist_ok=True)
        path = store.folder / "logs" / "worker.out"
        path.open("ab").close()
    except OSError:
        # A full or read-only disk is no reason to have no worker; what it says is lost.
        path = Path(os.devnull)
    with path.open("ab") as out:
        # A session of its own: the worker outlives the page that asked for it and ends by itself when idle.
        _started[place] = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out,
                                           start_new_session=True)  # fmt: skip


def workers(store: Store) -> list[dict]:
    """Living workers: id, lane, pid, engine, device, started, heartbeat, doing (JSON), plms, memory, memory_of and peak_memory
    (bytes)."""
    with store.read() as db:
        rows = [{**dict(row), "lane": row["id"].split(".")[0]} for row in db.execute("SELECT * FROM workers ORDER BY started")]
    return [row for row in rows if row["boot"] == moment.boot() and queue.alive(row["pid"])]


def enforce_cancel(store: Store) -> None:
    """Ends workers of this machine's devices that still run cells of a run cancelled longer ago than the grace time; other
    engines end their own processes."""
    with store.read() as db:
        rows = db.execute(
            "SELECT DISTINCT workers.id, pid, boot, cancelled FROM run_cells JOIN runs ON runs.id = run_id "
            "JOIN workers ON workers.id = run_cells.worker WHERE state = 'running' AND cancelled IS NOT NULL AND workers.engine = 'local'"
        ).fetchall()
    for row in rows:
        late = time.time() - row["cancelled"]
        if row["boot"] == moment.boot() and (late > GRACE_SECONDS or late < 0):
            queue.end(row["pid"], signal.SIGKILL if late > GRACE_SECONDS + KILL_SECONDS else signal.SIGTERM)
    queue.bury(store)


def cancel(store: Store, run_id: str) -> None:
    """Cancels a run and sees to it that its worker stops; returns when none of its cells is running.

    Raises:
        RunError: no such run.
    """
    queue.cancel(store, run_id)
    end = time.monotonic() + 2 * (GRACE_SECONDS + KILL_SECONDS)
    while runs_progress.progress(store, run_id).running and time.monotonic() < end:
        enforce_cancel(store)
        time.sleep(0.1)


def keep_going(store: Store) -> None:
    """What a watcher calls now and then: cancels take effect, dead workers' cells are queued, workers are there."""
    enforce_cancel(store)
    if runs_progress.to_do(store):
        ensure_worker(store)


def end_workers(store: Store, seconds: float = 5.0) -> None:
    """Asks every worker of this cache on this machine to sign off, and ends those that do not."""
    pids = [row["pid"] for row in workers(store)] + [process.pid for (folder, _), process in _started.items() if folder == store.folder]
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in pids:
            queue.end(pid, number)
        end = time.monotonic() + seconds
        while time.monotonic() < end and any(queue.alive(pid) for pid in pids):
            for process in _started.values():
                process.poll()
            time.sleep(0.05)
    queue.bury(store)


def started_here(store: Store) -> list[subprocess.Popen]:
    """Worker processes that this process started for a cache."""
    return [process for (folder, _), process in _started.items() if folder == store.folder]


def check_engine(engine: str) -> None:
    """Raises RunError where an engine's package is not installed."""
    from ptlib.runs import executors

    if engine in executors.ROOMS and not executors.here(engine):
        raise RunError(f"the engine {engine!r} needs the package {executors.ROOMS[engine][2]}", where="engine",
                       mend=f"Install it: .venv/bin/pip install {executors.ROOMS[engine][2]}")  # fmt: skip
