"""A task: its data, how a row becomes text, its label words and its metric, read from one TOML file."""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from string import Formatter
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from ptlib.errors import TaskError
from ptlib.tasks.readers import read_rows

Metric = Literal["accuracy", "macro_f1"]
KEYS = {"name", "title", "type", "description", "fields", "label_field", "labels", "label_words", "metric",
        "template", "max_length", "splits"}  # fmt: skip


class Split(NamedTuple):
    """The rows of a split."""

    texts: list[tuple[str, ...]]
    """One tuple a row, one string a field."""
    labels: np.ndarray
    """Shape (n,), int64: index into the task's labels."""


@dataclass(frozen=True)
class Task:
    """A task as its TOML describes it. Data is read on demand."""

    name: str
    title: str
    type: str
    description: str
    fields: tuple[str, ...]
    """One or two text columns."""
    label_field: str
    labels: tuple[str, ...]
    """Values of the label column, in class order."""
    label_words: tuple[str, ...]
    """The word that stands for each class, in class order."""
    metric: Metric
    template: tuple[str, ...]
    """One format string a segment, with the fields' names in braces."""
    max_length: int | None
    """Longest text in tokens; longer ones are cut. None: a text that does not fit is an error."""
    splits: Mapping[str, Path]
    source: Path

    def read(self, split: str, limit: int | None = None) -> Split:
        """The first ``limit`` rows of a split (all when None).

        Raises:
            TaskError: no such split, a limit below 1, or a file, row or label that cannot be used.
        """
        return _read(self, split, limit, self._version(split, limit))

    def digest(self, split: str, limit: int | None = None) -> str:
        """sha256 (hex) of all that decides the score: texts, labels, label words, metric, split and limit.

        Raises:
            TaskError: as :meth:`read`.
        """
        return _digest(self, split, limit, self._version(split, limit))

    def _version(self, split: str, limit: int | None) -> tuple[int, int] | None:
        if split not in self.splits:
            raise TaskError(f"no split {split!r}", where=self.source, found=f"{sorted(self.splits)}",
                            mend="Name the split's file under [splits].")  # fmt: skip
        if limit is not None and limit < 1:
            raise TaskError("the limit leaves no rows", where=f"task {self.name}", found=str(limit),
                            expected="1 at least, or None for all")  # fmt: skip
        path = self.splits[split]
        stat = path.stat() if path.exists() else None
        return stat and (stat.st_mtime_ns, stat.st_size)

    def __hash__(self) -> int:
        return hash((self.name, self.source, self.labels, self.label_words, self.template, self.fields))


@lru_cache(maxsize=128)
def _read(task: Task, split: str, limit: int | None, _version: object) -> Split:
    path = task.splits[split]
    index = {label: number for number, label in enumerate(task.labels)}
    texts, labels = [], []
    for number, row in read_rows(path, (*task.fields, task.label_field))[:limit]:
        value = row[task.label_field]
        label = str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
        if label not in index:
            raise TaskError("unknown label", where=f"{path}, line {number}, column {task.label_field}",
                            found=repr(label[:60]), expected=f"one of {list(task.labels)}",
                            mend="Mend the row or add the label to labels and label_words.")  # fmt: skip
        values = {field: str(row[field]) for field in task.fields}
        texts.append(tuple(segment.format_map(values) for segment in task.template))
        labels.append(index[label])
    return Split(texts, np.asarray(labels, dtype=np.int64))


@lru_cache(maxsize=512)
def _digest(task: Task, split: str, limit: int | None, version: object) -> str:
    rows = _read(task, split, limit, version)
    story = [rows.texts, rows.labels.tolist(), task.label_words, task.metric, task.max_length, split, limit]
    return hashlib.sha256(json.dumps(story, ensure_ascii=False).encode()).hexdigest()


def _strings(raw: dict[str, Any], key: str, where: Path) -> tuple[str, ...]:
    value = raw.get(key)
    if not isinstance(value, list) or not value or not all(isinstance(item, str) and item.strip() for item in value):
        raise TaskError(f"field {key} is not a list of texts", where=where, found=repr(value),
                        expected='for example ["no", "yes"]', mend="Mend it in the TOML.")  # fmt: skip
    if len(set(value)) != len(value):
        raise TaskError(f"field {key} names something twice", where=where, found=repr(value),
                        mend="Choose different ones in the TOML.")  # fmt: skip
    return tuple(value)


def _check_texts(raw: dict[str, Any], where: Path) -> None:
    for key, needed in {"name": True, "type": True, "label_field": True, "title": False, "description": False}.items():
        value = raw.get(key, "")
        if not isinstance(value, str) or (needed and not value.strip()):
            raise TaskError(f"field {key} is missing or no text", where=where, found=repr(raw.get(key)),
                            expected=f'for example {key} = "..."')  # fmt: skip


def _inside(folder: Path, name: object, where: Path) -> Path:
    path = folder / str(name)
    try:
        inside = isinstance(name, str) and path.resolve().is_relative_to(folder.resolve())
    except (ValueError, OSError, RuntimeError):  # a zero byte, a name too long, a loop of links
        inside = False
    if not inside:
        raise TaskError("a data file must lie in the folder of the task's TOML", where=where, found=repr(name),
                        mend="Move the file beside the TOML and name it by a relative path.")  # fmt: skip
    return path


def load_task(path: Path | str) -> Task:
    """Reads a task's TOML. The data files are named there, relative to it, and are not opened yet.

    Raises:
        TaskError: unreadable TOML, an unknown or missing key, label words that do not match the labels, or a data
            file outside the TOML's folder.
    """
    where = Path(path)
    try:
        raw = tomllib.loads(where.read_text(encoding="utf-8"))
    except OSError as error:
        raise TaskError("the task cannot be read", where=where, found=error.strerror or error,
                        mend="Check that the file is there and readable.") from error  # fmt: skip
    except (ValueError, RecursionError) as error:
        raise TaskError("not valid TOML", where=where, found=error, mend="Mend the line named.") from error
    unknown = sorted(set(raw) - KEYS)
    if unknown:
        raise TaskError(f"unknown key {unknown[0]!r}", where=where, expected=f"only {sorted(KEYS)}",
                        mend="Correct or remove the key.")  # fmt: skip
    _check_texts(raw, where)
    fields, labels = _strings(raw, "fields", where), _strings(raw, "labels", where)
    words = _strings(raw, "label_words", where)
    if len(words) != len(labels) or len(labels) < 2:
        raise TaskError("labels and label_words do not match", where=where,
                        found=f"{len(labels)} labels, {len(words)} words",
                        expected="as many words as labels, two at least")  # fmt: skip
    metric = raw.get("metric", "accuracy")
    if metric not in get_args(Metric):
        raise TaskError("unknown metric", where=where, found=repr(metric), expected=f"one of {list(get_args(Metric))}")
    splits = raw.get("splits")
    if not isinstance(splits, dict) or not splits:
        raise TaskError("no [splits]", where=where, expected='for example test = "data/test.jsonl"')
    return Task(
        raw["name"], raw.get("title", raw["name"]), raw["type"], raw.get("description", ""), fields, raw["label_field"],
        labels, words, metric, _template(raw, fields, where), _max_length(raw, where),
        {split: _inside(where.parent, file, where) for split, file in splits.items()}, where,
    )  # fmt: skip


def _template(raw: dict[str, Any], fields: tuple[str, ...], where: Path) -> tuple[str, ...]:
    template = _strings(raw, "template", where) if "template" in raw else tuple(f"{{{field}}}" for field in fields)
    if len(template) > 2:
        raise TaskError("a template has one or two segments", where=where, found=f"{len(template)}",
                        mend='Join fields in one segment, for example template = ["{a} {b}", "{c}"].')  # fmt: skip
    try:
        parts = [part for segment in template for part in Formatter().parse(segment) if part[1] is not None]
        # Bare names only: a format specification could pad a text without end, an attribute is nobody's text.
        wrong = [name for _, name, spec, conversion in parts if name not in fields or spec or conversion]
    except ValueError as error:
        wrong = [str(error)]
    if wrong:
        raise TaskError("the template names something that is no field", where=where, found=repr(wrong[0]),
                        expected=f"fields {list(fields)} in braces, nothing else within them")  # fmt: skip
    return template


def _max_length(raw: dict[str, Any], where: Path) -> int | None:
    value = raw.get("max_length")
    if value is not None and (type(value) is not int or value < 3):
        raise TaskError("field max_length is no usable number of tokens", where=where, found=repr(value),
                        expected="a whole number, 3 at least")  # fmt: skip
    return value
