"""Relative performance: a transfer score over the score of the target's own prompt (paper, section 4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Mean(NamedTuple):
    """A mean with a 95 % bootstrap interval over target tasks, and how many pairs it rests on."""

    value: float
    ci_low: float
    ci_high: float
    n: int


def relative(transfer: np.ndarray) -> np.ndarray:
    """(seeds, sources, targets): every score over the same seed's diagonal score of its target."""
    with np.errstate(invalid="ignore", divide="ignore"):
        return transfer / np.diagonal(transfer, axis1=1, axis2=2)[:, None, :]


def mean_over(values: np.ndarray, pairs: np.ndarray, *, seed: int = 0, resamples: int = 2000) -> Mean:
    """Mean of (seeds, sources, targets) where ``pairs`` (sources, targets) says so, missing values left out."""
    there = np.isfinite(values) & pairs
    sums, counts = np.where(there, values, 0.0).sum(axis=(0, 1)), there.sum(axis=(0, 1))
    if not counts.sum():
        return Mean(np.nan, np.nan, np.nan, 0)
    n = len(sums)
    chosen = np.random.default_rng(seed).integers(n, size=(resamples, n))
    total = counts[chosen].sum(axis=1)
    draws = sums[chosen].sum(axis=1)[total > 0] / total[total > 0]
    low, high = np.quantile(draws, (0.025, 0.975))
    return Mean(float(sums.sum() / counts.sum()), float(low), float(high), int(counts.sum()))


class TypeEffect(NamedTuple):
    """Relative performance of prompts of the target's type and of other types, their own prompts left out."""

    same: Mean
    other: Mean
    difference: Mean


def type_effect(transfer: np.ndarray, types: Sequence[str], *, seed: int = 0) -> TypeEffect:
    """Same-type against different-type transfer, with intervals over target tasks.

    Args:
        transfer: (seeds, tasks, tasks) scores, sources in rows.
        types: the type of each task.
    """
    values, kinds = relative(transfer), np.asarray(types)
    same = kinds[:, None] == kinds[None, :]
    off = ~np.eye(len(kinds), dtype=bool)
    by_target = []
    for target in range(len(kinds)):
        column = values[:, :, target]
        one, two = column[:, same[:, target] & off[:, target]], column[:, ~same[:, target]]
        by_target.append((np.nanmean(one) if np.isfinite(one).any() else np.nan)
                         - (np.nanmean(two) if np.isfinite(two).any() else np.nan))  # fmt: skip
    gap = np.asarray(by_target, dtype=float)
    return TypeEffect(mean_over(values, same & off, seed=seed), mean_over(values, ~same, seed=seed),
                      mean_over(gap[None, None, :], np.ones((1, len(gap)), dtype=bool), seed=seed))  # fmt: skip


def type_blocks(transfer: np.ndarray, types: Sequence[str], order: Sequence[str] | None = None) -> tuple[list[str], np.ndarray]:
    """Mean relative performance by type of source (rows) and target (columns), the diagonal left out.

    ``order`` names the types in the order wanted; None takes that of ``types``.
    """
    kinds = np.asarray(types)
    names = list(dict.fromkeys(types) if order is None else order)
    values = np.where(np.eye(len(kinds), dtype=bool), np.nan, relative(transfer))
    blocks = np.full((len(names), len(names)), np.nan)
    for row, source in enumerate(names):
        for column, target in enumerate(names):
            block = values[:, kinds == source][:, :, kinds == target]
            if np.isfinite(block).any():
                blocks[row, column] = np.nanmean(block)
    return names, blocks
