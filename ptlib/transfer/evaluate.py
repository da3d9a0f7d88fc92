"""Scores of many prompts on one task: the paper's zero-shot transfer (section 4).

Tokens are made once for all prompts, batches are cut by length and a token budget, and only what decides the answer is
computed (:class:`ptlib.plms.plm.Shortcuts`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from ptlib.errors import PromptError
from ptlib.plms.plm import ALL_SHORTCUTS, Plm, Shortcuts, Stimulation
from ptlib.prompts import SoftPrompt
from ptlib.tasks import Task, metrics, text_metrics
from ptlib.transfer.forward import Forward
from ptlib.transfer.tokens import Tokens, tokens_of

EVALUATE_VERSION = "2"
"""Part of every cell's key: raised when a change here could change a score."""


class Seen(NamedTuple):
    """Rows that were evaluated before, so that they are not evaluated again."""

    rows: np.ndarray
    """(m,) int32, of the split"""
    logits: np.ndarray
    """(m, classes) float32"""
    seconds: float = 0.0


class Evaluation(NamedTuple):
    """What one prompt does on one task."""

    prompt: str
    """Digest of the prompt; empty without one."""
    task: str
    metric: str
    value: float
    n: int
    ci_low: float
    ci_high: float
    """Wilson 95 % interval of the accuracy."""
    accuracy: float
    macro_f1: float
    predictions: np.ndarray
    """(n,) int16, class of each row"""
    labels: np.ndarray
    """(n,) int16"""
    logits: np.ndarray
    """(n, classes) float32, of the label words"""
    seconds: float
    tokens: int
    """Text tokens read, specials included, prompt slots not."""
    halvings: int
    """How often the batch was halved because memory ran out."""
    device: str
    dtype: str
    texts: tuple[str, ...] = ()
    """(n) answers, where they are free text; then ``logits`` is (n, 1), each example's score, and there are no classes."""


@torch.inference_mode()
def evaluate(
    plm: Plm,
    prompts: Sequence[SoftPrompt | None],
    task: Task,
    *,
    split: str = "test",
    limit: int | None = None,
    insertion: str | None = None,
    tokens_per_batch: int | None = None,
    shortcuts: Shortcuts = ALL_SHORTCUTS,
    should_stop: Callable[[], bool] = lambda: False,
    seen: Sequence[Seen | None] | None = None,
    on_neurons: Callable[[Stimulation], None] | None = None,
) -> Iterator[Evaluation]:
    """Evaluates prompts on a task, one result as each is finished; ``None`` among them means no prompt.

    Args:
        plm: from :func:`ptlib.plms.load.load`.
        limit: first rows of the split; None takes all.
        insertion: None takes each prompt's own (without a prompt, the family's own).
        tokens_per_batch: slots a batch; None chooses.
        should_stop: asked between batches.
        seen: for each prompt, rows that were evaluated before; they are not evaluated again.
        on_neurons: hears of the neurons of every layer at the answers of each batch, where the answer is not free text;
            :class:`ptlib.neurons.activity.Activity` sums them up.

    Raises:
        PromptError: a prompt of another width, an insertion the family does not offer, or a prompt whose answers are not finite numbers. TaskError: data, texts or label words the PLM cannot use.
        RunError: memory ran out on a single text. Stopped: ``should_stop`` said so.
    """
    task = task.for_family(plm.info.family)
    for prompt in prompts:
        if prompt is not None:
            prompt.check_fits(plm.hidden, plm.info.id)
    for prompt, known in zip(prompts, seen or [None] * len(prompts), strict=True):
        way = insertion or (plm.insertions[0] if prompt is None else prompt.insertion)
        data = tokens_of(plm, task, split, limit, way, 0 if prompt is None else prompt.length)
        work = Forward(plm, task, data, way, shortcuts, should_stop, tokens_per_batch, on_neurons)
        started = time.perf_counter()
        rows = list(range(len(data.ids))) if known is None else sorted(set(range(len(data.ids))) - set(known.rows.tolist()))
        answers = work.run(prompt, rows)
        seconds = time.perf_counter() - started
        if known is not None:
            answers, seconds = _merged(len(data.ids), rows, answers, known), seconds + known.seconds
        if not task.generates:
            check_finite(plm, prompt, task, answers)
        cost = Cost(seconds, sum(len(data.ids[row]) for row in rows), work.halvings)
        yield (_read if task.generates else scored)(plm, prompt, task, data, answers, cost)


def _merged(count: int, rows: list[int], answers: np.ndarray, known: Seen) -> np.ndarray:
    whole = np.empty((count, *known.logits.shape[1:]), dtype=np.float32)
    whole[known.rows] = known.logits
    whole[rows] = answers
    return whole


def check_finite(plm: Plm, prompt: SoftPrompt | None, task: Task, logits: np.ndarray) -> None:
    """Raises PromptError where an answer is not a finite number."""
    # The largest of NaNs is class 0: without this, a broken prompt would score like a constant answer.
    wrong = int((~np.isfinite(logits)).any(axis=1).sum())
    if wrong:
        name = "no prompt" if prompt is None else f"prompt {prompt.name}"
        raise PromptError("the PLM's answers are not finite numbers", where=f"{name} on {task.name}, {plm.info.id}",
                          found=f"{wrong} of {len(logits)} rows in {plm.dtype}",
                          mend="Check the prompt's values, or evaluate in float32.")  # fmt: skip


class Cost(NamedTuple):
    """What a result took."""

    seconds: float
    tokens: int
    halvings: int


def scored(plm: Plm, prompt: SoftPrompt | None, task: Task, data: Tokens, logits: np.ndarray, cost: Cost) -> Evaluation:
    """The evaluation that (n, classes) logits of the whole split amount to."""
    labels, predictions = data.labels, logits.argmax(axis=1)
    n, classes = len(labels), len(task.labels)
    correct = int((labels == predictions).sum())
    interval = metrics.wilson_interval(correct, n)
    score = {"accuracy": correct / n, "macro_f1": metrics.macro_f1(labels, predictions, classes)}
    return Evaluation(
        "" if prompt is None else prompt.digest, task.name, task.metric, score[task.metric], n, interval.low,
        interval.high, score["accuracy"], score["macro_f1"], predictions.astype(np.int16), labels.astype(np.int16),
        logits, *cost, plm.device, plm.dtype,
    )  # fmt: skip


def _read(plm: Plm, prompt: SoftPrompt | None, task: Task, data: Tokens, answers: np.ndarray, cost: Cost) -> Evaluation:
    values = text_metrics.scores(
        task.metric, list(answers), data.references, lambda text: plm.tokenizer(text, add_special_tokens=False)["input_ids"]
    )
    interval = text_metrics.mean_interval(values)
    none = np.empty(0, np.int16)
    return Evaluation(
        "" if prompt is None else prompt.digest, task.name, task.metric, text_metrics.summary(task.metric, values), len(values), interval.low,
        interval.high, float("nan"), float("nan"), none, none, values[:, None].astype(np.float32), *cost, plm.device,
        plm.dtype, tuple(answers),
    )  # fmt: skip
