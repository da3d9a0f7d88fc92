"""ON, the overlapping rate of activated neurons (paper, section 6.1, equation 2). Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

NEURONS = 8192
"""Neurons that are multiplied together: the 0/1 states need a byte each, their product in floats only this many at a time."""


def overlap(active: np.ndarray, layers: Sequence[int] | None = None, others: np.ndarray | None = None) -> np.ndarray:
    """ON of every pair of prompts: the cosine of their 0/1 vectors, |A and B| / sqrt(|A| |B|).

    Args:
        active: (prompts, layers, ffn) bool: the 0/1 states of :class:`ptlib.neurons.states.States`.
        layers: which layers count, from 0; None takes all. The paper also looks at windows of three.
        others: (m, layers, ffn) bool: None compares the prompts with each other.

    Returns:
        (prompts, m) float64 in [0, 1]; NaN where a prompt activates nothing in these layers.
    """
    rows = _flat(active, layers)
    columns = rows if others is None else _flat(others, layers)
    both = np.zeros((len(rows), len(columns)))
    for first in range(0, rows.shape[1], NEURONS):
        part = rows[:, first : first + NEURONS].astype(np.float32)
        # Sums of ones are exact in single precision up to 2^24.
        both += part @ (part if others is None else columns[:, first : first + NEURONS].astype(np.float32)).T
    sizes = (np.count_nonzero(side, axis=1).astype(np.float64) for side in (rows, columns))
    with np.errstate(invalid="ignore", divide="ignore"):
        # One root of the whole product: a root for each would put a prompt's overlap with itself beside 1.
        return both / np.sqrt(np.outer(*sizes))


def _flat(active: np.ndarray, layers: Sequence[int] | None) -> np.ndarray:
    chosen = active if layers is None else active[:, list(layers)]
    return chosen.reshape(len(chosen), -1)


def overlap_per_layer(active: np.ndarray) -> np.ndarray:
    """ON of every pair within each layer: (layers, prompts, prompts)."""
    return np.stack([overlap(active, [layer]) for layer in range(active.shape[1])])
