"""Values that may lag are made beside whoever asks; the others are made by the first who asks."""

import threading
import time
from types import SimpleNamespace

import pytest

from dashboard import crowd, data
from dashboard.kept import Kept


@pytest.fixture(autouse=True)
def alone(monkeypatch):
    monkeypatch.setattr(crowd, "thinned", lambda: 1.0)


def with_old():
    """What keeps "old" for "a", made so long ago that it may be made again."""
    kept = Kept()
    assert kept.get("a", 1, lambda: "old") == "old"
    time.sleep(0.01)
    return kept


def until(what, seconds=10):
    end = time.monotonic() + seconds
    while not what() and time.monotonic() < end:
        time.sleep(0.01)
    assert what()


def test_made_once_a_version():
    kept, made = Kept(), []
    for version in (1, 1, 2, 2, 2):
        assert kept.get("a", version, lambda version=version: made.append(version) or version) == version
    assert made == [1, 2]


def test_what_may_lag_is_made_beside_and_nobody_waits():
    kept, gate = with_old(), threading.Event()

    def slow():
        gate.wait(10)
        return "new"

    # Made by another thread: this one would wait for the gate that it opens itself.
    assert kept.get("a", 2, slow, may_lag=True) == "old"
    assert kept.get("a", 2, slow, may_lag=True) == "old"
    gate.set()
    until(lambda: kept.get("a", 2, slow, may_lag=True) == "new")


def test_who_needs_the_newest_waits_for_it():
    kept, gate = with_old(), threading.Event()
    kept.get("a", 2, lambda: gate.wait(10) and "new", may_lag=True)
    threading.Timer(0.2, gate.set).start()
    assert kept.get("a", 2, lambda: "not asked") == "new"


def test_a_value_that_cost_much_lags_long():
    kept = Kept()
    kept.get("a", 1, lambda: time.sleep(0.2))
    begun = []
    assert kept.get("a", 2, lambda: begun.append(1), may_lag=True) is None
    time.sleep(0.1)
    assert not begun


def test_an_error_beside_is_raised_where_it_is_asked_for_next():
    kept = with_old()

    def broken():
        raise ValueError("no")

    assert kept.get("a", 2, broken, may_lag=True) == "old"
    with pytest.raises(ValueError, match="no"):
        until(lambda: kept.get("a", 2, lambda: time.sleep(0.01), may_lag=True) != "old")
    assert kept.get("a", 1, broken, may_lag=True) == "old"


def test_what_is_old_is_made_by_who_asks(monkeypatch):
    kept = with_old()
    monkeypatch.setattr("dashboard.kept.OLD_SECONDS", 0.005)
    assert kept.get("a", 2, lambda: "new", may_lag=True) == "new"


def test_what_is_made_of_a_result_is_made_again_of_another():
    view, one, other = SimpleNamespace(selection="kept of a result"), [1], [1]
    made = [data.of_found(view, "sum", found, lambda found=found: [sum(found)]) for found in (one, one, other, other)]
    assert made[0] is made[1] is not made[2] is made[3]
    assert data.of_found(view, "least", other, lambda: min(other)) == 1
