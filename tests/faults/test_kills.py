"""kill -9 at random moments, of workers and of the page's server, and the signals of a user: nothing finished is lost or done twice."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import psutil
import pytest

from ptlib.runs import api, plan, progress, queue, score_cells, select, supervise
from ptlib.store import Store
from tests.sessions import ROOT, free_port, server, until_healthy

KILLS = 4
PATIENCE_SECONDS = 200
"""For a worker to finish a cell; on a machine that is busy with other things it takes long to load the PLM."""


def many_cells(library):
    return plan(library, select(library)) + [
        cell for limit in range(20, 60, 8) for cell in score_cells(library, select(library, limit=limit))
    ]


def ours(cache):
    """Living processes that name a cache on their command line, and those below them."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        if process.info["status"] != psutil.STATUS_ZOMBIE and any(str(cache) in part for part in process.info["cmdline"] or []):
            found.append(process)
    return found


def kill_at_random(store, library, seed, kills):
    """Runs cells while workers are killed at random moments; gives (kills, cells, lost, evaluated twice)."""
    cells, rng, done, finished = many_cells(library), Random(seed), 0, {}
    twice = lost = 0
    run = queue.start(store, cells, "killed", "test")
    keys = [cell.key for cell in cells]
    loading = False
    while progress.progress(store, run).open and done < kills:
        supervise.keep_going(store)
        # Now and then while the PLM is loaded, never twice in a row: three deaths at one place are a failure, as they should be.
        loading = not loading and rng.random() < 0.25
        seen, end = progress.progress(store, run).done, time.monotonic() + PATIENCE_SECONDS
        while not loading and progress.progress(store, run).done <= seen and time.monotonic() < end:
            time.sleep(0.02)
        time.sleep(rng.random() * (2.0 if loading else 0.4))
        for worker in supervise.started_here(store):
            if worker.poll() is None:
                worker.send_signal(signal.SIGKILL)
                worker.wait()
                done += 1
        now = store.results(keys).created.to_dict()
        lost += len(set(finished) - set(now))
        twice += sum(now[key] != at for key, at in finished.items() if key in now)
        finished = now
        supervise._last.clear()
    item = api.wait(store, run)
    now = store.results(keys).created.to_dict()
    twice += sum(now[key] != at for key, at in finished.items())
    return done, len(keys), lost + len(keys) - len(now) + item.failed, twice


@pytest.mark.timeout(250)
def test_workers_killed_at_random_moments(store, library, same_as_local):
    kills, _, lost, twice = kill_at_random(store, library, 0, KILLS)
    assert kills >= 3
    assert (lost, twice) == (0, 0)
    same_as_local(store, many_cells(library))


@pytest.fixture
def environment(tmp_path, tiny_library):
    return {"PTLIB_CACHE": str(tmp_path / "cache"), "PTLIB_LIBRARY": str(tiny_library)}


def test_the_killed_server_comes_back_and_its_run_goes_on(tmp_path, library, environment, until):
    store = Store(tmp_path / "cache")
    with server(tmp_path, environment) as (port, door):
        run = queue.start(store, many_cells(library), "served", "test")
        until(lambda: progress.progress(store, run).done >= 1)
        page = next(process for process in psutil.Process(door.pid).children() if "streamlit" in process.cmdline())
        page.kill()
        page.wait(10)
        until_healthy(port)
        assert door.poll() is None
        until(lambda: not progress.progress(store, run).open)
        assert progress.progress(store, run).state == "done"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_no_process_and_the_run_resumes(tmp_path, library, environment, until, number):
    store = Store(tmp_path / "cache")
    with server(tmp_path, environment) as (_, door):
        run = queue.start(store, many_cells(library), "served", "test")
        until(lambda: progress.progress(store, run).done >= 1)
        below = psutil.Process(door.pid).children(recursive=True)
        assert any("ptlib.runs.worker" in process.cmdline() for process in below)
        door.send_signal(number)
        assert door.wait(30) == 0
        until(lambda: not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in below), 10)
        assert ours(tmp_path / "cache") == []
        item = progress.progress(store, run)
        assert item.running == 0
        assert item.failed == 0
    if number == signal.SIGTERM:
        with server(tmp_path, environment):
            until(lambda: not progress.progress(store, run).open)
        assert progress.progress(store, run).state == "done"


def test_two_servers_share_a_cache_and_the_workers_stay_for_the_other(tmp_path, library, environment, until):
    store = Store(tmp_path / "cache")
    with server(tmp_path, environment) as (_, one), server(tmp_path, environment):
        run = queue.start(store, many_cells(library), "served", "test")
        until(lambda: progress.progress(store, run).done >= 1)
        assert len(supervise.workers(store)) == 1
        one.send_signal(signal.SIGTERM)
        assert one.wait(30) == 0
        until(lambda: not progress.progress(store, run).open)
        item = progress.progress(store, run)
        assert item.state == "done"
        with store.read() as db:
            assert db.execute("SELECT max(attempts) FROM run_cells").fetchone()[0] == 1


def test_a_server_that_cannot_start_ends_with_its_code(tmp_path, environment):
    done = subprocess.run([sys.executable, "-m", "dashboard.serve", "--server.port", "nonsense"], cwd=ROOT, capture_output=True, text=True, timeout=60,
                          env={**os.environ, "PYTHONPATH": str(ROOT), **environment}, check=False)  # fmt: skip
    assert done.returncode != 0
    assert "nonsense" in done.stderr


def test_a_reboot_is_survived(store, library, cells, monkeypatch, tmp_path):
    """What an earlier start of the machine said to be alive is not, whatever its process numbers are now."""
    run = queue.start(store, cells[:4], "some", "test")
    queue.beat(store, "local-auto-1.1.abc", "cpu", "")
    assert queue.claim(store, "local-auto-1.1.abc")
    with store.write() as db:
        db.execute("UPDATE workers SET boot = 'another', pid = ?, heartbeat = heartbeat + 1e6", [os.getpid()])
    assert api.wait(store, run).state == "done"
    assert Path(store.folder).is_dir()
    assert free_port()
