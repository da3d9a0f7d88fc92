"""The page Compare through streamlit's AppTest: settings and runs side by side, a picked pair, and what cannot be compared."""

import time

import pytest

from dashboard import gallery, recipe
from dashboard.export.leaving import Leaving
from dashboard.export.press import Print
from dashboard.gallery import Fresh
from ptlib.errors import RunError
from ptlib.library import Library
from ptlib.runs import plan, progress, queue, score_cells, select
from ptlib.store import Store
from tests.dashboard.reading import text
from tests.hands import work

WAY = "openprompt"


@pytest.fixture(scope="module")
def two_ways(tiny_library, tmp_path_factory):
    """A cache with two runs: everything as trained, and every prompt inserted in another way."""
    store, library = Store(tmp_path_factory.mktemp("two") / "cache"), Library.open([tiny_library])
    queue.start(store, plan(library, select(library)), "first", "test")
    queue.start(store, score_cells(library, select(library, insertion=WAY, baselines=False)), "second", "test")
    work(store, library)
    queue.leave(store, "w")
    return store.folder


@pytest.fixture
def compare(app, two_ways):
    """Opens the page and waits until its tests are done."""

    def opened(cache=two_ways, **query):
        test = app("compare", cache, **query)
        for _ in range(100):
            if "Computing" not in text(test):
                break
            time.sleep(0.2)
            test.run()
        assert not test.exception
        assert not test.error
        return test

    return opened


SETTINGS = {"compare": "settings", "other-insertion": WAY}


def test_two_settings_with_the_difference_its_interval_and_its_tests(compare):
    test = compare(**SETTINGS)
    assert f"as trained** against **{WAY}" in text(test)
    assert "4 source prompts × 2 seeds · 4 target tasks · n = 60 a cell · complete" in text(test)
    assert "two\\-sided sign\\-flip" in text(test) or "two-sided sign-flip" in text(test)
    assert "exact sign flip over examples \\(16\\)" in text(test)
    labels = {metric.label: metric.value for metric in test.metric}
    assert labels["cells that differ clearly"].endswith(" of 16")
    assert len(test.get("plotly_chart")) == 5
    assert len(test.dataframe[0].value) == 16


def test_a_pair_of_the_link_shows_what_the_two_answer(compare):
    test = compare(**SETTINGS, cell="meals~pairs")
    assert "meals on pairs" in text(test)
    assert "Answers together" in text(test)
    assert "Examples that exactly one side answers rightly" in text(test)
    test.button(key="close-cell").click().run()
    assert "Answers together" not in text(test)
    assert "cell" not in test.query_params


def test_order_and_block_are_in_the_link(compare):
    test = compare(**SETTINGS, order="name", zoom="films~meals~films~pairs", find="fil")
    assert test.button_group(key="order").value == "name"
    assert any(button.label == "Whole matrix" for button in test.button)
    assert not test.warning


def test_two_runs(compare, two_ways):
    runs = [item.run_id for item in progress.all_progress(Store(two_ways))]
    newest = f"second ({runs[0]})"
    test = compare(compare="runs")
    assert all(run in text(test) for run in runs)
    assert len(test.get("plotly_chart")) == 5
    test = compare(compare="runs", **{"run-0": newest, "run-1": newest})
    assert "Both sides are the same cells" in text(test)


def test_without_another_plm_and_without_runs_it_says_what_to_do(compare, tmp_path):
    assert "No other PLM has prompts of these tasks" in text(compare())
    assert "Two runs are needed; here are none" in text(compare(tmp_path / "cache", compare="runs"))
    test = compare(tmp_path / "cache", **SETTINGS)
    assert "No cell is there on both sides yet" in text(test)
    assert any(button.label.startswith("Run missing") for button in test.button)


@pytest.mark.parametrize("name", ["difference", "one-against-other", "difference-by-target", "scores"])
def test_its_figures_are_made_again_from_a_recipe(two_ways, tiny_library, name):
    library = Library.open([tiny_library])
    source, view = Fresh(Store(two_ways), library), recipe.Chosen("tiny-1").view(library)
    given = {"compare": "settings", "other_insertion": WAY}
    leaving = Leaving(gallery.draw(name, source, view, given), name, view, given)
    made = recipe.parse(recipe.write(leaving, Print(), library).to_toml())
    again, notes = made.leaving(Fresh(Store(two_ways), library))
    assert notes == []
    assert again.form("csv", Print()) == leaving.form("csv", Print())
    assert again.drawn.figure == leaving.drawn.figure
    assert name == "scores" or WAY in leaving.caption()


@pytest.mark.parametrize(("given", "sentence"), [
    ({"compare": "moons"}, "PLMs, settings, runs"), ({"other_plm": "tiny-9"}, "tiny-9"), ({"compare": "runs", "first_run": "gone"}, "no scores to compare"),
    ({"compare": "settings", "other_insertion": "sideways"}, "sideways"), ({"compare": "settings", "other_dtype": "int3"}, "int3"),
])  # fmt: skip
def test_what_cannot_be_compared_is_a_sentence(two_ways, tiny_library, given, sentence):
    library = Library.open([tiny_library])
    with pytest.raises(RunError, match=sentence):
        gallery.draw("difference", Fresh(Store(two_ways), library), recipe.Chosen("tiny-1").view(library), given)
