"""The worker: one process for a device that claims batches, evaluates them and stores every cell at once.

``python -m ptlib.runs.worker --cache DIR [--device cpu]``. A file lock keeps a second one away; the worker signs off
when it was idle for a while, and gives its cells back when it is asked to end (SIGTERM, SIGINT). A cancel is followed
between batches of texts; where that takes too long (a PLM is being loaded, a batch is big) the process ends itself.
"""

from __future__ import annotations

import argparse
import fcntl
import logging
import os
import secrets
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path

from ptlib.errors import PtlibError
from ptlib.library import Library
from ptlib.plms.device import choose_device
from ptlib.runs import Cell, queue
from ptlib.runs.execute import Executor, describe_batch, unexpected
from ptlib.store import Store

IDLE_SECONDS = 60
BEAT_SECONDS = 2.0
LOOK_SECONDS = 0.25
"""How often a worker looks for a cancel while it evaluates."""
LISTEN_SECONDS = 0.02
"""How often an idle worker listens for something to do."""
PATIENCE_SECONDS = 1.0
"""After a cancel is seen: time to come to the end of a batch of texts before the process ends itself."""

log = logging.getLogger("ptlib.worker")


class Worker:
    """The loop. ``stop`` is set by signals."""

    def __init__(self, store: Store, device: str | None, idle: float) -> None:
        self.store, self.idle = store, idle
        self.device = device or "auto"
        self.id = f"{os.getpid()}-{secrets.token_hex(3)}"
        self.stop = threading.Event()
        self.doing = ""
        self._looked, self._cancelled = 0.0, False
        self._executor: Executor | None = None

    def run(self) -> None:
        """Works until idle for long or told to stop."""
        queue.beat(self.store, self.id, self.device, "")
        threading.Thread(target=self._beat, daemon=True).start()
        threading.Thread(target=self._watch, daemon=True).start()
        queue.bury(self.store)
        # SQLite folds its log back into the file when the last connection closes; with one kept open a write costs a
        # fraction of a millisecond, not twenty.
        with self.store.read() as db:
            try:
                self._work(lambda: db.execute("PRAGMA data_version").fetchone()[0])
            finally:
                queue.leave(self.store, self.id)

    def _work(self, version: Callable[[], int]) -> None:
        idle_since, seen = time.monotonic(), -1
        while not self.stop.is_set() and time.monotonic() - idle_since < self.idle:
            # Asking whether anybody wrote costs next to nothing; looking for cells takes the write lock.
            found, cells = version(), []
            if found != seen:
                cells, seen = queue.claim(self.store, self.id), found
            if cells:
                self._batch(cells)
                idle_since, seen = time.monotonic(), -1
            else:
                self.stop.wait(LISTEN_SECONDS)

    def _batch(self, cells: list[Cell]) -> None:
        self.doing, self._cancelled, self._looked = describe_batch(cells), False, 0.0
        queue.beat(self.store, self.id, self.device, self.doing)
        try:
            for cell, error in self._ready().execute(cells, self._should_stop, self._begin):
                queue.settle(self.store, self.id, cell, error)
                if error:
                    log.error("%s on %s: %s", cell.prompt_name, cell.task, error)
        except Exception as failure:
            log.exception("batch failed: %s", self.doing)
            reason = str(failure) if isinstance(failure, PtlibError) else unexpected(self.store, failure)
            queue.finish(self.store, [cell.key for cell in cells], "failed", reason)
        finally:
            self.doing = ""
            queue.release(self.store, self.id)

    def _ready(self) -> Executor:
        # Files may have come or changed since the last batch; opening the library reads headers only.
        library = Library.open()
        if self._executor is None:
            self.device = choose_device(None if self.device == "auto" else self.device)
            self._executor = Executor(self.store, library, self.device)
        self._executor.library = library
        return self._executor

    def _begin(self, cell: Cell) -> None:
        queue.begin(self.store, self.id, cell.key)

    def _should_stop(self) -> bool:
        if self.stop.is_set() or self._cancelled:
            return True
        if time.monotonic() - self._looked > LOOK_SECONDS:
            self._looked = time.monotonic()
            self._cancelled = queue.is_cancelled(self.store, self.id)
        return self._cancelled

    def _beat(self) -> None:
        while not self.stop.wait(BEAT_SECONDS):
            try:
                queue.beat(self.store, self.id, self.device, self.doing)
            except Exception:
                log.exception("no heartbeat")

    def _watch(self) -> None:
        seen = None
        while True:
            time.sleep(LOOK_SECONDS)
            try:
                cancelled = bool(self.doing) and queue.is_cancelled(self.store, self.id)
            except PtlibError:
                log.exception("no look at cancels")
                continue
            seen = (seen or time.monotonic()) if cancelled else None
            if seen and time.monotonic() - seen > PATIENCE_SECONDS:
                log.info("ends itself to follow a cancel: %s", self.doing)
                queue.leave(self.store, self.id)
                os._exit(0)


def main(argv: list[str] | None = None) -> int:
    """Runs a worker; returns 0 at once when another one owns the device."""
    parser = argparse.ArgumentParser(description="evaluates queued cells on one device")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--device")
    parser.add_argument("--idle", type=float, default=IDLE_SECONDS, help="seconds without work before it ends")
    options = parser.parse_args(argv)
    store = Store(options.cache)
    logs = store.folder / "logs"
    logs.mkdir(exist_ok=True)
    logging.basicConfig(filename=logs / "worker.log", level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    lock = (store.folder / f"worker-{(options.device or 'auto').replace(':', '-')}.lock").open("w")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return 0
    worker = Worker(store, options.device, options.idle)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: worker.stop.set())
    log.info("worker %s starts", worker.id)
    worker.run()
    log.info("worker %s ends", worker.id)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
