"""Half precision, held against single precision: which is faster here, and which answers it could have changed."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import torch

from ptlib.plms.plm import Plm
from ptlib.prompts import SoftPrompt
from ptlib.tasks import Task
from ptlib.transfer.evaluate import Cost, Evaluation, evaluate, scored
from ptlib.transfer.forward import Forward
from ptlib.transfer.tokens import tokens_of

SAMPLE = 32
"""Examples of every cell that are also evaluated in single precision."""
SAFETY = 2.0
"""Margins up to this many times the largest error seen in the sample are evaluated again."""
PROBE = 64
"""Examples of a PLM's own test."""


class Check(NamedTuple):
    """What holding a cell against single precision found."""

    agreement: float
    """Share of the sample that is answered alike."""
    error: float
    """Largest change of a margin in the sample, in logits."""
    checked: int
    """Examples whose answers were taken from single precision in the end."""


class Probe(NamedTuple):
    """A precision's short test on a device."""

    dtype: str
    speed: float
    """Times as fast as single precision."""
    agreement: float
    error: float
    n: int


def _margins(logits: np.ndarray, first: np.ndarray) -> np.ndarray:
    """How far two classes are apart: those that ``first`` (m, 2) names."""
    return np.take_along_axis(logits, first[:, :1], 1)[:, 0] - np.take_along_axis(logits, first[:, 1:], 1)[:, 0]


def _top_two(logits: np.ndarray) -> np.ndarray:
    return np.argsort(-logits, axis=1, kind="stable")[:, :2]


@torch.inference_mode()
def checked(
    exact: Plm, found: Evaluation, prompt: SoftPrompt | None, task: Task, *, split: str = "test", limit: int | None = None,
    insertion: str | None = None, should_stop: Callable[[], bool] = lambda: False,
) -> tuple[Evaluation, Check]:  # fmt: skip
    """An evaluation in half precision, its doubtful answers replaced by single precision's.

    A sample is evaluated in both. Its largest change of the margin between the two best classes, doubled, is the error; every
    example whose margin is no larger is evaluated again.

    Args:
        exact: the same PLM in float32.
        found: from :func:`ptlib.transfer.evaluate.evaluate`, over the whole split.
    """
    task = task.for_family(exact.info.family)
    way = insertion or (exact.insertions[0] if prompt is None else prompt.insertion)
    data = tokens_of(exact, task, split, limit, way, 0 if prompt is None else prompt.length)
    work, started = Forward(exact, task, data, way, should_stop=should_stop), time.perf_counter()
    rows = np.sort(np.random.default_rng(0).permutation(found.n)[:SAMPLE])
    best = _top_two(found.logits)
    again = work.run(prompt, rows.tolist())
    error = float(np.abs(_margins(found.logits[rows], best[rows]) - _margins(again, best[rows])).max())
    agreement = float(np.mean(again.argmax(axis=1) == found.logits[rows].argmax(axis=1)))
    doubtful = np.setdiff1d(np.flatnonzero(_margins(found.logits, best) <= SAFETY * error), rows)
    logits = found.logits.copy()
    logits[rows] = again
    if len(doubtful):
        logits[doubtful] = work.run(prompt, doubtful.tolist())
    cost = Cost(found.seconds + time.perf_counter() - started, found.tokens, found.halvings + work.halvings)
    better = scored(exact, prompt, task, data, logits, cost)
    return better._replace(dtype=found.dtype), Check(agreement, error, len(rows) + len(doubtful))


def probe(exact: Plm, other: Plm, prompt: SoftPrompt, task: Task, *, rounds: int = 3) -> Probe:
    """Times the first examples of a task in two precisions, interleaved, after a round that does not count."""
    spent: dict[int, list[float]] = {0: [], 1: []}
    results = {}
    for number in range(rounds + 1):
        for place, plm in enumerate((exact, other)):
            started = time.perf_counter()
            results[place] = next(evaluate(plm, [prompt], task, limit=PROBE, insertion=prompt.insertion))
            if number:
                spent[place].append(time.perf_counter() - started)
    best = _top_two(results[0].logits)
    changes = np.abs(_margins(results[0].logits, best) - _margins(results[1].logits, best))
    speed = statistics.median(one / two for one, two in zip(spent[0], spent[1], strict=True))
    return Probe(other.dtype, speed, float(np.mean(results[0].predictions == results[1].predictions)), float(changes.max()), results[0].n)
