"""Which cells come next: priority, pause, engines, cells that two runs want."""

import pytest

from ptlib.errors import RunError
from ptlib.runs import plan, progress, queue, score_cells, select
from tests.hands import evaluate


@pytest.fixture
def two(store, library):
    """An older and a newer run of other cells."""
    films, pairs = (score_cells(library, select(library, tasks=[name])) for name in ("films", "pairs"))
    return queue.start(store, films, "films", "test"), queue.start(store, pairs, "pairs", "test")


def run_of(store, cells):
    with store.read() as db:
        return {row[0] for row in db.execute(f"SELECT run_id FROM run_cells WHERE key IN ({', '.join('?' * len(cells))})", [cell.key for cell in cells])}  # fmt: skip


def test_the_older_run_goes_first_unless_the_newer_is_preferred(store, two):
    older, newer = two
    assert progress.progress(store, newer).ahead == progress.progress(store, older).total
    queue.prefer(store, newer, 1)
    assert progress.progress(store, newer).ahead == 0
    assert run_of(store, queue.claim(store, "w")) == {newer}
    assert "priority 1" in [line for _, line in progress.log_of(store, newer)]


def test_of_a_paused_run_nothing_is_claimed_and_what_runs_is_told(store, two):
    older, newer = two
    claimed = queue.claim(store, "w")
    assert run_of(store, claimed) == {older}
    queue.pause(store, older)
    assert queue.unwanted(store, "w") == {cell.key: False for cell in claimed}
    queue.release(store, "w")
    assert progress.progress(store, older).state == "paused"
    assert run_of(store, queue.claim(store, "w")) == {newer}
    assert progress.to_do(store) == {"local"}
    queue.resume(store, older)
    assert run_of(store, queue.claim(store, "other")) == {older}


def test_a_worker_takes_cells_of_its_own_engine_only(store, cells_of_both):
    local, ray = cells_of_both
    assert progress.to_do(store) == {"local", "ray"}
    assert run_of(store, queue.claim(store, "w", "ray")) == {ray}
    assert queue.claim(store, "w", "slurm") == []
    assert run_of(store, queue.claim(store, "w")) == {local}
    with pytest.raises(RunError, match="unknown engine"):
        queue.start(store, [], "x", "test", engine="cloud")


@pytest.fixture
def cells_of_both(store, library):
    films, pairs = (score_cells(library, select(library, tasks=[name])) for name in ("films", "pairs"))
    return queue.start(store, films, "films", "test"), queue.start(store, pairs, "pairs", "test", engine="ray")


def test_a_cell_that_two_runs_want_is_evaluated_once(store, library):
    cells = score_cells(library, select(library, tasks=["films"], seeds=[0]))
    one, other = (queue.start(store, cells, name, "test") for name in ("one", "other"))
    queue.beat(store, "w", "cpu", "")
    claimed = queue.claim(store, "w")
    assert queue.claim(store, "second") == [], "they are being evaluated for the first run"
    list(evaluate(store, library, claimed))
    assert [progress.progress(store, run).state for run in (one, other)] == ["done", "done"]
    assert len(store.results([cell.key for cell in cells])) == len(cells)


def test_weights_are_loaded_once_and_tasks_stay_together(store, library):
    queue.start(store, plan(library, select(library)), "all", "test")
    batches = []
    while claimed := queue.claim(store, "w"):
        batches.append({(cell.plm, cell.kind, cell.task) for cell in claimed})
    assert all(len(batch) == 1 for batch in batches)
    assert len(batches) == len(set.union(*batches))
