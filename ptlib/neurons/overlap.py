"""ON, the overlapping rate of activated neurons (paper, section 6.1, equation 2). Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def overlap(active: np.ndarray, layers: Sequence[int] | None = None) -> np.ndarray:
    """ON of every pair of prompts: the cosine of their 0/1 vectors, |A and B| / sqrt(|A| |B|).

    Args:
        active: (prompts, layers, ffn) bool: the 0/1 states of :class:`ptlib.neurons.states.States`.
        layers: which layers count, from 0; None takes all. The paper also looks at windows of three.

    Returns:
        (prompts, prompts) float64 in [0, 1]; NaN where a prompt activates nothing in these layers.
    """
    chosen = active if layers is None else active[:, list(layers)]
    states = chosen.reshape(len(chosen), -1).astype(np.float32)
    both = (states @ states.T).astype(np.float64)
    size = np.diag(both)
    with np.errstate(invalid="ignore", divide="ignore"):
        # One root of the whole product: a root for each would put a prompt's overlap with itself beside 1.
        return both / np.sqrt(np.outer(size, size))


def overlap_per_layer(active: np.ndarray) -> np.ndarray:
    """ON of every pair within each layer: (layers, prompts, prompts)."""
    return np.stack([overlap(active, [layer]) for layer in range(active.shape[1])])
