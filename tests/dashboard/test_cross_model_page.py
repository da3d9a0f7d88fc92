"""The page Cross-model: nothing trained yet, everything there, imports that collapsed, and what cannot be done."""

import shutil

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from ptlib.library import Library
from ptlib.runs import cross_model, initialisation, progress, queue
from ptlib.runs.carry import projector_cells
from ptlib.store import Store
from ptlib.transfer.projector import ProjectorSettings
from tests.dashboard.reading import APP, text
from tests.hands import work
from tests.second_plm import TASKS, add_second_plm

TRAINED_ON = ("films", "pairs")


@pytest.fixture(scope="module")
def home(tiny_library, tmp_path_factory):
    """A library of two PLMs; projectors trained, their prompts in a user's folder, everything scored."""
    home = tmp_path_factory.mktemp("cross")
    shutil.copytree(tiny_library, home / "library")
    add_second_plm(home / "library")
    mine, store = home / "data" / "ptlib", Store(home / "cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(home / "data"))
        library = Library.open([home / "library"])
        cells = projector_cells(library, "wide-1", "tiny-1", [TRAINED_ON], ProjectorSettings(), range(2))
        queue.start(store, cells, "projectors", "test")
        work(store, library)
        library = Library.open([home / "library", mine])
        there, short = cross_model.of_cells(library, cells), initialisation.readable(library, "tiny-1", steps=4)
        started = [item.cell for item in initialisation.projected_starts(library, there, TASKS, short)]
        queue.start(store, [*cross_model.score_cells(library, there, TASKS), *started], "scores", "test")
        work(store, library)
        queue.leave(store, "w")
    return home


@pytest.fixture
def app(monkeypatch, home):
    import ptlib.library

    def opened(cache=None, library=None, user=None, **query):
        monkeypatch.setattr(ptlib.library, "ZOO", library or home / "library")
        monkeypatch.setenv("XDG_DATA_HOME", str(user or home / "data"))
        monkeypatch.setenv("PTLIB_CACHE", str(cache or home / "cache"))
        st.cache_resource.clear()
        test = AppTest.from_file(APP, default_timeout=60)
        for name, value in {"plm": "tiny-1", "projectors": "2", "trained-on": list(TRAINED_ON), **query}.items():
            test.query_params[name] = value
        test.run()
        return test.switch_page("views/cross_model.py").run()

    yield opened
    st.cache_resource.clear()


def test_everything_there(app):
    test = app()
    assert not test.exception
    assert not test.error
    assert "2 projectors by Task Tuning on films, pairs" in text(test)
    assert "complete" in text(test)
    assert not any(button.label == "Run missing scores of projected prompts" for button in test.button)
    assert len(test.get("plotly_chart")) == 3
    assert "Have projected prompts collapsed?" in text(test)
    assert text(test).count("projector ") >= 2
    assert "own task minus wrong type" in text(test)
    test.segmented_control(key="projected-show").set_value("relative performance").run()
    assert not test.exception


def test_projected_prompts_as_initialisation(app):
    test = app()
    assert any(button.label == "Run missing trainings from projected prompts" for button in test.button)
    test = app(**{"init-steps": "4"})
    assert not test.exception
    assert not test.error
    assert len(test.get("plotly_chart")) == 5
    assert "Starting from projected prompt \\(trained type\\)" in text(test)
    assert "2 targets, 4 trainings" in text(test)
    assert not any(button.label.startswith("Run missing") for button in test.button)
    assert list(test.selectbox(key="init-target").options) == ["doubles", "meals"]
    test = app(**{"init-steps": "4", "tasks": list(TRAINED_ON)})
    assert not test.exception
    assert "one that the projectors were trained on" in text(test)


def test_asks_for_projectors_then_for_scores(app, tmp_path, monkeypatch):
    from ptlib.runs import supervise

    monkeypatch.setattr(supervise, "ensure_worker", lambda *_: None)
    test = app(cache=tmp_path / "cache", user=tmp_path / "data")
    assert "2 of 2 projectors to be trained" in text(test)
    next(button for button in test.button if button.label == "Run missing projectors").click().run()
    assert not test.exception
    item = next(item for item in progress.all_progress(Store(tmp_path / "cache")) if item.open)
    assert item.total == 2
    with Store(tmp_path / "cache").read() as db:
        assert all('"kind": "projector"' in row[0] for row in db.execute("SELECT spec FROM run_cells"))


def test_prompts_that_left_the_library_come_back_and_missing_scores_are_offered(app, home, tmp_path):
    test = app(user=tmp_path / "data", everything="true")
    assert not test.exception
    assert len(list((tmp_path / "data/ptlib/prompts/tiny-1").glob("*.safetensors"))) == 10
    assert "scores missing" in text(test)
    assert any(button.label == "Run missing scores of projected prompts" for button in test.button)


def test_projected_prompts_disturb_no_other_page(app):
    test = app()
    for page in ("transfer", "prompt_space", "neurons", "correlation", "shelf", "overview"):
        test.switch_page(f"views/{page}.py").run()
        assert not test.exception, page
        assert not test.error, page
    test.switch_page("views/prompt_space.py").run()
    assert ".from-wide-1." not in str(test.selectbox(key="near").options)
    test.toggle(key="projected").set_value(True).run()
    assert not test.exception
    test.switch_page("views/transfer.py").run()
    assert "4 source prompts" in text(test)
    assert ".from-wide-1." not in text(test)


def test_what_cannot_be_done_is_a_sentence(app, home, tmp_path):
    test = app(**{"trained-on": ["films"], "way": "Distance Minimizing"})
    assert not test.exception
    shutil.copytree(home / "library", tmp_path / "library")
    for path in (tmp_path / "library/prompts/tiny-1").glob("films-*"):
        path.unlink()
    test = app(
        library=tmp_path / "library",
        cache=tmp_path / "cache",
        user=tmp_path / "data",
        **{"trained-on": ["films"], "way": "Distance Minimizing"},
    )
    assert not test.exception
    assert any("needs the target PLM's own prompt" in str(error.value) for error in test.error)
    shutil.rmtree(tmp_path / "library/plms/wide-1")
    test = app(library=tmp_path / "library", cache=tmp_path / "cache", user=tmp_path / "data")
    assert not test.exception
    assert "No other PLM with prompts is here" in text(test)


def test_imported_projected_prompts_that_collapsed(app, home, tmp_path):
    import numpy as np

    from ptlib.plms import describe
    from ptlib.prompts import SoftPrompt, save

    shutil.copytree(home / "library", tmp_path / "library")
    info, one = describe(home / "library/plms/tiny-1"), np.random.default_rng(0).normal(size=(5, 32)).astype(np.float32)
    for number, name in enumerate(TASKS):
        values = one + np.float32(1e-4 * number if number < 3 else 1.0)
        prompt = SoftPrompt(values, f"{name}-x", info.fingerprint, name, 0, "projected", "thunlp", {"source_backbone": "<b>t5</b>-base"})
        save(prompt, tmp_path / f"library/prompts/tiny-1/{name}-x.safetensors")
    test = app(library=tmp_path / "library", user=tmp_path / "data", cache=tmp_path / "cache")
    assert not test.exception
    said = text(test).replace("\\", "")
    assert "Collapsed: of 4 projected prompts 2 differ" in said
    assert "One and the same: films, meals, pairs" in said
    assert "imported, from <b>t5</b>-base" in said
    assert "<b>" not in text(test)
