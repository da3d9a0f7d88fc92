"""Data files to rows: CSV, TSV, JSONL and Parquet."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path

from ptlib.errors import TaskError

Row = tuple[int, dict[str, object]]
"""Line (or row) number in the file, and the row's fields."""


def _delimited(delimiter: str) -> Callable[[Path], list[Row]]:
    def read(path: Path) -> list[Row]:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, delimiter=delimiter)
            rows = [(reader.line_num, row) for row in reader]
        for number, row in rows:
            # DictReader files surplus cells under None; dropping them would cut a text at its first comma.
            if None in row:
                raise TaskError("more cells than columns", where=f"{path}, line {number}",
                                found=f"{len(row) - 1 + len(row[None])} cells", expected=f"{len(row) - 1}",
                                mend="Put quotes around texts that hold the delimiter.")  # fmt: skip
        return rows

    return read


def _jsonl(path: Path) -> list[Row]:
    rows: list[Row] = []
    with path.open(encoding="utf-8-sig") as file:
        for number, line in enumerate(file, 1):
            if not line.strip():
                continue
            try:
                row = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise TaskError("not valid JSON", where=f"{path}, line {number}", found=error,
                                expected="one JSON object a line",
                                mend="Mend or remove the line.") from error  # fmt: skip
            if not isinstance(row, dict):
                raise TaskError("not a JSON object", where=f"{path}, line {number}", found=type(row).__name__,
                                expected="one JSON object a line", mend="Mend or remove the line.")  # fmt: skip
            rows.append((number, row))
    return rows


def _parquet(path: Path) -> list[Row]:
    import pyarrow
    import pyarrow.parquet

    try:
        return list(enumerate(pyarrow.parquet.read_table(path).to_pylist(), 1))
    except pyarrow.ArrowException as error:
        raise TaskError("not a readable Parquet file", where=path, found=str(error).splitlines()[0],
                        mend="Copy the file again.") from error  # fmt: skip


READERS: dict[str, Callable[[Path], list[Row]]] = {
    ".csv": _delimited(","), ".tsv": _delimited("\t"), ".jsonl": _jsonl, ".parquet": _parquet,
}  # fmt: skip


def read_rows(path: Path, columns: tuple[str, ...]) -> list[Row]:
    """All rows of a data file, with the line each stands on.

    Raises:
        TaskError: unknown ending, missing or empty file, bad line, or a row without a value in one of ``columns``.
    """
    reader = READERS.get(path.suffix.lower())
    if reader is None:
        raise TaskError("unknown kind of data file", where=path, found=path.suffix or "no ending",
                        expected=", ".join(READERS))  # fmt: skip
    try:
        rows = reader(path)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise TaskError("the data file cannot be read", where=path, found=getattr(error, "strerror", None) or error,
                        mend="Check the path in the task's TOML, and that the file is UTF-8.") from error  # fmt: skip
    if not rows:
        raise TaskError("the data file is empty", where=path, expected="at least one row",
                        mend="Copy the file again, or name another one under [splits].")  # fmt: skip
    for number, row in rows:
        for column in columns:
            if column not in row:
                raise TaskError(f"no column {column!r}", where=f"{path}, line {number}",
                                found=f"columns {sorted(map(str, row))}",
                                mend="Name the file's own columns in fields and label_field of the TOML.")  # fmt: skip
            if row[column] is None:
                raise TaskError(f"no value in column {column!r}", where=f"{path}, line {number}",
                                mend="Complete or remove the row.")  # fmt: skip
    return rows
