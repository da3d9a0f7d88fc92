"""When a cell of a transfer matrix is clear enough to stop: the rule of the early-stopped matrix, one target at a time."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import numpy as np

from ptlib.analysis.confidence import Interval, behind, estimate, interval

Reason = Literal["", "narrow", "below random", "best source", "whole split"]
FIRST = 16
"""Examples every cell gets before anything is decided."""


SHARE, WIDEST = 1 / 6, 0.33
"""The width chosen by default takes this part of the examples of a cell that is right half of the time, and is at most this."""


def default_width(examples: int) -> float:
    """Width of the interval that ends a cell where none is asked for: the more examples a split has, the narrower."""
    seen = max(FIRST, round(SHARE * examples))
    halves, some = ((count // 2, count - count // 2) for count in (examples, min(seen, examples)))
    return min(WIDEST, interval(halves, some, (some[0] // 2, some[1] // 2)).width)


class Rule(NamedTuple):
    """What "clear" means."""

    width: float
    """A 95 % interval this narrow ends a cell that cannot be its target's best source any more. The interval holds at all times
    at once, which makes it about twice as wide as one for a fixed number of examples."""
    against: float = 14.0
    """Betting wealth against a source being better than the leader at which it is out of the race. A single pair is decided
    wrongly with probability 1 / against at most."""


class Verdict(NamedTuple):
    """A cell so far."""

    score: float
    interval: Interval
    reason: Reason
    """Why it is clear; empty while it is not."""


class Target:
    """The cells of one target: S prompts, the same N examples in the same random order for all."""

    def __init__(self, classes: np.ndarray, contenders: Sequence[bool], random: Sequence[bool], rule: Rule | None = None) -> None:
        """
        Args:
            classes: (N,) class of each example, in the order they are evaluated.
            contenders: (S,) prompts of other tasks: one of them is the target's best source.
            random: (S,) random prompts: the baseline.
            rule: None takes the default width for N examples.
        """
        self.classes = np.asarray(classes)
        self.rule = rule or Rule(default_width(len(self.classes)))
        names, self._class = np.unique(self.classes, return_inverse=True)
        self.totals = np.bincount(self._class, minlength=len(names))
        self.contenders, self.random = np.asarray(contenders, dtype=bool), np.asarray(random, dtype=bool)
        self.right: list[np.ndarray] = [np.empty(0, dtype=bool) for _ in contenders]
        """What each prompt got right so far."""
        self.out = ~self.contenders
        """Prompts that are not or no longer in the race for the best source."""

    def see(self, prompt: int, right: np.ndarray) -> None:
        """Adds what a prompt did on its next examples."""
        self.right[prompt] = np.concatenate([self.right[prompt], np.asarray(right, dtype=bool)])

    def _counts(self, prompt: int) -> tuple[np.ndarray, np.ndarray]:
        right = self.right[prompt]
        seen = self._class[: len(right)]
        return np.bincount(seen, minlength=len(self.totals)), np.bincount(seen[right], minlength=len(self.totals))

    def verdict(self, prompt: int) -> Verdict:
        """A cell's score and interval as they stand, no reason given."""
        counts = self._counts(prompt)
        return Verdict(estimate(self.totals, *counts), interval(self.totals, *counts), "")

    def verdicts(self) -> list[Verdict]:
        """Every cell as it stands; prompts that cannot be the best source any more leave the race on the way."""
        found = [self.verdict(prompt) for prompt in range(len(self.right))]
        self._race([verdict.score for verdict in found])
        # Below the mean of what the random prompts reach at least.
        floor = float(np.mean([found[prompt].interval.low for prompt in np.flatnonzero(self.random)])) if self.random.any() else -np.inf
        racing = int((~self.out).sum()) > 1
        return [verdict._replace(reason=self._reason(prompt, verdict.interval, floor, racing)) for prompt, verdict in enumerate(found)]

    def wants(self, prompt: int, step: int) -> int:
        """How many examples a cell reads next: a step while it is in the race, otherwise most of what its interval should need."""
        seen, left = len(self.right[prompt]), len(self.classes) - len(self.right[prompt])
        if seen < FIRST:
            return min(FIRST - seen, left)
        if not self.out[prompt] and int((~self.out).sum()) > 1:
            return min(step, left)
        count, right = self._counts(prompt)
        rate = np.divide(right, count, out=np.full(len(count), float(right.sum() / count.sum())), where=count > 0)
        low, high = seen, len(self.classes)
        while high - low > 1:
            middle = (low + high) // 2
            ahead = np.clip(np.round(self.totals * middle / len(self.classes)).astype(int), count, self.totals)
            expected = np.clip(np.round(ahead * rate).astype(int), right, right + ahead - count)
            low, high = (low, middle) if interval(self.totals, ahead, expected).width <= self.rule.width else (middle, high)
        return min(max(step, int(0.9 * (high - seen))), left)

    def _reason(self, prompt: int, found: Interval, floor: float, racing: bool) -> Reason:
        if len(self.right[prompt]) == len(self.classes):
            return "whole split"
        if len(self.right[prompt]) < FIRST or (racing and not self.out[prompt]):
            return ""
        if found.width <= self.rule.width:
            return "narrow" if self.out[prompt] else "best source"
        return "below random" if found.high < floor and not self.random[prompt] else ""

    def _race(self, scores: Sequence[float]) -> None:
        racing = np.flatnonzero(~self.out)
        if len(racing) < 2 or min(len(self.right[prompt]) for prompt in racing) < FIRST:
            return
        # What one has seen and the other has not says nothing about their difference.
        seen = min(len(self.right[prompt]) for prompt in racing)
        leader = max(racing, key=lambda prompt: (int(self.right[prompt][:seen].sum()), scores[prompt]))
        others = racing[racing != leader]
        wealth = behind(self.right[leader][:seen], np.stack([self.right[prompt][:seen] for prompt in others]), len(self.classes))
        self.out[others[wealth > np.log(self.rule.against)]] = True
