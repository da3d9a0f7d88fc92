"""A task: its data, how a row becomes text, its label words and its metric."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Literal, NamedTuple

import numpy as np

from ptlib.errors import TaskError
from ptlib.tasks import hub
from ptlib.tasks.readers import Row, read_rows

Metric = Literal["accuracy", "macro_f1", "exact_match", "f1", "rouge1", "rouge2", "rougeL", "bleu_floored"]
LabelRule = Literal["one", "first", "mean"]
"""Label words of several tokens: refused; the first piece counts (the authors' rule); mean log-probability of the pieces."""
MASK = "{mask}"
"""Where an insertion with a mask of its own puts it in a template."""


class Split(NamedTuple):
    """The rows of a split."""

    texts: list[tuple[str, ...]]
    """One tuple a row, one string a segment of the template."""
    labels: np.ndarray
    """Shape (n,), int64: index into the task's labels; zeros where the answer is free text."""
    references: Sequence[tuple[str, ...]] = ()
    """Right answers of each row, where the answer is free text."""


@dataclass(frozen=True)
class FamilyWords:
    """What a task says to one family of PLMs instead of what it says to all; None leaves it."""

    template: tuple[str, ...] | None = None
    label_words: tuple[str, ...] | None = None
    label_ids: tuple[int, ...] | None = None
    label_rule: LabelRule | None = None
    max_length: int | None = None


@dataclass(frozen=True)
class Task:
    """A task as its TOML describes it. Data is read on demand."""

    name: str
    title: str
    type: str
    description: str
    fields: tuple[str, ...]
    """Text columns."""
    label_field: str
    labels: tuple[str, ...]
    """Values of the label column, in class order; none where the answer is free text."""
    label_words: tuple[str, ...]
    """The word that stands for each class, in class order."""
    metric: Metric
    template: tuple[str, ...]
    """One format string a segment, with the fields' names in braces, and ``{mask}`` once at most."""
    max_length: int | None
    """Longest text in tokens; longer ones are cut. None: a text that does not fit is an error."""
    splits: Mapping[str, Path | hub.HubSplit]
    source: Path
    label_rule: LabelRule = "one"
    """Label words of several tokens: refused, first piece, or mean log-probability of the pieces."""
    label_ids: tuple[int, ...] | None = None
    """Token ids that are read in place of those of the words."""
    label_map: Mapping[str, str] = field(default_factory=dict)
    """Value in the data -> label."""
    drop_labels: tuple[str, ...] = ()
    """Rows with these values are left out."""
    families: Mapping[str, FamilyWords] = field(default_factory=dict)
    answer_field: str = ""
    """Column of the right answers (a text or a list of texts), where the answer is free text."""
    max_new_tokens: int = 0
    published: str = ""
    """What the paper's authors call it in their files."""

    @property
    def generates(self) -> bool:
        """Whether the answer is free text."""
        return bool(self.answer_field)

    def for_family(self, family: str) -> Task:
        """The task as it is put to a family of PLMs."""
        words = self.families.get(family)
        if words is None:
            return self
        said = {name: value for name in ("template", "label_words", "label_ids", "label_rule", "max_length")
                if (value := getattr(words, name)) is not None}  # fmt: skip
        if "label_words" in said and "label_ids" not in said:
            said["label_ids"] = None
        return replace(self, **said, families={})

    def read(self, split: str, limit: int | None = None) -> Split:
        """The first ``limit`` rows of a split (all when None).

        Raises:
            TaskError: no such split, a limit below 1, or a file, row or label that cannot be used.
        """
        return _read(self, split, limit, self.version(split, limit))

    def digest(self, split: str, limit: int | None = None) -> str:
        """sha256 (hex) of all that decides the score: texts, labels, label words, metric, split and limit.

        Raises:
            TaskError: as :meth:`read`.
        """
        return _digest(self, split, limit, self.version(split, limit))

    def here(self, split: str) -> bool:
        """Whether the split's data can be read without a network."""
        place = self.splits.get(split)
        return place is not None and (place.is_file() if isinstance(place, Path) else place.here())

    def version(self, split: str, limit: int | None = None) -> tuple[int, int] | None:
        """What tells cheaply that a split's file changed. Raises TaskError for a split or limit that cannot be."""
        if split not in self.splits:
            raise TaskError(f"no split {split!r}", where=self.source, found=f"{sorted(self.splits)}",
                            mend="Name the split's file under [splits].")  # fmt: skip
        if limit is not None and limit < 1:
            raise TaskError("the limit leaves no rows", where=f"task {self.name}", found=str(limit),
                            expected="1 at least, or None for all")  # fmt: skip
        path = self.splits[split]
        stat = path.stat() if isinstance(path, Path) and path.exists() else None
        return stat and (stat.st_mtime_ns, stat.st_size)

    def __hash__(self) -> int:
        return hash((self.name, self.source, self.labels, self.label_words, self.template, self.fields))

    def _rows(self, split: str) -> tuple[object, list[Row]]:
        place = self.splits[split]
        columns = (*self.fields, self.answer_field or self.label_field)
        return place, read_rows(place, columns) if isinstance(place, Path) else hub.read_rows(place, columns)

    def _label(self, value: object, where: str) -> str | None:
        label = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
        if label in self.drop_labels:
            return None
        label = self.label_map.get(label, label)
        if label not in self.labels:
            raise TaskError("unknown label", where=where, found=repr(label[:60]), expected=f"one of {list(self.labels)}",
                            mend="Mend the row or add the label to labels and label_words.")  # fmt: skip
        return label


@lru_cache(maxsize=128)
def _read(task: Task, split: str, limit: int | None, _version: object) -> Split:
    place, rows = task._rows(split)
    texts, labels, references = [], [], []
    for number, row in rows:
        if limit is not None and len(texts) == limit:
            break
        if task.generates:
            answers = row[task.answer_field]
            if isinstance(answers, dict):  # SQuAD keeps texts beside their places
                answers = answers.get("text", [])
            references.append(tuple(map(str, answers)) if isinstance(answers, list | tuple) else (str(answers),))
            labels.append(0)
        else:
            label = task._label(row[task.label_field], f"{place}, line {number}, column {task.label_field}")
            if label is None:
                continue
            labels.append(task.labels.index(label))
        # A text that says {mask} itself must not move the answer.
        values = {name: str(row[name]).replace(MASK, "{ mask }") for name in task.fields}
        texts.append(tuple(segment.format_map({**values, "mask": MASK}) for segment in task.template))
    return Split(texts, np.asarray(labels, dtype=np.int64), references)


@lru_cache(maxsize=512)
def _digest(task: Task, split: str, limit: int | None, version: object) -> str:
    rows = _read(task, split, limit, version)
    story = [rows.texts, rows.labels.tolist(), task.label_words, task.metric, task.max_length, split, limit]
    more = [task.label_rule, task.label_ids, rows.references, task.max_new_tokens]
    # What a task does not use does not count, so that results of simple tasks keep their keys.
    if more != ["one", None, [], 0]:
        story.append(more)
    return hashlib.sha256(json.dumps(story, ensure_ascii=False).encode()).hexdigest()
