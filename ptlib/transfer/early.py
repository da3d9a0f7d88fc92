"""The early-stopped matrix: every prompt on one task, a few examples at a time, until each cell is clear.

Which cells go on, and what their intervals hold, is said by :mod:`ptlib.analysis.clear`; this file only reads examples.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from ptlib.analysis.clear import FIRST, Reason, Rule, Target
from ptlib.analysis.confidence import Interval
from ptlib.plms.plm import Plm
from ptlib.prompts import SoftPrompt
from ptlib.tasks import Task
from ptlib.transfer.evaluate import Cost, Evaluation, Seen, check_finite, scored
from ptlib.transfer.forward import Forward, Stopped
from ptlib.transfer.tokens import tokens_of

STEP = {"cpu": 8, "mps": 16, "cuda": 32}
"""Examples a cell gets at a time after its first: few waste nothing, many keep a GPU busy."""


class Entry(NamedTuple):
    """One cell of the task's column."""

    prompt: SoftPrompt | None
    contender: bool
    """Whether it may be the task's best source: the prompt of another task."""
    random: bool = False
    insertion: str | None = None
    seen: Seen | None = None
    """What was evaluated before, in the order of :func:`order`."""
    asked: bool = True
    """Whether it is to be evaluated; others are only compared with, where they saw the whole split."""


class Partial(NamedTuple):
    """A cell that saw a part of its examples."""

    prompt: str
    value: float
    """Estimate of the accuracy on all examples."""
    interval: Interval
    """95 %, whenever one looks."""
    reason: Reason
    """Why it was stopped; empty where it was not clear yet."""
    seen: Seen
    total: int
    """Examples of the whole split."""
    tokens: int


def order(task: Task, split: str = "test", limit: int | None = None) -> np.ndarray:
    """(N,) the random order in which every prompt sees a task's examples; decided by the task's contents alone."""
    digest = task.digest(split, limit)
    return np.random.default_rng(int(digest[:16], 16)).permutation(len(task.read(split, limit).labels))


def can_stop_early(task: Task) -> bool:
    """Whether the task's score is a share of right answers, which intervals are known for."""
    return task.metric == "accuracy" and not task.generates


@torch.inference_mode()
def until_clear(
    plm: Plm, entries: Sequence[Entry], task: Task, *, split: str = "test", limit: int | None = None, rule: Rule = Rule(),  # noqa: B008
    should_stop: Callable[[], bool] = lambda: False, begin: Callable[[int], None] = lambda place: None,
    on_error: Callable[[int, Exception], None] | None = None,
) -> Iterator[tuple[int, Partial | Evaluation]]:  # fmt: skip
    """Evaluates a task's column until every cell is clear.

    Args:
        entries: the cells that are asked for, and those that they are compared with.
        begin: hears of an entry's place before it reads examples.
        on_error: hears of entries that fail; they leave the matrix. None raises.

    Yields:
        (place, result) as each is finished: an :class:`Evaluation` where a cell saw the whole split after all. When
        ``should_stop`` says so, every unfinished cell's state, its reason empty.

    Raises:
        PromptError, TaskError, RunError: as :func:`ptlib.transfer.evaluate.evaluate`.
    """
    column = _Column(plm, entries, task.for_family(plm.info.family), split, limit, rule, should_stop)
    step = STEP[plm.device.split(":")[0]]
    live = [place for place, entry in enumerate(entries) if entry.asked]
    while live:
        # After an interruption some cells are ahead: the others come up first, so that it changes nothing.
        at = min(column.seen(place) for place in live)
        for place in [place for place in live if column.seen(place) == at < len(column.order)]:
            try:
                if should_stop():
                    raise Stopped
                begin(place)
                column.read(place, max(FIRST - at, 0) or step)
            except Stopped:
                yield from ((other, column.partial(other, "")) for other in live if column.seen(other))
                return
            except Exception as error:
                if on_error is None:
                    raise
                live.remove(place)
                column.target.out[place] = True
                on_error(place, error)
        verdicts = column.target.verdicts()
        for place in list(live):
            if reason := verdicts[place].reason:
                live.remove(place)
                yield place, column.whole(place) if reason == "whole split" else column.partial(place, reason)


class _Column:
    def __init__(
        self, plm: Plm, entries: Sequence[Entry], task: Task, split: str, limit: int | None, rule: Rule, should_stop: Callable[[], bool]
    ) -> None:
        self.plm, self.entries, self.task = plm, entries, task
        self.order = order(task, split, limit)
        self.work, self.logits, self.seconds, self.tokens = [], [], [], [0] * len(entries)
        for entry in entries:
            way = entry.insertion or (plm.insertions[0] if entry.prompt is None else entry.prompt.insertion)
            if entry.prompt is not None:
                entry.prompt.check_fits(plm.hidden, plm.info.id)
            data = tokens_of(plm, task, split, limit, way, 0 if entry.prompt is None else entry.prompt.length)
            self.work.append(Forward(plm, task, data, way, should_stop=should_stop))
        labels = self.work[0].data.labels[self.order] if entries else np.empty(0)
        self.target = Target(labels, [entry.contender for entry in entries], [entry.random for entry in entries], rule)
        for place, entry in enumerate(entries):
            known = entry.seen
            self.logits.append(np.empty((0, len(task.labels)), np.float32) if known is None else known.logits)
            self.seconds.append(0.0 if known is None else known.seconds)
            self._judge(place, self.logits[place])
            if not entry.asked and self.seen(place) < len(self.order):
                self.target.out[place] = True

    def seen(self, place: int) -> int:
        return len(self.logits[place])

    def read(self, place: int, count: int) -> None:
        """Reads a cell's next examples."""
        at, work, prompt = self.seen(place), self.work[place], self.entries[place].prompt
        rows, started = self.order[at : at + count].tolist(), time.perf_counter()
        found = work.run(prompt, rows)
        check_finite(self.plm, prompt, self.task, found)
        self.seconds[place] += time.perf_counter() - started
        self.tokens[place] += sum(len(work.data.ids[row]) for row in rows)
        self.logits[place] = np.concatenate([self.logits[place], found])
        self._judge(place, found)

    def _judge(self, place: int, logits: np.ndarray) -> None:
        first = len(self.target.right[place])
        labels = self.target.classes[first : first + len(logits)]
        self.target.see(place, logits.argmax(axis=1) == labels)

    def partial(self, place: int, reason: Reason) -> Partial:
        verdict, prompt = self.target.verdict(place), self.entries[place].prompt
        rows = self.order[: self.seen(place)].astype(np.int32)
        return Partial("" if prompt is None else prompt.digest, verdict.score, verdict.interval, reason,
                       Seen(rows, self.logits[place], self.seconds[place]), len(self.order), self.tokens[place])  # fmt: skip

    def whole(self, place: int) -> Evaluation:
        logits = np.empty_like(self.logits[place])
        logits[self.order] = self.logits[place]
        work = self.work[place]
        cost = Cost(self.seconds[place], self.tokens[place], work.halvings)
        return scored(self.plm, self.entries[place].prompt, self.task, work.data, logits, cost)
