"""The embedded engine: batches are evaluated in the worker's own process, on its device."""

from __future__ import annotations

import threading
from collections.abc import Callable

import psutil

from ptlib.library import Library
from ptlib.plms.device import choose_device
from ptlib.runs.evaluator import Evaluator
from ptlib.runs.executors import Event
from ptlib.runs.parcel import Batch
from ptlib.runs.plan import Cell
from ptlib.store import Store


class LocalExecutor:
    """One batch at a time."""

    def __init__(self, _store: Store, library: Library, device: str | None) -> None:
        self._evaluator = Evaluator(library, choose_device(device))
        self.device = self._evaluator.device
        self._batch: tuple[int, Batch] | None = None
        self._stop = threading.Event()

    def submit(self, number: int, batch: Batch) -> None:
        # Files may have come or changed since the last batch; opening the library reads headers only.
        self._evaluator.library = Library.open()
        self._batch = (number, batch)
        self._stop.clear()

    def collect(self, listen: Callable[[Event], None], seconds: float) -> None:
        """Evaluates the batch to its end, whatever the seconds."""
        if self._batch is None:
            self._stop.wait(seconds)
            return
        number, batch = self._batch

        def begin(cell: Cell) -> None:
            listen(Event(number, "begun", cell.key))

        try:
            for parcel in self._evaluator.evaluate(batch, self._stop.is_set, begin):
                listen(Event(number, "parcel", parcel.key, parcel))
        finally:
            self._batch = None
            listen(Event(number, "end"))

    def cancel(self, number: int) -> None:
        if self._batch is not None and self._batch[0] == number:
            self._stop.set()

    def room(self) -> int:
        return 0 if self._batch else 1

    def about(self) -> dict:
        found = {
            "plms": self._evaluator.loaded,
            "hands": 1,
            "memory": psutil.Process().memory_info().rss,
            "memory_of": psutil.virtual_memory().total,
        }
        if self.device.startswith("cuda"):
            import torch

            free, total = torch.cuda.mem_get_info(self.device)
            found |= {"memory": total - free, "memory_of": total}
        return found

    def close(self) -> None:
        self._stop.set()
        self._evaluator.free()
