"""The worker: one process for a device that claims batches, evaluates them and stores every cell at once.

``python -m ptlib.runs.worker --cache DIR [--device cpu]``. A file lock keeps a second one away; the worker signs off
when it was idle for a while, and gives its cells back when it is asked to end (SIGTERM, SIGINT).
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
from pathlib import Path

from ptlib.library import Library
from ptlib.plms.device import choose_device
from ptlib.runs import queue
from ptlib.runs.execute import Executor, describe_batch
from ptlib.store import Store

IDLE_SECONDS = 60
BEAT_SECONDS = 2.0
LOOK_SECONDS = 0.25
"""How often a worker looks for a cancel while it evaluates."""

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
        self._library_of: float = 0.0

    def run(self) -> None:
        """Works until idle for long or told to stop."""
        threading.Thread(target=self._beat, daemon=True).start()
        queue.beat(self.store, self.id, self.device, "")
        queue.bury(self.store)
        idle_since = time.monotonic()
        try:
            while not self.stop.is_set() and time.monotonic() - idle_since < self.idle:
                cells = queue.claim(self.store, self.id)
                if cells:
                    self._batch(cells)
                    idle_since = time.monotonic()
                else:
                    self.stop.wait(0.3)
        finally:
            queue.leave(self.store, self.id)

    def _batch(self, cells) -> None:
        from ptlib.transfer.evaluate import Stopped

        self.doing, self._cancelled, self._looked = describe_batch(cells), False, 0.0
        queue.beat(self.store, self.id, self.device, self.doing)
        # Files may have been added since the last batch was planned; opening the library reads headers only.
        if self._executor is None:
            self.device = choose_device(None if self.device == "auto" else self.device)
            self._executor = Executor(self.store, Library.open(), self.device)
        if any(cell.prompt and cell.prompt not in {entry.digest for entry in self._executor.library.entries} for cell in cells):
            self._executor.library = Library.open()
        try:
            for cell, error in self._executor.execute(cells, self._should_stop):
                queue.finish(self.store, [cell.key], "failed" if error else "done", error)
                if error:
                    log.error("%s on %s: %s", cell.prompt_name, cell.task, error)
                if self._should_stop():
                    break
        except Stopped:
            log.info("stopped: %s", self.doing)
        except Exception:
            log.exception("batch failed: %s", self.doing)
            reason = f"An unexpected error; the details are in {self.store.folder / 'logs' / 'worker.log'}."
            queue.finish(self.store, [cell.key for cell in cells], "failed", reason)
        finally:
            self.doing = ""
            queue.release(self.store, self.id)

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
