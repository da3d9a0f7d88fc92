"""Opens pages of the app, and libraries to open them on: the tiny one, and one whose names are as bad as names can be."""

import shutil

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from dashboard.gallery import Fresh
from dashboard.recipe import Chosen
from ptlib.library import Library
from ptlib.prompts import SoftPrompt, save
from ptlib.store import Store
from tests.dashboard.reading import APP
from tests.hands import everything

FOUL = ('=HYPERLINK("http://a","b")<script>alert(1)</script>&$x_1^2$ | **m** `c` \\textbf{y}~%#', "🙂שלום مرحبا" + "n" * 289)
"""A spreadsheet's formula, HTML, LaTeX and Markdown; an emoji, text that runs from right to left, and 300 letters. Tasks' own names are
ids; what a prompt was trained on may be called anything."""


@pytest.fixture(scope="session")
def foul_library(tiny_library, tmp_path_factory):
    """The tiny library with prompts of two more sources, which are no task here."""
    folder = tmp_path_factory.mktemp("foul") / "library"
    shutil.copytree(tiny_library, folder)
    plm = Library.open([folder]).plm("tiny-1").fingerprint
    for number, name in enumerate(FOUL):
        values = np.random.default_rng(number).normal(0, 0.5, (5, 32)).astype(np.float32)
        for seed in (0, 1):
            save(SoftPrompt(values + seed, f"foul-{number}-s{seed}", plm, name, seed, "trained"), folder / "prompts" / "tiny-1" / f"foul-{number}-s{seed}.safetensors")  # fmt: skip
    return folder


@pytest.fixture(scope="session")
def foul_cache(foul_library, tmp_path_factory):
    """A cache with every cell of it."""
    store, library = Store(tmp_path_factory.mktemp("foul-cache") / "cache"), Library.open([foul_library])
    everything(store, library)
    return store.folder


@pytest.fixture
def foul_source(foul_library, foul_cache):
    """One moment of both."""
    return Fresh(Store(foul_cache), Library.open([foul_library]))


@pytest.fixture
def foul_view(foul_source):
    """All of it selected."""
    return Chosen("tiny-1").view(foul_source.library())


@pytest.fixture(scope="module")
def full_cache(tiny_library, tmp_path_factory):
    """A cache in which everything of the tiny library is computed."""
    store, library = Store(tmp_path_factory.mktemp("full") / "cache"), Library.open([tiny_library])
    everything(store, library)
    return store.folder


@pytest.fixture
def app(monkeypatch, tiny_library):
    """Opens a page of the app on a library and a cache."""
    import ptlib.library

    def opened(page, cache, library=tiny_library, **query):
        monkeypatch.setattr(ptlib.library, "ZOO", library)
        monkeypatch.setenv("PTLIB_CACHE", str(cache))
        st.cache_resource.clear()
        test = AppTest.from_file(APP, default_timeout=60)
        for name, value in query.items():
            test.query_params[name] = value
        test.run()
        if page != "overview":
            test.switch_page(f"views/{page}.py").run()
        return test

    yield opened
    st.cache_resource.clear()
