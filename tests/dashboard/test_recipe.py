"""Recipes: a figure made again from its file is the same to the byte, and a file that is wrong is one sentence."""

import shutil
import tomllib
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard import command, gallery, recipe
from dashboard.export import pack
from dashboard.export.leaving import Leaving
from dashboard.export.press import Print
from dashboard.gallery import Fresh
from dashboard.picks import joined
from ptlib.errors import RunError
from ptlib.library import Library
from ptlib.prompts import SoftPrompt, save
from ptlib.store import Store
from tests.dashboard.conftest import FOUL
from tests.dashboard.test_recipe_of_runs import OWN

KINDS = [*[figure for figure in pack.FIGURES if figure[0] not in ("measured-published", *OWN)], ("confusion", {"cell": joined("tiny-1/foul-0-s0", "films")}),
         ("transfer-matrix", {"cell": joined(FOUL[0], "films"), "order": "clustering", "find": "n", "zoom": joined(FOUL[0], FOUL[1], "films", "meals")})]  # fmt: skip


@pytest.fixture(autouse=True)
def here(monkeypatch, foul_library, foul_cache):
    """What ``ptlib figure`` and notebooks open."""
    import ptlib.library

    monkeypatch.setattr(ptlib.library, "ZOO", foul_library)
    monkeypatch.setenv("PTLIB_CACHE", str(foul_cache))


def told(source, view, name="transfer-matrix", given=None):
    """A recipe's text, and the data it was written of."""
    leaving = Leaving(gallery.draw(name, source, view, given), name, view, given or {})
    return recipe.write(leaving, Print(), source.library()).to_toml(), leaving.form("csv", Print())


@pytest.mark.parametrize(("name", "given"), KINDS)
def test_every_figure_is_made_again_the_same_to_the_byte(foul_source, foul_view, foul_library, foul_cache, name, given):
    text, csv = told(foul_source, foul_view, name, given)
    again, notes = recipe.parse(text).leaving(Fresh(Store(foul_cache), Library.open([foul_library])))
    assert notes == []
    assert again.form("csv", Print()) == csv
    assert recipe.write(again, Print(), foul_source.library()).to_toml() == text


@settings(deadline=None)
@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=80))
def test_any_name_comes_back_from_the_file(text):
    made = recipe.Recipe("transfer-matrix", recipe.Chosen(text, tasks=(text,), sources=(text, "b"), further=(text,)), {"cell": text})
    assert recipe.parse(made.to_toml()) == made


def test_one_command_makes_a_folder_of_them_again(foul_source, foul_view, tmp_path, capsys):
    for name in ("transfer-matrix", "type-effect"):
        (tmp_path / f"{name}.toml").write_text(told(foul_source, foul_view, name)[0])
    (tmp_path / "bad.toml").write_text('figure = "no-such"\n[select]\nplm = "tiny-1"\n')
    assert command.main(["figure", str(tmp_path), "--formats", "csv", "tex", "--out", str(tmp_path / "made")]) == 2
    said = capsys.readouterr()
    assert "no such figure" in said.err
    assert "Traceback" not in said.err
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == [
        "transfer-matrix.csv",
        "transfer-matrix.tex",
        "type-effect.csv",
        "type-effect.tex",
    ]
    assert (tmp_path / "made" / "transfer-matrix.csv").read_bytes() == told(foul_source, foul_view)[1]


def test_a_notebook_cell_draws_the_same(foul_source, foul_view):
    given = {"show": "relative performance", "cell": joined(FOUL[0], "films")}
    view = replace(foul_view, layers=[0, 1])
    leaving = Leaving(gallery.draw("transfer-matrix", foul_source, view, given), "transfer-matrix", view, given)
    found = {}
    exec(recipe.as_python(leaving, foul_source.library()), found)
    assert found["drawn"].table.equals(leaving.drawn.table)
    assert found["drawn"].figure == leaving.drawn.figure


@pytest.mark.parametrize(("text", "sentence"), [
    ("figure = ", "no TOML"), ('figure = "indicators"', "names a figure and a PLM"),
    ('figure = "indicators"\n[select]\nplm = "tiny-1"\nwhat = 1', "unknown field"),
    ('figure = "indicators"\n[select]\nplm = "tiny-1"\nseeds = ["a"]', "wrong value"),
    ('figure = "prompt-space"\n[select]\nplm = "tiny-1"\n[settings]\ndimensions = true', "wrong value"),
    ('figure = "prompt-space"\n[select]\nplm = "tiny-1"\n[print]\nsize = "huge"', "huge"),
])  # fmt: skip
def test_what_is_wrong_in_a_file_is_a_sentence(text, sentence):
    with pytest.raises(RunError, match=sentence):
        recipe.parse(text)


def test_a_prompt_trained_here_is_a_row_of_its_own_in_the_recipe_too(foul_library, foul_cache, tmp_path):
    shutil.copytree(foul_library, tmp_path / "library")
    plm, values = Library.open([foul_library]).plm("tiny-1"), np.ones((5, 32), dtype=np.float32)
    trained = SoftPrompt(values, "mine", plm.fingerprint, "films", 0, "trained", meta={"training": "0" * 16, "created": 1.0})
    save(trained, tmp_path / "library" / "prompts" / "tiny-1" / "mine.safetensors")
    source = Fresh(Store(foul_cache), Library.open([tmp_path / "library"]))
    view = recipe.Chosen("tiny-1", further=("tiny-1/mine",)).view(source.library())
    made = recipe.parse(told(source, view)[0])
    again, _ = made.leaving(source, partial=True)
    assert "tiny-1/mine" in set(again.drawn.table["prompt"])
    assert "further=['tiny-1/mine']" in recipe.as_python(again, source.library())
    assert "tiny-1/mine" not in set(
        recipe.draw("transfer-matrix", plm="tiny-1", store=source.store(), library=source.library()).table["prompt"]
    )


def test_other_contents_under_the_same_names_are_refused(foul_source, foul_view):
    text, _ = told(foul_source, foul_view)
    digest = tomllib.loads(text)["digests"]["prompts"]
    with pytest.raises(RunError, match="the prompts are others than the recipe's"):
        recipe.parse(text.replace(digest, "0" * 16)).leaving(foul_source)


def test_cells_that_are_missing_are_refused_and_counted(foul_source, foul_view, foul_library, store):
    empty = Fresh(store, Library.open([foul_library]))
    with pytest.raises(RunError, match=r"\d+ of \d+ cells of this figure are not in the store"):
        recipe.parse(told(foul_source, foul_view)[0]).leaving(empty)
