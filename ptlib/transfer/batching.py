"""Which texts go through the PLM together."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import numpy as np

from ptlib.plms.describe import PlmInfo
from ptlib.plms.device import WIDTH, free_memory

PADDING = 0.02
"""Most of a task's slots that may be padding."""
LAYER_START = {"cpu": 9e6, "cuda": 5e10, "mps": 1e9}
"""Operations that a device could do in the time it takes to start one layer of a batch."""
WEIGHTS_READ = {"cpu": 12.0, "cuda": 120.0, "mps": 50.0}
"""Slots that a device could compute in the time it takes to read the weights, whatever their number."""
MOST_SLOTS = {"cpu": 4096, "cuda": 2**18, "mps": 2**14}
"""Slots beyond which a larger batch is no faster."""
MEMORY_SHARE = 0.4
"""Part of the free memory that a batch may take; a batch that still does not fit is halved by the caller."""


def batches(lengths: Sequence[int], extra: int, tokens: int, overhead: float = 0.0, held: int = 0) -> list[list[int]]:
    """Rows sorted by length and cut where that costs least: padded slots and ``overhead`` slots for every batch.

    The cuts are optimal for sorted rows (dynamic programming over the distinct lengths). Where they would leave more
    than 2 % padding, the overhead counts less until they do not.

    Args:
        lengths: tokens of each text.
        extra: prompt slots before every text.
        held: prompt slots before every text that are computed elsewhere, once for all.
        tokens: most slots a batch, padding included; a single row that exceeds them is a batch of its own.
        overhead: what starting a batch costs, in slots.

    Returns:
        Row numbers by batch, shortest texts first.
    """
    order = np.argsort(np.asarray(lengths), kind="stable")
    ordered = np.asarray(lengths)[order]
    real = int(ordered.sum()) + (extra + held) * len(ordered)
    while True:
        cut = [part for first, last in _segments(ordered, extra, tokens, overhead) for part in _parts(ordered, first, last, extra, tokens)]
        slots = sum((last - first) * (held + extra + int(ordered[last - 1])) for first, last in cut)
        if slots <= real / (1 - PADDING) or overhead < 1e-3:
            return [order[first:last].tolist() for first, last in cut]
        overhead /= 2


def _segments(ordered: np.ndarray, extra: int, tokens: int, overhead: float) -> list[tuple[int, int]]:
    widths, starts = np.unique(ordered, return_index=True)
    ends = np.append(starts[1:], len(ordered))
    best, came = np.zeros(len(widths) + 1), np.zeros(len(widths) + 1, dtype=int)
    for last in range(1, len(widths) + 1):
        rows = ends[last - 1] - starts[:last]
        width = extra + int(widths[last - 1])
        cost = best[:last] + rows * width + overhead * np.ceil(rows / max(1, tokens // width))
        # Of equal costs the longest segment: fewer batches.
        came[last] = int(cost.argmin())
        best[last] = cost[came[last]]
    found, last = [], len(widths)
    while last:
        found.append((int(starts[came[last]]), int(ends[last - 1])))
        last = int(came[last])
    return found[::-1]


def _parts(ordered: np.ndarray, first: int, last: int, extra: int, tokens: int) -> list[tuple[int, int]]:
    most = max(1, tokens // (extra + int(ordered[last - 1])))
    edges = np.linspace(first, last, -(-(last - first) // most) + 1).round().astype(int)
    return [(int(one), int(other)) for one, other in itertools.pairwise(edges)]


def overhead(info: PlmInfo, device: str) -> float:
    """What a further batch costs on a device, in slots of this PLM: a dozen for a large PLM on a CPU, thousands on a GPU."""
    # A layer's weights: four attention matrices and two of the FFN.
    kind, weights = device.split(":")[0], 4 * info.hidden**2 + 2 * info.hidden * info.ffn
    return WEIGHTS_READ[kind] + LAYER_START[kind] / (2 * weights)


def budget(info: PlmInfo, device: str, dtype: str) -> int:
    """Most slots a batch: as many as pay on the device and fit into its free memory."""
    # What a layer holds of one slot at a time: input, query, key, value, context, output, and the FFN's inside twice.
    slot = (8 * info.hidden + 2 * info.ffn) * WIDTH[dtype]
    return int(max(1, min(MOST_SLOTS[device.split(":")[0]], MEMORY_SHARE * free_memory(device) / slot)))
