"""Does a similarity predict transfer? Spearman's rank correlation, per target and pooled, with what is known of it.

Transfer matrices are (seeds, sources, targets): source prompt of a seed on a target task. Similarity matrices are
(seeds, tasks, tasks): the source prompt against the target's own prompt of the same seed. Both list the tasks in the
same order. Per target, the sources are ranked by both and compared (paper, section 6.2); the diagonal, a prompt on its
own task, is left out unless asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
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
        mask = mask & ~np.eye(transfer.shape[-1], dtype=bool)
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


def _cosine(left: np.ndarray, right: np.ndarray, axis: int = -2) -> np.ndarray:
    norm = np.sqrt((left**2).sum(axis=axis) * (right**2).sum(axis=axis))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(norm > 1e-9, (left * right).sum(axis=axis) / norm, np.nan)


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


CHUNK = 200
"""Shuffled matrices that are looked at together where ranks are shuffled."""
MOST = 400_000
"""Numbers that are looked at together where the shuffled are ranked."""


def _permutation_p(transfer, similarity, value, rng, permutations, which) -> float:
    if not permutations:
        return np.nan
    orders = rng.permuted(np.tile(np.arange(transfer.shape[-1]), (permutations, 1)), axis=1)
    mask = usable(transfer, similarity, **which)
    if _names_do_not_matter(mask):
        found = _shuffled_means(_unit(_ranks(transfer, mask)), _unit(_ranks(similarity, mask)), orders)
    else:
        found = np.concatenate(
            [
                _mean(np.where(there.sum(axis=-1) >= 3, _cosine(one, two, axis=-1), np.nan).reshape(len(there), -1), axis=1)
                for one, two, there in _shuffled_ranks(transfer, similarity, orders, which, pooled=False)
            ]
        )
    return (1 + int((found >= value - 1e-9).sum())) / (1 + permutations)


def _shuffled_ranks(
    transfer: np.ndarray, similarity: np.ndarray, orders: np.ndarray, which: dict, pooled: bool
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Centred ranks of transfer and of the similarity with its tasks shuffled, and which pairs count, some orders at a time.

    All (orders, seeds, targets, sources); ranked among the sources of each target, or ``pooled`` among all pairs. Values are
    sorted once: the rank of one within those that count is a matter of counting.
    """
    seeds, n = len(transfer), transfer.shape[-1]
    values = [np.ascontiguousarray(side.swapaxes(-1, -2)).reshape((1, -1) if pooled else (-1, n)) for side in (transfer, similarity)]
    one, two = _sorted(values[0]), _sorted(values[1])
    counts = usable(transfer, np.zeros_like(transfer), **which).swapaxes(-1, -2)
    known = np.isfinite(similarity).swapaxes(-1, -2)
    # Where the similarity of every pair that can count is known, the same pairs count under every order.
    alike = bool(known[:, ~np.eye(n, dtype=bool)].all() and (known.all() or not counts[..., np.eye(n, dtype=bool)].any()))
    fixed = _ranks_among(one, counts.reshape(1, *values[0].shape)).reshape(1, seeds, n, n) if alike else None
    step = max(1, MOST // transfer.size)
    for first in range(0, len(orders), step):
        some = orders[first : first + step]
        back = np.argsort(some, axis=1)
        shape = (len(some), seeds, n, n)
        there = np.broadcast_to(counts, shape) if alike else counts & _shuffled(known, some)
        left = np.broadcast_to(fixed, shape) if alike else _ranks_among(one, there.reshape(len(some), *values[0].shape)).reshape(shape)
        mine = _each_shuffled(there, back).reshape(len(some), *values[1].shape)
        yield left, _each_shuffled(_ranks_among(two, mine).reshape(shape), some), there


class _Sorted(NamedTuple):
    """Rows of values, each sorted: (rows, n)."""

    place: np.ndarray
    """Index of the smallest, the second, ..."""
    first: np.ndarray
    last: np.ndarray
    """Where in that order its equals begin and end."""
    ties: bool


def _sorted(values: np.ndarray) -> _Sorted:
    place = np.argsort(values, axis=-1, kind="stable")
    ordered, at = np.take_along_axis(values, place, axis=-1), np.arange(values.shape[-1])
    new = np.concatenate([np.ones((len(values), 1), dtype=bool), ordered[:, 1:] != ordered[:, :-1]], axis=1)
    end = np.concatenate([new[:, 1:], np.ones((len(values), 1), dtype=bool)], axis=1)
    first = np.maximum.accumulate(np.where(new, at, 0), axis=-1)
    last = np.minimum.accumulate(np.where(end, at, len(at))[:, ::-1], axis=-1)[:, ::-1]
    return _Sorted(place, first, last, not new.all())


def _ranks_among(values: _Sorted, mask: np.ndarray) -> np.ndarray:
    """(P, rows, n) centred average ranks within each of P masks; 0 outside it."""
    place = np.broadcast_to(values.place, mask.shape)
    there = np.take_along_axis(mask, place, axis=-1).astype(np.int32)
    through = np.cumsum(there, axis=-1, dtype=np.int32)
    before, count = through - there, through[..., -1:]
    if values.ties:
        before = np.take_along_axis(before, np.broadcast_to(values.first, mask.shape), axis=-1)
        through = np.take_along_axis(through, np.broadcast_to(values.last, mask.shape), axis=-1)
    found = np.empty(mask.shape)
    np.put_along_axis(found, place, there * (before + through - count) / 2, axis=-1)
    return found


def _each_shuffled(values: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """(P, seeds, n, n): rows and columns of the p-th in the p-th order."""
    return np.stack([part[:, order[:, None], order[None, :]] for part, order in zip(values, orders, strict=True)])


def _names_do_not_matter(mask: np.ndarray) -> bool:
    """Whether the pairs that count are the same under any order of the tasks: all of them, or all but the diagonal."""
    own = np.eye(mask.shape[-1], dtype=bool)
    return mask.shape[-1] > 3 and bool(mask[..., ~own].all()) and bool(mask[..., own].all() or not mask[..., own].any())


def _shuffled(values: np.ndarray, orders: np.ndarray) -> np.ndarray:
    """(orders, seeds, tasks, tasks): rows and columns in each order."""
    return values[:, orders[:, :, None], orders[:, None, :]].swapaxes(0, 1)


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
    for first in range(0, len(orders), CHUNK):
        some = orders[first : first + CHUNK]
        total = np.einsum("sij,psij->p", transfer, _shuffled(similarity, some))
        valid = (clear[:, None] & defined[:, some]).sum(axis=(0, 2))
        found.append(total / np.maximum(valid, 1))
    return np.concatenate(found)


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
    one, two = transfer[mask], similarity[mask]
    if len(one) < 3 or np.ptp(one) == 0 or np.ptp(two) == 0:
        return Statistic(np.nan, np.nan, np.nan, np.nan, len(one), 0)
    rng, n = np.random.default_rng(seed), transfer.shape[-1]
    value = float(_pooled(one, two, np.ones((1, len(one))))[0])
    # A target drawn k times counts k times: its pairs weigh k.
    drawn = rng.multinomial(n, np.full(n, 1 / n), size=resamples)
    column = np.broadcast_to(np.arange(n), mask.shape)[mask]
    step = max(1, MOST // len(one))
    draws = [_pooled(one, two, drawn[at : at + step, column].astype(float)) for at in range(0, resamples, step)]
    low, high = np.nanquantile(np.concatenate(draws), (0.025, 0.975))
    if not permutations:
        return Statistic(value, float(low), float(high), np.nan, len(one), 0)
    orders = rng.permuted(np.tile(np.arange(n), (permutations, 1)), axis=1)
    p = (1 + int((_pooled_shuffled(transfer, similarity, mask, orders, which) >= value - 1e-12).sum())) / (1 + permutations)
    return Statistic(value, float(low), float(high), p, len(one), 0)


def _weighted_ranks(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(B, n) average ranks of n values when each stands as often as its weight says, for B sets of weights."""
    _, group = np.unique(values, return_inverse=True)
    order = np.argsort(group, kind="stable")
    last = np.append(np.flatnonzero(np.diff(group[order])), len(values) - 1)
    through = np.cumsum(weights[:, order], axis=1)[:, last]
    before = np.concatenate([np.zeros((len(weights), 1)), through[:, :-1]], axis=1)
    return ((before + through) / 2)[:, group]


def _pooled(one: np.ndarray, two: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(B,) Spearman correlations of n pairs under B sets of weights; NaN where one side is constant."""
    total = weights.sum(axis=1, keepdims=True)
    sides = []
    for values in (one, two):
        ranks = _weighted_ranks(values, weights)
        sides.append(ranks - (weights * ranks).sum(axis=1, keepdims=True) / total)
    left, right = sides
    norm = np.sqrt((weights * left**2).sum(axis=1) * (weights * right**2).sum(axis=1))
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(norm > 1e-9, (weights * left * right).sum(axis=1) / norm, np.nan)


def _pooled_shuffled(transfer: np.ndarray, similarity: np.ndarray, mask: np.ndarray, orders: np.ndarray, which: dict) -> np.ndarray:
    if not _names_do_not_matter(mask):
        ranked = _shuffled_ranks(transfer, similarity, orders, which, pooled=True)
        return np.concatenate([_cosine(*(side.reshape(len(side), -1) for side in (one, two)), axis=-1) for one, two, _ in ranked])
    # Shuffling names shuffles ranks: nothing is ranked again.
    sides = []
    for values in (transfer, similarity):
        ranks = np.zeros(mask.shape)
        ranks[mask] = _weighted_ranks(values[mask], np.ones((1, int(mask.sum()))))[0]
        ranks[mask] -= ranks[mask].mean()
        sides.append(ranks / np.sqrt((ranks**2).sum()))
    found = np.empty(len(orders))
    for at in range(0, len(orders), CHUNK):
        found[at : at + CHUNK] = np.einsum("sij,psij->p", sides[0], _shuffled(sides[1], orders[at : at + CHUNK]))
    return found


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
