"""Runs as short TOML files: written, read, started twice."""

import pytest

from ptlib.errors import PtlibError
from ptlib.runs import plan, progress, queue, select, study_file, until_clear
from ptlib.runs.study_file import Part, StudyFile
from tests.hands import work

SHORT = 'title = "Films"\nengine = "ray"\npriority = 3\n\n[[select]]\nplm = "tiny-1"\nsources = ["films"]\nseeds = [0]\ntasks = ["films", "pairs"]\nlimit = 20\n'


def test_a_selection_is_written_in_a_few_names_and_read_back(library):
    chosen = select(library, sources=["films", "meals"], seeds=[1], tasks=["pairs"], limit=20)
    text = StudyFile("Two", (Part(chosen),)).to_toml(library)
    assert 'sources = ["films", "meals"]' in text
    assert "seeds = [1]" in text
    assert len(text.splitlines()) < 12
    assert study_file.parse(text, library).cells(library) == plan(library, chosen)


def test_what_a_file_says_is_what_is_queued(library, store):
    story = study_file.parse(SHORT, library)
    assert (story.title, story.engine, story.priority) == ("Films", "ray", 3)
    expected = plan(library, select(library, sources=["films"], seeds=[0], tasks=["films", "pairs"], limit=20))
    assert [cell.key for cell in story.cells(library)] == [cell.key for cell in expected]


def test_a_run_becomes_the_file_that_asks_for_the_same_cells(library, store):
    cells = plan(library, select(library, sources=["films"], tasks=["films"], baselines=False)) + until_clear(
        library, plan(library, select(library, seeds=[0], tasks=["pairs", "meals"], limit=20)), 0.4
    )
    run = queue.start(store, cells, "odd", "test", priority=2)
    text = study_file.of_cells(library, progress.cells_of(store, run), "odd", priority=2).to_toml(library)
    again = study_file.parse(text, library)
    assert again.priority == 2
    assert {(cell.key, cell.until) for cell in again.cells(library)} == {(cell.key, cell.until) for cell in cells}


def test_started_again_it_does_only_what_is_missing(library, store):
    cells = study_file.parse(SHORT, library).cells(library)
    queue.start(store, cells[:3], "some", "test")
    work(store, library)
    run = queue.start(store, cells, "all", "test")
    assert progress.progress(store, run).total == len(cells) - 3


@pytest.mark.parametrize(("text", "told"), [
    ("title = ", "no TOML"),
    ('title = "x"', "selects nothing"),
    ('[[select]]\nplm = "tiny-1"\nseed = 1', r"\[\[select\]\] 1: seed: unknown field"),
    ('[[select]]\nplm = "tiny-1"\nseeds = ["1"]', "expected whole numbers"),
    ('[[select]]\nplm = "tiny-1"\nlimit = true', "expected a whole number"),
    ('[[select]]\nplm = "tiny-1"\nlimit = 0', "expected 1 or more"),
    ('[[select]]\nplm = "tiny-1"\ntasks = ["flims"]', "flims"),
    ('[[select]]\nplm = "tiny-1"\nfingerprint = "0000"', "weights are others"),
    ('engine = "cloud"\n[[select]]\nplm = "tiny-1"', "unknown engine"),
])  # fmt: skip
def test_what_is_wrong_with_a_file_is_a_sentence(library, text, told):
    with pytest.raises(PtlibError, match=told):
        study_file.parse(text, library, "my.toml").cells(library)


def test_a_file_that_is_not_there(library, tmp_path):
    with pytest.raises(PtlibError, match="cannot be read"):
        study_file.read(tmp_path / "none.toml", library)
