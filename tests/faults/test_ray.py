"""A real Ray cluster of two nodes on this machine; an actor and a node are killed in mid-run."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from ptlib.runs import api, executors, progress, queue, score_cells, select, supervise
from ptlib.store import Store

pytestmark = [
    pytest.mark.timeout(280),
    pytest.mark.skipif(not executors.here("ray"), reason="Ray is an optional engine and is not installed"),
]


@pytest.fixture
def cluster(monkeypatch, tmp_path):
    """Two nodes with a CPU each, on loopback, with a token; gives the second one's process."""
    token, port = tmp_path / "token", free_port()
    token.write_text("0123456789abcdef" * 4)
    told = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": str(token), "RAY_USAGE_STATS_ENABLED": "0", "RAY_health_check_period_ms": "500",
            "RAY_health_check_failure_threshold": "3", "RAY_health_check_initial_delay_ms": "500", "PTLIB_RAY_ADDRESS": f"127.0.0.1:{port}"}  # fmt: skip
    for name, value in told.items():
        monkeypatch.setenv(name, value)
    start = [str(Path(sys.executable).with_name("ray")), "start", "--block", "--num-cpus=1", "--node-ip-address=127.0.0.1",
             f"--object-store-memory={100 * 2**20}"]  # fmt: skip
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    head = subprocess.Popen([*start, "--head", f"--port={port}", "--include-dashboard=false", f"--temp-dir=/tmp/ptlib-ray-{port}"], **quiet)
    while socket.socket().connect_ex(("127.0.0.1", port)):
        time.sleep(0.1)
    second = subprocess.Popen([*start, f"--address=127.0.0.1:{port}", "--min-worker-port=20000", "--max-worker-port=20999"], **quiet)
    yield second
    for node in (second, head):
        destroy(node)
    shutil.rmtree(f"/tmp/ptlib-ray-{port}", ignore_errors=True)


def free_port():
    with socket.socket() as place:
        place.bind(("127.0.0.1", 0))
        return place.getsockname()[1]


def destroy(node):
    """A node dies with everything on it."""
    if node.poll() is None:
        for process in [*psutil.Process(node.pid).children(recursive=True), psutil.Process(node.pid)]:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        node.wait()


def actors():
    """Processes of ours that Ray runs."""
    return [process for process in psutil.process_iter(["cmdline"]) if any("Hand" in part for part in process.info["cmdline"] or [])
            and any("ray::" in part for part in process.info["cmdline"])]  # fmt: skip


def finished(store, run):
    return progress.progress(store, run).done


def test_a_node_and_an_actor_die_and_the_run_is_as_complete_as_a_local_one(store, library, cells, cluster, until, same_as_local):
    # The same prompts on ever more examples: enough work for both to be killed in the middle of it.
    many = cells + [cell for limit in range(20, 60, 4) for cell in score_cells(library, select(library, limit=limit))]
    run = queue.start(store, many, "all", "test", engine="ray")
    supervise.ensure_worker(store)
    until(lambda: finished(store, run) >= 5, 120)
    assert progress.progress(store, run).open
    victim = until(actors)[0]
    os.kill(victim.pid, signal.SIGKILL)
    at = finished(store, run)
    until(lambda: finished(store, run) > at + 20, 120)
    assert progress.progress(store, run).open
    destroy(cluster)
    item = api.wait(store, run)
    assert (item.state, item.done) == ("done", len(many))
    assert any("The Ray actor died" in line for _, line in progress.log_of(store, run))
    same_as_local(store, many)


def test_a_cluster_of_ones_own_listens_on_loopback_only_and_leaves_nothing_behind(store, cells, until, same_as_local):
    run = queue.start(store, cells, "all", "test", engine="ray")
    supervise.ensure_worker(store)
    worker = until(lambda: supervise.started_here(store))[0]
    until(lambda: finished(store, run) >= 1, 120)
    below = psutil.Process(worker.pid).children(recursive=True)
    heard = {place.laddr.ip for process in [psutil.Process(worker.pid), *below] if process.is_running()
             for place in process.net_connections("inet") if place.status == psutil.CONN_LISTEN}  # fmt: skip
    assert heard <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}
    assert (store.folder / "ray-token").stat().st_mode & 0o077 == 0
    assert api.wait(store, run).state == "done"
    supervise.end_workers(store)
    until(lambda: not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in below), 30)
    same_as_local(store, cells)


def test_a_cancel_reaches_the_actors_and_a_resume_goes_on(store, library, cluster, until):
    many = [cell for limit in range(20, 60, 4) for cell in score_cells(library, select(library, limit=limit))]
    run = queue.start(store, many, "all", "test", engine="ray")
    supervise.ensure_worker(store)
    until(lambda: finished(store, run) >= 1, 120)
    supervise.cancel(store, run)
    until(lambda: not progress.progress(store, run).open, 20)
    item = progress.progress(store, run)
    assert item.cancelled
    assert item.done + item.cancelled == len(many)
    queue.resume(store, run)
    assert api.wait(store, run).done == len(many)


def test_a_cluster_that_is_not_there_is_a_sentence(tmp_path, cells, monkeypatch):
    monkeypatch.setenv("PTLIB_RAY_ADDRESS", "127.0.0.1:1")
    store = Store(tmp_path / "cache")
    run = queue.start(store, cells[:2], "all", "test", engine="ray")
    item = api.wait(store, run)
    assert item.failed == 2
    assert progress.errors(store, run).error.str.contains("Ray cluster cannot be reached").all()
