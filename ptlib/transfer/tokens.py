"""Token ids and label ids of a task, made once for a PLM and kept while it is loaded."""

from __future__ import annotations

from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch

from ptlib.tasks import Task


class Tokens(NamedTuple):
    """A split as a PLM reads it."""

    ids: list[list[int]]
    labels: np.ndarray
    """(n,) int64"""
    label_ids: list[int]
    """Output row of each class's label word."""

    def batch(self, rows: list[int], pad: int, device: str) -> tuple[torch.Tensor, torch.Tensor]:
        """Padded ids (B, T) and lengths (B,) of some rows."""
        lengths = [len(self.ids[row]) for row in rows]
        padded = np.full((len(rows), max(lengths)), pad, dtype=np.int64)
        for place, row in enumerate(rows):
            padded[place, : lengths[place]] = self.ids[row]
        return torch.from_numpy(padded).to(device), torch.tensor(lengths, device=device)


_kept: WeakKeyDictionary[Any, dict[str, Tokens]] = WeakKeyDictionary()
KEEP = 64
"""Tasks remembered for one PLM."""


def tokens_of(plm: Any, task: Task, split: str, limit: int | None = None) -> Tokens:
    """Tokens of the first ``limit`` rows of a split.

    Raises:
        TaskError: bad data, texts that do not fit, or label words the PLM cannot answer with.
    """
    kept = _kept.setdefault(plm, {})
    digest = task.digest(split, limit)
    if digest not in kept:
        while len(kept) >= KEEP:
            kept.pop(next(iter(kept)))
        rows = task.read(split, limit)
        kept[digest] = Tokens(plm.tokenize(task, rows), rows.labels, plm.label_ids(task.label_words))
    return kept[digest]
