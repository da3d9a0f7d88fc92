"""Every page through streamlit's AppTest: on an empty cache, on a full one, and with things that are wrong."""

import shutil

import pytest

from ptlib.library import Library
from ptlib.runs import plan, progress, queue, select, tables, until_clear
from ptlib.store import Store
from tests.dashboard.reading import text
from tests.hands import work

PAGES = ("overview", "transfer", "neurons", "correlation", "prompt_space", "shelf", "runs")


@pytest.fixture(scope="module")
def early_cache(tiny_library, tmp_path_factory):
    """A cache in which every cell was evaluated until it was clear."""
    store, library = Store(tmp_path_factory.mktemp("early") / "cache"), Library.open([tiny_library])
    queue.start(store, until_clear(library, plan(library, select(library)), 0.6), "early", "test")
    work(store, library)
    queue.leave(store, "w")
    return store.folder


@pytest.mark.parametrize("page", PAGES)
def test_empty_cache(app, tmp_path, page):
    test = app(page, tmp_path / "cache")
    assert not test.exception
    assert not test.error
    assert "tiny-1" in text(test)
    assert "missing" in text(test)
    if page in ("overview", "transfer", "neurons", "correlation"):
        assert any(button.label.startswith("Run missing") for button in test.button)
        assert "a rough guess" in text(test)


@pytest.mark.parametrize("page", PAGES)
def test_full_cache(app, full_cache, page):
    test = app(page, full_cache)
    assert not test.exception
    assert not test.error
    assert "complete" in text(test)
    assert not any(button.label.startswith("Run missing") for button in test.button)
    least = {"overview": 2, "transfer": 2, "neurons": 3, "correlation": 2, "prompt_space": 1, "shelf": 0, "runs": 0}
    assert len(test.get("plotly_chart")) >= least[page]
    if page == "runs":
        assert "54 of 54 done" in "".join(str(item.proto) for item in test.get("progress"))


def test_a_cell_opens_from_the_address(app, full_cache):
    test = app("transfer", full_cache)
    test.query_params["cell"] = "meals~pairs"
    test.run()
    assert "meals on pairs" in text(test)
    labels = {metric.label: metric.value for metric in test.metric}
    assert labels["examples"] == "60"
    assert "McNemar" in text(test)
    test.query_params["cell"] = "absent~pairs"
    test.run()
    assert not test.exception
    assert "meals on pairs" not in text(test)


@pytest.mark.parametrize("page", PAGES)
def test_cells_that_were_stopped_early(app, early_cache, page):
    test = app(page, early_cache)
    assert not test.exception
    assert not test.error
    assert "cells stopped early" in text(test) or page in ("neurons", "prompt_space")
    assert not any(button.label.startswith("Run missing") for button in test.button)
    if page in ("overview", "transfer", "correlation"):
        assert any(button.label == "Finish exactly" for button in test.button)
        assert "scores are estimates with an interval" in text(test)


def test_a_stopped_cell_says_why_and_how_many_examples_it_saw(app, early_cache, tiny_library):
    library = Library.open([tiny_library])
    table = tables.scores(Store(early_cache), library, select(library))
    row = table[(table.stopped != "") & (table.kind == "zero-shot")].iloc[0]
    test = app("transfer", early_cache)
    test.query_params["cell"] = f"{row.source}~{row.target}"
    test.run()
    assert not test.exception
    assert "Stopped early after" in text(test)
    assert "of 60 examples" in text(test)


def test_finish_exactly_queues_the_stopped_cells(app, early_cache, tmp_path, monkeypatch):
    from ptlib.runs import supervise

    monkeypatch.setattr(supervise, "ensure_worker", lambda *_: None)
    cache = tmp_path / "cache"
    shutil.copytree(early_cache, cache)
    test = app("transfer", cache)
    next(button for button in test.button if button.label == "Finish exactly").click().run()
    item = next(item for item in progress.all_progress(Store(cache)) if item.open)
    assert "finished exactly" in item.title
    with Store(cache).read() as db:
        stopped = db.execute("SELECT count(*) FROM partials").fetchone()[0]
    assert item.total == stopped > 0


def test_run_until_clear_from_the_page(app, tmp_path, monkeypatch):
    from ptlib.runs import supervise

    monkeypatch.setattr(supervise, "ensure_worker", lambda *_: None)
    test = app("transfer", tmp_path / "cache")
    test.toggle(key="until-clear").set_value(True).run()
    next(button for button in test.button if button.label == "Run missing cells").click().run()
    assert not test.exception
    with Store(tmp_path / "cache").read() as db:
        specs = [row[0] for row in db.execute("SELECT spec FROM run_cells")]
    assert specs
    assert all(('"until": null' in spec) == ('"kind": "stimulation"' in spec) for spec in specs)


def test_selection_is_shared_and_narrows(app, full_cache):
    test = app("transfer", full_cache)
    test.multiselect(key="tasks").set_value(["films", "meals"]).run()
    assert "2 target tasks" in text(test)
    test.switch_page("views/neurons.py").run()
    assert test.multiselect(key="tasks").value == ["films", "meals"]
    assert "2 target tasks" in text(test)


def test_relative_performance(app, full_cache):
    test = app("transfer", full_cache)
    test.segmented_control(key="show").set_value("relative performance").run()
    assert "Score over the score of the target's own prompt" in text(test)


def test_damage_is_one_sentence_and_the_rest_goes_on(app, full_cache, tmp_path):
    cache = tmp_path / "cache"
    shutil.copytree(full_cache, cache)
    for path in cache.glob("tensors/*/*.safetensors"):
        path.write_bytes(path.read_bytes()[:-1])
    test = app("transfer", cache)
    assert not test.error
    test.query_params["cell"] = "meals~pairs"
    test.run()
    assert any("damaged" in str(error.value) for error in test.error)
    assert not test.exception


def test_refused_items_are_shown_with_their_reason(app, full_cache, tiny_library, tmp_path):
    folder = tmp_path / "library"
    shutil.copytree(tiny_library, folder)
    broken = folder / "prompts" / "tiny-1" / "films-s0.safetensors"
    broken.write_bytes(broken.read_bytes()[:40])
    test = app("overview", full_cache, library=folder)
    assert not test.exception
    table = test.dataframe[0].value
    assert table.path.str.contains("films-s0").any()
    assert table.reason.str.len().min() > 20


def test_no_library_at_all(app, tmp_path):
    (tmp_path / "library").mkdir()
    test = app("overview", tmp_path / "cache", library=tmp_path / "library")
    assert not test.exception
    assert any("zoo build" in str(error.value) for error in test.error)


def test_unwritable_cache_is_a_sentence(app, tmp_path):
    (tmp_path / "file").write_text("in the way")
    test = app("overview", tmp_path / "file" / "cache")
    assert not test.exception
    assert any("cannot be written" in str(error.value) for error in test.error)


def test_names_are_not_markdown():
    from dashboard.components import plain

    assert plain("[x](http://a) :red[b] $c$ <i>") == r"\[x\]\(http\://a\) \:red\[b\] \$c\$ \<i\>"


def test_an_unexpected_error_gets_an_id_and_no_traceback(monkeypatch):
    from dashboard import components

    shown = []
    monkeypatch.setattr(components.st, "error", shown.append)

    def broken():
        raise ZeroDivisionError("secret detail")

    components.guard(broken)
    assert "id " in shown[0]
    assert "secret" not in shown[0]
