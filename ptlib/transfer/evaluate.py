"""Scores of many prompts on one task: the paper's zero-shot transfer (section 4).

Tokens are made once for all prompts, batches are cut by length and a token budget, and only what decides the answer is
computed (:class:`ptlib.plms.plm.Shortcuts`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch

from ptlib.errors import PromptError, RunError
from ptlib.plms.plm import ALL_SHORTCUTS, Plm, Shortcuts
from ptlib.prompts import SoftPrompt
from ptlib.tasks import Task, metrics, text_metrics
from ptlib.transfer.batching import batches, budget, overhead
from ptlib.transfer.tokens import Tokens, tokens_of

EVALUATE_VERSION = "2"
"""Part of every cell's key: raised when a change here could change a score."""


class Stopped(Exception):
    """The caller asked to stop; nothing of the unfinished prompt is returned."""


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


OUT_OF_MEMORY = (torch.cuda.OutOfMemoryError, MemoryError)
# On a CPU torch reports exhausted memory as a plain RuntimeError; its allocator's words differ by operating system.
OUT_OF_MEMORY_WORDS = ("can't allocate memory", "not enough memory", "out of memory")


def _ran_out(error: BaseException) -> bool:
    return isinstance(error, OUT_OF_MEMORY) or any(words in str(error) for words in OUT_OF_MEMORY_WORDS)


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
) -> Iterator[Evaluation]:
    """Evaluates prompts on a task, one result as each is finished; ``None`` among them means no prompt.

    Args:
        plm: from :func:`ptlib.plms.load.load`.
        limit: first rows of the split; None takes all.
        insertion: None takes each prompt's own (without a prompt, the family's own).
        tokens_per_batch: slots a batch; None chooses.
        should_stop: asked between batches.

    Raises:
        PromptError: a prompt of another width, an insertion the family does not offer, or a prompt whose answers are not finite numbers. TaskError: data, texts or label words the PLM cannot use.
        RunError: memory ran out on a single text. Stopped: ``should_stop`` said so.
    """
    task = task.for_family(plm.info.family)
    for prompt in prompts:
        if prompt is not None:
            prompt.check_fits(plm.hidden, plm.info.id)
    for prompt in prompts:
        way = insertion or (plm.insertions[0] if prompt is None else prompt.insertion)
        data = tokens_of(plm, task, split, limit, way, 0 if prompt is None else prompt.length)
        lengths = [len(ids) for ids in data.ids]
        started = time.perf_counter()
        tokens = tokens_per_batch or budget(plm.info, plm.device, plm.dtype)
        work = _Work(plm, task, data, way, shortcuts, should_stop)
        found, halvings = work.run(prompt, tokens)
        if not task.generates:
            _check_finite(plm, prompt, task, found)
        cost = (time.perf_counter() - started, sum(lengths), halvings)
        yield (_read if task.generates else _scored)(plm, prompt, task, data, found, *cost)


class _Work(NamedTuple):
    plm: Plm
    task: Task
    data: Tokens
    insertion: str
    shortcuts: Shortcuts
    should_stop: Callable[[], bool]

    def run(self, prompt: SoftPrompt | None, tokens: int) -> tuple[np.ndarray, int]:
        """(n, classes) logits, or (n,) texts where the answer is free text; and how often a batch was halved."""
        values = None if prompt is None else torch.tensor(prompt.values, device=self.plm.device)
        count = len(self.data.ids)
        logits = np.empty(count, dtype=object) if self.task.generates else np.empty((count, len(self.data.label_ids)), dtype=np.float32)
        past = self.plm.prompt_past(values) if self.shortcuts.prompt_once and not self.task.generates else None
        slots = 1 if prompt is None else prompt.length
        extra, held = (slots, 0) if past is None else (0, slots)
        cut = batches([len(ids) for ids in self.data.ids], extra, tokens, overhead(self.plm.info, self.plm.device), held)
        halvings, todo = 0, cut[::-1]
        while todo:
            if self.should_stop():
                raise Stopped
            rows = todo.pop()
            try:
                logits[rows] = self.forward(values, past, rows)
                continue
            except (RuntimeError, MemoryError) as error:
                if not _ran_out(error):
                    raise
                if len(rows) == 1:
                    raise RunError("memory ran out on a single text", where=f"{self.plm.info.id} on {self.plm.device}",
                                   found=f"{len(self.data.ids[rows[0]])} tokens", mend="Free memory on the device, "
                                   "choose a smaller PLM or dtype, or set max_length in the task's TOML.") from error  # fmt: skip
            # Only here, after the error, are the failed pass's tensors free.
            halvings += 1
            todo = [half for batch in todo for half in _halves(batch)] + list(reversed(_halves(rows)))
            if self.plm.device.startswith("cuda"):
                torch.cuda.empty_cache()
        return logits, halvings

    def forward(self, values: torch.Tensor | None, past: Any, rows: list[int]) -> np.ndarray:
        inputs = self.plm.inputs(values, *self.data.batch(rows, self.plm.pad_id, self.plm.device), self.insertion, past)
        if self.task.generates:
            written = self.plm.write(inputs, self.task.max_new_tokens)
            return np.array([text.strip() for text in self.plm.tokenizer.batch_decode(written, skip_special_tokens=True)], dtype=object)
        hidden = self.plm.answer_hidden(inputs, self.shortcuts)
        answers = self.plm.label_logits(hidden, self.data.label_ids, label_rows_only=self.shortcuts.label_rows_only)
        return answers.float().cpu().numpy()


def _halves(rows: list[int]) -> list[list[int]]:
    middle = (len(rows) + 1) // 2
    return [half for half in (rows[:middle], rows[middle:]) if half]


def _check_finite(plm: Plm, prompt: SoftPrompt | None, task: Task, logits: np.ndarray) -> None:
    # The largest of NaNs is class 0: without this, a broken prompt would score like a constant answer.
    wrong = int((~np.isfinite(logits)).any(axis=1).sum())
    if wrong:
        name = "no prompt" if prompt is None else f"prompt {prompt.name}"
        raise PromptError("the PLM's answers are not finite numbers", where=f"{name} on {task.name}, {plm.info.id}",
                          found=f"{wrong} of {len(logits)} rows in {plm.dtype}",
                          mend="Check the prompt's values, or evaluate in float32.")  # fmt: skip


def _scored(
    plm: Plm, prompt: SoftPrompt | None, task: Task, data: Tokens, logits: np.ndarray, seconds: float, tokens: int,
    halvings: int,
) -> Evaluation:  # fmt: skip
    labels, predictions = data.labels, logits.argmax(axis=1)
    n, classes = len(labels), len(task.labels)
    correct = int((labels == predictions).sum())
    interval = metrics.wilson_interval(correct, n)
    score = {"accuracy": correct / n, "macro_f1": metrics.macro_f1(labels, predictions, classes)}
    return Evaluation(
        "" if prompt is None else prompt.digest, task.name, task.metric, score[task.metric], n, interval.low,
        interval.high, score["accuracy"], score["macro_f1"], predictions.astype(np.int16), labels.astype(np.int16),
        logits, seconds, tokens, halvings, plm.device, plm.dtype,
    )  # fmt: skip


def _read(
    plm: Plm, prompt: SoftPrompt | None, task: Task, data: Tokens, answers: np.ndarray, seconds: float, tokens: int, halvings: int,
) -> Evaluation:  # fmt: skip
    values = text_metrics.scores(
        task.metric, list(answers), data.references, lambda text: plm.tokenizer(text, add_special_tokens=False)["input_ids"]
    )
    interval = text_metrics.mean_interval(values)
    none = np.empty(0, np.int16)
    return Evaluation(
        "" if prompt is None else prompt.digest, task.name, task.metric, text_metrics.summary(task.metric, values), len(values), interval.low,
        interval.high, float("nan"), float("nan"), none, none, values[:, None].astype(np.float32), seconds, tokens, halvings, plm.device,
        plm.dtype, tuple(answers),
    )  # fmt: skip
