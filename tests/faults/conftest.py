"""What tests of real worker processes share."""

import os
import signal
import time

import numpy as np
import pandas as pd
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
    """Fails where a store does not hold, to the digit, what a local evaluation of cells gives."""
    from ptlib.runs import queue
    from ptlib.store import Store
    from tests.hands import work

    def compare(store, cells):
        other = Store(tmp_path / "local")
        queue.start(other, cells, "all", "test")
        work(other, library)
        keys = sorted({cell.key for cell in cells})
        columns = ["kind", "metric", "value", "ci_low", "ci_high", "n"]
        here, there = (one.results(keys)[columns].sort_index() for one in (store, other))
        assert list(here.index) == list(there.index) == keys
        pd.testing.assert_frame_equal(here, there, check_exact=True)
        for key in keys:
            ours, theirs = store.result_arrays(key), other.result_arrays(key)
            assert ours.keys() == theirs.keys()
            for name, values in ours.items():
                np.testing.assert_array_equal(values, theirs[name], err_msg=f"{name} of {key}")

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
