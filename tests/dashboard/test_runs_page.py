"""The Runs page: what its buttons do to the queue, studies, errors; and that no page asks for anything when nothing runs."""

import time

import pytest

from ptlib.library import Library
from ptlib.runs import plan, progress, queue, score_cells, select, supervise
from ptlib.store import Store
from tests.dashboard.reading import text
from tests.sessions import Session, server


@pytest.fixture
def open_run(tiny_library, tmp_path, monkeypatch):
    """A store, its library and a queued run that no worker takes."""
    monkeypatch.setattr(supervise, "ensure_worker", lambda *_: None)
    store, library = Store(tmp_path / "cache"), Library.open([tiny_library])
    return store, library, queue.start(store, plan(library, select(library)), "mine", "test")


@pytest.fixture(scope="module")
def serving(full_cache, tiny_library, tmp_path_factory):
    """The port of a server on a cache in which everything is computed."""
    with server(tmp_path_factory.mktemp("serving"), {"PTLIB_CACHE": str(full_cache), "PTLIB_LIBRARY": str(tiny_library)}) as (port, _):
        yield port


def button(test, label):
    return next(button for button in test.button if button.label == label)


def test_pause_resume_priority_and_cancel_reach_the_queue(app, open_run):
    store, _, run = open_run
    test = app("runs", store.folder)
    button(test, "Pause").click().run()
    assert progress.progress(store, run).state == "paused"
    assert "nothing of it is evaluated until it is resumed" in text(test)
    button(test, "Resume").click().run()
    assert progress.progress(store, run).state == "queued"
    test.number_input(key=f"priority-{run}").set_value(7).run()
    assert progress.progress(store, run).priority == 7
    button(test, "Cancel").click().run()
    assert progress.progress(store, run).state == "cancelled"
    assert not test.exception


def test_what_comes_first_and_what_failed_is_said_and_failed_cells_are_retried(app, open_run):
    store, library, first = open_run
    cells = score_cells(library, select(library, limit=20, tasks=["films"]))
    second = queue.start(store, cells, "later", "test")
    test = app("runs", store.folder)
    assert f"{progress.progress(store, first).total} cells of other runs come first" in text(test)
    queue.cancel(store, first)
    claimed = queue.claim(store, "w")
    queue.finish(store, [claimed[0].key], "failed", "the disk is on fire")
    for cell in claimed[1:]:
        queue.finish(store, [cell.key])
    test = app("runs", store.folder)
    table = next(frame.value for frame in test.dataframe if "error" in frame.value)
    assert table[["task", "error"]].to_numpy().tolist() == [["films", "the disk is on fire"]]
    assert any("the disk is on fire" in code.value for code in test.code), "the run's log"
    button(test, "Retry failed").click().run()
    item = progress.progress(store, second)
    assert (item.failed, item.state) == (0, "running")


def test_a_study_is_opened_and_only_what_is_missing_is_started(app, open_run):
    store, _, _ = open_run
    study = '[[select]]\nplm = "tiny-1"\nsources = ["films"]\nseeds = [0]\nbaselines = false\ntasks = ["films", "meals"]\n'
    test = app("runs", store.folder)
    test.file_uploader(key="open-study").set_value(("two.toml", study.encode(), "text/plain")).run()
    assert "3 cells, 0 there, 3 missing" in text(test)
    button(test, "Start what is missing").click().run()
    assert {"two"} <= {item.title for item in progress.all_progress(store) if item.total == 3}
    test.file_uploader(key="open-study").set_value(("bad.toml", b"[[select]]\nplms = 1", "text/plain")).run()
    assert "unknown field" in text(test)
    assert not test.exception


@pytest.mark.parametrize("page", ["transfer", "correlation", "runs"])
def test_a_page_asks_for_nothing_while_nothing_runs(serving, page):
    """A session opens it and stays: when what it computes is there, the server is not asked to draw any part again."""
    session = Session(serving, 0, 1e-3, "plm=tiny-1", pages=(page,))
    session.start()
    since, end, drawn = time.monotonic(), time.monotonic() + 120, -1
    # What a page computes beside itself it waits for; then it is quiet, and stays so.
    while time.monotonic() < min(end, since + 4):
        session.think = 1e4 if session.visits else session.think
        if len(session.visits) < 2 or session._timers or len(session.fragments) != drawn:
            since, drawn = time.monotonic(), len(session.fragments)
        time.sleep(0.1)
    session.stop.set()
    assert session.failure == ""
    assert session.visits[-1].page == page
    assert time.monotonic() < end, "it asked for parts all the while"
