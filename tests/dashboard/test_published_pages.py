"""The published study on every page, without the PLM's weights and with them."""

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard.figures import matrix
from dashboard.theme import alt_text
from ptlib.published.bring import bring
from tests.dashboard.test_pages import APP, text
from tests.published.test_study import checkout

PAGES = ("overview", "transfer", "neurons", "correlation", "prompt_space", "shelf", "runs")


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
