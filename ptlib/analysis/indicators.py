"""Similarities of prompts that might predict transfer (paper, section 6.1), in matrix products over blocks.

``prompts`` is a stack (n, length, hidden) of n prompts. ``drop`` names rows that the insertion makes inert; the paper's
own indicators keep them, since they are computed on the files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np


class Indicator(NamedTuple):
    """What an indicator is called and what it says."""

    name: str
    label: str
    definition: str


INDICATORS: dict[str, Indicator] = {
    item.name: item
    for item in (
        Indicator("ON", "ON", "Overlapping rate of activated neurons: cosine of the two prompts' 0/1 states, 1 where a "
                  "neuron's value is above zero at the answer position."),
        Indicator("C_average", "C average", "Mean cosine over all pairs of soft tokens, one from each prompt."),
        Indicator("C_concat", "C concat", "Cosine of the two flattened prompts."),
        Indicator("E_average", "E average", "1 / (1 + mean Euclidean distance over all pairs of soft tokens)."),
        Indicator("E_concat", "E concat", "1 / (1 + Euclidean distance of the two flattened prompts)."),
        Indicator("same_type", "same type", "1 where the two tasks are of one type, otherwise 0: the plain baseline."),
    )
}  # fmt: skip


FEATURES = 4096
"""Numbers of each prompt that are looked at together: memory grows with the prompts, not with their size."""
SINGLE = 20_000
"""Soft tokens in all from which E_average multiplies in single precision; its error stays below 1e-6."""
CLOSE = {np.dtype(np.float32): 1e-3, np.dtype(np.float64): 1e-9}
"""Squared distances below this part of the norms are taken again from the difference itself: what the shorter formula
|a|^2 + |b|^2 - 2 a.b leaves of them is rounding."""


def _kept(prompts: np.ndarray, drop: Sequence[int]) -> np.ndarray:
    return np.delete(prompts, list(drop), axis=1) if len(drop) else np.asarray(prompts)


def _products(one: np.ndarray, other: np.ndarray | None) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(n, m) inner products of flattened prompts in double precision, and both sides' squared norms."""
    left = one.reshape(len(one), -1)
    right = left if other is None else other.reshape(len(other), -1)
    found, norms = np.zeros((len(left), len(right))), [np.zeros(len(left)), np.zeros(len(right))]
    for first in range(0, left.shape[1], FEATURES):
        part = left[:, first : first + FEATURES].astype(np.float64)
        same = part if other is None else right[:, first : first + FEATURES].astype(np.float64)
        # A matrix times its own transpose: numpy computes one half of it.
        found += part @ same.T
        norms[0] += np.einsum("ij,ij->i", part, part)
        norms[1] += np.einsum("ij,ij->i", same, same)
    return found, *norms


def e_concat(prompts: np.ndarray, drop: Sequence[int] = (), others: np.ndarray | None = None) -> np.ndarray:
    """(n, m): 1 / (1 + ||P1 - P2||) over the flattened matrices. ``others`` (m, length, hidden): None for the same prompts."""
    one, other = _kept(prompts, drop), None if others is None else _kept(others, drop)
    found, left, right = _products(one, other)
    total = left[:, None] + right[None]
    squared = np.maximum(total - 2 * found, 0)
    if other is None:
        np.fill_diagonal(squared, 0)
    for row, column in np.argwhere((squared < CLOSE[np.dtype(np.float64)] * total) & (squared > 0)):
        gap = one[row].astype(np.float64) - (one if other is None else other)[column]
        squared[row, column] = (gap * gap).sum()
    return 1 / (1 + np.sqrt(squared))


def c_concat(prompts: np.ndarray, drop: Sequence[int] = (), others: np.ndarray | None = None) -> np.ndarray:
    """(n, m): cosine of the flattened matrices."""
    found, left, right = _products(_kept(prompts, drop), None if others is None else _kept(others, drop))
    return found / np.sqrt(np.outer(left, right))


def c_average(prompts: np.ndarray, drop: Sequence[int] = (), others: np.ndarray | None = None) -> np.ndarray:
    """(n, m): mean over all token pairs of cos(P1_i, P2_j), which equals the product of the mean unit tokens."""
    mine = _mean_units(_kept(prompts, drop))
    return mine @ (mine if others is None else _mean_units(_kept(others, drop))).T


def _mean_units(prompts: np.ndarray) -> np.ndarray:
    found = []
    for prompt in prompts:
        tokens = prompt.astype(np.float64)
        found.append((tokens / np.linalg.norm(tokens, axis=1, keepdims=True)).mean(axis=0))
    return np.stack(found)


def e_average(prompts: np.ndarray, drop: Sequence[int] = (), others: np.ndarray | None = None) -> np.ndarray:
    """(n, m): 1 / (1 + mean over all token pairs i, j of ||P1_i - P2_j||)."""
    one, other = _kept(prompts, drop), None if others is None else _kept(others, drop)
    columns = one if other is None else other
    single = (len(one) + len(columns)) * one.shape[1] > SINGLE
    # Distances do not change when everything is moved; small norms keep more digits.
    centre = columns.mean(axis=(0, 1), dtype=np.float64)
    side = _Tokens(columns, centre, np.float32 if single else np.float64)
    mine = side if other is None else _Tokens(one, centre, np.float32 if single else np.float64)
    means = np.zeros((len(one), len(columns)))
    for row in range(len(one)):
        # The matrix of the same prompts is symmetric: its upper half is enough.
        first = row if other is None else 0
        means[row, first:] = mine.mean_distances(row, side, first)
    if other is None:
        means = np.triu(means) + np.triu(means, 1).T
    return 1 / (1 + means)


class _Tokens:
    """Soft tokens of prompts, ready to be multiplied."""

    def __init__(self, prompts: np.ndarray, centre: np.ndarray, dtype: type) -> None:
        self.count, self.length, hidden = prompts.shape
        self.values = np.empty((self.count * self.length, hidden), dtype=dtype)
        for place, prompt in enumerate(prompts):
            self.values[place * self.length : (place + 1) * self.length] = prompt - centre
        self.norms = np.einsum("ij,ij->i", self.values, self.values)
        self.block = max(1, 2**18 // self.length**2)
        """Prompts whose distances to one prompt's tokens stay in the processor's cache."""

    def mean_distances(self, row: int, side: _Tokens, first: int) -> np.ndarray:
        """Mean distance of one prompt's tokens to those of each of the other side's prompts from ``first`` on."""
        mine = slice(row * self.length, (row + 1) * self.length)
        tokens, norms, found = self.values[mine], self.norms[mine], []
        for start in range(first, side.count, self.block):
            theirs = slice(start * side.length, min(start + self.block, side.count) * side.length)
            squared = tokens @ side.values[theirs].T
            squared *= -2
            squared += norms[:, None]
            squared += side.norms[None, theirs]
            self._mend_close(squared, tokens, norms, side, theirs)
            np.sqrt(squared, out=squared)
            found.append(squared.reshape(self.length, -1, side.length).mean(axis=(0, 2), dtype=np.float64))
        return np.concatenate(found)

    @staticmethod
    def _mend_close(squared: np.ndarray, tokens: np.ndarray, norms: np.ndarray, side: _Tokens, theirs: slice) -> None:
        close = CLOSE[squared.dtype] * (norms.max() + side.norms[theirs].max())
        if squared.min() < close:
            rows, columns = np.nonzero(squared < close)
            gap = tokens[rows].astype(np.float64) - side.values[theirs][columns]
            squared[rows, columns] = np.einsum("ij,ij->i", gap, gap)


EMBEDDING_INDICATORS = {"C_average": c_average, "C_concat": c_concat, "E_average": e_average, "E_concat": e_concat}


def grow(
    indicator: Callable[..., np.ndarray], prompts: np.ndarray, known: np.ndarray | None = None, drop: Sequence[int] = ()
) -> np.ndarray:
    """(n, n) of an indicator when the first prompts' matrix is known: a new prompt costs one row.

    Args:
        indicator: one of :data:`EMBEDDING_INDICATORS`, or a function that takes ``others`` as they do.
        known: (k, k) of the first k prompts; None computes everything.
    """
    if known is None or not len(known):
        return indicator(prompts, drop)
    old, found = len(known), np.empty((len(prompts), len(prompts)))
    found[:old, :old] = known
    if old < len(prompts):
        rows = indicator(prompts[old:], drop, prompts)
        found[old:], found[:, old:] = rows, rows.T
    return found


def same_type(types: Sequence[str], others: Sequence[str] | None = None) -> np.ndarray:
    """(n, m) float: 1 where the types are equal."""
    left, right = np.asarray(types), np.asarray(types if others is None else others)
    return (left[:, None] == right[None, :]).astype(float)
