import dataclasses
import json
import shutil

import numpy as np
import pytest

from ptlib.errors import PtlibError
from ptlib.library import Library
from ptlib.prompts import SoftPrompt, save
from ptlib.runs import Cell, plan, score_cells, select


def test_every_prompt_on_every_task(library):
    cells = plan(library, select(library))
    scores = [cell for cell in cells if cell.kind == "score"]
    assert len(scores) == (8 + 2 + 1) * 4
    assert len(cells) - len(scores) == 10
    assert len({cell.key for cell in cells}) == len(cells)


def test_spec_round_trip(library):
    cell = score_cells(library, select(library))[3]
    assert Cell.from_spec(cell.spec()) == cell
    assert Cell.from_spec(cell.spec()).key == cell.key


def test_names_do_not_count_in_the_key(library):
    cell = score_cells(library, select(library))[0]
    renamed = dataclasses.replace(cell, plm_id="other", prompt_name="other", task="other", split="other")
    assert renamed.key == cell.key


@pytest.mark.parametrize("field", ["plm", "prompt", "task_digest", "insertion", "dtype", "kind"])
def test_contents_count_in_the_key(library, field):
    cell = score_cells(library, select(library))[0]
    value = "stimulation" if field == "kind" else "changed"
    assert dataclasses.replace(cell, **{field: value}).key != cell.key


def test_changed_data_and_limits_are_other_cells(tiny_library, tmp_path):
    folder = tmp_path / "library"
    shutil.copytree(tiny_library, folder)

    def keys(limit=None):
        library = Library.open([folder])
        return {cell.key for cell in score_cells(library, select(library, tasks=["films"], limit=limit))}

    before = keys()
    assert not before & keys(limit=10)
    rows = (folder / "tasks/data/films/test.jsonl").read_text().splitlines()
    row = json.loads(rows[0])
    row["text"] = "good good"
    (folder / "tasks/data/films/test.jsonl").write_text("\n".join([json.dumps(row), *rows[1:]]))
    assert not before & keys()


def test_a_copy_of_a_prompt_shares_its_result(tiny_library, tmp_path):
    folder = tmp_path / "library"
    shutil.copytree(tiny_library, folder)
    original = Library.open([folder]).prompt("tiny-1/films-s0").load()
    save(SoftPrompt(original.values, "copy", original.plm, "films", 7), folder / "prompts/tiny-1/copy.safetensors")
    library = Library.open([folder])
    cells = {cell.prompt_name: cell.key for cell in score_cells(library, select(library, tasks=["films"]))}
    assert cells["tiny-1/copy"] == cells["tiny-1/films-s0"]


def test_unknown_names(library):
    for options in ({"plm": "absent"}, {"tasks": ["absent"]}):
        with pytest.raises(PtlibError, match="absent"):
            select(library, **options)


def test_seeds_and_sources(library):
    chosen = select(library, seeds=[1], sources=["films"], baselines=False)
    assert chosen.prompts == ("tiny-1/films-s1",)
    assert np.array_equal(chosen.tasks, list(library.tasks))
