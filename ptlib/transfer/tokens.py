"""Token ids and label ids of a task, made once for a PLM and kept while it is loaded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
import torch

from ptlib.plms.plm import Plm
from ptlib.tasks import Split, Task


class Tokens(NamedTuple):
    """A split as a PLM reads it."""

    ids: list[list[int]]
    answers: list[int]
    """Slot of each text that is read."""
    labels: np.ndarray
    """(n,) int64"""
    label_ids: list[tuple[int, ...]]
    """Output rows of each class's label word; none where the answer is free text."""
    references: Sequence[tuple[str, ...]]
    """Right answers, where the answer is free text."""

    def batch(self, rows: list[int], pad: int, device: str) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Padded ids (B, T), lengths (B,) and answer slots (B,) of some rows."""
        lengths = [len(self.ids[row]) for row in rows]
        padded = np.full((len(rows), max(lengths)), pad, dtype=np.int64)
        for place, row in enumerate(rows):
            padded[place, : lengths[place]] = self.ids[row]
        answers = [self.answers[row] for row in rows]
        return torch.from_numpy(padded).to(device), torch.tensor(lengths, device=device), torch.tensor(answers, device=device)


_kept: WeakKeyDictionary[Plm, dict[tuple[str, str], Tokens]] = WeakKeyDictionary()
KEEP = 64
"""Tasks remembered for one PLM."""


def _answers(plm: Plm, task: Task, rows: Split) -> tuple[list[tuple[int, ...]], Sequence[tuple[str, ...]]]:
    return ([], rows.references) if task.generates else (plm.label_ids(task.label_words, task.label_rule, task.label_ids), [])


def tokens_of(plm: Plm, task: Task, split: str, limit: int | None = None, insertion: str | None = None, prompt_length: int = 0) -> Tokens:
    """Tokens of the first ``limit`` rows of a split, as an insertion wants them (None: the family's own).

    ``prompt_length`` decides what still fits where prompt slots take positions.

    Raises:
        TaskError: bad data, texts that do not fit, or label words the PLM cannot answer with.
        PromptError: an insertion that the family does not offer.
    """
    insertion = plm.check_insertion(insertion or plm.insertions[0])
    kept = _kept.setdefault(plm, {})
    name = (task.digest(split, limit), insertion)
    if name not in kept:
        while len(kept) >= KEEP:
            kept.pop(next(iter(kept)))
        rows = task.read(split, limit)
        kept[name] = Tokens(*plm.texts(task, rows, insertion), rows.labels, *_answers(plm, task, rows))
    plm.check_fits(kept[name].ids, plm.longest_text(insertion, prompt_length), task)
    return kept[name]
