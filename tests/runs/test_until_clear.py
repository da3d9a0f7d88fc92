"""Runs that stop early, from the queue to the table, and back to exact."""

import numpy as np
import pytest

from ptlib.errors import RunError
from ptlib.runs import plan, progress, queue, select, tables, until_clear
from ptlib.store import Store
from tests.hands import evaluate, work

WIDTH = 0.6


@pytest.fixture
def selection(library):
    return select(library, tasks=["films", "meals"])


@pytest.fixture
def cells(library, selection):
    return plan(library, selection)


@pytest.fixture
def exact(library, selection, cells, tmp_path):
    """The same cells to the end, in another cache."""
    other = Store(tmp_path / "exact")
    queue.start(other, cells, "all", "test")
    work(other, library)
    return tables.scores(other, library, selection)


def test_stopped_cells_have_intervals_that_hold_and_are_not_missing(store, library, selection, cells, exact):
    run = queue.start(store, until_clear(library, cells, WIDTH), "early", "test")
    work(store, library)
    item = progress.progress(store, run)
    assert (item.state, item.done) == ("done", len(cells))
    assert item.rate > 0
    table = tables.scores(store, library, selection)
    early = table[table.stopped != ""]
    assert set(early.stopped) <= {"narrow", "below random", "best source"}
    assert len(early) > len(table) / 2
    assert (early.n < early.total).all()
    assert (table.total == 60).all()
    assert (table.ci_low <= exact.value).all()
    assert (exact.value <= table.ci_high).all()
    assert not tables.missing(store, until_clear(library, cells, WIDTH))
    assert {cell.key for cell in tables.stopped(store, cells)} == set(early.key)
    assert {cell.key for cell in tables.missing(store, cells)} == set(early.key), "to the end they are still to be done"
    assert {cell.key for cell in tables.missing(store, until_clear(library, cells, 0.2))} == set(early.key), (
        "narrower than they were stopped at"
    )
    full = table[table.stopped == ""]
    assert np.array_equal(full.value, exact.value[full.index])


def test_the_best_source_is_the_one_left_in_the_race(store, library, selection, cells, exact):
    queue.start(store, until_clear(library, cells, WIDTH), "early", "test")
    work(store, library)
    table = tables.scores(store, library, selection)
    best = tables.best_sources(table)
    assert list(best.target) == ["films", "meals"]
    truth = tables.best_sources(exact)
    zero = exact[exact.kind == "zero-shot"]
    assert (truth.value == zero.groupby("target").value.max().reindex(truth.target).to_numpy()).all()
    left = table[(table.kind == "zero-shot") & table.stopped.isin(["", "best source"])]
    assert set(best.prompt) <= set(left.prompt)
    assert (best.source != best.target).all()
    broken = table.assign(stopped="narrow")
    assert len(tables.best_sources(broken)) == 2, "without a winner, the highest estimate"


def test_finish_exactly_gives_the_exact_matrix_and_reads_the_rest_only(store, library, selection, cells, exact):
    queue.start(store, until_clear(library, cells, WIDTH), "early", "test")
    work(store, library)
    before = tables.scores(store, library, selection)
    queue.start(store, tables.stopped(store, cells), "exactly", "test")
    work(store, library)
    table = tables.scores(store, library, selection)
    assert np.array_equal(table.value, exact.value)
    assert (table.stopped == "").all()
    assert not tables.missing(store, cells)
    with store.read() as db:
        assert db.execute("SELECT count(*) FROM partials").fetchone()[0] == 0
        tokens = dict(map(tuple, db.execute("SELECT key, tokens FROM results")))
    for row in before[before.stopped != ""].itertuples():
        rows = library.task(row.target).read("test")
        words = sum(len(text[0].split()) + 2 for text in rows.texts)
        assert 0 < tokens[row.key] < words, "only the tokens of rows not seen before"


def test_an_interrupted_column_goes_on_where_it_was(store, library, selection, cells, exact):
    todo = [cell for cell in until_clear(library, cells, WIDTH) if cell.task == "films"]
    looks = iter([False] * 30)
    given = list(evaluate(store, library, todo, lambda: next(looks, True)))
    partial = store.partials([cell.key for cell in todo])
    assert (partial.reason == "").any()
    assert len(given) < len(todo)
    table = tables.scores(store, library, selection)
    assert table.value.isna().sum() >= (partial.reason == "").sum(), "what was interrupted is no score"
    queue.start(store, until_clear(library, cells, WIDTH), "again", "test")
    work(store, library)
    after = tables.scores(store, library, selection)
    assert (after.stopped != "").any()
    assert (after.ci_low <= exact.value).all()
    assert (exact.value <= after.ci_high).all()
    seen = store.partials([cell.key for cell in todo]).n
    assert (seen >= partial.n.reindex(seen.index).fillna(0)).all()


def test_a_damaged_partial_cell_is_read_anew(store, library, selection, cells, exact):
    queue.start(store, until_clear(library, cells, WIDTH), "early", "test")
    work(store, library)
    for path in store.folder.glob("tensors/*/*.safetensors"):
        path.write_bytes(path.read_bytes()[:-2])
    queue.start(store, tables.stopped(store, cells), "exactly", "test")
    work(store, library)
    table = tables.scores(store, library, selection)
    assert np.array_equal(table.value, exact.value)


def test_a_run_to_the_end_beside_one_that_stops_early(store, library, selection, cells, exact):
    """Stopping early ends the cells of the run that asked for it, not those of the other."""
    early = queue.start(store, until_clear(library, cells, WIDTH), "early", "test")
    whole = queue.start(store, cells, "whole", "test")
    work(store, library)
    assert {progress.progress(store, run).state for run in (early, whole)} == {"done"}
    assert np.array_equal(tables.scores(store, library, selection).value, exact.value)


def test_a_task_without_right_answers_is_evaluated_to_the_end(store, library, selection, cells, monkeypatch):
    from ptlib.transfer import early

    monkeypatch.setattr(early, "can_stop_early", lambda task: False)
    queue.start(store, until_clear(library, cells, WIDTH), "early", "test")
    work(store, library)
    assert (tables.scores(store, library, selection).stopped == "").all()


@pytest.mark.parametrize("width", [0.0, 1.0, -2, 5])
def test_a_width_that_means_nothing_is_refused(library, cells, width):
    with pytest.raises(RunError, match="between 0 and 1"):
        until_clear(library, cells, width)


def test_the_width_follows_the_examples(library, cells):
    widths = {cell.until for cell in until_clear(library, cells) if cell.kind == "score"}
    assert widths == {0.33}
    from ptlib.analysis.clear import default_width

    found = [default_width(count) for count in (40, 400, 1000, 10_000)]
    assert found == sorted(found, reverse=True)
    assert found[-1] < 0.12
