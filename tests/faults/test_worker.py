"""The real worker process, killed, cancelled and hindered while it works."""

import os
import signal
import subprocess
import sys

from ptlib.runs import api, progress, queue, select, supervise, tables
from ptlib.store import Store


def has_cuda():
    import torch

    return torch.cuda.is_available()


def pause(store):
    """Stops the worker while it holds no lock of the database: this process holds it."""
    with store.write():
        for worker in supervise.workers(store):
            os.kill(worker["pid"], signal.SIGSTOP)


def kill(store):
    """Kills the worker between two of its transactions; returns the keys of the cells it was at."""
    with store.write() as db:
        begun = {row[0] for row in db.execute("SELECT key FROM run_cells WHERE state = 'running' AND started IS NOT NULL")}
        for worker in supervise.workers(store):
            os.kill(worker["pid"], signal.SIGKILL)
        supervise.started_here(store)[0].wait()
    return begun


def test_kill_in_mid_run_loses_nothing_and_repeats_nothing(store, library, cells, tmp_path, until):
    run = queue.start(store, cells, "all", "test")
    supervise.ensure_worker(store)
    until(lambda: progress.progress(store, run).done >= 5)
    begun = kill(store)
    finished = store.results([cell.key for cell in cells])
    assert 5 <= len(finished) < len(cells)
    for key in finished.index:
        assert store.result_arrays(key)
    item = api.wait(store, run)
    assert (item.state, item.done) == ("done", len(cells))
    with store.read() as db:
        attempts = dict(tuple(row) for row in db.execute("SELECT key, attempts FROM run_cells"))
    again = {key for key, count in attempts.items() if count != 1}
    assert again == begun - set(finished.index), "only what was cut off is begun again"
    after = store.results(list(finished.index))
    assert (after.created == finished.created).all(), "a finished cell was computed again"

    clean = Store(tmp_path / "clean")
    api.wait(clean, queue.start(clean, cells, "all", "test"))
    keys = sorted(cell.key for cell in cells)
    columns = ["value", "ci_low", "ci_high", "n", "tensor"]
    assert store.results(keys)[columns].sort_index().equals(clean.results(keys)[columns].sort_index())


def test_cancel_takes_effect_soon_and_resume_goes_on(store, cells, until):
    run = queue.start(store, cells, "all", "test")
    supervise.ensure_worker(store)
    until(lambda: progress.progress(store, run).done >= 1)
    queue.cancel(store, run)
    until(lambda: not progress.progress(store, run).open, seconds=10)
    item = progress.progress(store, run)
    assert item.done + item.cancelled == len(cells)
    queue.resume(store, run)
    assert api.wait(store, run).state == "done"


def test_a_worker_that_does_not_listen_is_ended(store, cells, until):
    """The worker is stopped (SIGSTOP), so that it can look up no cancel and answer no SIGTERM."""
    run = queue.start(store, cells, "all", "test")
    supervise.ensure_worker(store)
    until(lambda: progress.progress(store, run).done >= 1)
    pause(store)
    supervise.cancel(store, run)
    item = progress.progress(store, run)
    assert item.cancelled
    assert not item.open
    assert supervise.started_here(store)[0].wait(timeout=10) == -signal.SIGKILL


def test_a_worker_that_hangs_is_replaced(store, cells, monkeypatch, until):
    """It holds the device's lock, so without an end to it no other could start."""
    monkeypatch.setattr(queue, "LEASE_SECONDS", 4)
    run = queue.start(store, cells, "all", "test")
    supervise.ensure_worker(store)
    until(lambda: progress.progress(store, run).done >= 1)
    pause(store)
    first = supervise.started_here(store)[0]
    assert api.wait(store, run).done == len(cells)
    assert first.wait(timeout=10) == -signal.SIGKILL


def test_a_cancel_while_the_model_is_loaded_needs_no_one_to_watch(store, cells, until):
    run = queue.start(store, cells, "all", "test")
    supervise.ensure_worker(store)
    until(lambda: progress.progress(store, run).running)
    queue.cancel(store, run)
    until(lambda: not progress.progress(store, run).open, seconds=10)
    assert progress.progress(store, run).cancelled


def test_another_program_with_the_number_of_a_dead_worker_is_left_alone(store, cells):
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    run = queue.start(store, cells, "all", "test")
    queue.beat(store, "dead", "cpu", "")
    queue.claim(store, "dead")
    with store.write() as db:
        db.execute("UPDATE workers SET pid = ?, heartbeat = heartbeat - 999", [other.pid])
    queue.cancel(store, run)
    with store.write() as db:
        db.execute("UPDATE runs SET cancelled = cancelled - 999")
    supervise.enforce_cancel(store)
    assert progress.progress(store, run).cancelled == len(cells)
    assert other.poll() is None
    other.kill()
    other.wait()


def test_a_device_that_is_not_here_fails_cells_with_a_sentence(store, cells, until):
    run = queue.start(store, cells[:3], "some", "test")
    supervise.ensure_worker(store, "cuda:7" if not has_cuda() else "mps")
    until(lambda: not progress.progress(store, run).open)
    assert progress.errors(store, run).error.str.contains("this device is not here").all()


def test_a_damaged_array_is_computed_again_and_that_is_said(store, library, caplog):
    selection = select(library, baselines=False)
    values, done = api.stimulations(store, library, selection, "test")
    with store.read() as db:
        tensor = db.execute("SELECT tensor FROM results WHERE key = ?", [done[2].key]).fetchone()[0]
    path = store.folder / "tensors" / tensor[:2] / f"{tensor}.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    again, _ = api.stimulations(store, library, selection, "test")
    assert (again.values == values.values).all()
    assert "damaged" in caplog.text


def test_only_one_worker_for_a_device(store, cells, until):
    run = queue.start(store, cells, "all", "test")
    supervise.ensure_worker(store)
    until(lambda: supervise.workers(store))
    second = subprocess.run([sys.executable, "-m", "ptlib.runs.worker", "--cache", str(store.folder)], timeout=60, check=False)
    assert second.returncode == 0
    assert len(supervise.workers(store)) == 1
    api.wait(store, run)


def test_a_worker_told_to_end_gives_its_cells_back(store, cells, until):
    run = queue.start(store, cells, "all", "test")
    supervise.ensure_worker(store)
    until(lambda: progress.progress(store, run).done >= 1)
    for worker in supervise.workers(store):
        os.kill(worker["pid"], signal.SIGTERM)
    supervise.started_here(store)[0].wait(timeout=20)
    item = progress.progress(store, run)
    assert item.running == 0
    assert supervise.workers(store) == []


def test_a_read_only_tensor_folder_fails_cells_with_a_sentence(store, library, cells):
    (store.folder / "tensors").write_text("in the way")
    run = queue.start(store, cells[:3], "some", "test")
    item = api.wait(store, run)
    assert (item.state, item.failed) == ("failed", 3)
    assert progress.errors(store, run).error.str.len().gt(20).all()
    (store.folder / "tensors").unlink()
    queue.resume(store, run)
    assert api.wait(store, run).state == "done"
    assert not tables.missing(store, cells[:3])
