"""A researcher's own PLM, PEFT adapters and tasks, from the shell's verbs to the pages."""

import json

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from ptlib.library import Library
from ptlib.plms.hub import add
from ptlib.prompts import SoftPrompt, peft_format
from ptlib.published.bring import bring
from ptlib.runs import plan, select
from ptlib.store import Store
from tests.dashboard.reading import APP, text
from tests.families import build
from tests.hands import evaluate

MOOD = 'name = "mood"\ntype = "sentiment"\nfields = ["text"]\nlabel_field = "label"\nlabels = ["0", "1"]\nlabel_words = ["good", "bad"]\n'
ASK = 'name = "ask"\ntype = "question answering"\nfields = ["text"]\nanswer_field = "answer"\nmax_new_tokens = 4\n'


@pytest.fixture
def home(tmp_path, monkeypatch):
    """GPT-2 linked into a library, three adapters imported, a classification and a free-text task beside them."""
    monkeypatch.setenv("PTLIB_LIBRARY", str(tmp_path / "mine"))
    monkeypatch.setenv("PTLIB_CACHE", str(tmp_path / "cache"))
    add(str(build("gpt2", tmp_path / "gpt2")), tmp_path / "mine")
    for number in range(3):
        values = np.random.default_rng(number).normal(size=(5, 32)).astype(np.float32)
        peft_format.write(SoftPrompt(values, "p", "", "", insertion="peft"), tmp_path / "adapters" / f"a{number}", "gpt2", "gpt2")
    narrow = SoftPrompt(np.ones((5, 16), np.float32), "p", "", "", insertion="peft")
    peft_format.write(narrow, tmp_path / "adapters" / "narrow", "gpt2", "gpt2")
    assert bring(tmp_path / "adapters", tmp_path / "cache" / "imports" / "adapters").prompts == 4
    tasks = tmp_path / "mine" / "tasks"
    tasks.mkdir()
    for name, head, key, values in (("mood", MOOD, "label", (0, 1)), ("ask", ASK, "answer", ("good", "bad"))):
        (tasks / f"{name}.toml").write_text(f'{head}[splits]\ntest = "{name}.jsonl"\n')
        (tasks / f"{name}.jsonl").write_text(
            "\n".join(json.dumps({"text": f"it was {word}", key: value}) for word, value in zip(("good", "bad"), values, strict=True))
        )
    return tmp_path


def page(name, **query):
    st.cache_resource.clear()
    test = AppTest.from_file(APP, default_timeout=60)
    for key, value in {"plm": "gpt2", **query}.items():
        test.query_params[key] = value
    test.run()
    return test if name == "overview" else test.switch_page(f"views/{name}.py").run()


def test_from_adapters_to_pages(home):
    library, store = Library.open(), Store()
    assert library.sources_for("gpt2") == ["a0", "a1", "a2"]
    assert any("not as wide as its PLM" in item.reason for item in library.refused)
    cells = plan(library, select(library, "gpt2"))
    assert {cell.insertion for cell in cells} == {"peft"}
    for batch in {cell.batch for cell in cells}:
        assert all(error is None for _, error in evaluate(store, library, [cell for cell in cells if cell.batch == batch]))
    for name in ("overview", "transfer", "neurons", "correlation", "prompt_space", "shelf", "runs"):
        test = page(name)
        assert not test.exception
        assert not test.error
    read = page("transfer", cell="a0~ask")
    assert not read.error
    (table,) = [frame.value for frame in read.dataframe if "written" in frame.value]
    assert set(table["right"]) == {"good", "bad"}
    assert "Every neuron of layer" in text(page("neurons"))


def test_another_insertion_and_precision_are_other_cells(home):
    library = Library.open()
    keys = [
        {cell.key for cell in plan(library, select(library, "gpt2", **more))}
        for more in ({}, {"insertion": "openprompt"}, {"dtype": "bfloat16"})
    ]
    assert not keys[0] & keys[1]
    assert not keys[0] & keys[2]
