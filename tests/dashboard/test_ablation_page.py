"""The page Ablation through streamlit's AppTest: empty, run, full, and with selections of which something cannot be said."""

import time

import pytest

from ptlib.library import Library
from ptlib.runs import progress, queue, select
from ptlib.runs.masking import Cut, masking
from ptlib.store import Store
from tests.dashboard.reading import text
from tests.hands import work

WISH = {"n": "25", "cut": "films", "shares": ["10", "50"], "each": "most"}
SHARES = (0.1, 0.5)


@pytest.fixture(scope="module")
def cut_cache(tiny_library, tmp_path_factory):
    """Masks of films' first prompt, all layers and one at a time."""
    store, library = Store(tmp_path_factory.mktemp("cut") / "cache"), Library.open([tiny_library])
    selection = select(library, "tiny-1", limit=25)
    layers = tuple((layer,) for layer in range(3))
    for cut in (Cut(shares=SHARES), Cut(shares=SHARES, rules=("most",), layers=layers)):
        queue.start(store, masking(library, selection, ["films"], cut, [0]).cells, "cut", "test")
    work(store, library)
    queue.leave(store, "w")
    return store.folder


def settled(test):
    """Until what is computed beside the page is there."""
    end = time.monotonic() + 90
    while "Computing" in text(test) and time.monotonic() < end:
        time.sleep(0.2)
        test.run()
    return test


def test_empty_cache(app, tmp_path):
    test = app("ablation", tmp_path / "cache", **WISH)
    assert not test.exception
    assert not test.error
    assert "No masked score has been computed" in text(test)
    # 4 tasks x (2 shares x (3 + 2 x 5) + 3 layers x 2 shares) and the 4 scores with all neurons.
    assert "132 of 132 cells missing" in text(test)
    assert any(button.label == "Run missing masked scores" for button in test.button)
    assert "about" in text(test)


def test_the_button_runs_them(app, tmp_path, monkeypatch):
    from ptlib.runs import supervise

    monkeypatch.setattr(supervise, "ensure_worker", lambda store: None)
    monkeypatch.setattr(supervise, "keep_going", lambda store: None)
    test = app("ablation", tmp_path / "cache", **WISH)
    next(button for button in test.button if button.label == "Run missing masked scores").click().run()
    [item] = progress.open_runs(Store(tmp_path / "cache"))
    assert item.total == 132
    assert {cell.kind for cell in progress.cells_of(Store(tmp_path / "cache"), item.run_id)} == {"masked", "score"}


def test_full_cache(app, cut_cache):
    test = settled(app("ablation", cut_cache, **WISH))
    assert not test.exception
    assert not test.error
    assert "complete" in text(test)
    assert len(test.get("plotly_chart")) == 4, "own task, same type, other types, layers"
    assert text(test).count("permutation p = ") == 2
    assert "Own task\\: 26 scores, 1 task, 1 prompt." in text(test)
    assert "Other types\\: 52 scores, 2 tasks, 1 prompt." in text(test)
    rows = test.dataframe[0].value
    assert len(rows) == 2 * 5
    assert set(rows["off"]) == {14, 72}


def test_a_type_alone(app, cut_cache):
    test = settled(app("ablation", cut_cache, n="25", cut="films", shares=["10"], tasks=["films", "meals"]))
    assert "No task of another type is selected." in text(test)
    assert "cannot be said" in text(test)
    test = settled(app("ablation", cut_cache, n="25", cut="films", shares=["10"], tasks=["films", "pairs"]))
    assert "No other task of this type is selected." in text(test)
    assert not test.exception
    test = app("ablation", cut_cache, n="25", shares=["10"], sources=["films", "meals"], cut="films")
    assert "Distinctive neurons are left out" in "\n".join(item.value for item in test.warning)
    assert not test.exception


def test_the_first_hundred_unless_all_are_asked_for(app, tmp_path):
    test = app("ablation", tmp_path / "cache", shares=["10"])
    assert "the first 100 test examples" in text(test)
    test.toggle(key="whole").set_value(True).run()
    assert "the whole test split" in text(test)
