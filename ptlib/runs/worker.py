"""The worker: one process for a device or an engine that claims batches, has them evaluated and stores every cell at once.

``python -m ptlib.runs.worker --cache DIR [--device cpu] [--lane 1] [--engine local]``. It holds a file lock on its lane, signs
off when it was idle for a while, and gives its cells back when it is asked to end (SIGTERM, SIGINT). A cancel is followed
between batches of texts; where that takes too long (a PLM is being loaded, a batch is big) the process ends itself.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import secrets
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from ptlib.errors import PtlibError, StoreError
from ptlib.library import Library
from ptlib.runs import Cell, queue
from ptlib.runs.evaluator import unexpected, words_of
from ptlib.runs.executors import Event, Executor, make
from ptlib.runs.lane import Lane
from ptlib.runs.material import deliver, gather
from ptlib.store import Store

IDLE_SECONDS = 60
BEAT_SECONDS = 2.0
LOOK_SECONDS = 0.25
"""How often a worker looks for cancels and pauses while it evaluates."""
LISTEN_SECONDS = 0.02
"""How often an idle worker listens for something to do."""
PATIENCE_SECONDS = 1.0
"""After a cancel is seen: time to come to the end of a batch of texts before the process ends itself."""
AGAIN_SECONDS = 1.0
"""Between two tries to write to a cache that cannot be written."""
BEHIND = 5
"""Added to the process's niceness: where cores are few, pages that show the run answer before it."""

log = logging.getLogger("ptlib.worker")


class Worker:
    """The loop. ``stop`` is set by signals."""

    def __init__(self, store: Store, lane: Lane, idle: float) -> None:
        self.store, self.lane, self.idle = store, lane, idle
        self.id = f"{lane.name}.{os.getpid()}.{secrets.token_hex(3)}"
        self.stop = threading.Event()
        self._executor: Executor | None = None
        self._batches: dict[int, dict[str, Cell]] = {}
        self._numbers = 0

    def run(self) -> None:
        """Works until idle for long or told to stop."""
        self._patiently(self._beat)
        threading.Thread(target=self._beats, daemon=True).start()
        threading.Thread(target=self._watch, daemon=True).start()
        self._patiently(lambda: queue.bury(self.store))
        # SQLite folds its log back into the file when the last connection closes; with one kept open a write costs a
        # fraction of a millisecond, not twenty.
        with self.store.read() as db:
            try:
                self._work(lambda: db.execute("PRAGMA data_version").fetchone()[0])
            finally:
                if self._executor is not None:
                    self._executor.close()
                queue.leave(self.store, self.id)

    def _work(self, version: Callable[[], int]) -> None:
        idle_since, seen = time.monotonic(), -1
        while not self.stop.is_set() and (self._batches or time.monotonic() - idle_since < self.idle):
            if self._executor is None or self._executor.room():
                # Asking whether anybody wrote costs next to nothing; looking for cells takes the write lock.
                found = version()
                if found != seen and not self._claim():
                    seen = found
            if self._batches and self._executor is not None:
                self._executor.collect(self._hear, LOOK_SECONDS)
                idle_since, seen = time.monotonic(), -1 if self._executor.room() else seen
            else:
                self.stop.wait(LISTEN_SECONDS)

    def _claim(self) -> bool:
        cells = self._patiently(lambda: queue.claim(self.store, self.id, self.lane.engine)) or []
        if not cells:
            return False
        self._numbers += 1
        number, self._batches[self._numbers] = self._numbers, {cell.key: cell for cell in cells}
        self._patiently(self._beat)
        try:
            if self._executor is None:
                self._executor = make(self.lane.engine, self.store, Library.open(), self.lane.device)
            self._executor.submit(number, gather(self.store, Library.open(), cells))
        except Exception as failure:
            log.exception("batch failed: %s", words_of(cells))
            reason = str(failure) if isinstance(failure, PtlibError) else unexpected(failure)
            del self._batches[number]
            self._patiently(lambda: queue.finish(self.store, [cell.key for cell in cells], "failed", reason, worker=self.id))
            return True
        if self.lane.engine != "local":
            # They wait in the engine's queue; a death there is no fault of theirs.
            self._patiently(lambda: queue.hold(self.store, self.id, [cell.key for cell in cells]))
        return True

    def _hear(self, event: Event) -> None:
        cells = self._batches.get(event.number, {})
        if event.kind == "begun" and self.lane.engine == "local":
            self._patiently(lambda: queue.begin(self.store, self.id, event.key))
        elif event.kind == "begun":
            self._patiently(lambda: queue.begin_more(self.store, self.id, [event.key]))
        elif event.kind == "parcel" and event.parcel is not None:
            cell, parcel = cells.get(event.key), event.parcel
            self._patiently(lambda: self._deliver(cell, parcel))
            if parcel.kind in ("result", "failed") or (parcel.kind == "partial" and parcel.row["reason"]):
                cells.pop(event.key, None)
        else:
            keys = list(self._batches.pop(event.number, {}))
            if keys and event.kind == "lost":
                log.warning("%s", event.reason)
                self._patiently(lambda: queue.lost(self.store, self.id, keys, event.reason))
            elif keys:
                self._patiently(lambda: queue.release(self.store, self.id, keys))

    def _deliver(self, cell: Cell | None, parcel) -> None:
        try:
            deliver(self.store, self.id, cell, parcel)
        except StoreError as error:
            if error.transient or cell is None:
                raise
            # A folder that is a file, say: waiting would not help, and the other cells can go on.
            log.error("%s", error)
            queue.finish(self.store, [cell.key], "failed", str(error), worker=self.id)

    def _patiently(self, write: Callable[[], object]) -> object:
        """Writes to the cache; while that cannot be done (disk full, locked, read only) what is finished is kept in memory, the
        user is told, and it is tried again until it works or the worker is to end."""
        while True:
            try:
                found = write()
                self.lane.trouble("")
                return found
            except StoreError as error:
                log.error("%s", error)
                self.lane.trouble(f"Waiting to write: {error} Nothing finished is lost; it is tried again every second.")
                if self.stop.wait(AGAIN_SECONDS):
                    raise

    def _beat(self) -> None:
        self.lane.beat()
        about = self._executor.about() if self._executor is not None else {}
        device = getattr(self._executor, "device", None) or self.lane.device or "auto"
        batches = list(self._batches.values())
        cells = [next(iter(batch.values())) for batch in batches if batch]
        doing = {"words": "; ".join(dict.fromkeys(words_of([cell]) for cell in cells)), "hands": max(1, len(batches))} if cells else {}
        queue.beat(self.store, self.id, device, json.dumps(doing) if doing else "", engine=self.lane.engine,
                   plms=", ".join(about.get("plms", [])), memory=about.get("memory"), memory_of=about.get("memory_of"))  # fmt: skip

    def _beats(self) -> None:
        while not self.stop.wait(BEAT_SECONDS):
            # Also where the database is locked for long: whoever watches must not take this for a death.
            self.lane.beat()
            try:
                self._beat()
            except Exception:
                log.exception("no heartbeat")

    def _watch(self) -> None:
        seen = None
        while True:
            time.sleep(LOOK_SECONDS)
            try:
                unwanted = queue.unwanted(self.store, self.id) if self._batches else {}
            except PtlibError:
                log.exception("no look at cancels")
                continue
            for number, cells in list(self._batches.items()):
                if self._executor is not None and (self.stop.is_set() or any(key in unwanted for key in list(cells))):
                    self._executor.cancel(number)
            if self.lane.engine != "local":
                continue
            seen = (seen or time.monotonic()) if any(unwanted.values()) else None
            if seen and time.monotonic() - seen > PATIENCE_SECONDS:
                log.info("ends itself to follow a cancel")
                queue.leave(self.store, self.id)
                os._exit(0)


def main(argv: list[str] | None = None) -> int:
    """Runs a worker; returns 0 at once when another one owns the lane."""
    parser = argparse.ArgumentParser(description="evaluates queued cells on one device, or hands them to an engine")
    parser.add_argument("--cache", type=Path)
    parser.add_argument("--device")
    parser.add_argument("--lane", type=int, default=1, help="number among the workers of one device")
    parser.add_argument("--engine", choices=queue.ENGINES, default="local")
    parser.add_argument("--idle", type=float, default=IDLE_SECONDS, help="seconds without work before it ends")
    options = parser.parse_args(argv)
    try:
        store = Store(options.cache)
        logs = store.folder / "logs"
        logs.mkdir(exist_ok=True)
        logging.basicConfig(filename=logs / "worker.log", level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
        lane = Lane(store.folder, options.engine, options.device, options.lane)
        if not lane.take():
            return 0
        worker = Worker(store, lane, options.idle)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: worker.stop.set())
        log.info("worker %s starts", worker.id)
        worker.run()
    except StoreError as error:
        print(f"worker: {error}", file=sys.stderr)
        return 1
    log.info("worker %s ends", worker.id)
    return 0


if __name__ == "__main__":
    os.nice(BEHIND)
    raise SystemExit(main())
