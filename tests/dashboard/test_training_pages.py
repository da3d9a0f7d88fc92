"""The pages Training and Initialisation: on nothing, while something trains, on what is finished, with what is wrong."""

import dataclasses
import io
import zipfile

import pytest

from ptlib.library import Library
from ptlib.runs import initialisation, plan, queue, select, supervise, training
from ptlib.runs.evaluator import Evaluator
from ptlib.store import Store
from ptlib.transfer.settings import TrainingSettings
from tests.dashboard.reading import text
from tests.hands import evaluate, work

SHORT = TrainingSettings(5, steps=6, batch=8, lr=0.05, evaluate_every=2)


@pytest.fixture
def place(tmp_path, monkeypatch, tiny_library):
    """A cache and a home of their own, and the library with that home."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    folder = tmp_path / "data" / "ptlib"
    folder.mkdir(parents=True)
    return Store(tmp_path / "cache"), lambda: Library.open([tiny_library, folder])


def trained(store, library, settings=SHORT, **more):
    cell = training.training_cell(library, "tiny-1", "films", settings, **more)
    list(evaluate(store, library, [cell]))
    return cell


@pytest.mark.parametrize("page", ["training", "initialisation"])
def test_on_nothing(app, place, page):
    test = app(page, place[0].folder)
    assert not test.exception
    assert not test.error
    if page == "training":
        assert "No prompt of this PLM was trained here yet" in text(test)
        assert "goes to your library as doubles-random-s0" in text(test)
    else:
        assert "No comparison is complete yet" in text(test)
        assert any(button.label == "Run missing trainings" for button in test.button)


def test_the_button_queues_what_was_chosen(app, place, monkeypatch):
    monkeypatch.setattr(supervise, "ensure_worker", lambda *_: None)
    monkeypatch.setattr(supervise, "keep_going", lambda *_: None)
    store, _ = place
    test = app("training", store.folder, **{"train-task": "films"})
    test.number_input(key="steps-tiny-1").set_value(12)
    test.button_group(key="start-tiny-1").set_value("vocabulary").run()
    test.button(key="train").click().run()
    assert not test.exception
    (item,) = training.unfinished(store)
    settings = training.settings_in(item.cell)
    assert (item.cell.task, settings.steps, settings.initialisation, settings.length) == ("films", 12, "vocabulary", 5)
    assert item.cell.prompt_name == "films-words-s0"
    assert "Under way" in text(test)


def test_what_cannot_be_trained_is_a_sentence_and_no_button(app, place):
    test = app("training", place[0].folder)
    test.number_input(key="lr-tiny-1").set_value(0.0).run()
    assert not test.exception
    assert "learning rate trains nothing" in text(test)
    assert not any(button.key == "train" for button in test.button)
    test.number_input(key="lr-tiny-1").set_value(0.1).run()
    test.button_group(key="start-tiny-1").set_value("prompt").run()
    assert "takes one source prompt" in text(test)


def test_a_finished_training_with_its_curve_likeness_and_story(app, place):
    store, library = place
    queue.start(store, [cell for cell in plan(library(), select(library())) if cell.kind == "stimulation"], "all", "test")
    work(store, library())
    queue.leave(store, "w")
    trained(store, library())
    test = app("training", store.folder)
    assert not test.exception
    assert not test.error
    assert len(test.get("plotly_chart")) == 2
    assert "the PLM's weights had the same checksum before and after" in text(test)
    assert "other tasks of its type" in text(test)
    assert any('"validation_data"' in str(code.value) for code in test.code)


def test_a_failed_training_says_why(app, place):
    store, library = place
    wild = TrainingSettings(5, optimizer="sgd", lr=100, weight_decay=1.0, schedule="constant", steps=60, batch=8, evaluate_every=2)
    queue.start(store, [training.training_cell(library(), "tiny-1", "films", wild)], "wild", "test")
    work(store, library())
    queue.leave(store, "w")
    test = app("training", store.folder)
    assert not test.exception
    assert "training diverged" in text(test)
    assert any(button.label == "Retry" for button in test.button)


def test_the_comparison_of_starts(app, place, monkeypatch):
    store, library = place
    monkeypatch.setattr(initialisation, "READABLE", dataclasses.replace(initialisation.READABLE, steps=4, validation_examples=30))
    wanted = initialisation.starts(library(), "tiny-1", library().tasks_for("tiny-1"), [0, 1], initialisation.readable(library(), "tiny-1"))
    evaluator = Evaluator(library(), "cpu")
    for item in wanted:
        list(evaluate(store, library(), [item.cell], evaluator=evaluator))
    test = app("initialisation", store.folder)
    assert not test.exception
    assert not test.error
    assert len(test.get("plotly_chart")) == 2
    assert "Starting from same type" in text(test)
    assert "4 targets, 8 trainings" in text(test)
    assert not any(button.label.startswith("Run missing") for button in test.button)


def test_the_adapter_is_a_zip_of_peft_s_two_files(place, monkeypatch):
    from dashboard import trainings

    store, library = place
    trained(store, library(), dataclasses.replace(SHORT, insertion="peft"))
    shelf = library()
    entry = shelf.prompt("tiny-1/films-random-s0")
    view = type("View", (), {"plm": shelf.plm("tiny-1")})
    names = zipfile.ZipFile(io.BytesIO(trainings.adapter(entry, view))).namelist()
    assert names == ["films-random-s0/adapter_config.json", "films-random-s0/adapter_model.safetensors"]
