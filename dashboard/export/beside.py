"""The process beside the page's that draws pictures: kept warm, with its browser, as long as somebody asks now and then."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from loky import ProcessPoolExecutor
from loky.process_executor import BrokenProcessPool

IDLE_SECONDS = 600
"""After this long without work the process ends, and its browser with it."""


class Press:
    """One process, made when it is first asked."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self._lock = threading.Lock()

    def start(self, work: Callable[..., Any], *args: Any) -> Future:
        """The future of a piece of work done there, after what was asked before it."""
        return self._submit(work, *args)

    def ask(self, work: Callable[..., Any], *args: Any) -> Any:
        """The result of a piece of work done there; errors of it are raised here. Waits; not for the page's own thread."""
        try:
            return self._submit(work, *args).result()
        except BrokenProcessPool:
            # It was killed, for memory perhaps; a new one tries once more.
            self.close()
            return self._submit(work, *args).result()

    def _submit(self, work: Callable[..., Any], *args: Any) -> Any:
        with self._lock:
            if self._pool is None:
                self._pool = ProcessPoolExecutor(1, timeout=IDLE_SECONDS)
            return self._pool.submit(work, *args)

    def close(self) -> None:
        """Ends the process."""
        with self._lock:
            pool, self._pool = self._pool, None
        if pool is not None:
            pool.shutdown(wait=False, kill_workers=True)
