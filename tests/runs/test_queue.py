"""The queue and the executor in this process; the worker process has its own tests in tests/faults."""

import json

import numpy as np
import pytest

from ptlib.errors import RunError
from ptlib.runs import plan, queue, select, tables
from ptlib.runs.execute import Executor
from ptlib.runs.study import load_study
from ptlib.transfer.evaluate import evaluate


def work(store, library, worker="w"):
    """Everything that is queued, as a worker would."""
    queue.beat(store, worker, "cpu", "")
    executor = Executor(store, library, "cpu")
    while cells := queue.claim(store, worker):
        for cell, error in executor.execute(cells, lambda: False):
            queue.finish(store, [cell.key], "failed" if error else "done", error)


@pytest.fixture
def cells(library):
    return plan(library, select(library, limit=20))


def test_a_run_from_start_to_table(store, library, cells):
    selection = select(library, limit=20)
    run = queue.start(store, cells, "all", "test")
    assert queue.progress(store, run).state == "queued"
    work(store, library)
    item = queue.progress(store, run)
    assert (item.state, item.done, item.total) == ("done", len(cells), len(cells))
    assert item.rate > 0
    table = tables.scores(store, library, selection)
    assert table.value.notna().all()
    assert (table.n == 20).all()
    assert set(table.kind) == {"own", "zero-shot", "random", "none"}
    own = table[table.kind == "own"]
    assert np.allclose(own.relative, 1)
    row = table[(table.prompt == "tiny-1/films-s1") & (table.target == "meals")].iloc[0]
    base = own[(own.target == "meals") & (own.seed == 1)].iloc[0]
    assert row.relative == pytest.approx(row.value / base.value)


def test_the_store_holds_what_evaluate_says(store, library, cells, tiny_plm):
    queue.start(store, cells, "all", "test")
    work(store, library)
    cell = next(cell for cell in cells if cell.prompt_name == "tiny-1/pairs-s0" and cell.task == "doubles")
    expected = next(evaluate(tiny_plm, [library.prompt(cell.prompt_name).load()], library.task("doubles"), limit=20))
    row = store.results([cell.key]).iloc[0]
    assert (row.value, row.ci_low, row.ci_high, row.n) == (expected.value, expected.ci_low, expected.ci_high, 20)
    assert np.array_equal(store.result_arrays(cell.key)["predictions"], expected.predictions)


def test_nothing_is_computed_twice(store, library, cells):
    first = queue.start(store, cells[:20], "one", "test")
    second = queue.start(store, cells[10:30], "two", "test")
    work(store, library)
    assert queue.progress(store, first).state == queue.progress(store, second).state == "done"
    with store.read() as db:
        attempts = db.execute("SELECT key, sum(attempts) AS n FROM run_cells GROUP BY key").fetchall()
    assert {row["n"] for row in attempts} == {1}
    with pytest.raises(RunError, match="nothing to run"):
        queue.start(store, cells[:30], "again", "test")
    assert len(tables.missing(store, cells)) == len(cells) - 30


def test_cancel_and_resume(store, library, cells):
    run = queue.start(store, cells, "all", "test")
    taken = queue.claim(store, "w")
    queue.cancel(store, run)
    assert queue.is_cancelled(store, "w")
    queue.release(store, "w")
    item = queue.progress(store, run)
    assert (item.state, item.cancelled) == ("cancelled", len(cells))
    assert taken
    assert queue.claim(store, "w") == []
    queue.resume(store, run)
    work(store, library)
    assert queue.progress(store, run).state == "done"


def test_a_dead_worker_loses_its_cells_three_times(store, cells):
    run = queue.start(store, cells[:4], "all", "test")
    for _ in range(queue.MAX_ATTEMPTS):
        assert queue.claim(store, "nobody")
        queue.bury(store)
    item = queue.progress(store, run)
    assert (item.state, item.failed) == ("failed", 4)
    assert "died 3 times" in queue.errors(store, run).error.iloc[0]


def test_one_bad_prompt_fails_alone(tiny_library, store, tmp_path):
    import shutil

    from ptlib.library import Library

    folder = tmp_path / "library"
    shutil.copytree(tiny_library, folder)
    library = Library.open([folder])
    cells = plan(library, select(library, tasks=["films"], limit=10))
    path = library.prompt("tiny-1/meals-s0").path
    data = path.read_bytes()
    path.write_bytes(data[:-4] + bytes(4))
    run = queue.start(store, cells, "all", "test")
    work(store, library)
    item = queue.progress(store, run)
    errors = queue.errors(store, run)
    assert (item.state, item.failed, item.done) == ("failed", 2, len(cells) - 2)
    assert all(json.loads(spec)["prompt_name"] == "tiny-1/meals-s0" for spec in errors.spec)
    assert errors.error.str.contains("meals-s0").all()


def test_estimate_is_a_guess_before_and_measured_after(store, library, cells):
    rows = dict.fromkeys(library.tasks, 20)
    before = queue.estimate(store, cells, rows, 10**6)
    assert (before.cells, before.measured) == (len(cells), False)
    queue.start(store, cells[:20], "some", "test")
    work(store, library)
    assert queue.estimate(store, cells, rows, 10**6).measured


def test_unknown_run(store):
    for call in (queue.cancel, queue.resume, queue.progress):
        with pytest.raises(RunError, match="no run 'absent'"):
            call(store, "absent")


def test_a_study_of_it(store, library, cells):
    study = load_study(store, library, "tiny-1", limit=20)
    assert study.missing_scores == 44
    assert study.missing_stimulations == 8
    assert "ON" not in study.similarities()
    queue.start(store, cells, "all", "test")
    work(store, library)
    study = load_study(store, library, "tiny-1", limit=20)
    assert study.transfer.shape == (2, 4, 4)
    assert np.isfinite(study.transfer).all()
    assert study.active.shape == (2, 4, 3, 48)
    table = tables.scores(store, library, select(library, limit=20))
    row = table[(table.source == "meals") & (table.seed == 1) & (table.target == "pairs")].iloc[0]
    assert study.transfer[1, study.tasks.index("meals"), study.tasks.index("pairs")] == row.value
    assert study.similarities()["ON"].shape == (2, 4, 4)
    assert study.digest == load_study(store, library, "tiny-1", limit=20).digest


def test_stimulation_keeps_every_activated_neuron(store, library, tiny_plm):
    from ptlib.neurons.stimulate import stimulate
    from ptlib.runs import stimulation_cells

    selection = select(library)
    queue.start(store, stimulation_cells(library, selection), "neurons", "test")
    work(store, library)
    kept, cells, missing = tables.stimulations(store, library, selection)
    assert not missing
    exact = stimulate(tiny_plm, [library.prompt(cell.prompt_name).load() for cell in cells])
    assert np.array_equal(kept > 0, exact > 0)
    assert np.abs(kept - exact).max() < 0.01
