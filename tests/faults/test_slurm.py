"""Slurm's engine through submitit's local executor: real jobs, as processes of this machine."""

import os
import signal

import psutil
import pytest

from ptlib.errors import RunError
from ptlib.runs import api, plan, progress, queue, score_cells, select, supervise
from ptlib.runs.executors.slurm import parameters

pytest.importorskip("submitit", reason="submitit is an optional engine and is not installed")


@pytest.fixture(autouse=True)
def local_cluster(monkeypatch):
    monkeypatch.setenv("PTLIB_SLURM_CLUSTER", "local")
    monkeypatch.setenv("PTLIB_SLURM_JOBS", "2")
    monkeypatch.setenv("PTLIB_SLURM", "timeout_min=5")


def jobs():
    return [
        process
        for process in psutil.process_iter(["cmdline"])
        if any("submitit.core._submit" in part for part in process.info["cmdline"] or [])
    ]


@pytest.fixture
def cells(library):
    """Of two tasks: every batch is a job, and a job starts Python and loads the PLM."""
    return plan(library, select(library, tasks=["films", "pairs"]))


def test_jobs_give_what_a_local_run_gives_and_a_killed_one_is_repeated(store, library, cells, until, same_as_local):
    many = cells + score_cells(library, select(library, limit=20, tasks=["films"]))
    run = queue.start(store, many, "all", "test", engine="slurm")
    supervise.ensure_worker(store)
    until(lambda: progress.progress(store, run).done >= 1)
    for process in until(jobs):
        process.send_signal(signal.SIGKILL)
    item = api.wait(store, run)
    assert (item.state, item.done) == ("done", len(many))
    assert any("The Slurm job" in line for _, line in progress.log_of(store, run))
    same_as_local(store, many)
    supervise.end_workers(store)
    assert list((store.folder / "slurm").glob("batch-*")) == []


def test_what_jobs_finished_for_a_writer_that_was_killed_is_kept(store, library, cells, until, same_as_local):
    run = queue.start(store, cells, "all", "test", engine="slurm")
    supervise.ensure_worker(store)
    worker = supervise.started_here(store)[0]
    until(lambda: list((store.folder / "slurm").glob("batch-*/job")))
    os.kill(worker.pid, signal.SIGSTOP)
    left = until(lambda: list((store.folder / "slurm").glob("batch-*/*.parcel")))
    before = progress.progress(store, run).done
    os.kill(worker.pid, signal.SIGKILL)
    worker.wait()
    assert left
    item = api.wait(store, run)
    assert item.done == len(cells) > before
    same_as_local(store, cells)


def test_settings_are_read_or_refused():
    assert parameters("slurm_partition=gpu gpus_per_node=1") == {"slurm_partition": "gpu", "gpus_per_node": 1}
    with pytest.raises(RunError, match="PTLIB_SLURM"):
        parameters("--gpus 1")


def test_no_slurm_here_is_a_sentence(store, cells, monkeypatch):
    monkeypatch.setenv("PTLIB_SLURM_CLUSTER", "slurm")
    run = queue.start(store, cells[:2], "all", "test", engine="slurm")
    assert api.wait(store, run).failed == 2
    assert progress.errors(store, run).error.str.contains("cannot be handed to Slurm").all()
