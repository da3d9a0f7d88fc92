"""Similarities of prompts that might predict transfer (paper, section 6.1). Each is one vectorised expression.

``prompts`` is a stack (n, length, hidden) of n prompts. ``drop`` names rows that the insertion makes inert; the paper's
own indicators keep them, since they are computed on the files.
"""

from __future__ import annotations

from collections.abc import Sequence
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


def _kept(prompts: np.ndarray, drop: Sequence[int]) -> np.ndarray:
    return np.delete(np.asarray(prompts, dtype=np.float64), list(drop), axis=1)


def _distances(rows: np.ndarray) -> np.ndarray:
    from scipy.spatial.distance import cdist

    return cdist(rows, rows)


def e_concat(prompts: np.ndarray, drop: Sequence[int] = ()) -> np.ndarray:
    """(n, n): 1 / (1 + ||P1 - P2||) over the flattened matrices."""
    kept = _kept(prompts, drop)
    return 1 / (1 + _distances(kept.reshape(len(kept), -1)))


def e_average(prompts: np.ndarray, drop: Sequence[int] = ()) -> np.ndarray:
    """(n, n): 1 / (1 + mean over all token pairs i, j of ||P1_i - P2_j||)."""
    from scipy.spatial.distance import cdist

    kept = _kept(prompts, drop)
    n, length, hidden = kept.shape
    tokens = kept.reshape(n * length, hidden)
    # One prompt's rows against all tokens at a time: memory grows with n, not with its square.
    means = np.stack([cdist(prompt, tokens).mean(axis=0).reshape(n, length).mean(axis=1) for prompt in kept])
    return 1 / (1 + means)


def c_concat(prompts: np.ndarray, drop: Sequence[int] = ()) -> np.ndarray:
    """(n, n): cosine of the flattened matrices."""
    kept = _kept(prompts, drop)
    flat = kept.reshape(len(kept), -1)
    unit = flat / np.linalg.norm(flat, axis=1, keepdims=True)
    return unit @ unit.T


def c_average(prompts: np.ndarray, drop: Sequence[int] = ()) -> np.ndarray:
    """(n, n): mean over all token pairs of cos(P1_i, P2_j), which equals the product of the mean unit tokens."""
    kept = _kept(prompts, drop)
    unit = (kept / np.linalg.norm(kept, axis=2, keepdims=True)).mean(axis=1)
    return unit @ unit.T


EMBEDDING_INDICATORS = {"C_average": c_average, "C_concat": c_concat, "E_average": e_average, "E_concat": e_concat}


def same_type(types: Sequence[str], others: Sequence[str] | None = None) -> np.ndarray:
    """(n, m) float: 1 where the types are equal."""
    left, right = np.asarray(types), np.asarray(types if others is None else others)
    return (left[:, None] == right[None, :]).astype(float)
