"""Training with states: going on, ending, leaving the PLM alone."""

import dataclasses
import math
from itertools import islice

import numpy as np
import pytest

from ptlib.errors import PromptError, TaskError
from ptlib.plms.checksum import checksum
from ptlib.plms.load import load
from ptlib.transfer.evaluate import evaluate
from ptlib.transfer.forward import Stopped
from ptlib.transfer.settings import TrainingSettings
from ptlib.transfer.tuning import Diverged, State, prompt_of, train

SHORT = TrainingSettings(5, steps=24, batch=8, lr=0.05, evaluate_every=4)


@pytest.fixture
def task(library):
    return library.task("films")


def same(one: State, other: State) -> bool:
    a, b = one.to_arrays(), other.to_arrays()
    return a.keys() == b.keys() and all(np.array_equal(a[name], b[name], equal_nan=a[name].dtype.kind == "f") for name in a)


@pytest.mark.parametrize(
    "how", [{}, {"optimizer": "adafactor", "schedule": "cosine"}, {"optimizer": "sgd", "accumulation": 3}, {"precision": "bfloat16"}]
)
def test_going_on_ends_in_the_same_bits(tiny_plm, task, how):
    settings = dataclasses.replace(SHORT, **how)
    whole = list(train(tiny_plm, task, settings))
    assert [state.step for state in whole] == [0, 4, 8, 12, 16, 20, 24]
    assert [state.ended for state in whole] == [""] * 6 + ["all steps"]
    kept = {name: array.copy() for name, array in whole[3].to_arrays().items()}
    rest = list(train(tiny_plm, task, settings, state=State.from_arrays(kept)))
    assert len(rest) == 3
    assert same(rest[-1], whole[-1])
    assert list(train(tiny_plm, task, settings, state=whole[-1])) == []


@pytest.mark.parametrize("looks", range(1, 25, 5))
def test_stopped_anywhere_it_loses_nothing(tiny_plm, task, looks):
    """Also inside a validation: looks are counted, whoever asks."""
    left, states = iter(range(looks)), []
    with pytest.raises(Stopped):
        states.extend(train(tiny_plm, task, SHORT, should_stop=lambda: next(left, None) is None))
    assert same(list(train(tiny_plm, task, SHORT, state=states[-1]))[-1], list(train(tiny_plm, task, SHORT))[-1])


def test_best_and_last_and_the_plm_as_it_was(tiny_plm, task):
    before = checksum(tiny_plm)
    states = list(train(tiny_plm, task, SHORT))
    assert checksum(tiny_plm) == before
    last = states[-1]
    assert last.validation == max(point.validation for point in last.curve)
    assert np.array_equal(last.best, next(state for state in states if state.step == last.best_step).values)
    assert not np.array_equal(last.values, states[0].values)
    prompt = prompt_of(last, tiny_plm, task, SHORT, [], {})
    assert next(evaluate(tiny_plm, [prompt], task, split="validation")).value == last.validation
    assert math.isnan(last.curve[0].loss)


def test_a_checksum_sees_one_changed_bit(tiny_plm_folder):
    import torch

    plm = load(tiny_plm_folder, device="cpu")
    before = checksum(plm)
    with torch.no_grad():
        plm.model.roberta.encoder.layer[1].output.dense.bias[3] += 1e-7
    assert checksum(plm) != before


def test_passes_of_a_step_are_one_bigger_batch(tiny_plm, task):
    """Without padding differences: the mean of equal parts' gradients is the whole's."""
    whole = dataclasses.replace(SHORT, steps=1, batch=60, examples=60)
    parts = dataclasses.replace(SHORT, steps=1, batch=20, accumulation=3, examples=60)
    one, many = (list(train(tiny_plm, task, settings, from_start=False))[-1] for settings in (whole, parts))
    assert one.losses == many.losses == ()
    assert one.curve[0].loss == pytest.approx(many.curve[0].loss, abs=1e-5)


def test_patience(tiny_plm, task):
    states = list(train(tiny_plm, task, dataclasses.replace(SHORT, steps=400, lr=1e-6, evaluate_every=1, patience=3)))
    assert states[-1].ended == "patience"
    assert states[-1].step < 400
    scores = [point.validation for point in states[-1].curve]
    assert max(scores) not in scores[-3:] or scores.index(max(scores)) <= len(scores) - 4


def test_divergence_says_at_which_step_and_the_last_good_state_was_given(tiny_plm, task):
    """Weight decay times learning rate above 2 makes every step longer than the last."""
    wild = TrainingSettings(5, optimizer="sgd", lr=100, weight_decay=1.0, schedule="constant", steps=60, batch=8, evaluate_every=2)
    states = []
    with pytest.raises(
        Diverged, match=r"films, step \d+: training diverged.*The prompt of step \d+ is kept\. Use a lower learning rate than 100"
    ) as caught:
        states.extend(train(tiny_plm, task, wild))
    assert len(states) > 2
    assert np.isfinite(states[-1].best).all()
    assert states[-1].step < int(str(caught.value).split("step ")[1].split(":")[0]) <= states[-1].step + 2


@pytest.mark.parametrize("split", ["train", "validation"])
def test_needs_both_splits(tiny_plm, task, split):
    lacking = dataclasses.replace(task, splits={name: place for name, place in task.splits.items() if name != split})
    with pytest.raises(TaskError, match=f"needs a {split} split"):
        next(train(tiny_plm, lacking, SHORT))


def test_half_precision_learns_near_single_and_float16_wants_a_gpu(tiny_plm, task):
    one, half = (list(islice(train(tiny_plm, task, dataclasses.replace(SHORT, precision=name)), 2))[-1] for name in ("float32", "bfloat16"))
    assert half.values.dtype == np.float32
    assert one.curve[-1].loss == pytest.approx(half.curve[-1].loss, abs=0.05)
    assert one.curve[-1].loss != half.curve[-1].loss
    with pytest.raises(PromptError, match="float16 trains on a GPU only"):
        next(train(tiny_plm, task, dataclasses.replace(SHORT, precision="float16")))


def test_validation_rows_can_be_fewer(tiny_plm, task):
    state = next(train(tiny_plm, task, dataclasses.replace(SHORT, validation_examples=7)))
    assert state.curve[0].validation * 7 == pytest.approx(round(state.curve[0].validation * 7))
