"""Slides: what the address says of one, which comes first and next, and a page that has nothing to show."""

import time

import pytest

from dashboard import slides
from dashboard.slides import Slide
from ptlib.errors import RunError
from tests.dashboard.reading import text


@pytest.mark.parametrize("slide", [Slide("transfer-matrix", {"show": "relative performance"}), Slide("neurons-layer", {"prompt": "a/b~c&d=é", "layer": 3}),
                                   Slide("cross-model-roles", {"relative": True}), Slide("starts", {"lr": 0.01}), Slide("type-effect", {})])  # fmt: skip
def test_the_address_says_all_of_a_slide(slide):
    assert slides.read(slide.told()) == slide


@pytest.mark.parametrize(
    ("told", "sentence"),
    [
        ("no-such", "no such figure"),
        ("type-effect~a=b", "no such setting"),
        ("neurons-layer~layer=x", "wrong value"),
        ("cross-model-roles~relative=yes", "True or False"),
    ],
)
def test_what_is_no_slide_is_a_sentence(told, sentence):
    with pytest.raises(RunError, match=sentence):
        slides.read(told)


def test_what_is_shown_has_its_place_among_the_others():
    usual = slides.usual()
    assert slides.around(usual[2]) == usual
    own = Slide("transfer-matrix", {"order": "clustering"})
    assert slides.around(own).index(own) == [slide.figure for slide in usual].index("transfer-matrix")
    assert len(slides.around(own)) == len(usual)
    other = Slide("confusion", {"cell": "a~b"})
    assert slides.around(other) == [other, *usual]


def test_first_skips_what_cannot_be_drawn():
    assert slides.first(slides.usual(), lambda slide: slide.figure == "by-layer").figure == "by-layer"
    assert slides.first(slides.usual(), lambda slide: False) is None


def test_page(app, full_cache):
    test = app("presentation", full_cache)
    assert not test.exception
    assert test.title[0].value == "Own prompts against baselines"
    assert f"1 of {len(slides.usual())}" in text(test)
    test.button(key="slide-Next").click().run()
    assert test.title[0].value == "Transfer by type of task"
    assert "type-effect" in test.query_params["figure"]
    test.button(key="slide-Previous").click().run()
    assert test.button(key="slide-Previous").disabled


def test_it_begins_with_what_stands_first_on_the_page(app, full_cache):
    test, end = app("correlation", full_cache), time.monotonic() + 60
    while "indicators" not in test.session_state["shown"] and time.monotonic() < end:
        test.run()
    assert next(iter(test.session_state["shown"])) == "indicators", "the page draws another first"
    test.button(key="present").click().run()
    assert not test.exception
    assert test.title[0].value == "Similarity against transfer"


def test_where_nothing_was_evaluated_the_matrix_is_there_to_fill(app, tmp_path):
    test = app("presentation", tmp_path / "cache")
    assert not test.exception
    assert test.title[0].value == "Transfer matrix"
    assert len(test.get("plotly_chart")) == 1
