"""Anytime-valid intervals for an accuracy on a finite test split, and for which of several prompts is best.

A cell stopped early has seen some of the split's N examples in a random order. Its score is the accuracy on all N, a fixed
number, so examples are draws without replacement. The interval is the confidence sequence of the prior-posterior-ratio
martingale (Waudby-Smith and Ramdas, Confidence sequences for sampling without replacement, NeurIPS 2020, theorem 2.1): K right
answers are kept as long as prior(K) / posterior(K) stays below 1 / alpha. By Ville's inequality it covers the truth at all
times at once with probability 1 - alpha, so looking as often as one likes and stopping when one likes is allowed.

The classes of the split are known beforehand, and a weak prompt often answers one class right and another wrong. So the
ratios of the classes are multiplied, and an accuracy is kept when any split of its right answers over the classes is kept
(the infimum of a product of test martingales over strata, as in Spertus and Stark, Sweeter than SUITE, E-Vote-ID 2022).

No maintained library has these: confseq offers betting intervals without strata.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from scipy.special import betaln, gammaln

ALPHA = 0.05
PRIOR = 0.5
"""Of the beta-binomial working prior on a class's right answers. It decides how narrow intervals are, never whether they cover."""
BETS = np.array([0.5, 0.9])
"""Shares of the most that may be bet; the wealth is the mean over them."""


class Interval(NamedTuple):
    """Where a score lies."""

    low: float
    high: float

    @property
    def width(self) -> float:
        return self.high - self.low


@lru_cache(maxsize=4096)
def _log_ratio(total: int, seen: int, right: int) -> tuple[int, np.ndarray]:
    """Least possible number of right answers, and log prior(K) / posterior(K) from there up to the most possible."""
    counts = np.arange(right, total - (seen - right) + 1)
    evidence = betaln(PRIOR + right, PRIOR + seen - right) - betaln(PRIOR, PRIOR)
    # (total choose K) / (total - seen choose K - right) without factorials of either.
    chosen = gammaln(total + 1) - gammaln(counts + 1) - gammaln(total - counts + 1)
    left = gammaln(total - seen + 1) - gammaln(counts - right + 1) - gammaln(total - seen - counts + right + 1)
    return right, evidence + chosen - left


def interval(totals: Sequence[int], seen: Sequence[int], right: Sequence[int], alpha: float = ALPHA) -> Interval:
    """Interval of the accuracy on the whole split, valid whenever one looks.

    Args:
        totals: examples of each class in the split.
        seen: how many of them were evaluated.
        right: how many of those were right.
    """
    parts = [_log_ratio(int(total), int(count), int(good)) for total, count, good in zip(totals, seen, right, strict=True)]
    # Each is convex in K, so the least sum over all splits of K takes the smallest steps first.
    steps = np.sort(np.concatenate([np.diff(values) for _, values in parts]))
    values = sum(values[0] for _, values in parts) + np.append(0.0, np.cumsum(steps))
    kept = np.flatnonzero(values < np.log(1 / alpha))
    if not len(kept):
        # Beyond alpha's reach: the data contradict every K. The estimate is all there is to say.
        kept = np.array([int(values.argmin())])
    first, whole = sum(least for least, _ in parts), sum(totals)
    return Interval((first + int(kept[0])) / whole, (first + int(kept[-1])) / whole)


def estimate(totals: Sequence[int], seen: Sequence[int], right: Sequence[int]) -> float:
    """Accuracy on the whole split from what was seen: the classes' accuracies in the split's own proportions.

    A class that was not seen yet counts with the accuracy of the others.
    """
    whole, count, good = (np.asarray(part, dtype=float) for part in (totals, seen, right))
    overall = good.sum() / max(count.sum(), 1.0)
    share = np.divide(good, count, out=np.full_like(good, overall), where=count > 0)
    return float(whole @ share / whole.sum())


def behind(leader: np.ndarray, others: np.ndarray, total: int) -> np.ndarray:
    """Evidence that prompts are not better than the leader on all ``total`` examples, from those seen so far.

    A betting martingale without replacement (Waudby-Smith and Ramdas 2020, section 4) on the differences of the two
    prompts, example by example: it would grow past 1 / alpha with probability alpha at most if the other were better. Pairs
    share their examples, so what is hard for all costs nothing.

    Args:
        leader: (n,) bool, right or wrong, in the random order.
        others: (m, n) bool, the same examples.

    Returns:
        (m,) log wealth; infinite where no outcome of the rest could put the other ahead.
    """
    gap = others.astype(float) - leader.astype(float)
    before = np.cumsum(gap, axis=1) - gap
    # If the other were better by one example, what remains would have to average this.
    expected = (1 - before) / (total - np.arange(gap.shape[1]))
    most = 1 / np.maximum(1 - expected, 1e-9)
    with np.errstate(divide="ignore", invalid="ignore"):
        wealth = np.log1p(-BETS[:, None, None] * most * (gap - expected)).sum(axis=2)
    top = wealth.max(axis=0)
    found = top + np.log(np.exp(wealth - top).mean(axis=0))
    ahead = before[:, -1] + gap[:, -1] if gap.shape[1] else np.zeros(len(gap))
    hopeless = (expected > 1).any(axis=1) | (ahead + total - gap.shape[1] <= 0)
    return np.where(hopeless, np.inf, found)
