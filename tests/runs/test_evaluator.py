"""What an evaluating process keeps: PLMs within a budget, batch sizes that fitted, parcels that travel."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from ptlib.errors import RunError
from ptlib.runs import queue, score_cells, select
from ptlib.runs.evaluator import Evaluator, memory_budget
from ptlib.runs.material import deliver, gather
from ptlib.runs.parcel import Batch, Parcel


@pytest.fixture
def films(library):
    return score_cells(library, select(library, tasks=["films"], seeds=[0], baselines=False))


def test_the_least_recently_used_plm_goes_when_memory_is_short(store, library, films):
    half = [replace(cell, dtype="bfloat16") for cell in films]
    small, large = Evaluator(library, "cpu", budget=1), Evaluator(library, "cpu", budget=2**30)
    for evaluator, left in ((small, ["tiny-1 float32"]), (large, ["tiny-1 bfloat16", "tiny-1 float32"])):
        for cells in (half, films):
            evaluator._plm(cells[0], gather(store, library, cells))
        assert evaluator.loaded == left
        evaluator.free()
        assert evaluator.loaded == []


def test_how_much_may_stay_loaded(monkeypatch):
    monkeypatch.setenv("PTLIB_PLM_MEMORY", "1.5")
    assert memory_budget("cpu") == 1.5 * 2**30
    monkeypatch.setenv("PTLIB_PLM_MEMORY", "much")
    with pytest.raises(RunError, match="PTLIB_PLM_MEMORY"):
        memory_budget("cpu")


def test_a_batch_size_that_fitted_is_remembered_by_the_store(store, library, films):
    """The PLM takes five rows; the error is the one that a full GPU raises. A new process does not run into it again."""
    queue.start(store, films, "films", "test")
    queue.beat(store, "w", "cpu", "")
    tried = []

    def evaluate(cells):
        evaluator, batch = Evaluator(library, "cpu"), gather(store, library, cells)
        plm = evaluator._plm(cells[0], batch)
        real = plm.answer_hidden

        def small(inputs, *options):
            tried.append(len(inputs.embeds))
            if len(inputs.embeds) > 5:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory")
            return real(inputs, *options)

        plm.answer_hidden = small
        for parcel in evaluator.evaluate(batch):
            deliver(store, "w", next((cell for cell in cells if cell.key == parcel.key), None), parcel)

    cells = queue.claim(store, "w")
    evaluate(cells[:1])
    assert max(tried) > 5
    tried.clear()
    evaluate(cells[1:])
    assert tried
    assert max(tried) <= 5
    assert len(store.results([cell.key for cell in cells])) == len(cells)


def test_batches_and_parcels_travel_as_bytes(store, library, films):
    batch = gather(store, library, films)
    assert Batch.from_bytes(batch.to_bytes()) == batch
    parcel = next(iter(Evaluator(library, "cpu").evaluate(batch)))
    again = Parcel.from_bytes(parcel.to_bytes())
    assert (again.kind, again.key, again.row) == (parcel.kind, parcel.key, parcel.row)
    assert all(np.array_equal(again.arrays[name], parcel.arrays[name]) for name in parcel.arrays)
    with pytest.raises(RunError):
        Parcel.from_bytes(b"no parcel")
