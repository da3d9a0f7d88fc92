"""The published study on every page, without the PLM's weights and with them."""

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard.figures import matrix
from dashboard.theme import alt_text
from ptlib.library import Library
from ptlib.published.bring import bring
from ptlib.runs import plan, select
from ptlib.store import Store
from tests.dashboard.reading import APP, text
from tests.hands import evaluate
from tests.published.test_study import checkout

PAGES = ("overview", "transfer", "neurons", "ablation", "correlation", "prompt_space", "shelf", "runs")


@pytest.fixture(scope="module")
def cache(tmp_path_factory):
    home = tmp_path_factory.mktemp("published")
    bring(checkout(home / "checkout"), home / "cache" / "imports" / "authors")
    return home / "cache"


@pytest.fixture
def app(monkeypatch, tiny_library, cache):
    import ptlib.library

    def opened(page, **query):
        monkeypatch.setattr(ptlib.library, "ZOO", tiny_library)
        monkeypatch.setenv("PTLIB_CACHE", str(cache))
        st.cache_resource.clear()
        test = AppTest.from_file(APP, default_timeout=60)
        for name, value in {"plm": "roberta-base", **query}.items():
            test.query_params[name] = value
        test.run()
        return test if page == "overview" else test.switch_page(f"views/{page}.py").run()

    yield opened
    st.cache_resource.clear()


@pytest.mark.parametrize("page", PAGES)
def test_without_weights(app, page):
    test = app(page)
    assert not test.exception
    assert not test.error
    read = text(test)
    assert "as published, n not recorded" in read
    assert "never mixed with measured ones" in read
    if page in ("neurons", "correlation"):
        assert "not computable without the PLM's weights" in read
        assert "ptlib plms add roberta-base" in read
    assert not [button for button in test.button if button.label.startswith("Run missing")]


def test_a_published_cell_says_what_is_not_known(app):
    test = app("transfer", cell="sst2~imdb")
    assert "accuracy **0.8000**" in text(test)
    assert "n, interval and examples were not" in text(test)


def test_the_library_lists_prompts_with_shape_norm_and_source(app):
    (prompts, *_) = app("shelf").dataframe
    table = prompts.value
    assert len(table) == 6
    assert set(table["shape"]) == {"5 × 768"}
    assert (table["norm"] > 0).all()
    assert set(table["inert rows"]) == {"0"}
    assert table["source file"].str.endswith("task_prompt").all()


def test_one_matrix_of_several_names_is_one_row(app, cache):
    folder = cache / "imports" / "authors" / "prompts" / "roberta-base"
    again = folder / "z-again.safetensors"
    again.write_bytes((folder / "imdb.safetensors").read_bytes())
    try:
        table = app("shelf").dataframe[0].value
    finally:
        again.unlink()
    assert len(table) == 6
    assert table.set_index("prompt").loc["roberta-base/imdb", "also called"] == "roberta-base/z-again"


def test_difference_figure():
    axis = matrix.Axis(["a", "b"], ["x", "y"])
    measured, told = np.array([[0.5, 0.6], [np.nan, 0.9]]), np.array([[0.4, 0.6], [0.1, 1.0]])
    fig = matrix.difference(measured, told, axis, axis, "light")
    assert np.allclose(fig.data[0].z, [[0.1, 0.0], [np.nan, -0.1]], equal_nan=True, atol=1e-6)
    assert fig.data[0].zmin == -fig.data[0].zmax
    assert "not both there" in fig.data[0].hovertext[1][0]
    assert "at most 0.100 apart" in alt_text(fig)


def work(store, library, cells):
    for batch in {cell.batch for cell in cells}:
        yield from evaluate(store, library, [cell for cell in cells if cell.batch == batch])


def test_measured_and_published_stand_beside_each_other_and_apart(app, cache, tmp_path, monkeypatch):
    from transformers import RobertaConfig, RobertaForMaskedLM

    from tests.families import _tokenizer

    folder = tmp_path / "mine" / "plms" / "roberta-base"
    _tokenizer("roberta").save_pretrained(folder)
    RobertaForMaskedLM(RobertaConfig(vocab_size=30, hidden_size=768, num_hidden_layers=1, num_attention_heads=4, intermediate_size=16,
                                     max_position_embeddings=40, type_vocab_size=1, pad_token_id=1)).save_pretrained(folder)  # fmt: skip
    monkeypatch.setenv("PTLIB_LIBRARY", str(tmp_path / "mine"))
    assert "never mixed with measured ones" in text(app("transfer")), "without data of its own, what was published is shown"
    for page in ("overview", "transfer", "correlation", "neurons", "prompt_space", "shelf"):
        test = app(page, results="measured")
        assert not test.error
        assert not test.exception
        assert "never mixed" not in text(test)
    assert "tasks fetch imdb" in text(app("transfer", results="measured"))
    for task in ("imdb", "sst2", "mnli", "snli", "mrpc", "qqp"):
        (tmp_path / "mine" / "tasks").mkdir(exist_ok=True)
        (tmp_path / "mine" / "tasks" / f"{task}.jsonl").write_text('{"text": "good", "label": 0}\n{"text": "bad", "label": 1}\n')
        (tmp_path / "mine" / "tasks" / f"{task}.toml").write_text(
            f'name = "{task}"\ntype = "x"\nfields = ["text"]\nlabel_field = "label"\nlabels = ["0", "1"]\nlabel_words = ["good", "bad"]\n'
            f'[splits]\ntest = "{task}.jsonl"\n'
        )
    library, store = Library.open(), Store(cache)
    cells = plan(library, select(library, "roberta-base"))
    assert all(error is None for _, error in work(store, library, cells))
    test = app("transfer", show="measured − published", results="measured")
    assert not test.error
    table = next(frame.value for frame in test.dataframe if "difference" in frame.value)
    assert len(table) == 36
    assert np.allclose(table.measured - table.published, table.difference, atol=2e-4)
    assert table.published.max() == 0.9
