"""A training in the real worker: killed with -9 in its middle, cancelled and resumed, always to the same bits."""

import dataclasses
import os
import signal

import numpy as np
import pytest

from ptlib.library import Library
from ptlib.runs import api, progress, queue, supervise, training
from ptlib.store import Store
from ptlib.transfer.settings import TrainingSettings

LONG = TrainingSettings(5, steps=400, batch=8, lr=0.05, evaluate_every=10)


@pytest.fixture
def home(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path / "data" / "ptlib" / "prompts" / "tiny-1"


def steps_of(store, cell):
    """How far the last checkpoint is."""
    found = training.arrays_of(store, [cell.key])
    return int(found[cell.key]["curve"][-1, 0]) if found and len(found[cell.key]["curve"]) else 0


def test_kill_9_and_cancel_cost_a_second_and_change_no_bit(store, library, tmp_path, until, home):
    cell = training.training_cell(library, "tiny-1", "films", LONG)
    run = queue.start(store, [cell], "training", "test")
    supervise.ensure_worker(store)
    reached = until(lambda: steps_of(store, cell), 150)
    assert reached < LONG.steps, "it had ended before it could be killed"
    for worker in supervise.workers(store):
        os.kill(worker["pid"], signal.SIGKILL)
    supervise.started_here(store)[0].wait()
    assert steps_of(store, cell) >= reached
    supervise.keep_going(store)
    until(lambda: steps_of(store, cell) > reached or store.present([cell.key]), 150)
    if not store.present([cell.key]):
        supervise.cancel(store, run)
        until(lambda: not progress.progress(store, run).open)
        queue.resume(store, run)
    assert api.wait(store, run).state == "done"
    found = store.result_arrays(cell.key)
    assert sorted(path.name for path in home.glob("*")) == ["films-random-s0.safetensors"]
    assert np.array_equal(Library.open().prompt("tiny-1/films-random-s0").load().values, found["best"])

    clean = Store(tmp_path / "clean")
    api.wait(clean, queue.start(clean, [dataclasses.replace(cell, prompt_name="")], "training", "test"))
    whole = clean.result_arrays(cell.key)
    for name in ("best", "last", "curve", "activated"):
        assert np.array_equal(found[name], whole[name], equal_nan=found[name].dtype.kind == "f"), name
