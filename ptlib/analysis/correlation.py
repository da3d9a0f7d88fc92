"""Does a similarity predict transfer? Spearman's rank correlation, per target and pooled, with what is known of it.

Transfer matrices are (seeds, sources, targets): source prompt of a seed on a target task. Similarity matrices are
(seeds, tasks, tasks): the source prompt against the target's own prompt of the same seed. Both list the tasks in the
same order. Per target, the sources are ranked by both and compared (paper, section 6.2); the diagonal, a prompt on its
own task, is left out unless asked for.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Statistic(NamedTuple):
    """A number, its interval and its permutation p."""

    value: float
    ci_low: float
    ci_high: float
    p: float
    n: int
    """Targets (mean) or pairs (pooled) it rests on."""
    undefined: int
    """Targets left out because one side is constant or a value is missing."""


RESAMPLES = 2000
PERMUTATIONS = 2000


def usable(transfer: np.ndarray, similarity: np.ndarray, *, diagonal: bool = False, pairs: np.ndarray | None = None) -> np.ndarray:
    """(seeds, sources, targets) bool: pairs that count. ``pairs`` (sources, targets) restricts them further."""
    mask = np.isfinite(transfer) & np.isfinite(similarity)
    if not diagonal:
        mask &= ~np.eye(transfer.shape[1], dtype=bool)
    return mask if pairs is None else mask & pairs


def _ranks(values: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Centred average ranks along the last axis but one, within the mask; 0 outside it."""
    there = mask[..., :, None, :] & mask[..., None, :, :]
    mine, theirs = values[..., :, None, :], values[..., None, :, :]
    # Position among the others: those below count one, ties (itself among them) one half.
    ranks = (there & (theirs < mine)).sum(axis=-2) + (there & (theirs == mine)).sum(axis=-2) / 2
    count = np.maximum(mask.sum(axis=-2, keepdims=True), 1)
    mean = np.where(mask, ranks, 0.0).sum(axis=-2, keepdims=True) / count
    return np.where(mask, ranks - mean, 0.0)


def _cosine(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    norm = np.sqrt((left**2).sum(axis=-2) * (right**2).sum(axis=-2))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(norm > 1e-9, (left * right).sum(axis=-2) / norm, np.nan)


def per_target(transfer: np.ndarray, similarity: np.ndarray, **which) -> np.ndarray:
    """(seeds, targets) Spearman correlation over sources, ties ranked at their average.

    NaN where fewer than three sources count or one side is constant. ``which``: as :func:`usable`.
    """
    mask = usable(transfer, similarity, **which)
    found = _cosine(_ranks(transfer, mask), _ranks(similarity, mask))
    return np.where(mask.sum(axis=-2) >= 3, found, np.nan)


def mean_spearman(
    transfer: np.ndarray, similarity: np.ndarray, *, seed: int = 0, resamples: int = RESAMPLES,
    permutations: int = PERMUTATIONS, **which,
) -> Statistic:  # fmt: skip
    """Mean of the per-target correlations, over targets and prompt seeds.

    Interval: 95 % percentile bootstrap over target tasks, all seeds of a task together, since they are not independent.
    p: one-sided, how often the mean is as high when the tasks' names are shuffled in the similarity matrix, rows and
    columns together and alike for all seeds (a Mantel test); (1 + hits) / (1 + permutations).
    """
    found = per_target(transfer, similarity, **which)
    rng = np.random.default_rng(seed)
    by_target = _mean(found, axis=0)
    kept = by_target[np.isfinite(by_target)]
    undefined = int(np.isnan(by_target).sum())
    if not len(kept):
        return Statistic(np.nan, np.nan, np.nan, np.nan, 0, undefined)
    value = float(_mean(found.ravel()))
    draws = kept[rng.integers(len(kept), size=(resamples, len(kept)))].mean(axis=1)
    low, high = np.quantile(draws, (0.025, 0.975))
    p = _permutation_p(transfer, similarity, value, rng, permutations, which)
    return Statistic(value, float(low), float(high), p, len(kept), undefined)


def _permutation_p(transfer, similarity, value, rng, permutations, which) -> float:
    if not permutations:
        return np.nan
    orders = rng.permuted(np.tile(np.arange(transfer.shape[-1]), (permutations, 1)), axis=1)
    mask = usable(transfer, similarity, **which)
    if np.array_equal(mask, np.broadcast_to(~np.eye(mask.shape[-1], dtype=bool), mask.shape)) and mask.shape[-1] > 3:
        found = _shuffled_means(_unit(_ranks(transfer, mask)), _unit(_ranks(similarity, mask)), orders)
    else:
        found = np.array([_mean(per_target(transfer, similarity[:, order][:, :, order], **which).ravel()) for order in orders])
    return (1 + int((found >= value - 1e-9).sum())) / (1 + permutations)


def _unit(ranks: np.ndarray) -> np.ndarray:
    """Columns of centred ranks at length one; constant columns stay zero."""
    norm = np.sqrt((ranks**2).sum(axis=-2, keepdims=True))
    return np.divide(ranks, norm, out=np.zeros_like(ranks), where=norm > 1e-9)


def _shuffled_means(transfer: np.ndarray, similarity: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """Mean per-target correlation for each order of the tasks.

    Where every pair but the diagonal counts, shuffling names shuffles ranks, so that nothing is ranked again.
    """
    clear, defined = (transfer != 0).any(axis=-2), (similarity != 0).any(axis=-2)
    found = []
    for order in orders:
        valid = clear & defined[:, order]
        total = (transfer * similarity[:, order][:, :, order]).sum()
        found.append(total / max(int(valid.sum()), 1))
    return np.array(found)


def _mean(values: np.ndarray, axis: int | None = None) -> np.ndarray:
    there = np.isfinite(values)
    count = there.sum(axis=axis)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(count > 0, np.where(there, values, 0.0).sum(axis=axis) / count, np.nan)


def pooled_spearman(
    transfer: np.ndarray, similarity: np.ndarray, *, seed: int = 0, resamples: int = 500, permutations: int = 500, **which,
) -> Statistic:  # fmt: skip
    """Spearman correlation over all pairs of all seeds at once.

    Interval: bootstrap over target tasks. p: the same Mantel test as :func:`mean_spearman`.
    """
    mask = usable(transfer, similarity, **which)

    # Half a second to import, which every page would wait for.
    from scipy import stats

    def rho(left: np.ndarray, right: np.ndarray, there: np.ndarray) -> float:
        if there.sum() < 3 or np.ptp(left[there]) == 0 or np.ptp(right[there]) == 0:
            return np.nan
        # scipy's spearmanr spends ten times as long on its own p, which assumes independent pairs.
        one, two = (stats.rankdata(side[there]) for side in (left, right))
        one, two = one - one.mean(), two - two.mean()
        return float(one @ two / np.sqrt((one @ one) * (two @ two)))

    value, rng, n = rho(transfer, similarity, mask), np.random.default_rng(seed), transfer.shape[-1]
    if not np.isfinite(value):
        return Statistic(np.nan, np.nan, np.nan, np.nan, int(mask.sum()), 0)
    draws = []
    for _ in range(resamples):
        chosen = rng.integers(n, size=n)
        draws.append(rho(transfer[..., chosen], similarity[..., chosen], mask[..., chosen]))
    low, high = np.nanquantile(draws, (0.025, 0.975))
    hits = 0
    for _ in range(permutations):
        order = rng.permutation(n)
        shuffled = similarity[:, order][:, :, order]
        hits += rho(transfer, shuffled, usable(transfer, shuffled, **which)) >= value - 1e-12
    return Statistic(value, float(low), float(high), (1 + hits) / (1 + permutations), int(mask.sum()), 0)


class Difference(NamedTuple):
    """Mean per-target correlation of one indicator minus another's."""

    value: float
    ci_low: float
    ci_high: float


def compare(transfer: np.ndarray, one: np.ndarray, other: np.ndarray, *, seed: int = 0, **which) -> Difference:
    """Paired difference of two indicators; interval: bootstrap over target tasks."""
    gap = _mean(per_target(transfer, one, **which), axis=0) - _mean(per_target(transfer, other, **which), axis=0)
    gap = gap[np.isfinite(gap)]
    if not len(gap):
        return Difference(np.nan, np.nan, np.nan)
    draws = gap[np.random.default_rng(seed).integers(len(gap), size=(RESAMPLES, len(gap)))].mean(axis=1)
    low, high = np.quantile(draws, (0.025, 0.975))
    return Difference(float(gap.mean()), float(low), float(high))


class Groups(NamedTuple):
    """Mean similarity of prompt pairs by how they are related, and whether types matter."""

    same_task: float
    same_type: float
    other_type: float
    p: float
    """One-sided: how often same-type minus other-type is as large when tasks are dealt to types at random."""


def group_means(similarity: np.ndarray, tasks: np.ndarray, types: np.ndarray, *, seed: int = 0, permutations: int = 5000) -> Groups:
    """Within a task (two seeds), within a type (two tasks), across types.

    Args:
        similarity: (prompts, prompts).
        tasks, types: (prompts,) the task of each prompt and its type.
    """
    names, task_of = np.unique(tasks, return_inverse=True)
    type_of = np.array([types[np.flatnonzero(tasks == name)[0]] for name in names])
    pairs = ~np.eye(len(tasks), dtype=bool) & np.isfinite(similarity)
    same_task = task_of[:, None] == task_of[None, :]

    # Means over pairs of different tasks reduce to sums and counts by task pair, so that a permutation is cheap.
    one_hot = np.eye(len(names))[task_of]
    sums = one_hot.T @ np.where(pairs & ~same_task, similarity, 0.0) @ one_hot
    counts = one_hot.T @ (pairs & ~same_task) @ one_hot

    def gap(kinds: np.ndarray) -> tuple[float, float]:
        same = kinds[:, None] == kinds[None, :]
        return sums[same].sum() / max(counts[same].sum(), 1), sums[~same].sum() / max(counts[~same].sum(), 1)

    within, across = gap(type_of)
    rng, hits = np.random.default_rng(seed), 0
    for _ in range(permutations):
        one, two = gap(rng.permutation(type_of))
        hits += one - two >= within - across - 1e-12
    own = similarity[pairs & same_task]
    return Groups(float(own.mean()) if own.size else np.nan, float(within), float(across), (1 + hits) / (1 + permutations))
