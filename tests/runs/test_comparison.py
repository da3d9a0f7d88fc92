"""Two sides of a comparison: the tiny library's settings and runs, with real stored answers."""

import numpy as np
import pytest

from ptlib.analysis import paired
from ptlib.errors import RunError
from ptlib.runs import comparison, plan, progress, queue, score_cells, select, tables
from ptlib.runs.snapshot import Snapshot
from ptlib.tasks import metrics
from tests.hands import work

WAYS = ("thunlp", "openprompt")


@pytest.fixture
def both(store, library):
    """Scores of two insertions, with every answer in the store."""
    found = []
    for way in WAYS:
        selection = select(library, seeds=[0], insertion=way)
        queue.start(store, score_cells(library, selection), way, "test")
        work(store, library)
        found.append(tables.scores(store, library, selection))
    return found


def test_every_cell_has_mcnemars_p_and_holm_over_all(both, store):
    found = comparison.compare(*both, store=store)
    cells = found.cells
    assert len(cells) == 16
    assert set(cells.test) == {comparison.MCNEMAR}
    row = cells.iloc[5]
    right = []
    for table in both:
        cell = table[(table.source == row.source) & (table.target == row.target) & table.kind.isin(comparison.TRAINED)].iloc[0]
        arrays = store.result_arrays(cell.key)
        right.append(arrays["labels"] == arrays["predictions"])
    assert row.difference == pytest.approx(right[0].mean() - right[1].mean())
    assert row.p == pytest.approx(metrics.mcnemar_p(*right))
    assert np.array_equal(cells.p_holm, paired.holm(cells.p.to_numpy()))
    assert found.overall.value == pytest.approx(cells.difference.mean())
    assert (found.overall.n, found.overall.pairs) == (4, 16)
    assert list(found.by_target.pairs) == [4] * 4
    assert found.by_target.value.mean() == pytest.approx(found.overall.value)


def test_other_examples_are_no_pair(both, store, library):
    selection = select(library, seeds=[0], limit=25, insertion=WAYS[0])
    queue.start(store, score_cells(library, selection), "few", "test")
    work(store, library)
    found = comparison.compare(both[0], tables.scores(store, library, selection), store=store)
    assert set(found.cells.test) == {"not the same examples"}
    assert found.cells.p.isna().all()
    assert np.isfinite(found.overall.value)


def test_a_side_with_itself_is_not_tested(both, store):
    found = comparison.compare(both[0], both[0], store=store)
    assert found.cells.p.isna().all()
    assert (found.cells.difference == 0).all()
    assert found.overall.p == 1.0


def test_a_damaged_answer_costs_its_own_test_only(both, store):
    cells = comparison.paired_cells(*both)
    snapshot = Snapshot(store)
    snapshot.refresh()
    pairs = comparison.examples(cells, *both, snapshot)
    path = store._tensor(pairs[3][0].tensors[0])
    path.write_bytes(path.read_bytes()[:-1])
    found = comparison.tested(store.folder, pairs)
    assert found[3][1] == "an answer was damaged"
    assert sum(name == comparison.MCNEMAR for _, name in found) >= len(found) - 4


def test_several_seeds_are_tested_together(store, library):
    sides = []
    for way in WAYS:
        selection = select(library, tasks=["films"], sources=["films", "meals"], insertion=way)
        queue.start(store, score_cells(library, selection), way, "test")
        work(store, library)
        sides.append(tables.scores(store, library, selection))
    found = comparison.compare(*sides, store=store)
    assert set(found.cells.test) == {comparison.SEVERAL}
    assert list(found.cells.seeds_one) == [2, 2]
    assert found.cells.p.between(0, 1).all()


def test_missing_cells_stay_missing(both, store, library):
    table = both[1].copy()
    table.loc[table.index[0], "value"] = np.nan
    found = comparison.paired_cells(both[0], table)
    row = both[1].iloc[0]
    gone = found[(found.source == row.source) & (found.target == row.target)]
    assert gone.difference.isna().all()
    assert comparison.overall(found).pairs == 15


def test_a_run_is_a_side_of_its_own(both, store, library):
    snapshot = Snapshot(store)
    snapshot.refresh()
    runs = [item.run_id for item in progress.all_progress(store)][::-1]
    sides = [comparison.scores_of_run(progress.cells_of(store, run), library, snapshot) for run in runs]
    assert comparison.compare(*sides, store=store).cells.p.tolist() == comparison.compare(*both, store=store).cells.p.tolist()
    assert {comparison.part_of(cell) for cell in progress.cells_of(store, runs[0])} == {("tiny-1", "float32", None)}


def test_nothing_in_common_is_one_sentence(both):
    films, meals = (both[0][both[0].target == name] for name in ("films", "meals"))
    with pytest.raises(RunError, match="no cell in common"):
        comparison.paired_cells(films, meals)


def test_stimulations_of_a_run_are_no_scores(store, library):
    cells = plan(library, select(library, seeds=[0], tasks=["films"]))
    snapshot = Snapshot(store)
    table = comparison.scores_of_run(cells, library, snapshot)
    assert set(table.target) == {"films"}
    assert set(table.kind) == {"own", "zero-shot", "random"}
