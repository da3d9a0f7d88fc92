"""A task's TOML file. Everything about it is checked here, before any data is read."""

from __future__ import annotations

import tomllib
from collections.abc import Callable
from pathlib import Path
from string import Formatter
from typing import Any, NamedTuple, get_args

from ptlib.errors import TaskError
from ptlib.plms.describe import FAMILIES as MODEL_TYPES
from ptlib.tasks.hub import HubSplit
from ptlib.tasks.task import FamilyWords, LabelRule, Metric, Task

KEYS = {"name", "title", "type", "description", "fields", "label_field", "labels", "label_words", "metric", "template", "max_length",
        "splits", "label_rule", "label_ids", "label_map", "drop_labels", "families", "answer_field", "max_new_tokens", "published"}  # fmt: skip
FAMILY_KEYS = {"template", "label_words", "label_ids", "label_rule", "max_length"}
HUB_KEYS = {"hub", "config", "split", "revision"}
FAMILIES = sorted({fields.family for fields in MODEL_TYPES.values()})
CLASSIFICATION = ("accuracy", "macro_f1")


class Parsed(NamedTuple):
    """What a TOML holds, and everything that is wrong with it."""

    task: Task | None
    """None where anything is wrong."""
    problems: list[tuple[str, TaskError]]
    """Key (empty for the whole file) and what is wrong with it."""


def load_task(path: Path | str) -> Task:
    """Reads a task's TOML. The data is named there (files relative to it, or a data set of the hub), and not opened yet.

    Raises:
        TaskError: unreadable TOML, an unknown or missing key, label words that do not match the labels, or a data
            file outside the TOML's folder; the first that is wrong.
    """
    found = parse(Path(path))
    if found.task is None:
        raise found.problems[0][1]
    return found.task


def parse(where: Path) -> Parsed:
    """Reads a task's TOML and says all that is wrong with it at once."""
    try:
        raw = tomllib.loads(where.read_text(encoding="utf-8"))
    except OSError as error:
        return Parsed(None, [("", TaskError("the task cannot be read", where=where, found=error.strerror or error,
                                            mend="Check that the file is there and readable."))])  # fmt: skip
    except (ValueError, RecursionError) as error:
        return Parsed(None, [("", TaskError("not valid TOML", where=where, found=error, mend="Mend the line named."))])
    problems: list[tuple[str, TaskError]] = []

    def take(key: str, read: Callable[..., Any], *more: Any) -> Any:
        try:
            return read(*more, where)
        except TaskError as error:
            problems.append((key, error))
            return None

    for key in sorted(set(raw) - KEYS):
        take(key, _unknown, key, KEYS)
    generates = "answer_field" in raw
    texts = {
        "name": True,
        "type": True,
        "answer_field" if generates else "label_field": True,
        "title": False,
        "description": False,
        "published": False,
    }
    for key, needed in texts.items():
        take(key, _text, raw, key, needed)
    fields = take("fields", _strings, raw, "fields") or ()
    labels, words = (), ()
    if not generates:
        labels, words = (take(key, _strings, raw, key) or () for key in ("labels", "label_words"))
        if labels and words:
            take("label_words", _as_many, labels, words)
    said = {
        "metric": take("metric", _metric, raw, generates), "template": take("template", _template, raw, fields),
        "max_length": take("max_length", _max_length, raw), "splits": take("splits", _splits, raw),
        "label_rule": take("label_rule", _rule, raw), "label_ids": take("label_ids", _ids, raw, len(labels)),
        "label_map": take("label_map", _map, raw, labels), "drop_labels": take("drop_labels", _drop, raw),
        "max_new_tokens": take("max_new_tokens", _new_tokens, raw, generates),
        "families": take("families", _families, raw, fields, labels),
    }  # fmt: skip
    if problems:
        return Parsed(None, problems)
    return Parsed(Task(
        name=raw["name"], title=raw.get("title", raw["name"]), type=raw["type"], description=raw.get("description", ""), fields=fields,
        label_field=raw.get("label_field", ""), labels=labels, label_words=words, source=where, answer_field=raw.get("answer_field", ""),
        published=raw.get("published", ""), **said,
    ), [])  # fmt: skip


def _unknown(key: str, known: set[str], where: Path) -> None:
    raise TaskError(f"unknown key {key!r}", where=where, expected=f"only {sorted(known)}", mend="Correct or remove the key.")


def _text(raw: dict[str, Any], key: str, needed: bool, where: Path) -> None:
    value = raw.get(key, "")
    if not isinstance(value, str) or (needed and not value.strip()):
        raise TaskError(f"field {key} is missing or no text", where=where, found=repr(raw.get(key)),
                        expected=f'for example {key} = "..."')  # fmt: skip


def _strings(raw: dict[str, Any], key: str, where: Path) -> tuple[str, ...]:
    value = raw.get(key)
    if not isinstance(value, list) or not value or not all(isinstance(item, str) and item.strip() for item in value):
        raise TaskError(f"field {key} is not a list of texts", where=where, found=repr(value),
                        expected='for example ["no", "yes"]', mend="Mend it in the TOML.")  # fmt: skip
    if len(set(value)) != len(value):
        raise TaskError(f"field {key} names something twice", where=where, found=repr(value),
                        mend="Choose different ones in the TOML.")  # fmt: skip
    return tuple(value)


def _as_many(labels: tuple[str, ...], words: tuple[str, ...], where: Path) -> None:
    if len(words) != len(labels) or len(labels) < 2:
        raise TaskError("labels and label_words do not match", where=where,
                        found=f"{len(labels)} labels, {len(words)} words",
                        expected="as many words as labels, two at least")  # fmt: skip


def _metric(raw: dict[str, Any], generates: bool, where: Path) -> str:
    usable = [name for name in get_args(Metric) if (name in CLASSIFICATION) != generates]
    metric = raw.get("metric", "f1" if generates else "accuracy")
    if metric not in usable:
        raise TaskError("unknown metric", where=where, found=repr(metric), expected=f"one of {usable}")
    return metric


def _template(raw: dict[str, Any], fields: tuple[str, ...], where: Path) -> tuple[str, ...]:
    template = _strings(raw, "template", where) if "template" in raw else tuple(f"{{{field}}}" for field in fields)
    if len(template) > 2:
        raise TaskError("a template has one or two segments", where=where, found=f"{len(template)}",
                        mend='Join fields in one segment, for example template = ["{a} {b}", "{c}"].')  # fmt: skip
    try:
        parts = [part for segment in template for part in Formatter().parse(segment) if part[1] is not None]
        # Bare names only: a format specification could pad a text without end, an attribute is nobody's text.
        wrong = [name for _, name, spec, conversion in parts if name not in (*fields, "mask") or spec or conversion]
        wrong += ["mask"] if sum(name == "mask" for _, name, _, _ in parts) > 1 else []
    except ValueError as error:
        wrong = [str(error)]
    if wrong:
        raise TaskError("the template names something that is no field", where=where, found=repr(wrong[0]),
                        expected=f"fields {list(fields)} in braces, {{mask}} once at most, nothing else within them")  # fmt: skip
    return template


def _max_length(raw: dict[str, Any], where: Path) -> int | None:
    value = raw.get("max_length")
    if value is not None and (type(value) is not int or value < 3):
        raise TaskError("field max_length is no usable number of tokens", where=where, found=repr(value),
                        expected="a whole number, 3 at least")  # fmt: skip
    return value


def _new_tokens(raw: dict[str, Any], generates: bool, where: Path) -> int:
    value = raw.get("max_new_tokens", 20 if generates else 0)
    if type(value) is not int or (value < 1) == generates or value > 1024:
        raise TaskError("field max_new_tokens is no usable number of tokens", where=where, found=repr(value),
                        expected="1 to 1024 where the answer is free text, absent elsewhere")  # fmt: skip
    return value


def _splits(raw: dict[str, Any], where: Path) -> dict[str, Path | HubSplit]:
    splits = raw.get("splits")
    if not isinstance(splits, dict) or not splits:
        raise TaskError("no [splits]", where=where, expected='for example test = "data/test.jsonl"')
    return {name: _hub(place, where) if isinstance(place, dict) else _inside(where.parent, place, where) for name, place in splits.items()}


def _hub(place: dict[str, Any], where: Path) -> HubSplit:
    texts = {key: value for key, value in place.items() if isinstance(value, str) and value.strip()}
    if set(place) - HUB_KEYS or set(texts) != set(place) or not {"hub", "split"} <= set(texts):
        raise TaskError("a split of the hub is not named as one", where=where, found=repr(place),
                        expected='for example { hub = "nyu-mll/glue", config = "mnli", split = "validation_matched" }')  # fmt: skip
    return HubSplit(**texts)


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


def _rule(raw: dict[str, Any], where: Path) -> str:
    rule = raw.get("label_rule", "one")
    if rule not in get_args(LabelRule):
        raise TaskError("unknown label_rule", where=where, found=repr(rule), expected=f"one of {list(get_args(LabelRule))}",
                        mend="one: single tokens only; first: the first piece counts; mean: mean log-probability of the pieces.")  # fmt: skip
    return rule


def _ids(raw: dict[str, Any], classes: int, where: Path) -> tuple[int, ...] | None:
    ids = raw.get("label_ids")
    if ids is None:
        return None
    if (
        not isinstance(ids, list)
        or not all(type(item) is int and item >= 0 for item in ids)
        or len(set(ids)) != len(ids)
        or len(ids) != classes
    ):
        raise TaskError(
            "label_ids are not one token id a label", where=where, found=repr(ids), expected=f"{classes} different whole numbers"
        )
    return tuple(ids)


def _map(raw: dict[str, Any], labels: tuple[str, ...], where: Path) -> dict[str, str]:
    found = raw.get("label_map", {})
    if not isinstance(found, dict) or not all(isinstance(value, str) and value in labels for value in found.values()):
        raise TaskError(
            "label_map leads to something that is no label", where=where, found=repr(found), expected=f"values among {list(labels)}"
        )
    return {str(key): value for key, value in found.items()}


def _drop(raw: dict[str, Any], where: Path) -> tuple[str, ...]:
    return _strings(raw, "drop_labels", where) if "drop_labels" in raw else ()


def _families(raw: dict[str, Any], fields: tuple[str, ...], labels: tuple[str, ...], where: Path) -> dict[str, FamilyWords]:
    tables = raw.get("families", {})
    if not isinstance(tables, dict) or not set(tables) <= set(FAMILIES) or not all(isinstance(table, dict) for table in tables.values()):
        raise TaskError("[families] names something that is no family", where=where, found=repr(sorted(tables) if isinstance(tables, dict) else tables),
                        expected=f"tables among {FAMILIES}")  # fmt: skip
    found = {}
    for family, table in tables.items():
        if unknown := sorted(set(table) - FAMILY_KEYS):
            raise TaskError(f"unknown key {unknown[0]!r} in [families.{family}]", where=where, expected=f"only {sorted(FAMILY_KEYS)}")
        words = _strings(table, "label_words", where) if "label_words" in table else None
        if words:
            _as_many(labels, words, where)
        found[family] = FamilyWords(
            _template(table, fields, where) if "template" in table else None, words, _ids(table, len(labels), where),
            _rule(table, where) if "label_rule" in table else None, _max_length(table, where),
        )  # fmt: skip
    return found
