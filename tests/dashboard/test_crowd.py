"""Many sessions look less often, each as often as the others, and again as before when the others have gone."""

from types import SimpleNamespace

import pytest

from dashboard import crowd


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands, and a door through which sessions come."""
    now = SimpleNamespace(value=0.0)
    monkeypatch.setattr(crowd.time, "monotonic", lambda: now.value)
    crowd._sessions.clear()

    def as_session(name):
        monkeypatch.setattr(crowd, "get_script_run_ctx", lambda: SimpleNamespace(session_id=name))

    yield now, as_session
    crowd._sessions.clear()


def test_few_are_not_slowed_and_many_share(clock):
    _, as_session = clock
    for number in range(20):
        as_session(f"session-{number}")
        assert crowd.paced(2.0) == pytest.approx(2.0 * max(1.0, (number + 1) / crowd.FEW))
    as_session("session-3")
    assert crowd.here() == 20


def test_who_is_not_seen_any_more_does_not_count(clock):
    now, as_session = clock
    for number in range(10):
        as_session(f"session-{number}")
        crowd.here()
    now.value += crowd.GONE_SECONDS / 2
    as_session("session-0")
    crowd.here()
    now.value += crowd.GONE_SECONDS / 2 + 1
    assert crowd.here() == 1
    assert crowd.paced(1.0) == 1.0
