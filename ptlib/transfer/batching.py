"""Which texts go through the PLM together."""

from __future__ import annotations

from collections.abc import Sequence

MIN_ROWS = 16
"""Batches that a small set is cut into at least have this many rows, where its size allows."""


def batches(lengths: Sequence[int], extra: int, tokens: int) -> list[list[int]]:
    """Rows sorted by length and cut so that no batch has more than ``tokens`` slots, padding included.

    Args:
        lengths: tokens of each text.
        extra: prompt slots before every text.
        tokens: budget; a single row that exceeds it is a batch of its own.

    Returns:
        Row numbers by batch, shortest texts first.
    """
    order = sorted(range(len(lengths)), key=lengths.__getitem__)
    cut: list[list[int]] = []
    for row in order:
        if cut and (len(cut[-1]) + 1) * (extra + lengths[row]) <= tokens:
            cut[-1].append(row)
        else:
            cut.append([row])
    return cut


def budget(texts: int, mean_length: float, extra: int) -> int:
    """Slots a batch: enough to keep the processor busy, few enough that sorted texts hardly need padding.

    A few hundred short texts behind a prompt make several batches, so that lengths within one are alike.
    """
    return int(max(MIN_ROWS * (mean_length + extra), min(4096.0, texts * (mean_length + extra) / 4)))
