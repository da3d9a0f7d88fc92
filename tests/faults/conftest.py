"""What tests of real worker processes share."""

import os
import signal
import time

import pytest

from ptlib.runs import plan, select
from tests.hands import end_started


@pytest.fixture
def cells(library):
    return plan(library, select(library))


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, tiny_library):
    """Workers read the tiny library; none outlives its test."""
    monkeypatch.setenv("PTLIB_LIBRARY", str(tiny_library))
    yield
    end_started()


@pytest.fixture
def until():
    """Waits for a condition; fails the test when it does not come."""

    def waiting(condition, seconds=60):
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if found := condition():
                return found
            time.sleep(0.02)
        return pytest.fail("waited too long")

    return waiting


@pytest.fixture
def same_as_local(library, tmp_path):
    """Whether a store holds, to the digit, what a local evaluation of cells gives."""
    from ptlib.runs import queue
    from ptlib.store import Store
    from tests.hands import work

    def compare(store, cells):
        other = Store(tmp_path / "local")
        queue.start(other, cells, "all", "test")
        work(other, library)
        keys = sorted(cell.key for cell in cells)
        columns = ["kind", "value", "ci_low", "ci_high", "n", "tensor", "metric"]
        return store.results(keys)[columns].sort_index().equals(other.results(keys)[columns].sort_index())

    return compare


def children(pid):
    """Living processes below one."""
    import psutil

    try:
        return [process for process in psutil.Process(pid).children(recursive=True) if process.status() != psutil.STATUS_ZOMBIE]
    except psutil.NoSuchProcess:
        return []


def kill(pid):
    os.kill(pid, signal.SIGKILL)
