"""Cells with neurons masked: what decides them, what they find, and what they leave alone."""

import dataclasses
import shutil

import numpy as np
import pytest

from ptlib.errors import PtlibError
from ptlib.library import Library
from ptlib.neurons.mask import Stimulated, choose
from ptlib.neurons.states import States
from ptlib.neurons.stimulate import stimulate
from ptlib.runs import queue, score_cells, select, study_file
from ptlib.runs.evaluator import Evaluator
from ptlib.runs.masking import Cut, masking, stored
from ptlib.transfer.evaluate import evaluate
from tests.hands import evaluate as worked
from tests.hands import work

ONE = Cut(shares=(0.2,), draws=2)


def selection(library, **more):
    return select(library, "tiny-1", **{"seeds": [0], "limit": 20, "baselines": False, **more})


def test_every_rule_at_every_share_on_every_task(library):
    found = masking(library, selection(library), ["films"], Cut(shares=(0.5, 0.1, 0.1), draws=3))
    assert len(found.rows) == 4 * 2 * (3 + 2 * 3)
    assert len(found.cells) == len(found.rows) + 4, "and each task's score with all neurons once"
    assert set(found.rows.groupby("share")["masked"].first()) == {14, 72}
    assert set(found.rows.reader) == {"tiny-1/films-s0", "tiny-1/meals-s0", "tiny-1/pairs-s0", "tiny-1/doubles-s0"}
    assert set(masking(library, selection(library), ["films"], ONE._replace(reader="masked")).rows.reader) == {"tiny-1/films-s0"}


def test_seeds_that_are_cut_are_among_those_that_decide(library):
    chosen = selection(library, seeds=[0, 1])
    some, everything = masking(library, chosen, ["films"], ONE, [1]), masking(library, chosen, ["films"], ONE)
    assert set(some.rows.seed) == {1}
    assert set(some.rows.key) == set(everything.rows.key[everything.rows.seed == 1])
    assert {cell.key for cell in some.cells} == {*some.rows.key, *some.rows.intact_key}
    with pytest.raises(PtlibError, match=r"no prompt of this seed is selected \(found 5, expected one of \[0, 1\]"):
        masking(library, chosen, ["films"], ONE, [5])


def test_in_one_layer_the_random_neurons_of_all_rules_are_the_same(library):
    rows = masking(library, selection(library), ["films"], ONE._replace(layers=((1,), (2,), (0, 1, 2)))).rows
    single = rows[(rows.rule == "random") & (rows.layers == "2")]
    assert set(single.like) == {"most"}
    assert set(rows.layers) == {"2", "3", "all"}


def test_names_do_not_count_and_contents_do(library, tiny_library, tmp_path):
    folder = tmp_path / "library"
    shutil.copytree(tiny_library, folder)

    def keys(**more):
        opened = Library.open([folder])
        rows = masking(opened, selection(opened, **more), ["films"], ONE).rows
        return rows.set_index(["rule", "like", "draw", "target"])["key"]

    before = keys()
    prompts = folder / "prompts" / "tiny-1"
    (prompts / "films-s0.safetensors").rename(prompts / "zzz.safetensors")
    assert keys().equals(before)
    assert keys(insertion="peft")["most"].isin(before).sum() == 0
    fewer = keys(sources=["films", "pairs"])
    other = fewer.index.get_level_values("target") == "films"
    assert (fewer["most"] == before["most"][fewer["most"].index]).all(), "the others' stimulations do not decide these"
    assert fewer["distinctive"].isin(before["distinctive"]).sum() == 0
    assert other.any()


def test_a_cell_is_what_its_definition_says(store, library, tiny_plm):
    found = masking(library, selection(library), ["films"], ONE)
    cells = [cell for cell in found.cells if cell.task == "meals"]
    evaluator = Evaluator(library, "cpu")
    assert not [error for kind in ("masked", "score") for _, error in
                worked(store, library, [cell for cell in cells if cell.kind == kind], evaluator=evaluator) if error]  # fmt: skip
    assert not any(module._forward_pre_hooks for plm in evaluator._plms.values() for module in plm.model.modules())
    prompts = {name: library.prompt(f"tiny-1/{name}-s0").load() for name in ("films", "meals", "pairs", "doubles")}
    states = stimulate(tiny_plm, list(prompts.values()))
    seen = Stimulated(States(states.values[0], states.activated[0]), states.activated[:2], [states.activated[2:]])
    rows = stored(store, found)
    rows = rows[rows.target == "meals"]
    assert rows.value.notna().all()
    values = set()
    for row in rows.itertuples():
        off = choose(row.rule, 0.2, seen, draw=row.draw, like=row.like or "most")
        with tiny_plm.mask_neurons(off):
            expected = next(evaluate(tiny_plm, [prompts["meals"]], library.task("meals"), limit=20))
        arrays = store.result_arrays(row.key)
        assert np.array_equal(arrays["predictions"], expected.predictions)
        assert row.value == expected.value
        assert arrays["masked"].tolist() == off.sum(axis=1).tolist()
        assert arrays["activated"].sum() == (off & states.activated[0]).sum()
        assert row.masked == off.sum() == 28
        values.add(expected.predictions.tobytes())
    assert len(values) > 1
    intact = next(evaluate(tiny_plm, [prompts["meals"]], library.task("meals"), limit=20))
    assert set(rows.intact) == {intact.value}


def test_half_precision_is_settled_by_the_same_neurons(store, library, tiny_plm):
    """Doubtful answers are taken from single precision, whose neurons are off as well."""
    found = masking(library, selection(library, dtype="bfloat16"), ["films"], Cut(shares=(0.5,), rules=("most",)))
    cells = [cell for cell in found.cells if cell.kind == "masked" and cell.task == "pairs"]
    evaluator = Evaluator(library, "cpu")
    assert [error for _, error in worked(store, library, cells, evaluator=evaluator)] == [None]
    half = next(plm for plm in evaluator._plms.values() if plm.dtype == "bfloat16")
    states = stimulate(half, [library.prompt("tiny-1/films-s0").load()])
    off = choose("most", 0.5, Stimulated(States(states.values[0], states.activated[0]), np.empty((0, 3, 48), bool)))
    with tiny_plm.mask_neurons(off):
        expected = next(evaluate(tiny_plm, [library.prompt("tiny-1/pairs-s0").load()], library.task("pairs"), limit=20))
    row = store.results([cells[0].key]).iloc[0]
    assert (row["dtype"], row.checked) == ("bfloat16", 20), "twenty examples are all of the sample"
    assert np.array_equal(store.result_arrays(cells[0].key)["predictions"], expected.predictions)


def test_masked_scores_are_no_scores_of_the_task(store, library):
    """Other prompts of a task are compared with scores that were made with all neurons."""
    found = masking(library, selection(library), ["films"], ONE)
    queue.start(store, [cell for cell in found.cells if cell.kind == "masked"], "masked", "test")
    work(store, library)
    assert stored(store, found).value.notna().all()
    cell = score_cells(library, selection(library))[0]
    assert store.column(cell.plm, cell.task_digest, cell.dtype, cell.insertion) == ({}, {})


def test_a_study_file_brings_them_back(library):
    found = masking(library, selection(library), ["films"], ONE)
    text = study_file.of_cells(library, found.cells, "cut").to_toml(library)
    assert {cell.key for cell in study_file.parse(text, library).cells(library)} >= {cell.key for cell in found.cells}


def test_one_type_alone_is_told_and_reduced(library):
    found = masking(library, selection(library, sources=["films", "meals"]), ["films"], ONE)
    assert set(found.rows.rule) == {"most", "random", "least"}
    assert set(found.rows[found.rows.rule == "random"].like) == {"most"}
    assert "need prompts of another type" in found.notes[0]
    with pytest.raises(PtlibError, match="need prompts of another type"):
        masking(library, selection(library, sources=["films"]), ["films"], ONE._replace(rules=("distinctive",)))


@pytest.mark.parametrize(
    ("cut", "message"),
    [
        ({"shares": (0,)}, "share of neurons cannot be masked"),
        ({"shares": (0.9,)}, "expected above 0, at most 0.5"),
        ({"shares": ()}, "nothing is asked for"),
        ({"layers": ((7,),)}, r"no such layer; they count from 1 \(found 8, expected 1 to 3"),
        ({"draws": 0}, "at least one draw"),
        ({"rules": ("best",)}, "unknown choice of neurons"),
        ({"reader": "nobody"}, "unknown reader"),
    ],
)
def test_what_cannot_be_asked_for(library, cut, message):
    with pytest.raises(PtlibError, match=message):
        masking(library, selection(library), ["films"], ONE._replace(**cut))


def test_sources_without_prompts(library):
    with pytest.raises(PtlibError, match=r"no prompt of this task is selected \(found absent"):
        masking(library, selection(library), ["absent"], ONE)
    with pytest.raises(PtlibError, match="no task has an own prompt"):
        masking(library, selection(library, sources=["films", "pairs"], tasks=["meals"]), ["films"], ONE)


def test_settings_that_name_nothing_are_a_sentence(store, library):
    cell = next(cell for cell in masking(library, selection(library), ["films"], ONE).cells if cell.kind == "masked")
    for settings in ("{}", '{"rule": "most", "share": 0.1, "of": "abc"}', '{"rule": "most", "share": 0.1, "of": ["abc", "thunlp"]}'):
        wrong = dataclasses.replace(cell, settings=settings)
        [(_, error)] = worked(store, library, [wrong])
        assert "name no neurons" in error or "no prompt with digest 'abc'" in error
