"""Projectors as cells: planned, trained by a worker, resumed, kept in the user's library, and scored there with their controls."""

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from ptlib.errors import PtlibError, RunError, StoreError
from ptlib.library import Library
from ptlib.prompts import SoftPrompt, save
from ptlib.runs import Cell, cross_model, plan, queue, select, study_file
from ptlib.runs.evaluator import Evaluator
from ptlib.runs.kinds import projector as room
from ptlib.runs.material import deliver, gather
from ptlib.runs.parcel import Batch, Parcel
from ptlib.transfer.projector import Projector, ProjectorSettings
from tests.hands import work
from tests.second_plm import TASKS, add_second_plm

QUICK = ProjectorSettings(hidden=16, steps=25, batch=8)


@pytest.fixture(scope="module")
def two_plms(tiny_library, tmp_path_factory):
    """The tiny library with a second PLM, "wide-1" of hidden 48, and its prompts of length 7."""
    folder = tmp_path_factory.mktemp("two") / "library"
    shutil.copytree(tiny_library, folder)
    add_second_plm(folder)
    return folder


@pytest.fixture
def shelf(two_plms, tmp_path, monkeypatch):
    """Opens the library, the user's own folder among it."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    mine = tmp_path / "data" / "ptlib"
    return lambda: Library.open([two_plms, *([mine] if mine.is_dir() else [])])


def cell_of(library, tasks=("films", "pairs"), settings=QUICK, **how):
    return cross_model.projector_cell(library, "wide-1", "tiny-1", tasks, settings, **how)


def run(store, library, cells):
    queue.start(store, cells, "test", "test")
    work(store, library)


def test_a_cell_names_all_that_decides_its_result(shelf):
    library = shelf()
    cell = cell_of(library)
    assert cell.key == cell_of(library, ("pairs", "films", "pairs")).key == Cell.from_spec(cell.spec()).key
    others = [cell_of(library, ("films",)), cell_of(library, settings=replace(QUICK, seed=1)), cell_of(library, seeds=[0]), cell_of(library, carry=[0, 1]),
              cell_of(library, settings=replace(QUICK, way="distance")), cell_of(library, length=9), cell_of(library, insertion="peft")]  # fmt: skip
    assert len({cell.key, *(other.key for other in others)}) == 8
    aimless = [cell_of(library, settings=replace(QUICK, way="distance", batch=batch)).key for batch in (8, 16)]
    assert aimless[0] == aimless[1]
    assert len(cell.told["pairs"]) == 4
    assert len(cell.told["carry"]) == 4
    assert "projector from wide-1 (tiny-1)" in cell.words
    assert study_file.parse(study_file.of_cells(library, [cell], "one").to_toml(library), library).jobs == (cell,)


@pytest.mark.parametrize("way", ["tuning", "distance"])
def test_trained_projected_kept_and_scored(store, shelf, way):
    library = shelf()
    before = [cell.key for cell in plan(library, select(library, "tiny-1"))]
    cells = [cell_of(library, settings=replace(QUICK, way=way, seed=seed)) for seed in (0, 1)]
    run(store, library, cells)
    library = shelf()
    made = library.prompts("tiny-1", ("projected",))
    assert len(made) == 2 * 5
    assert {entry.task for entry in made} == {*TASKS, ""}
    assert all(entry.name.startswith("tiny-1/") and ".from-wide-1." in entry.name for entry in made)
    assert {entry.hidden for entry in made} == {32}
    assert {entry.length for entry in made} == {7 if way == "tuning" else 5}
    # What was projected changes no matrix of trained prompts.
    assert [cell.key for cell in plan(library, select(library, "tiny-1"))] == before
    projectors = cross_model.of_cells(library, cells)
    assert [len(item.entries) for item in projectors] == [5, 5]
    first = next(entry for entry in projectors[0].entries if entry.task == "meals")
    source = library.by_digest(first.meta["source_prompt"])
    assert (source.plm_id, source.task, source.seed) == ("wide-1", "meals", first.seed)
    arrays = store.result_arrays(cells[0].key)
    projector = Projector.from_arrays(arrays)
    assert projector.digest == first.meta["projector"]
    assert projector.project(source.load()).digest == first.digest
    assert len(arrays["losses"]) == 25
    run(store, library, cross_model.score_cells(library, projectors, TASKS))
    table = cross_model.cross_scores(store, library, projectors, TASKS)
    own = table[table.role == "own task"]
    assert len(own) == 8
    assert own.value.notna().all()
    assert own.random.notna().all()
    assert own.own.notna().all()
    assert (own.relative == own.value / own.own).all()
    assert set(table.relation) == {"trained on", "same type"}
    assert table[table.role == "gaussian"].value.notna().sum() == 8
    assert table[table.role == "other type"].value.notna().sum() == 2 * 4 * 2
    assert table[table.role == "same type"].value.isna().all()
    everything = cross_model.score_cells(library, projectors, TASKS, everything=True)
    assert sum(cell.prompt_name.count(".from-") for cell in everything) == 2 * 5 * 4


def test_interrupted_goes_on_to_the_same_projector(store, shelf, monkeypatch):
    library = shelf()
    monkeypatch.setattr(room, "CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr(room, "STATE_STEPS", 10)
    cell, evaluator, asked = cell_of(library), Evaluator(library, "cpu"), iter(range(1000))
    parcels = list(evaluator.evaluate(gather(store, library, [cell]), lambda: next(asked) > 17))
    assert [parcel.kind for parcel in parcels if parcel.kind in ("partial", "result", "failed")] == ["partial", "partial"]
    for parcel in parcels:
        if parcel.kind == "partial":
            deliver(store, "w", cell, Parcel.from_bytes(parcel.to_bytes()))
    batch = Batch.from_bytes(gather(store, library, [cell]).to_bytes())
    assert 10 < len(batch.states[cell.key]["losses"]) < 25
    later, whole = (next(parcel for parcel in evaluator.evaluate(given) if parcel.kind == "result") for given in (batch, Batch((cell,))))
    assert Projector.from_arrays(later.arrays).digest == Projector.from_arrays(whole.arrays).digest
    assert np.array_equal(later.arrays["prompts"], whole.arrays["prompts"])


def test_what_left_the_users_library_comes_back_from_the_cache(store, shelf, tmp_path):
    library = shelf()
    cell = cell_of(library)
    run(store, library, [cell])
    shutil.rmtree(tmp_path / "data")
    assert not shelf().prompts("tiny-1", ("projected",))
    cross_model.restore(store, [cell, cell_of(library, ("films",))])
    assert len(shelf().prompts("tiny-1", ("projected",))) == 5


def test_a_library_that_cannot_be_written_is_a_sentence(store, shelf, monkeypatch):
    library = shelf()
    cell = cell_of(library)
    monkeypatch.setenv("XDG_DATA_HOME", "/dev/null")
    parcel = next(one for one in Evaluator(library, "cpu").evaluate(Batch((cell,))) if one.kind == "result")
    with pytest.raises(StoreError, match="cannot be written"):
        deliver(store, "w", cell, parcel)


def test_changed_data_and_a_source_that_left_are_sentences(shelf, tmp_path):
    library = shelf()
    cell = cell_of(library)
    told = json.loads(cell.settings)
    for change, sentence in (({"data": {"films": "0" * 64}}, "data changed"), ({"source_plm": "0" * 64}, "source PLM is not in the library"),
                             ({"pairs": [["0" * 64, "films", ""]]}, "no prompt with digest")):  # fmt: skip
        broken = replace(cell, settings=json.dumps({**told, **change}, sort_keys=True))
        parcel = next(iter(Evaluator(library, "cpu").evaluate(Batch((broken,)))))
        assert parcel.kind == "failed"
        assert sentence in parcel.error


@pytest.mark.parametrize(
    ("how", "sentence"),
    [({"tasks": ()}, "needs a task"), ({"tasks": ("absent",)}, "no task 'absent'"), ({"seeds": [9]}, "no prompt of this task to learn from"),
     ({"source": "tiny-1"}, "are one PLM"), ({"source": "absent"}, "no PLM"), ({"settings": replace(QUICK, lr=0.0)}, "learning rate")],
)  # fmt: skip
def test_what_cannot_be_planned_is_a_sentence(shelf, how, sentence):
    asked = {"source": "wide-1", "target": "tiny-1", "tasks": ("films",), "settings": QUICK, **how}
    with pytest.raises(PtlibError, match=sentence):
        cross_model.projector_cell(shelf(), **asked)


def test_distance_needs_the_targets_own_prompt(two_plms, tmp_path):
    shutil.copytree(two_plms, tmp_path / "library")
    for path in (tmp_path / "library/prompts/tiny-1").glob("films-*"):
        path.unlink()
    library = Library.open([tmp_path / "library"])
    with pytest.raises(RunError, match=r"films on tiny-1: Distance Minimizing needs the target PLM's own prompt.*Task Tuning"):
        cell_of(library, settings=replace(QUICK, way="distance"))
    assert cell_of(library).told["data"].keys() == {"films", "pairs"}


def test_data_and_prompts_that_no_projector_can_learn_from(two_plms, tmp_path):
    shutil.copytree(two_plms, tmp_path / "library")
    path = tmp_path / "library/tasks/films.toml"
    path.write_text("\n".join(line for line in path.read_text().splitlines() if not line.startswith("train")))
    with pytest.raises(PtlibError, match="no split 'train'"):
        cell_of(Library.open([tmp_path / "library"]))
    library = Library.open([two_plms])
    library.tasks["films"] = replace(library.tasks["films"], answer_field="text")
    with pytest.raises(PtlibError, match="free text"):
        cell_of(library)
    info, odd = library.plm("wide-1"), np.ones((4, 48), np.float32)
    save(SoftPrompt(odd, "films-s7", info.fingerprint, "films", 7), tmp_path / "library/prompts/wide-1/films-s7.safetensors")
    with pytest.raises(RunError, match="different lengths or insertions"):
        cell_of(Library.open([tmp_path / "library"]), settings=replace(QUICK, way="distance"))


def test_names_are_unique_readable_and_ids(shelf):
    from ptlib.library import ID

    library = shelf()
    side = {"plm": "f", "plm_id": "a-plm-of-a-very-long-name-" * 3, "length": 7, "hidden": 48, "insertion": "peft", "inert": ()}
    from ptlib.transfer.projector import Side

    made = Projector(QUICK, Side(**side), Side(**side), 1.0, 1.0, {})
    source = library.prompt("wide-1/films-s0").load()
    for name in ("films-s0", "Films / <b>0</b>", "x" * 200, "***"):
        found = room.file_name(replace(source, name=name), made)
        assert ID.fullmatch(found), found
        assert found.endswith(made.digest[:8])
