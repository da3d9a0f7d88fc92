"""Links through streamlit's AppTest: they hold the whole view, stay short, survive a restart, and what they lack is told."""

import json
import shutil
from random import Random
from urllib.parse import parse_qs, urlencode, urlsplit

import numpy as np
import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from ptlib.library import Library
from ptlib.prompts import SoftPrompt, save
from tests.conftest import write_task
from tests.dashboard.reading import APP, text

MOST = 2000
"""Characters of a link: what the issue asks for, and what every mail programme and browser takes."""
ORIGIN = "http://127.0.0.1:8501"


@pytest.fixture
def visit(monkeypatch, tmp_path, tiny_library):
    """Opens a link in a new session of a new server."""
    import ptlib.library

    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("PTLIB_CACHE", str(tmp_path / "cache"))

    def opened(link, library=tiny_library):
        monkeypatch.setattr(ptlib.library, "ZOO", library)
        st.cache_resource.clear()
        page, asked = urlsplit(link).path.strip("/"), parse_qs(urlsplit(link).query, keep_blank_values=True)
        test = AppTest.from_file(APP, default_timeout=60)
        test.query_params.update({name: values if len(values) > 1 else values[0] for name, values in asked.items()})
        if page:
            test.switch_page(f"views/{page}.py")
        test.run()
        assert not test.exception
        return test

    yield opened
    st.cache_resource.clear()


@pytest.fixture(scope="module")
def wide_library(tiny_library, tmp_path_factory):
    """The tiny library with 220 source tasks and 54 target tasks, their names long."""
    folder = tmp_path_factory.mktemp("wide") / "library"
    shutil.copytree(tiny_library, folder)
    plm = Library.open([folder]).plm("tiny-1").fingerprint
    values = np.random.default_rng(0).normal(0, 0.5, (5, 32)).astype(np.float32)
    for number in range(216):
        name = f"a-source-task-of-a-long-name-{number:03}"
        save(SoftPrompt(values, name, plm, name, 0, "trained"), folder / "prompts" / "tiny-1" / f"{name}.safetensors")
    for number in range(50):
        write_task(folder / "tasks", f"a-target-task-of-a-long-name-{number:02}", "nli", ["no", "yes"], rows=2)
    return folder


def link_of(test) -> str:
    """What the dialog shows as the view's link."""
    test.button(key="saved-views").click().run()
    assert not test.exception
    return test.code[0].value


def warned(test) -> str:
    return "\n".join(str(item.value).replace("\\", "") for item in test.warning)


def picks_of(test) -> dict:
    controls = [*test.selectbox, *test.multiselect, *test.button_group, *test.number_input]
    return {control.key: control.value for control in controls if control.key}


def test_a_link_holds_the_whole_view_and_opens_it_in_another_session(visit):
    asked = {"plm": "tiny-1", "seeds": "1", "sources": ["films", "pairs", "meals"], "tasks": "films", "n": "25", "indicator": "E average",
             "layers": "3", "insertion": "peft", "dtype": "float32", "image": "PNG", "of": "directions", "method": "t-SNE", "dims": "3",
             "by": "task", "projection-seed": "7", "near": "tiny-1/films-s1"}  # fmt: skip
    test = visit(f"/prompt_space?{urlencode(asked, doseq=True)}")
    link, picked = link_of(test), picks_of(test)
    assert not test.warning
    assert {"sources": ["films", "meals", "pairs"], "indicator": "E_average", "layers": [3], "method": "tsne", "projection-seed": 7}.items() <= {
        **picked, "sources": sorted(picked["sources"])}.items()  # fmt: skip
    assert link.startswith("/prompt_space?")
    assert parse_qs(urlsplit(link).query) == {name: [value] if isinstance(value, str) else value for name, value in asked.items()}
    assert picks_of(visit(ORIGIN + link)) == picked


def test_a_cell_and_its_prompt_are_in_the_link(visit):
    test = visit("/transfer?cell=meals~pairs&cell-prompt=tiny-1/meals-s1")
    again = visit(link_of(test))
    assert "meals on pairs" in text(again)
    assert again.button_group(key="cell-prompt").value == "tiny-1/meals-s1"


@pytest.mark.parametrize("share", [0.5, 0.93])
def test_any_selection_is_a_short_link(visit, wide_library, share):
    more = {
        "near": "tiny-1/random-s1",
        "indicator": "E concat",
        "by": "seed",
        "method": "UMAP",
        "projection-seed": 999,
    }
    test = visit(f"/prompt_space?{urlencode(more)}", wide_library)
    random = Random(1)
    sources, tasks = test.multiselect(key="sources"), test.multiselect(key="tasks")
    assert (len(sources.options), len(tasks.options)) == (220, 54)
    picked = [random.sample(control.options, int(len(control.options) * share)) for control in (sources, tasks)]
    sources.set_value(picked[0])
    tasks.set_value(picked[1])
    test.multiselect(key="layers").set_value([1, 3])
    test.run()
    link = link_of(test)
    assert len(ORIGIN + link) < MOST
    again = visit(link, wide_library)
    assert not again.warning
    for key, names in zip(("sources", "tasks"), picked, strict=True):
        assert set(again.multiselect(key=key).value) == set(names)
    assert len(ORIGIN + link_of(again)) < MOST


def test_many_picks_stay_through_pages_and_few_stand_by_name_again(visit, wide_library):
    test = visit("/shelf", wide_library)
    many = test.multiselect(key="sources").options[20:120]
    test.multiselect(key="sources").set_value(many).run()
    assert "sources-packed" in test.query_params
    assert "sources" not in test.query_params
    test.switch_page("views/runs.py").run()
    assert test.multiselect(key="sources").value == many
    assert "sources-packed" in test.query_params
    test.multiselect(key="sources").set_value(many[:2]).run()
    assert test.query_params.get("sources") == many[:2]
    assert "sources-packed" not in test.query_params
    test.run()
    assert test.multiselect(key="sources").value == many[:2]
    test.multiselect(key="sources").set_value([]).run()
    test.run()
    assert test.multiselect(key="sources").value == []


def test_many_picks_of_another_library_are_counted(visit, wide_library, tiny_library):
    test = visit("/shelf", wide_library)
    test.multiselect(key="sources").set_value(["films", *test.multiselect(key="sources").options[20:119]]).run()
    again = visit(link_of(test), tiny_library)
    assert "100 source tasks, 99 of them not here" in warned(again)
    assert again.multiselect(key="sources").value == ["films"]


UNKNOWN = {
    "plm=big-1": "PLM big-1 (shown: tiny-1)",
    "sources=films&sources=meals&sources=gone&sources=away": "source tasks gone, away (shown: films, meals)",
    "tasks=absent": "task absent (shown: all)",
    "seeds=1&seeds=9": "prompt seed 9 (shown: 1)",
    "indicator=cosmic": "indicator cosmic (shown: ON)",
    "layers=99": "layer 99 (shown: all)",
    "n=31": "number of examples 31 (shown: all)",
    "insertion=sideways": "insertion sideways (shown: as trained)",
    "method=som": "method som (shown: auto)",
    "projection-seed=-4": "seed of the projection -4 (shown: 0)",
    "near=tiny-1/gone": "prompt tiny-1/gone (shown: nothing)",
    "results=published": "kind of results published (this PLM has measured ones alone)",
}
PACKED = {
    "sources-packed=m0abcdAAAA": "source tasks of another list than the one here (all are shown)",
    "tasks-packed=%00%F0%9F%92%A9": "tasks of another list than the one here (all are shown)",
    "layers-packed=x4abcd": "all but some layers; of those that are here now that makes 3, other than where the link was made",
}


@pytest.mark.parametrize("asked", [UNKNOWN, PACKED])
def test_what_is_not_here_is_told_and_the_rest_is_shown(visit, asked):
    test = visit(f"/prompt_space?{'&'.join(asked)}&by=seed")
    for told in asked.values():
        assert told in warned(test)
    assert test.button_group(key="by").value == "seed"
    assert len(test.get("plotly_chart")) == 1
    test.run()
    assert told in warned(test), "it stays until it is dismissed"
    test.button(key="dismiss-link").click().run()
    assert not test.warning


def test_a_cell_that_is_not_here_is_told(visit):
    test = visit("/transfer?cell=gone~pairs")
    assert "cell gone~pairs (not a source and a target here)" in warned(test)
    test.switch_page("views/runs.py").run()
    assert not test.warning


def test_nothing_is_told_of_what_is_here_or_means_nothing(visit):
    asked = "plm=tiny-1&n=all&indicator=on&layers=1&by=type&seeds=0&seeds=1&embed=true&utm_source=mail&prompt=tiny-1/films-s0&tasks="
    assert not visit(f"/prompt_space?{asked}").warning


def test_foreign_names_stand_as_they_are_and_are_cut(visit):
    names = [
        "<img src=x onerror=alert(1)>",
        "[a](javascript:alert(1))",
        "$x$ :red[b]",
        "x" * 5000,
        *(f"task-{number}" for number in range(90)),
    ]
    said = "".join(str(item.value) for item in visit(f"/runs?{urlencode({'tasks': names}, doseq=True)}").warning)
    assert r"\<img src=x onerror=alert\(1\)\>, \[a\]\(javascript\:alert\(1\)\), \$x\$ \:red\[b\], xxx" in said
    assert "… and 90 more" in said
    assert len(said) < 400


def test_views_are_kept_renamed_deleted_and_their_link_opens_the_view(visit):
    def tried(button, **fields):
        test.button(key="saved-views").click().run()
        for key, value in fields.items():
            test.text_input(key=key.replace("_", "-", 1)).set_value(value)
        test.button(key=button).click().run()
        test.button(key="saved-views").click().run()
        assert not test.exception
        return "".join(item.value.replace("\\", "") for item in [*test.success, *test.error])

    test = visit("/transfer?tasks=films&cell=meals~films")
    assert "needs a name" in tried("view-save")
    assert "Kept as First *view*" in tried("view-save", view_name="First *view*")
    assert "there already" in tried("view-save", view_name="First *view*")
    assert "is called Second now" in tried("view-do-rename", **{"view_rename-First *view*": "Second"})

    # A new session of a new server, as after a restart.
    test = visit("/runs")
    test.button(key="saved-views").click().run()
    assert test.selectbox(key="view-chosen").options == ["Second"]
    href = next(link for item in test.get("bidi_component") if isinstance(link := json.loads(item.proto.json), str))
    opened = visit(href)
    assert "meals on films" in text(opened)
    assert opened.multiselect(key="tasks").value == ["films"]
    assert not opened.warning

    test = opened
    assert "Second is deleted" in tried("view-delete")
    assert "Nothing is kept yet" in text(test)
