"""The early-stopped matrix: every prompt on one task, a few examples at a time, until each cell is clear.

Which cells go on, and what their intervals hold, is said by :mod:`ptlib.analysis.clear`; this file only reads examples.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch

from ptlib.analysis.clear import Reason, Rule, Target
from ptlib.analysis.confidence import Interval
from ptlib.plms.plm import Plm
from ptlib.prompts import SoftPrompt
from ptlib.tasks import Task
from ptlib.transfer.evaluate import Cost, Evaluation, Seen, check_finite, scored
from ptlib.transfer.forward import Forward, Stopped
from ptlib.transfer.tokens import tokens_of

STEP = {"cpu": 4, "mps": 16, "cuda": 32}
"""Examples a cell in the race gets at a time: few waste nothing, many keep a GPU busy."""


SAVE_SECONDS = 20.0
"""How often unfinished cells are handed over, so that a process that is killed loses no more than that."""


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
    plm: Plm, entries: Sequence[Entry], task: Task, *, split: str = "test", limit: int | None = None, rule: Rule | None = None,
    should_stop: Callable[[], bool] = lambda: False, begin: Callable[[int], None] = lambda place: None,
    on_error: Callable[[int, Exception], None] | None = None,
) -> Iterator[tuple[int, Partial | Evaluation]]:  # fmt: skip
    """Evaluates a task's column until every cell is clear.

    Args:
        entries: the cells that are asked for, and those that they are compared with.
        rule: None takes the default for the number of examples.
        begin: hears of an entry's place before it reads examples.
        on_error: hears of entries that fail; they leave the matrix. None raises.

    Yields:
        (place, result) as each is finished: an :class:`Evaluation` where a cell saw the whole split after all. Now and then,
        and when ``should_stop`` says so, every unfinished cell's state, its reason empty.

    Raises:
        PromptError, TaskError, RunError: as :func:`ptlib.transfer.evaluate.evaluate`.
    """
    column = _Column(plm, entries, task.for_family(plm.info.family), split, limit, rule, should_stop)
    step = STEP[plm.device.split(":")[0]]
    live, saved = [place for place, entry in enumerate(entries) if entry.asked], time.monotonic()
    while live:
        for places, count in column.turns(live, step):
            try:
                failed = column.read(places, count, begin)
            except Stopped:
                yield from ((other, column.partial(other, "")) for other in live if column.seen(other))
                return
            for place, error in failed:
                if on_error is None:
                    raise error
                live.remove(place)
                column.target.out[place] = True
                on_error(place, error)
        if time.monotonic() - saved > SAVE_SECONDS:
            yield from ((other, column.partial(other, "")) for other in live if column.seen(other))
            saved = time.monotonic()
        verdicts = column.target.verdicts()
        for place in list(live):
            if reason := verdicts[place].reason:
                live.remove(place)
                yield place, column.whole(place) if reason == "whole split" else column.partial(place, reason)


class _Column:
    def __init__(
        self,
        plm: Plm,
        entries: Sequence[Entry],
        task: Task,
        split: str,
        limit: int | None,
        rule: Rule | None,
        should_stop: Callable[[], bool],
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

    def turns(self, live: Sequence[int], step: int) -> list[tuple[list[int], int]]:
        """Who reads how many examples next: cells that want the same ones, behind prompts of one length, together.

        After an interruption some cells of the race are ahead; the others come up first.
        """
        racing = [self.seen(place) for place in live if not self.target.out[place]]
        least, groups = min(racing, default=0), {}
        for place in live:
            if self.target.out[place] or self.seen(place) == least:
                prompt, count = self.entries[place].prompt, self.target.wants(place, step)
                alike = (self.seen(place), count, self.work[place].insertion, 0 if prompt is None else prompt.length)
                groups.setdefault(alike, []).append(place)
        return [(places, alike[1]) for alike, places in groups.items() if alike[1]]

    def read(self, places: list[int], count: int, begin: Callable[[int], None]) -> list[tuple[int, Exception]]:
        """Reads some cells' next examples; gives those that failed, each by itself."""
        if self.work[places[0]].should_stop():
            raise Stopped
        for place in places:
            begin(place)
        prompts = [self.entries[place].prompt for place in places]
        at, work, started = self.seen(places[0]), self.work[places[0]], time.perf_counter()
        rows = self.order[at : at + count].tolist()
        try:
            found = [work.run(None, rows) for _ in prompts] if prompts[0] is None else work.run_together(prompts, rows)
            for prompt, logits in zip(prompts, found, strict=True):
                check_finite(self.plm, prompt, self.task, logits)
        except Stopped:
            raise
        except Exception as error:
            if len(places) == 1:
                return [(places[0], error)]
            return [failure for place in places for failure in self.read([place], count, begin)]
        each = (time.perf_counter() - started) / len(places)
        for place, logits in zip(places, found, strict=True):
            self.seconds[place] += each
            self.tokens[place] += sum(len(work.data.ids[row]) for row in rows)
            self.logits[place] = np.concatenate([self.logits[place], logits])
            self._judge(place, logits)
        return []

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
