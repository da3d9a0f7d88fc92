"""What is odd about prompts: copies, all but zero, constant, collapsed onto another. Imports no torch."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from ptlib.analysis.collapse import COLLAPSED, nearest

ZERO_SHARE = 0.99
TINY = 1e-30


def copies(digests: Sequence[str]) -> list[list[int]]:
    """Places of prompts that are the same matrix, for every matrix that is there more than once."""
    groups = defaultdict(list)
    for place, digest in enumerate(digests):
        groups[digest].append(place)
    return [group for group in groups.values() if len(group) > 1]


def flags(prompts: np.ndarray, names: Sequence[str]) -> list[str]:
    """One sentence for each prompt, empty where nothing is odd.

    Args:
        prompts: (n, length, hidden) of one shape.
    """
    flat = np.asarray(prompts, dtype=np.float64).reshape(len(prompts), -1)
    found = [""] * len(flat)
    for place, rows in enumerate(prompts):
        if np.mean(np.abs(rows) < TINY) >= ZERO_SHARE:
            found[place] = "all but zero: it says nothing to the PLM"
        elif len(rows) > 1 and np.allclose(rows, rows[0], rtol=1e-6, atol=0):
            found[place] = "all rows are equal"
    for place, other in nearest(flat):
        if not found[place]:
            found[place] = f"collapsed onto {names[other]}: their distance is below {COLLAPSED:.0%} of their norm"
    return found
