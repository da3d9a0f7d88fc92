"""Twenty sessions on one server, with 2,000 prompts and 100,000 cells, while a run goes on."""

import pytest

from ptlib.runs import plan, progress, queue, select, tables
from tests.large import make
from tests.sessions import hold, server

SESSIONS, SECONDS = 20, 20
MOST_MEMORY = 3 * 2**30


@pytest.mark.timeout(280)
def test_pages_answer_while_a_run_goes_on_and_memory_is_bounded(tmp_path, until):
    library, store = make(tmp_path)
    missing = tables.missing(store, plan(library, select(library, "tiny-1")))
    assert len(missing) == 3000
    environment = {"PTLIB_CACHE": str(store.folder), "PTLIB_LIBRARY": str(tmp_path / "library"), "PTLIB_DEVICES": "cpu"}
    with server(tmp_path, environment) as (port, door):
        run = queue.start(store, missing, "the rest", "test")
        held = hold(port, door.pid, SESSIONS, SECONDS, think=2.0, query="plm=tiny-1")
        until(lambda: progress.progress(store, run).done)
        assert progress.progress(store, run).open, "it was loaded by a run all the while"
    assert (held.failures, held.words) == ([], [])
    assert len(held.visits) >= SESSIONS
    assert held.fragments, "pages followed the run"
    assert held.memory < MOST_MEMORY
