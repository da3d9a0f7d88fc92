import dataclasses
from statistics import NormalDist

import numpy as np
import pytest
import torch
from sklearn.metrics import accuracy_score, f1_score

from ptlib.errors import PromptError, TaskError
from ptlib.prompts import SoftPrompt
from ptlib.transfer.batching import batches
from ptlib.transfer.evaluate import EVALUATE_VERSION, evaluate
from ptlib.transfer.forward import Stopped


def test_scores_are_those_of_the_predictions(tiny_plm, library):
    task = library.task("pairs")
    found = next(evaluate(tiny_plm, [library.prompt("tiny-1/pairs-s0").load()], task))
    labels = task.read("test").labels
    assert found.n == len(labels) == 60
    assert found.value == found.accuracy == accuracy_score(labels, found.predictions)
    assert found.macro_f1 == pytest.approx(f1_score(labels, found.predictions, labels=[0, 1, 2], average="macro", zero_division=0))
    assert np.array_equal(found.predictions, found.logits.argmax(axis=1))


def test_wilson_interval_by_its_formula(tiny_plm, library):
    found = next(evaluate(tiny_plm, [None], library.task("films")))
    z, p, n = NormalDist().inv_cdf(0.975), found.accuracy, found.n
    centre, half = p + z * z / (2 * n), z * np.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    assert found.ci_low == pytest.approx((centre - half) / (1 + z * z / n))
    assert found.ci_high == pytest.approx((centre + half) / (1 + z * z / n))


@pytest.mark.parametrize("tokens", [1, 64, 10_000])
def test_batching_does_not_change_a_score(tiny_plm, library, tokens):
    prompt, task = library.prompt("tiny-1/films-s0").load(), library.task("films")
    one = next(evaluate(tiny_plm, [prompt], task, tokens_per_batch=tokens))
    other = next(evaluate(tiny_plm, [prompt], task))
    assert np.abs(one.logits - other.logits).max() < 1e-4


def test_batches_hold_every_row_once_within_the_budget():
    lengths = [3, 9, 1, 1, 7, 4, 30]
    cut = batches(lengths, 5, 40)
    assert sorted(row for batch in cut for row in batch) == list(range(7))
    assert all(len(batch) == 1 or len(batch) * (5 + max(lengths[row] for row in batch)) <= 40 for batch in cut)


def test_row_zero_of_a_prompt_is_inert(tiny_plm, library):
    prompt, task = library.prompt("tiny-1/films-s0").load(), library.task("films")
    values = prompt.values.copy()
    values[0] = 99
    changed = SoftPrompt(values, "changed", prompt.plm, "films")
    values = prompt.values.copy()
    values[1] += 1
    other = SoftPrompt(values, "other", prompt.plm, "films")
    one, two, three = evaluate(tiny_plm, [prompt, changed, other], task)
    assert np.array_equal(one.logits, two.logits)
    assert not np.allclose(one.logits, three.logits)


def test_memory_that_runs_out_halves_the_batch(tiny_plm, library, monkeypatch):
    """The PLM refuses more than 8 rows at once, as a full GPU would."""
    task, real = library.task("films"), tiny_plm.answer_hidden

    def small(inputs, *options):
        if len(inputs.embeds) > 8:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return real(inputs, *options)

    expected = next(evaluate(tiny_plm, [None], task))
    monkeypatch.setattr(tiny_plm, "answer_hidden", small)
    found = next(evaluate(tiny_plm, [None], task, tokens_per_batch=10_000))
    assert found.halvings >= 1
    assert np.abs(found.logits - expected.logits).max() < 1e-4


def test_other_errors_are_not_taken_for_memory(tiny_plm, library, monkeypatch):
    def broken(inputs, *options):
        raise RuntimeError("shape mismatch")

    monkeypatch.setattr(tiny_plm, "answer_hidden", broken)
    with pytest.raises(RuntimeError, match="shape mismatch"):
        next(evaluate(tiny_plm, [None], library.task("films")))


def test_stops_between_batches(tiny_plm, library):
    asked = []
    with pytest.raises(Stopped):
        next(evaluate(tiny_plm, [None], library.task("films"), tokens_per_batch=20, should_stop=lambda: len(asked) > 2 or asked.append(1)))
    assert len(asked) == 3


def test_prompt_of_the_wrong_width(tiny_plm, library):
    with pytest.raises(PromptError, match=r"not as wide.*found width 31.*expected width 32"):
        next(evaluate(tiny_plm, [SoftPrompt(np.ones((4, 31), np.float32), "p", "", "")], library.task("films")))


@pytest.mark.parametrize(("word", "reason"), [("excellent", "not in the vocabulary"), ("good bad", "several tokens")])
def test_label_words_the_plm_cannot_say(tiny_plm, library, word, reason):
    task = dataclasses.replace(library.task("films"), label_words=("negative", word))
    with pytest.raises(TaskError, match=f"{word}.*{reason}"):
        next(evaluate(tiny_plm, [None], task))


def test_text_longer_than_the_positions(tiny_plm, tmp_path):
    from ptlib.tasks import load_task

    (tmp_path / "test.jsonl").write_text('{"text": "good", "label": "no"}\n{"text": "' + "good " * 60 + '", "label": "yes"}\n')
    toml = tmp_path / "long.toml"
    story = 'name="long"\ntype="t"\nfields=["text"]\nlabel_field="label"\nlabels=["no","yes"]\nlabel_words=["no","yes"]\n'
    toml.write_text(story + '[splits]\ntest="test.jsonl"\n')
    with pytest.raises(TaskError, match=r"task long, row 2.*62 tokens.*38 at most.*max_length"):
        next(evaluate(tiny_plm, [None], load_task(toml)))
    toml.write_text(story + 'max_length=38\n[splits]\ntest="test.jsonl"\n')
    assert next(evaluate(tiny_plm, [None], load_task(toml))).n == 2


def test_version_is_in_the_key():
    from ptlib.neurons.stimulate import STIMULATE_VERSION
    from ptlib.runs.plan import VERSIONS
    from ptlib.transfer.tuning import TRAINING_VERSION

    assert VERSIONS["score"] == EVALUATE_VERSION
    assert VERSIONS["stimulation"] == STIMULATE_VERSION
    assert VERSIONS["training"] == TRAINING_VERSION


def test_answers_that_are_not_numbers_are_no_score(tiny_plm, library):
    """NaN would be taken for class 0 and score like a constant answer."""
    huge = SoftPrompt(np.full((5, 32), 1e30, np.float32), "huge", "", "")
    with pytest.raises(PromptError, match=r"prompt huge on films.*not finite numbers.*60 of 60 rows in float32"):
        next(evaluate(tiny_plm, [huge], library.task("films")))


def test_results_come_one_by_one(tiny_plm, library):
    """What is finished before a stop is there."""
    stop = []
    results = evaluate(tiny_plm, [None, None], library.task("films"), should_stop=lambda: bool(stop))
    assert next(results).n == 60
    stop.append(True)
    with pytest.raises(Stopped):
        next(results)


def test_gradients_are_left_as_they_were(tiny_plm, library):
    results = evaluate(tiny_plm, [None, None], library.task("films"))
    assert torch.is_grad_enabled()
    next(results)
    assert torch.is_grad_enabled()
    assert not torch.is_inference_mode_enabled()
