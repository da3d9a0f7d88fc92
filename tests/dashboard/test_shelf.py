"""The library as pages read it: again now and then, beside them where it takes long."""

from __future__ import annotations

import threading
import time

import pytest

from dashboard import data
from ptlib.errors import PtlibError
from ptlib.library import Library
from tests.conftest import write_task


class Slow:
    """Stands in the place of ``Library.open``: reads a folder, once it may."""

    def __init__(self, folder):
        self.folder, self.reads, self.may = folder, 0, threading.Event()
        self.may.set()
        self._open = Library.open

    def __call__(self):
        assert self.may.wait(20)
        self.reads += 1
        return self._open([self.folder])


@pytest.fixture
def slow(tmp_path, monkeypatch):
    write_task(tmp_path / "tasks", "one", "sentiment", ["negative", "positive"])
    found = Slow(tmp_path)
    monkeypatch.setattr(data.Library, "open", found)
    monkeypatch.setattr(data, "LIBRARY_SECONDS", 0.0)
    monkeypatch.setattr(data, "PATIENCE", 0.01)
    return found


def another(slow):
    write_task(slow.folder / "tasks", "two", "nli", ["no", "yes"])


def test_what_did_not_change_stays_the_same_object(slow, monkeypatch):
    monkeypatch.setattr(data, "PATIENCE", 20.0)
    monkeypatch.setattr(data, "LIBRARY_SECONDS", 0.05)
    shelf = data.Shelf()
    first = shelf.library()
    time.sleep(0.1)
    assert shelf.library() is first
    assert slow.reads == 2
    assert shelf.version == 1


def test_a_page_goes_on_with_the_last_one_while_it_is_read_anew(slow):
    shelf = data.Shelf()
    first = shelf.library()
    slow.may.clear()
    another(slow)
    assert shelf.library() is first
    assert shelf.library() is first
    slow.may.set()
    end = time.monotonic() + 20
    while "two" not in shelf.library().tasks and time.monotonic() < end:
        time.sleep(0.01)
    assert sorted(shelf.library().tasks) == ["one", "two"]
    assert shelf.version == 2


def test_who_put_something_into_it_waits_for_it(slow):
    shelf = data.Shelf()
    shelf.library()
    slow.may.clear()
    another(slow)
    shelf.look_again()
    threading.Timer(0.2, slow.may.set).start()
    assert sorted(shelf.library().tasks) == ["one", "two"]


def test_what_is_put_into_it_while_it_is_read_is_not_missed(slow, monkeypatch):
    shelf = data.Shelf()
    shelf.library()
    begun, go_on = threading.Event(), threading.Event()
    read = slow.__call__

    def held():
        found = read()
        begun.set()
        assert go_on.wait(20)
        return found

    monkeypatch.setattr(data.Library, "open", held)
    assert shelf.library() is not None
    assert begun.wait(20)
    another(slow)
    shelf.look_again()
    go_on.set()
    assert sorted(shelf.library().tasks) == ["one", "two"]


def test_a_library_that_cannot_be_read_is_said_to_each_who_asks_and_then_read(slow, monkeypatch):
    monkeypatch.setattr(data, "LIBRARY_SECONDS", 60.0)
    read = slow.__call__
    monkeypatch.setattr(data.Library, "open", lambda: (_ for _ in ()).throw(PtlibError("no such disk")))
    shelf = data.Shelf()
    for _ in range(2):
        with pytest.raises(PtlibError, match="no such disk"):
            shelf.library()
    monkeypatch.setattr(data.Library, "open", read)
    assert list(shelf.library().tasks) == ["one"]
