"""Prompt tuning (paper, section 3): only the prompt learns, the PLM stays frozen."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from ptlib.errors import PromptError, TaskError
from ptlib.plms.plm import Plm
from ptlib.prompts import SoftPrompt, random_prompt
from ptlib.prompts.insertion import inert_rows
from ptlib.tasks import Task
from ptlib.transfer.evaluate import evaluate
from ptlib.transfer.tokens import Tokens, tokens_of

WARMUP = 10
FINAL_LR = 0.05
"""The learning rate falls linearly to this share of itself."""
BUCKET = 8
"""Batches drawn together and cut by length."""


class Point(NamedTuple):
    """One point of the training curve."""

    step: int
    loss: float
    """Mean cross-entropy since the last point, in nats."""
    validation: float
    """Score on the validation split."""


class Tuned(NamedTuple):
    """A trained prompt and how it got there."""

    prompt: SoftPrompt
    curve: list[Point]


def tune(
    plm: Plm,
    task: Task,
    *,
    length: int = 16,
    steps: int = 160,
    lr: float = 0.02,
    batch: int = 32,
    seed: int = 0,
    init: SoftPrompt | None = None,
    insertion: str | None = None,
    examples: int | None = None,
    evaluate_every: int | None = None,
    on_point: Callable[[Point], None] = lambda point: None,
) -> Tuned:
    """Trains a prompt for a task; the prompt of the best validation score is kept.

    Adam on the cross-entropy over the label words; warm-up over 10 steps, then linear decay.

    Args:
        plm: frozen PLM; its weights are not changed.
        length: soft tokens, the inert ones included: 2 at least.
        batch: most examples a step.
        insertion: None takes that of ``init``, or the family's own.
        init: prompt to start from; None starts from Gaussian rows as wide as the word embeddings.
        examples: first rows of the training split to use; None takes all.
        evaluate_every: steps between validations; None validates four times.

    Raises:
        PromptError: settings that train nothing, or a loss that became NaN or infinite; says at which step.
        TaskError: no training or validation data.
    """
    insertion = plm.check_insertion(insertion or (init.insertion if init else plm.insertions[0]))
    inert = len(inert_rows(insertion, plm.info.family))
    _check_settings(task, length if init is None else init.length, inert, steps, batch)
    for split in ("train", "validation"):
        if split not in task.splits:
            raise TaskError(f"prompt tuning needs a {split} split", where=task.source, found=f"{sorted(task.splits)}")
    if init is not None:
        init.check_fits(plm.hidden, plm.info.id)
    data = tokens_of(plm, task, "train", examples, insertion, length if init is None else init.length)
    start = init or _start(plm, task, length, seed)
    values = torch.tensor(start.values, device=plm.device, requires_grad=True)
    optimizer = torch.optim.Adam([values], lr=lr)
    stride = evaluate_every or max(1, steps // 4)
    best, curve, losses = None, [], []
    for step, rows in enumerate(_batches(data, batch, steps, seed, task.name), 1):
        for group in optimizer.param_groups:
            group["lr"] = lr * min(1.0, step / WARMUP) * (1 - (1 - FINAL_LR) * step / steps)
        loss = _loss(plm, values, data, rows, insertion)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        losses.append(float(loss.detach()))
        if not math.isfinite(losses[-1]):
            raise PromptError("training diverged: the loss is not a number any more", where=f"{task.name}, step {step}",
                              found=losses[-1], mend=f"Use a lower learning rate than {lr}.")  # fmt: skip
        optimizer.step()
        if step % stride == 0 or step == steps:
            story = {"steps": steps, "step": step, "lr": lr, "batch": batch, "length": values.shape[0],
                     "init": init.digest if init else "random", "examples": len(data.ids)}  # fmt: skip
            prompt = _prompt(plm, task, values, seed, insertion, story)
            point = Point(step, float(np.mean(losses)), prompt.meta["validation"])
            curve.append(point)
            on_point(point)
            losses = []
            if best is None or prompt.meta["validation"] >= best.meta["validation"]:
                best = prompt
    return Tuned(best, curve)


def _check_settings(task: Task, length: int, inert: int, steps: int, batch: int) -> None:
    for what, value, at_least in (("length", length, inert + 1), ("steps", steps, 1), ("batch", batch, 1)):
        if value < at_least:
            raise PromptError(f"{what} is too small to train a prompt", where=f"prompt tuning on {task.name}",
                              found=value, expected=f"{at_least} at least")  # fmt: skip


def _start(plm: Plm, task: Task, length: int, seed: int) -> SoftPrompt:
    std = float(plm.model.get_input_embeddings().weight.float().std())
    return random_prompt(length, plm.hidden, std, _seed(task.name, seed), plm.info.fingerprint)


def _seed(task: str, seed: int) -> int:
    # Every (task, seed) starts somewhere else, so that prompts of one seed are not alike before they have learned.
    return int.from_bytes(hashlib.sha256(f"prompt {task} {seed}".encode()).digest()[:4], "big")


def _batches(data: Tokens, batch: int, steps: int, seed: int, task: str) -> Iterator[list[int]]:
    rng = np.random.default_rng(_seed(task, seed))
    lengths = np.array([len(ids) for ids in data.ids])
    drawn = 0
    while drawn < steps:
        pool = rng.permutation(len(lengths))[: BUCKET * batch]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        parts = np.array_split(pool, math.ceil(len(pool) / batch))
        for number in rng.permutation(len(parts))[: steps - drawn]:
            yield parts[number].tolist()
            drawn += 1


def _loss(plm: Plm, values: torch.Tensor, data: Tokens, rows: list[int], insertion: str) -> torch.Tensor:
    hidden = plm.answer_hidden(plm.inputs(values, *data.batch(rows, plm.pad_id, plm.device), insertion))
    labels = torch.from_numpy(data.labels[rows]).to(plm.device)
    return functional.cross_entropy(plm.label_logits(hidden, data.label_ids).float(), labels)


def _prompt(plm: Plm, task: Task, values: torch.Tensor, seed: int, insertion: str, story: dict[str, Any]) -> SoftPrompt:
    name, matrix = f"{task.name}-s{seed}", values.detach().float().cpu().numpy().copy()
    found = SoftPrompt(matrix, name, plm.info.fingerprint, task.name, seed, "trained", insertion)
    score = next(evaluate(plm, [found], task, split="validation")).value
    return replace(found, meta={**story, "validation": score})
