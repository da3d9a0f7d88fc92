"""``ptlib projector`` and ``ptlib.cross_model``, with a worker process of their own."""

import json
import shutil

import pytest

import ptlib
from ptlib import cli
from ptlib.library import Library
from tests.hands import end_started
from tests.second_plm import add_second_plm

QUICK = ("--steps", "20", "--hidden", "8", "--limit", "20", "--projector-seeds", "0", "1")


@pytest.fixture(scope="module")
def folder(tiny_library, tmp_path_factory):
    home = tmp_path_factory.mktemp("projector")
    shutil.copytree(tiny_library, home / "library")
    add_second_plm(home / "library")
    return home


@pytest.fixture(autouse=True)
def surroundings(monkeypatch, folder):
    """The library of two PLMs; one cache and one user's folder for all tests of this file."""
    import ptlib.library

    monkeypatch.setattr(ptlib.library, "ZOO", folder / "library")
    monkeypatch.setenv("PTLIB_LIBRARY", str(folder / "library"))
    monkeypatch.setenv("PTLIB_CACHE", str(folder / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(folder / "data"))
    yield
    end_started()


def run(capsys, *arguments):
    code = cli.main(["projector", *arguments])
    printed = capsys.readouterr()
    return code, printed.out, printed.err


def test_table_words_cells_and_the_call(capsys):
    code, out, err = run(capsys, "wide-1", "tiny-1", "--train", "films", "pairs", *QUICK, "--format", "json")
    assert code == 0, err
    rows = {(row["relation"], row["what"]): row for row in json.loads(out)}
    assert rows["same type", "own task"]["n"] == 4
    assert rows["same type", "own task"]["projectors"] == 2
    assert {what for _, what in rows} == {"own task", "other type", "gaussian", "random prompts", "own prompt", "own task − other type"}
    assert all(row["ci_low"] <= row["value"] <= row["ci_high"] for row in rows.values())
    assert len(Library.open().prompts("tiny-1", ("projected",))) == 2 * 5
    code, out, _ = run(capsys, "wide-1", "tiny-1", "--train", "films", "pairs", *QUICK)
    assert "On unseen tasks of the trained types" in out
    assert out.count("projected prompts differ") == 2
    code, out, _ = run(capsys, "wide-1", "tiny-1", "--train", "pairs", "films", *QUICK, "--cells", "--csv")
    assert len(out.splitlines()) == 1 + 2 * 5 * 4
    code, out, _ = run(capsys, "wide-1", "tiny-1", "--train", "films", "pairs", *QUICK, "--relative", "--csv")
    assert "own task" in out
    settings = ptlib.ProjectorSettings(steps=20, hidden=8)
    table = ptlib.cross_model("wide-1", "tiny-1", ["films", "pairs"], settings=settings, projector_seeds=[0, 1], limit=20)
    assert len(table) == 2 * 5 * 4
    assert table[table.role == "own task"].value.notna().all()
    # Nothing was trained or scored again.
    code, out, _ = cli.main(["runs", "list", "--json"]), capsys.readouterr().out, None
    assert len(json.loads(out)) == 2


def test_projected_prompts_as_initialisation(capsys):
    asked = ("wide-1", "tiny-1", "--train", "films", "pairs", *QUICK, "--as-initialisation", "--training-steps", "3")
    code, out, err = run(capsys, *asked)
    assert code == 0, err
    assert "Starting from projected prompt (trained type)" in out
    assert "2 targets, 4 trainings" in out
    _, out, _ = run(capsys, *asked, "--cells", "--json")
    rows = json.loads(out)
    assert {(row["target"], row["source"], row["trainings"]) for row in rows} == {("meals", "wide-1", 2), ("doubles", "wide-1", 2)}
    found = ptlib.as_initialisation(ptlib.carried(Library.open(), "tiny-1", "wide-1"), ["doubles"], steps=3)
    assert sorted(found.trainings["group"]) == ["projected prompt (trained type)"] * 2 + ["random"] * 2
    # Nothing was trained again: the projectors, and one run of starts.
    assert cli.main(["runs", "list", "--json"]) == 0
    assert [run["title"] for run in json.loads(capsys.readouterr().out)].count("tiny-1: projected prompts as initialisation: 8 cells") == 1
    code, _, err = run(capsys, *asked, "--tasks", "films")
    assert code == 2
    assert "no task is unseen" in err


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["absent", "tiny-1", "--train", "films"], "no PLM 'absent'"),
        (["tiny-1", "tiny-1", "--train", "films"], "source and target are one PLM"),
        (["wide-1", "tiny-1", "--train", "absent"], "no task 'absent'"),
        (["wide-1", "tiny-1", "--train", "films", "--lr", "0"], "learning rate trains nothing"),
        (["wide-1", "tiny-1", "--train", "films", "--hidden", "0"], "hidden is too small"),
        (["wide-1", "tiny-1", "--train", "films", "--seeds", "9"], "no prompt of this task to learn from"),
        (["wide-1", "tiny-1", "--train", "films", "--projector-seeds", "1", "1"], "named twice"),
        (["wide-1", "tiny-1", "--train", "films", "--form", "token", "--length", "9"], "keeps its length"),
        (["wide-1", "tiny-1", "--train", "films", "--way", "distance", "--length", "9"], "cannot aim at prompts of another length"),
        (["wide-1", "tiny-1", "--train", "films", "--way", "distance", "--form", "token"], "keeps its length"),
    ],
)
def test_errors_are_a_sentence(capsys, arguments, sentence):
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert sentence in err
    assert "Traceback" not in err
