"""What pages compute from the store, once for all sessions of this server.

A value is made again when its version changes. While a run adds cells that would be every moment, so a value may then lag: one
thread beside the pages' makes it anew, for a ninth of its time at most and less where many sessions look at different ones, while pages
show the last one. Where no value will do but the newest, the first thread that asks makes it and the others wait.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import streamlit as st
from streamlit.runtime.scriptrunner import add_script_run_ctx, get_script_run_ctx

from dashboard import crowd

KEEP = 64
"""Values that are kept; the least recently used goes first."""
SHARE = 8
"""A value that took a second may lag for eight, while a run is open; longer where many sessions look."""

OLD_SECONDS = 60.0
"""A value older than that is made by who asks: parts of a page that are drawn but once would show it for good."""


@dataclass
class _Value:
    version: Hashable = None
    value: Any = None
    made: float = 0.0
    cost: float = 0.0
    there: bool = False
    failure: Exception | None = None
    """Why it could not be made beside the pages; raised where it is asked for next."""
    lock: threading.Lock = field(default_factory=threading.Lock)


class Kept:
    """Values by key."""

    def __init__(self) -> None:
        self._values: OrderedDict[Hashable, _Value] = OrderedDict()
        self._lock = threading.Lock()
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="kept")

    def get(self, key: Hashable, version: Hashable, make: Callable[[], Any], *, may_lag: bool = False, wait: bool = True) -> Any:
        """The value of a key in a version; errors of ``make`` are raised and nothing is kept.

        Args:
            may_lag: an older value will do, as long as making it would take more than its share of the time.
            wait: False where an older value will do while another thread makes the new one.
        """
        with self._lock:
            item = self._values.setdefault(key, _Value())
            self._values.move_to_end(key)
            while len(self._values) > KEEP:
                self._values.popitem(last=False)
        if item.there and item.version == version:
            return item.value
        if may_lag and item.failure is not None:
            failure, item.failure = item.failure, None
            raise failure
        if item.there and may_lag and time.monotonic() - item.made < OLD_SECONDS:
            if time.monotonic() - item.made >= SHARE * crowd.thinned() * item.cost and item.lock.acquire(blocking=False):
                self._beside.submit(_make_anew, item, version, make, get_script_run_ctx())
            return item.value
        if not item.lock.acquire(blocking=not item.there or wait):
            return item.value
        try:
            _make(item, version, make)
            return item.value
        finally:
            item.lock.release()

    def forget(self, key: Hashable) -> None:
        """Drops a value."""
        with self._lock:
            self._values.pop(key, None)


def _make(item: _Value, version: Hashable, make: Callable[[], Any]) -> None:
    if not item.there or item.version != version:
        started = time.monotonic()
        value = make()
        item.value, item.version, item.there = value, version, True
        item.made, item.cost = time.monotonic(), time.monotonic() - started


def _make_anew(item: _Value, version: Hashable, make: Callable[[], Any], context: Any) -> None:
    """Makes a value whose lock is held; where that fails, who asks next hears why."""
    add_script_run_ctx(threading.current_thread(), context)
    try:
        _make(item, version, make)
    except Exception as error:
        item.failure = error
    finally:
        item.lock.release()


@st.cache_resource
def kept() -> Kept:
    """The one of this server."""
    return Kept()
