"""Two sets of scores over the same tasks, or of answers to the same examples: their difference, its interval and its test.

Over cells, the targets are the unit: the sources tried on one target share its examples, so a target counts once, with the
mean of its cells' differences. Under the hypothesis that both sides are alike, a target's difference is as likely to have the
other sign (Fisher's randomisation test of matched pairs). The interval holds every shift that this test does not reject:
a flip's statistic is as large as what was seen exactly when the shift lies between the mean of the targets that keep their sign
and the mean of those that change it (Hartigan, Using subsample values as typical values, JASA 1969), so no search is needed.

Over the examples of one cell, it is McNemar's exact test; with several seeds a side, the same test on an example's number of
right answers, with its exact distribution.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

ALPHA = 0.05
MOST_EXACT = 13
"""All 2^n signs are tried up to this many targets."""
FLIPS, FEWER_FLIPS = 9999, 1999
"""Signs drawn where there are more: for one test, and for each of many."""


class Difference(NamedTuple):
    """First side minus second."""

    value: float
    """Mean over targets of the mean over a target's cells."""
    ci_low: float
    """95 % interval; infinite below six targets, whose signs alone cannot reject anything."""
    ci_high: float
    p: float
    """Two-sided sign-flip p; not below 1 / (1 + FLIPS) beyond MOST_EXACT targets."""
    n: int
    """Targets."""
    pairs: int
    """Cells that both sides have."""


def paired_difference(one: np.ndarray, other: np.ndarray, *, seed: int = 0) -> Difference:
    """Mean difference of two (sources, targets) matrices of scores, NaN where missing, tested over targets."""
    gap = np.asarray(one, dtype=float) - np.asarray(other, dtype=float)
    there = np.isfinite(gap)
    count = there.sum(axis=0)
    by_target = np.where(there, gap, 0.0).sum(axis=0)[count > 0] / count[count > 0]
    if not len(by_target):
        return Difference(np.nan, np.nan, np.nan, np.nan, 0, 0)
    return Difference(float(by_target.mean()), *sign_flip(by_target, seed=seed), len(by_target), int(count.sum()))


def sign_flip(differences: np.ndarray, *, seed: int = 0, flips: int = FLIPS) -> tuple[float, float, float]:
    """Ends of the 95 % interval of the mean of (n,) independent differences, and the two-sided p that the mean is zero."""
    values = np.asarray(differences, dtype=float)
    n, total = len(values), float(np.sum(values))
    # What rounding leaves of equal sums must not decide.
    close = 1e-12 * max(float(np.abs(values).sum()), 1e-300)
    lows, highs, hits = [], [], 0
    for kept in _signs(n, seed, flips):
        count, sums = kept.sum(axis=1), kept @ values
        rest = total - sums
        hits += int((((sums >= -close) & (rest <= close)) | ((sums <= close) & (rest >= -close))).sum())
        with np.errstate(invalid="ignore", divide="ignore"):
            ends = np.stack([sums / count, rest / (n - count)])
        whole = (count == 0) | (count == n)
        lows.append(np.where(whole, -np.inf, ends.min(axis=0)))
        highs.append(np.where(whole, np.inf, ends.max(axis=0)))
    low, high = np.concatenate(lows), np.concatenate(highs)
    outside = int(np.floor(ALPHA * len(low)))
    return float(np.partition(low, outside)[outside]), float(-np.partition(-high, outside)[outside]), hits / len(low)


def _signs(n: int, seed: int, flips: int):
    """Blocks of (flips, n) bool: which differences keep their sign. All of them for few, else drawn ones and what was seen."""
    if n <= MOST_EXACT:
        yield (np.arange(2**n)[:, None] >> np.arange(n)) % 2 == 1
        return
    rng, block = np.random.default_rng(seed), max(1, 2_000_000 // n)
    yield np.ones((1, n), dtype=bool)
    for first in range(0, flips, block):
        yield rng.integers(2, size=(min(block, flips - first), n), dtype=np.uint8).astype(bool)


def right_answers_p(one: np.ndarray, other: np.ndarray) -> float:
    """Exact two-sided p that two cells answer the same examples alike; McNemar's exact test for one seed a side.

    Args:
        one, other: (seeds, n) bool, right or wrong. Sides may have different numbers of seeds; shares of right answers are
            compared then.
    """
    from scipy import signal, stats

    left, right = len(one), len(other)
    shared = np.gcd(left, right)
    gap = one.sum(axis=0) * (right // shared) - other.sum(axis=0) * (left // shared)
    sizes, counts = np.unique(np.abs(gap[gap != 0]), return_counts=True)
    if not len(sizes):
        return 1.0
    shared = np.gcd.reduce(sizes)
    # How often the sum of k * (number of kept signs) takes each value, a size k of differences after the other.
    chances = np.ones(1)
    for size, count in zip(sizes // shared, counts, strict=True):
        part = np.zeros(size * count + 1)
        part[::size] = stats.binom.pmf(np.arange(count + 1), count, 0.5)
        chances = signal.convolve(chances, part)
    sums = 2 * np.arange(len(chances)) - (len(chances) - 1)
    return float(np.clip(chances[np.abs(sums) >= abs(int(gap.sum()) // int(shared))].sum(), 0.0, 1.0))


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's adjusted p of any shape (Holm 1979): rejecting those below 0.05 makes one false rejection or more with a chance of
    0.05 at most. NaN, a cell without a test, is left out and stays NaN."""
    found = np.full(np.shape(p), np.nan)
    there = np.isfinite(p)
    values = np.asarray(p, dtype=float)[there]
    order = np.argsort(values)
    steps = np.maximum.accumulate(values[order] * np.arange(len(values), 0, -1))
    adjusted = np.empty_like(values)
    adjusted[order] = np.minimum(steps, 1.0)
    found[there] = adjusted
    return found
