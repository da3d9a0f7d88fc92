"""What trainings and the like need of the queue: batches of their own, states that come back, settings in the key, study files."""

import dataclasses

import numpy as np
import pytest

from ptlib.errors import RunError
from ptlib.runs import Cell, queue, score_cells, select, settings_of, study_file
from ptlib.runs.material import deliver, gather
from ptlib.runs.parcel import Batch, Parcel


@pytest.fixture
def training(library):
    plm, task = library.plm("tiny-1"), library.task("films")
    settings = settings_of(steps=4, lr=0.5, source='a "?" in a name', words=["x", "y"], none=None)
    return Cell(
        "training", plm.id, plm.fingerprint, "", "", "thunlp", "float32", "films", task.digest("train", None), "train", settings=settings
    )


def checkpoint(cell, step):
    row = {"key": cell.key, "plm": cell.plm, "prompt": "", "task": cell.task, "task_digest": cell.task_digest, "insertion": cell.insertion,
           "dtype": cell.dtype, "metric": "accuracy", "value": 0.5, "n": step, "total": 4, "reason": "", "device": "cpu"}  # fmt: skip
    return Parcel("partial", cell.key, row, {"values": np.full((2, 3), step, np.float32), "inner/name": np.arange(step)})


def test_settings_count_in_the_key_whatever_their_order(training):
    assert settings_of(b=1, a=[2, 3]) == settings_of(a=[2, 3], b=1, c=None)
    assert dataclasses.replace(training, settings=settings_of(steps=5)).key != training.key
    assert dataclasses.replace(training, prompt_name="other", plm_id="other").key == training.key
    assert Cell.from_spec(training.spec()).key == training.key


def test_a_cell_without_settings_keeps_its_key(library):
    cell = score_cells(library, select(library))[0]
    assert cell.key == dataclasses.replace(cell, settings="").key != dataclasses.replace(cell, settings="{}").key


def test_a_training_is_a_batch_of_its_own(store, library, training):
    other = dataclasses.replace(training, settings=settings_of(steps=5))
    queue.start(store, [training, other], "two", "test")
    queue.beat(store, "w", "cpu", "")
    assert queue.claim(store, "w") == [training]
    assert queue.claim(store, "w") == [other]


def test_the_last_checkpoint_comes_back_and_earlier_ones_leave_the_disk(store, library, training):
    queue.start(store, [training], "one", "test")
    for step in (1, 2, 3):
        deliver(store, "w", training, checkpoint(training, step))
    batch = Batch.from_bytes(gather(store, library, [training]).to_bytes())
    assert (batch.states[training.key]["values"] == 3).all()
    assert batch.states[training.key]["inner/name"].tolist() == [0, 1, 2]
    assert len(list(store.folder.glob("tensors/*/*.safetensors"))) == 1


def test_a_checkpoint_that_is_the_same_stays(store, training):
    for _ in range(2):
        deliver(store, "w", training, checkpoint(training, 1))
    assert store.partial_arrays(training.key) is not None


def test_a_study_holds_trainings(library, training):
    text = study_file.of_cells(library, [training, *score_cells(library, select(library, tasks=["films"]))], "both").to_toml(library)
    back = study_file.parse(text, library)
    assert back.jobs == (training,)
    assert len(back.cells(library)) == 1 + 11


@pytest.mark.parametrize(
    ("line", "sentence"),
    [('kind = "baking"', "unknown kind"), ('kind = "training"\nsettings = 3', "wrong value"), ('kind = "training"\ninsertion = "sideways"', "insertion"),
     ('kind = "training"\ntask = "nowhere"', "no task"), ('kind = "training"\nfingerprint = "0000"', "weights")],
)  # fmt: skip
def test_what_is_wrong_with_a_job_is_said(library, line, sentence):
    with pytest.raises(Exception, match=sentence) as error:
        study_file.parse(f"[[job]]\n{line}\n", library)
    assert isinstance(error.value, RunError) or "nowhere" in line
