"""Trainings as cells, in the test's own process: live checkpoints, resume, the library, divergence."""

import dataclasses
import json

import numpy as np
import pytest

from ptlib.errors import PtlibError, StoreError
from ptlib.library import Library
from ptlib.runs import check_seeds, queue, score_cells, select, tables, training
from ptlib.runs.kinds import keep
from ptlib.runs.parcel import Parcel
from ptlib.transfer.settings import TrainingSettings
from tests.hands import evaluate, work

SHORT = TrainingSettings(5, steps=12, batch=8, lr=0.05, evaluate_every=3, seed=0)


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch, tiny_library):
    """A user's library of its own beside the tiny one."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setenv("PTLIB_LIBRARY", str(tiny_library))
    return tmp_path / "data" / "ptlib" / "prompts" / "tiny-1"


def shelf(home):
    return sorted(path.name for path in home.glob("*"))


def train(store, library, settings=SHORT, **more):
    cell = training.training_cell(library, "tiny-1", "films", settings, **more)
    assert [error for _, error in evaluate(store, library, [cell])] == [None]
    return cell


def test_the_trained_prompt_comes_to_the_library_with_its_story(store, library, home):
    source = library.prompt("tiny-1/meals-s0")
    cell = train(store, library, dataclasses.replace(SHORT, initialisation="prompt", sources=(source.digest,)))
    assert shelf(home) == ["films-from-meals-s0-s0.safetensors"]
    found = Library.open().prompt("tiny-1/films-from-meals-s0-s0")
    arrays = training.arrays_of(store, [cell.key])[cell.key]
    assert np.array_equal(found.load().values, arrays["best"])
    curve = training.curve(arrays)
    assert curve.step.tolist() == [0, 3, 6, 9, 12]
    meta = found.meta
    assert (meta["validation"], meta["training"], meta["ended"], meta["steps"]) == (curve.validation.max(), cell.key, "all steps", 12)
    assert meta["sources"] == [{"name": source.name, "digest": source.digest}]
    assert TrainingSettings(**meta["settings"]) == training.settings_in(cell)
    assert (found.seed, found.task, found.plm_id, found.insertion) == (0, "films", "tiny-1", "thunlp")
    row = store.results([cell.key]).iloc[0]
    assert (row.kind, row.value, row.n) == ("training", meta["validation"], 60)
    assert row.ci_low < row.value < row.ci_high
    assert training.activated(arrays, 3, 48).shape == (5, 3, 48)


def test_stimulation_of_the_checkpoints_is_that_of_the_prompts(store, library, tiny_plm):
    from ptlib.neurons.stimulate import stimulate

    cell = train(store, library)
    arrays = training.arrays_of(store, [cell.key])[cell.key]
    place = int(np.flatnonzero(arrays["curve"][:, 2] == arrays["curve"][:, 2].max())[-1])
    prompt = Library.open().prompt("tiny-1/films-random-s0").load()
    assert np.array_equal(training.activated(arrays, 3, 48)[place], stimulate(tiny_plm, [prompt]).activated[0])


def test_names_never_overwrite_and_twice_is_once(store, library, home):
    one = train(store, library)
    arrays = store.result_arrays(one.key)
    keep(one, Parcel("result", one.key, arrays=arrays))
    assert shelf(home) == ["films-random-s0.safetensors"]
    train(store, library, dataclasses.replace(SHORT, lr=0.01))
    train(store, library, dataclasses.replace(SHORT, lr=0.02), name="meals-s0")
    # meals-s0 is a prompt of the tiny library.
    assert shelf(home) == ["films-random-s0-2.safetensors", "films-random-s0.safetensors", "meals-s0-2.safetensors"]
    assert Library.open().refused == library.refused
    train(store, library, dataclasses.replace(SHORT, lr=0.03), name="")
    assert len(shelf(home)) == 3


def test_interrupted_at_any_checkpoint_it_ends_in_the_same_bits(store, library, tmp_path, monkeypatch):
    from ptlib.runs.kinds import training as kind
    from ptlib.store import Store

    monkeypatch.setattr(kind, "CHECKPOINT_SECONDS", 0.0)
    whole = train(Store(tmp_path / "other"), library, name="")
    expected = Store(tmp_path / "other").result_arrays(whole.key)
    cell = training.training_cell(library, "tiny-1", "films", SHORT, name="")
    for looks in (2, 40, 9):
        left = iter(range(looks))
        list(evaluate(store, library, [cell], should_stop=lambda left=left: next(left, None) is None))
        assert store.partials([cell.key]).total.tolist() == [12]
    assert len(training.arrays_of(store, [cell.key])[cell.key]["curve"]) > 1
    assert [error for _, error in evaluate(store, library, [cell])] == [None]
    found = store.result_arrays(cell.key)
    assert {name for name in found if not np.array_equal(found[name], expected[name], equal_nan=found[name].dtype.kind == "f")} <= {"story"}
    assert len(list(store.folder.glob("tensors/*/*"))) == 1


def test_divergence_fails_the_cell_and_keeps_the_last_good_prompt(store, library, home):
    wild = TrainingSettings(5, optimizer="sgd", lr=100, weight_decay=1.0, schedule="constant", steps=60, batch=8, evaluate_every=2)
    cell = training.training_cell(library, "tiny-1", "films", wild)
    queue.start(store, [cell], "wild", "test")
    work(store, library)
    (item,) = training.unfinished(store)
    assert (item.state, item.cell) == ("failed", cell)
    assert "training diverged" in item.error
    assert shelf(home) == ["films-random-s0.safetensors"]
    meta = Library.open().prompt("tiny-1/films-random-s0").meta
    assert meta["ended"] == item.error
    assert np.isfinite(meta["validation"])


def test_a_library_that_cannot_be_written_is_said_as_something_that_may_pass(store, library, home, monkeypatch):
    from ptlib.prompts import safetensors_format

    def full(*_):
        raise OSError(28, "No space left on device")

    cell = train(store, library, name="")
    cell = dataclasses.replace(cell, prompt_name="films-random-s0")
    monkeypatch.setattr(safetensors_format.Path, "write_bytes", full)
    with pytest.raises(StoreError, match="No space left") as caught:
        keep(cell, Parcel("result", cell.key, arrays=store.result_arrays(cell.key)))
    assert caught.value.transient


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"initialisation": "prompt", "sources": ("f" * 64,)}, "no prompt with digest"),
        ({"insertion": "openprompt", "length": 7, "initialisation": "prompt", "sources": ("meals",)}, "another length.*choose to repeat"),
        ({"examples": 10**7}, None),
    ],
)
def test_what_cannot_be_trained_is_said_before_it_is_queued(library, settings, says):
    sources = tuple(library.prompt("tiny-1/meals-s0").digest if name == "meals" else name for name in settings.get("sources", ()))
    settings = dataclasses.replace(SHORT, **{**settings, "sources": sources})
    if says is None:
        assert training.training_cell(library, "tiny-1", "films", settings)
        return
    with pytest.raises(PtlibError, match=says):
        training.training_cell(library, "tiny-1", "films", settings)


def test_changed_validation_data_is_another_cell_and_an_old_cell_fails(store, tiny_library, tmp_path):
    import shutil

    folder = tmp_path / "changed"
    shutil.copytree(tiny_library, folder)
    old = training.training_cell(Library.open([folder]), "tiny-1", "films", SHORT, name="")
    path = folder / "tasks/data/films/validation.jsonl"
    path.write_text(path.read_text().replace("negative", "positive", 1))
    library = Library.open([folder])
    assert training.training_cell(library, "tiny-1", "films", SHORT, name="").key != old.key
    ((_, error),) = evaluate(store, library, [old])
    assert "validation data changed" in error


def test_the_name_is_no_part_of_the_key_and_the_settings_are(library):
    one = training.training_cell(library, "tiny-1", "films", SHORT)
    assert training.training_cell(library, "tiny-1", "films", SHORT, name="other").key == one.key
    for change in ({"lr": 0.04}, {"seed": 1}, {"evaluate_every": 4}, {"validation_examples": 20}, {"initialisation": "vocabulary"}):
        assert training.training_cell(library, "tiny-1", "films", dataclasses.replace(SHORT, **change)).key != one.key


def test_a_training_changes_no_matrix_unasked(store, library):
    train(store, library)
    train(store, library, dataclasses.replace(SHORT, seed=5))
    after = Library.open()
    assert select(after, "tiny-1").prompts == select(library, "tiny-1").prompts
    assert select(after, "tiny-1").tasks == select(library, "tiny-1").tasks
    name = "tiny-1/films-random-s0"
    chosen = select(after, "tiny-1", further=[name])
    assert sorted(chosen.prompts) == sorted([*select(library, "tiny-1").prompts, name])
    table = tables.scores(store, after, chosen)
    assert set(table[table["prompt"] == name].kind) == {tables.TRAINED_HERE}
    with pytest.raises(PtlibError, match="no prompt of seed 5"):
        check_seeds(after, "tiny-1", [5])


def test_relative_performance_counts_the_tasks_own_prompts_only(store, library):
    train(store, library)
    after = Library.open()
    name = "tiny-1/films-random-s0"
    queue.start(store, score_cells(after, select(after, "tiny-1", further=[name])), "all", "test")
    work(store, after)
    with_it, without = (tables.scores(store, after, select(after, "tiny-1", further=names)) for names in ([name], []))
    same = with_it[with_it.kind != tables.TRAINED_HERE].reset_index(drop=True)
    assert same.equals(without)
    mine = with_it[(with_it.kind == tables.TRAINED_HERE) & (with_it.target == "films")].iloc[0]
    own = with_it[(with_it.kind == "own") & (with_it.target == "films")].value.mean()
    assert mine.relative == pytest.approx(mine.value / own)


def test_of_a_plm_with_no_other_prompts_the_first_training_is_the_own_one(store, tiny_library, tmp_path):
    import shutil

    bare = tmp_path / "bare"
    shutil.copytree(tiny_library, bare)
    shutil.rmtree(bare / "prompts")
    library = Library.open([bare])
    for lr in (0.05, 0.01):
        train(store, library, dataclasses.replace(SHORT, lr=lr))
    after = Library.open([bare, tmp_path / "data" / "ptlib"])
    assert [entry.name for entry in after.given("tiny-1")] == ["tiny-1/films-random-s0"]
    assert after.further == {"tiny-1/films-random-s0-2"}


def test_open_failed_and_finished_trainings_are_listed(store, library):
    cell = training.training_cell(library, "tiny-1", "films", SHORT)
    queue.start(store, [cell], "one", "test")
    assert [(item.cell.key, item.state) for item in training.unfinished(store, cell.plm)] == [(cell.key, "waiting")]
    assert training.unfinished(store, "other") == []
    work(store, library)
    assert training.unfinished(store) == []
    assert [entry.name for entry in training.finished(Library.open(), "tiny-1")] == ["tiny-1/films-random-s0"]


def test_settings_travel_through_the_cell(library):
    cell = training.training_cell(library, "tiny-1", "films", dataclasses.replace(SHORT, patience=2))
    assert training.settings_in(cell) == dataclasses.replace(SHORT, patience=2, insertion="thunlp")
    assert json.loads(cell.settings)["validation_data"]
