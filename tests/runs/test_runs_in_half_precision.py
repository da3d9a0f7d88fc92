import pytest

from ptlib.cli import main
from ptlib.errors import PlmError
from ptlib.runs import plan, precision, queue, score_cells, select, tables
from ptlib.runs.evaluator import Evaluator
from tests.hands import work


@pytest.fixture
def selection(library):
    return select(library, tasks=["films"], dtype="bfloat16")


def test_half_precision_is_held_against_single_precision_in_every_cell(store, library, selection):
    single = select(library, tasks=["films"])
    queue.start(store, [*plan(library, single), *plan(library, selection)], "both", "test")
    work(store, library)
    rows = store.results([cell.key for cell in score_cells(library, selection)])
    assert (rows.checked >= 32).all()
    assert rows.agreement.between(0.8, 1).all()
    exact, checked = (tables.scores(store, library, one) for one in (single, selection))
    assert (exact.value == checked.value).all(), "what was in doubt was settled"
    assert store.results([cell.key for cell in score_cells(library, single)]).checked.isna().all()


def test_where_single_precision_does_not_fit_the_scores_stay_as_they_are(store, library, selection, monkeypatch):
    real = Evaluator._plm

    def small(self, cell, batch):
        if cell.dtype == "float32":
            raise PlmError("the weights do not fit", where="here")
        return real(self, cell, batch)

    monkeypatch.setattr(Evaluator, "_plm", small)
    queue.start(store, score_cells(library, selection), "half", "test")
    work(store, library)
    table = tables.scores(store, library, selection)
    assert table.value.notna().all()
    assert store.results(list(table.key)).checked.isna().all()


def test_a_test_is_kept_shown_and_followed(store, library):
    mark = library.plm("tiny-1").fingerprint
    assert precision.chosen(store, mark) == "float32"
    found = precision.try_out(store, library, "tiny-1", device="cpu")
    assert precision.tested(store, mark) == [found]
    assert "times as fast as float32 on cpu" in found.words()
    for speed, agreement, expected in ((3.0, 1.0, "bfloat16"), (3.0, 0.8, "float32"), (0.7, 1.0, "float32")):
        with store.write() as db:
            db.execute("UPDATE probes SET speed = ?, agreement = ?", [speed, agreement])
        assert precision.chosen(store, mark) == expected


def test_auto_on_the_command_line(store, tiny_library, library, monkeypatch, capsys):
    monkeypatch.setenv("PTLIB_LIBRARY", str(tiny_library))
    monkeypatch.setenv("PTLIB_CACHE", str(store.folder))
    assert main(["plms", "test", "tiny-1"]) == 0
    assert "answers" in capsys.readouterr().out
    assert len(precision.tested(store, library.plm("tiny-1").fingerprint)) == 1
