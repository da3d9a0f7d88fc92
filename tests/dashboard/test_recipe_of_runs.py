"""Recipes of figures that runs of their own make: masks, projectors, trainings. Made again from the file they are the same to the byte."""

import dataclasses
import shutil

import pytest

from dashboard import gallery, recipe, slides
from dashboard.export import pack
from dashboard.export.leaving import Leaving
from dashboard.export.press import Print
from dashboard.gallery import Fresh, ablation, cross_model, training
from ptlib.errors import RunError
from ptlib.library import Library
from ptlib.runs import cross_model as carried
from ptlib.runs import initialisation, masking, plan, queue, select
from ptlib.runs.carry import projector_cells
from ptlib.runs.training import training_cell
from ptlib.store import Store
from ptlib.transfer.projector import ProjectorSettings
from ptlib.transfer.settings import TrainingSettings
from tests.hands import work
from tests.second_plm import TASKS, add_second_plm

OWN = {**ablation.FIGURES, **cross_model.FIGURES, **training.FIGURES}
MASKED = {"cut": "films", "shares": "10 50"}
CARRIED = {"source": "wide-1", "trained_on": "films pairs", "projectors": 2}
COMPARED = {"steps": 4, "examples": 30}
STARTED = {**CARRIED, **COMPARED}
KINDS = [("ablation", MASKED), ("ablation", {**MASKED, "group": "other types", "measure": "score"}), ("ablation-layers", {**MASKED, "each": "most"}),
         ("cross-model-roles", CARRIED), ("cross-model-matrix", {**CARRIED, "relative": True}), ("collapse", CARRIED),
         ("projected-starts", {**STARTED, "target": "meals"}), ("projected-steps-saved", STARTED), ("training-curve", {}),
         ("training-likeness", {}), ("starts", {**COMPARED, "target": "meals"}), ("steps-saved", COMPARED)]  # fmt: skip


@pytest.fixture(scope="module")
def studied(tiny_library, tmp_path_factory):
    """(library's folders, store): everything those figures need, computed."""
    home = tmp_path_factory.mktemp("studied")
    shutil.copytree(tiny_library, home / "library")
    add_second_plm(home / "library")
    folders, store = [home / "library", home / "data" / "ptlib"], Store(home / "cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(home / "data"))
        library = Library.open(folders[:1])
        selection = select(library, "tiny-1")
        projectors = projector_cells(library, "wide-1", "tiny-1", [("films", "pairs")], ProjectorSettings(), range(2))
        cells = [
            *plan(library, selection),
            *projectors,
            training_cell(library, "tiny-1", "films", TrainingSettings(5, steps=6, batch=8, evaluate_every=2)),
        ]
        short = dataclasses.replace(selection, limit=masking.LIMIT)
        for cut in (masking.Cut(shares=(0.1, 0.5)), masking.Cut(shares=(0.1, 0.5), rules=("most",), layers=((0,), (1,), (2,)))):
            cells += masking.masking(library, short, ["films"], cut, [0]).cells
        settings = initialisation.readable(library, "tiny-1", steps=4, validation_examples=30)
        cells += [item.cell for item in initialisation.starts(library, "tiny-1", TASKS, [0], settings)]
        queue.start(store, cells, "all", "test")
        work(store, library)
        library = Library.open(folders)
        there = carried.of_cells(library, projectors)
        cells = [
            *carried.score_cells(library, there, TASKS),
            *(item.cell for item in initialisation.projected_starts(library, there, TASKS, settings)),
        ]
        queue.start(store, cells, "scores and starts", "test")
        work(store, library)
    return folders, store


@pytest.fixture
def source(studied):
    return Fresh(studied[1], Library.open(studied[0]))


@pytest.fixture
def view(source):
    return recipe.Chosen("tiny-1").view(source.library())


def test_every_figure_is_here():
    assert {name for name, _ in KINDS} == set(OWN)
    assert set(OWN) <= {name for name, _ in pack.FIGURES}


@pytest.mark.parametrize(("name", "given"), KINDS)
def test_it_is_made_again_the_same_to_the_byte(studied, source, view, name, given):
    leaving = Leaving(gallery.draw(name, source, view, given), name, view, given)
    text = recipe.write(leaving, Print(), source.library()).to_toml()
    again, notes = recipe.parse(text).leaving(Fresh(studied[1], Library.open(studied[0])))
    assert notes == []
    assert again.form("csv", Print()) == leaving.form("csv", Print())
    assert len(again.drawn.table)
    assert recipe.write(again, Print(), source.library()).to_toml() == text
    slide = slides.Slide(name, given)
    assert gallery.draw(name, source, view, slides.read(slide.told()).settings).caption == leaving.drawn.caption


@pytest.mark.parametrize(("name", "given", "sentence"), [
    ("ablation", {"cut": "no-such"}, "no-such"), ("ablation", {"shares": "ten"}, "not numbers"), ("ablation", {"layer": 9}, "no such layer"),
    ("ablation", {"cut": "pairs"}, "ptlib mask pairs"), ("ablation-layers", {"each": "worst"}, "worst"), ("cross-model-roles", {"source": "tiny-1"}, "tiny-1"),
    ("cross-model-roles", {**CARRIED, "projectors": 3}, "1 of 3 projectors"), ("cross-model-matrix", {**CARRIED, "trained_on": "nothing"}, "nothing"),
    ("projected-starts", {**STARTED, "target": "films"}, "films"), ("projected-steps-saved", {**STARTED, "lr": 0.1}, "ptlib projector --as-initialisation"),
    ("collapse", {**CARRIED, "of": "none"}, "none"), ("training-curve", {"prompt": "tiny-1/films-s0"}, "no such prompt was trained here"),
    ("starts", {**COMPARED, "target": "moon"}, "moon"), ("steps-saved", {"steps": 5}, "no comparison of starts is complete"),
])  # fmt: skip
def test_what_cannot_be_drawn_is_a_sentence(source, view, name, given, sentence):
    with pytest.raises(RunError, match=sentence):
        gallery.draw(name, source, view, given)
