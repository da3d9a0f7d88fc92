"""Everything that is wrong with a task, at once, with the lines it stands on."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

from ptlib.errors import TaskError
from ptlib.tasks.readers import read_rows
from ptlib.tasks.task import Task
from ptlib.tasks.toml_format import parse

MOST = 20
"""Bad rows that are named for one data file; the rest are counted."""


class Problem(NamedTuple):
    """One thing to mend."""

    file: Path
    line: int | None
    sentence: str


def check(path: Path | str) -> list[Problem]:
    """Reads a task's TOML and its data files and lists all that is wrong; empty when the task can be used.

    Data sets of the hub are not read.
    """
    where = Path(path)
    found = parse(where)
    text = where.read_text(encoding="utf-8", errors="replace") if where.is_file() else ""
    problems = [Problem(where, _line(text, key, str(error)), str(error)) for key, error in found.problems]
    if found.task is not None:
        for split, place in found.task.splits.items():
            if isinstance(place, Path):
                problems += _data(found.task, place, _line(text, split, ""), where)
    return problems


def _line(text: str, key: str, sentence: str) -> int | None:
    """Line of a key in the TOML, or the one that the TOML parser names."""
    if key:
        for number, line in enumerate(text.splitlines(), 1):
            if re.match(rf"\s*\[?(\"?){re.escape(key)}\1\s*(=|\]|\.)", line):
                return number
    named = re.search(r"line (\d+)", sentence)
    return int(named[1]) if named else None


def _data(task: Task, place: Path, named_at: int | None, where: Path) -> list[Problem]:
    columns = (*task.fields, task.answer_field or task.label_field)
    try:
        rows = read_rows(place, ())
    except TaskError as error:
        line = re.search(r"line (\d+)", str(error.where))
        return [Problem(place if line else where, int(line[1]) if line else named_at, str(error))]
    problems = []
    for number, row in rows:
        absent = [name for name in columns if row.get(name) is None]
        if absent:
            problems.append(Problem(place, number, f"no value in column {absent[0]!r} (found columns {sorted(map(str, row))})"))
        elif not task.generates:
            try:
                task._label(row[task.label_field], f"column {task.label_field}")
            except TaskError as error:
                problems.append(Problem(place, number, str(error)))
    more = len(problems) - MOST
    return problems[:MOST] + ([Problem(place, None, f"and {more} more rows")] if more > 0 else [])
