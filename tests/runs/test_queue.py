"""The queue and the executor in this process; the worker process has its own tests in tests/faults."""

import json
import shutil

import numpy as np
import pytest

from ptlib.errors import PromptError, RunError
from ptlib.library import Library
from ptlib.prompts import SoftPrompt, save
from ptlib.runs import plan, progress, queue, score_cells, select, stimulation_cells, tables
from ptlib.runs.estimate import estimate
from ptlib.runs.evaluator import Evaluator
from ptlib.runs.study import load_study
from ptlib.transfer.evaluate import evaluate
from tests.hands import work


@pytest.fixture
def cells(library):
    return plan(library, select(library, limit=20))


def test_a_run_from_start_to_table(store, library, cells):
    selection = select(library, limit=20)
    run = queue.start(store, cells, "all", "test")
    assert progress.progress(store, run).state == "queued"
    work(store, library)
    item = progress.progress(store, run)
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
    assert progress.progress(store, first).state == progress.progress(store, second).state == "done"
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
    assert set(queue.unwanted(store, "w").values()) == {True}
    queue.release(store, "w")
    item = progress.progress(store, run)
    assert (item.state, item.cancelled) == ("cancelled", len(cells))
    assert taken
    assert queue.claim(store, "w") == []
    queue.resume(store, run)
    work(store, library)
    assert progress.progress(store, run).state == "done"


def test_a_dead_worker_loses_its_cells_three_times(store, cells):
    run = queue.start(store, cells[:4], "all", "test")
    for _ in range(queue.MAX_ATTEMPTS):
        assert queue.claim(store, "nobody")
        queue.bury(store)
    item = progress.progress(store, run)
    assert (item.state, item.failed) == ("failed", 4)
    assert "died 3 times" in progress.errors(store, run).error.iloc[0]


def test_one_bad_prompt_fails_alone(tiny_library, store, tmp_path):
    folder = tmp_path / "library"
    shutil.copytree(tiny_library, folder)
    library = Library.open([folder])
    cells = plan(library, select(library, tasks=["films"], limit=10))
    path = library.prompt("tiny-1/meals-s0").path
    data = path.read_bytes()
    path.write_bytes(data[:-4] + bytes(4))
    run = queue.start(store, cells, "all", "test")
    work(store, library)
    item = progress.progress(store, run)
    errors = progress.errors(store, run)
    assert (item.state, item.failed, item.done) == ("failed", 2, len(cells) - 2)
    assert all(json.loads(spec)["prompt_name"] == "tiny-1/meals-s0" for spec in errors.spec)
    assert errors.error.str.contains("meals-s0").all()


def test_estimate_is_a_guess_before_and_measured_after(store, library, cells):
    rows = dict.fromkeys(library.tasks, 20)
    before = estimate(store, cells, rows, 10**6)
    assert (before.cells, before.measured) == (len(cells), False)
    queue.start(store, cells[:20], "some", "test")
    work(store, library)
    assert estimate(store, cells, rows, 10**6).measured


def test_unknown_run(store):
    for call in (queue.cancel, queue.resume, queue.pause, queue.retry, progress.progress):
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

    selection = select(library)
    queue.start(store, stimulation_cells(library, selection), "neurons", "test")
    work(store, library)
    kept, cells, missing = tables.stimulations(store, library, selection)
    assert not missing
    exact = stimulate(tiny_plm, [library.prompt(cell.prompt_name).load() for cell in cells])
    assert np.array_equal(kept.activated, exact.activated)
    assert np.abs(kept.values - exact.values).max() < 0.01


def attempts(store):
    with store.read() as db:
        return [row[0] for row in db.execute("SELECT attempts FROM run_cells ORDER BY position")]


def test_only_the_cell_a_worker_died_at_counts_an_attempt(store, cells):
    run = queue.start(store, cells[:4], "some", "test")
    for _ in range(queue.MAX_ATTEMPTS):
        taken = queue.claim(store, "nobody")
        queue.begin(store, "nobody", taken[0].key)
        queue.bury(store)
    assert attempts(store) == [3, 0, 0, 0]
    item = progress.progress(store, run)
    assert (item.state, item.failed) == ("queued", 1)


def test_a_worker_that_signs_off_was_no_death(store, cells):
    run = queue.start(store, cells[:4], "some", "test")
    for _ in range(queue.MAX_ATTEMPTS + 1):
        taken = queue.claim(store, "w")
        queue.begin(store, "w", taken[0].key)
        queue.leave(store, "w")
    assert attempts(store) == [0, 0, 0, 0]
    assert progress.progress(store, run).state == "queued"


def test_a_pause_counts_neither_in_the_rate_nor_in_the_time_left(store, library):
    cells = score_cells(library, select(library, tasks=["films"]))[:8]
    run = queue.start(store, cells, "some", "test")
    queue.claim(store, "w")
    queue.finish(store, [cell.key for cell in cells[:4]])
    with store.write() as db:
        db.execute("UPDATE run_cells SET seconds = 0.5 WHERE state = 'done'")
    queue.cancel(store, run)
    queue.release(store, "w")
    queue.resume(store, run)
    item = progress.progress(store, run)
    assert (item.rate, item.seconds_left, item.seconds) == (2.0, 2.0, 2.0)


def test_quick_stimulations_do_not_promise_quick_scores(store, library, cells):
    run = queue.start(store, cells, "all", "test")
    queue.claim(store, "w")
    queue.finish(store, [cell.key for cell in stimulation_cells(library, select(library))])
    assert progress.progress(store, run).seconds_left is None


def test_an_unexpected_error_is_the_cells_own(store, library, cells, monkeypatch):
    score = Evaluator._score

    def broken(self, plm, cell, batch, should_stop):
        if cell.prompt_name == "tiny-1/meals-s0":
            raise RuntimeError("no one foresaw this")
        return score(self, plm, cell, batch, should_stop)

    monkeypatch.setattr(Evaluator, "_score", broken)
    run = queue.start(store, [cell for cell in cells if cell.task == "films"], "films", "test")
    work(store, library)
    item = progress.progress(store, run)
    assert (item.failed, item.done) == (1, 10)
    assert "no one foresaw this" in progress.errors(store, run).error.iloc[0]


def test_a_renamed_plm_is_the_same_plm(tiny_library, store, tmp_path):
    folder = tmp_path / "library"
    shutil.copytree(tiny_library, folder)
    library = Library.open([folder])
    run = queue.start(store, plan(library, select(library, tasks=["films"], limit=10)), "films", "test")
    (folder / "plms/tiny-1").rename(folder / "plms/other-name")
    work(store, Library.open([folder]))
    assert progress.progress(store, run).state == "done"


def test_prompts_of_different_lengths_are_a_sentence(tiny_library, store, tmp_path):
    folder = tmp_path / "library"
    shutil.copytree(tiny_library, folder)
    entry = Library.open([folder]).prompt("tiny-1/films-s0")
    save(SoftPrompt(entry.load().values[:3], "films-s0", entry.plm, "films", 0, "trained"), entry.path)
    with pytest.raises(PromptError, match="different lengths"):
        load_study(store, Library.open([folder]), "tiny-1")


def test_estimates_by_task(store, library, cells):
    rows = dict.fromkeys(library.tasks, 20)
    queue.start(store, cells, "all", "test")
    work(store, library)
    with store.write() as db:
        db.execute("UPDATE results SET seconds = CASE task WHEN 'films' THEN 2.0 ELSE 4.0 END WHERE kind = 'score'")
    one, other = (next(cell for cell in cells if cell.task == name) for name in ("films", "meals"))
    assert estimate(store, [one], rows, 1).seconds == pytest.approx(2.0)
    assert estimate(store, [one, other], rows, 1).seconds == pytest.approx(6.0)
