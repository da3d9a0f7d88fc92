"""The figure pack: everything of a selection in one zip, the same each time, whatever the names hold."""

import csv
import io
import zipfile

import pytest

from dashboard import recipe
from dashboard.export import FORMULA, pack
from dashboard.export.press import Print
from tests.dashboard.conftest import FOUL
from tests.dashboard.test_recipe_of_runs import OWN


@pytest.fixture(scope="module")
def made(foul_library, foul_cache):
    """The zip without pictures, which tests/dashboard/export/test_render.py looks at."""
    from dashboard.gallery import Fresh
    from ptlib.library import Library
    from ptlib.store import Store

    told = []
    library = Library.open([foul_library])
    content = pack.write(Fresh(Store(foul_cache), library), recipe.Chosen("tiny-1").view(library), Print(), told.append, formats=())
    return content, told


def test_it_holds_data_tables_captions_and_recipes_of_every_figure(made):
    names = zipfile.ZipFile(io.BytesIO(made[0])).namelist()
    stems = {name.removeprefix("data/").rsplit(".", 1)[0] for name in names if name.startswith("data/")}
    assert {f"data/{stem}.{form}" for stem in stems for form in ("csv", "json", "tex", "md")} <= set(names)
    assert {f"recipes/{stem}.toml" for stem in stems} <= set(names)
    # Nothing was imported, masked, carried or trained here.
    absent = [figure for figure in pack.FIGURES if figure[0] in ("measured-published", *OWN)]
    assert len(stems) == len(pack.FIGURES) - len(absent)
    told = zipfile.ZipFile(io.BytesIO(made[0])).read("README.txt").decode()
    assert all(stem in told for stem in stems)
    assert "measured-published: tiny-1: measured and published scores of this PLM are not both here" in told
    assert len(told.partition("Left out:")[2].strip().splitlines()) == len(absent)
    assert made[1][-1] == f"figure {len(pack.FIGURES)} of {len(pack.FIGURES)}"


def test_it_is_the_same_to_the_byte(made, foul_source, foul_view):
    assert pack.write(foul_source, foul_view, Print(), formats=()) == made[0]


def test_no_cell_of_it_runs_in_a_spreadsheet(made):
    zipped, seen = zipfile.ZipFile(io.BytesIO(made[0])), 0
    for name in zipped.namelist():
        if name.endswith(".csv"):
            for row in csv.reader(io.StringIO(zipped.read(name).decode(), newline="")):
                for cell in row:
                    seen += FOUL[0] in cell
                    assert not cell.startswith(FORMULA) or cell[1:].replace(".", "", 1).replace("e-", "").isdigit(), (name, cell)
    assert seen


def test_captions_are_latex(made):
    told = zipfile.ZipFile(io.BytesIO(made[0])).read("captions.tex").decode()
    assert told.count(r"\caption{") == len([line for line in told.splitlines() if line.startswith("% ")])
    assert "95 \\% interval" in told
