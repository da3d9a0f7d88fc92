"""Work that takes longer than a page may block: done once in a process beside the page's, kept by key."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import BrokenExecutor, Future
from typing import Any

import streamlit as st
from loky import ProcessPoolExecutor

from dashboard import crowd, data

KEEP = 128
LOOK_SECONDS = 0.5
IDLE_SECONDS = 300
"""After this long without work the helper ends; loky, unlike the standard pool, does not run the page again in it."""

BEHIND = 10
"""Added to the helper's niceness: where cores are few, pages answer before what they wait for."""


class Background:
    """One helper process and what it has found so far."""

    def __init__(self) -> None:
        self._pool: ProcessPoolExecutor | None = None
        self._found: OrderedDict[str, Future] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str, work: Callable[..., Any], *args: Any, **options: Any) -> Future:
        """The future of a piece of work; started at the first call for its key."""
        with self._lock:
            if key not in self._found:
                if self._pool is None:
                    self._pool = ProcessPoolExecutor(1, timeout=IDLE_SECONDS, initializer=os.nice, initargs=(BEHIND,))
                self._found[key] = self._pool.submit(work, *args, **options)
                while len(self._found) > KEEP:
                    self._found.popitem(last=False)
            self._found.move_to_end(key)
            return self._found[key]

    def forget(self, key: str) -> None:
        """Drops a result, so that it is tried again, in a new process if the old one broke. What others wait for goes on."""
        with self._lock:
            gone = self._found.pop(key, None)
            if gone is not None and gone.done() and isinstance(gone.exception(), BrokenExecutor):
                self._end()

    def close(self) -> None:
        """Ends the helper, whatever it is at: nobody will ask for it, and the interpreter would wait for it."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._pool is not None:
            # Arguments larger than a pipe that no killed helper reads would be waited for without end.
            self._pool._call_queue.cancel_join_thread()
            self._pool.shutdown(wait=False, kill_workers=True)
            self._pool = None
            self._found.clear()


@st.cache_resource(on_release=Background.close)
def background() -> Background:
    """The one helper of this server."""
    return Background()


def found(key: str, what: str, work: Callable[..., Any], *args: Any, name: Hashable = None, **options: Any) -> Any | None:
    """The result, or None while it is being computed; then a line says so and the page draws itself again when it is there.

    ``name``: where the same question is asked of data that a run is adding to, its last answer stands until the next one is
    there, and one at a time is computed.
    """
    known = st.session_state.setdefault("answers", {}) if name else {}
    running, answer = known.get(name, (None, None))
    if running is not None and running.done() and not running.exception():
        answer = running.result()
    if answer is not None and running is not None and not running.done():
        return answer
    future = background().get(key, work, *args, **options)
    if future.done():
        try:
            result = future.result()
        except BaseException:
            background().forget(key)
            raise
        if name:
            known[name] = (None, result)
        return result
    if name:
        known[name] = (future, answer)
        if answer is not None and data.busy():
            return answer
    started = time.monotonic()

    def waiting() -> None:
        if future.done():
            st.rerun()
        st.caption(f"Computing {what} ({time.monotonic() - started:.0f} s)")

    st.fragment(waiting, run_every=crowd.paced(LOOK_SECONDS))()
    return None
