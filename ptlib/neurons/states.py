"""A prompt's neurons as they are kept: values, and which of them are activated. Imports no torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np


class States(NamedTuple):
    """Stimulation of one prompt (layers, ffn) or of several (prompts, layers, ffn)."""

    values: np.ndarray
    """float32. Of a plain FFN a neuron's value keeps the sign that decides; of a gated one it is act(gate) x up."""
    activated: np.ndarray
    """bool: above zero before the activation function; of a gated FFN, gate > 0."""


def stack(states: Sequence[States], layers: int, ffn: int) -> States:
    """One (prompts, layers, ffn) of several; of none, an empty one."""
    if not states:
        return States(np.empty((0, layers, ffn), np.float32), np.empty((0, layers, ffn), bool))
    return States(np.stack([item.values for item in states]), np.stack([item.activated for item in states]))


def to_arrays(states: States) -> dict[str, np.ndarray]:
    """What the store keeps of one prompt: half-precision values, and the 0/1 states where the values do not say them."""
    half = states.values.astype(np.float16)
    # A value too small for half precision would become zero and its neuron would no longer count as activated.
    tiny = (states.values > 0) & (half == 0)
    half[tiny] = np.nextafter(np.float16(0), np.float16(1))
    if np.array_equal(half > 0, states.activated):
        return {"stimulation": half}
    return {"stimulation": half, "activated": np.packbits(states.activated)}


def from_arrays(arrays: Mapping[str, np.ndarray]) -> States:
    """The inverse of :func:`to_arrays`, to half precision."""
    values = arrays["stimulation"].astype(np.float32)
    if "activated" not in arrays:
        return States(values, values > 0)
    return States(values, np.unpackbits(arrays["activated"], count=values.size).astype(bool).reshape(values.shape))
