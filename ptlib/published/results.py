"""The authors' result files: one number a file, folder = target, file = source."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pandas as pd

from ptlib.errors import PtlibError, Refused, TaskError
from ptlib.prompts.thunlp_format import BACKBONES, named_result, task_name
from ptlib.tasks.catalogue import catalogue

COLUMNS = ["variant", "kind", "plm", "source_plm", "source", "target", "metric", "value", "file"]
PACKAGE = ("variant", "kind", "backbone", "source_backbone", "source", "target", "metric_key", "metric_actual", "value", "file")
MAIN = "main"
"""The variant that the paper's tables rest on; ``result_with_position_emb`` is an older set of runs."""


def read_value(path: Path) -> float:
    """The score in a result file: JSON in JSON, ``{"acc": 0.5}`` within a string.

    Raises:
        TaskError: not doubly encoded, no such field, or out of [0, 1].
    """
    expected = 'a JSON string that holds {"acc": a fraction}'
    try:
        text = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(text, str):
            raise TaskError("the result is encoded once, the authors' files are encoded twice", where=path, found=type(text).__name__,
                            expected=expected, mend="Take the file from the authors' checkout.")  # fmt: skip
        found = json.loads(text)
        value = found["acc"]
    except (OSError, ValueError, RecursionError, KeyError, TypeError) as error:
        raise TaskError("the result cannot be read", where=path, found=error, expected=expected, mend="Copy the file again.") from error
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
        raise TaskError(
            "the result is no fraction", where=path, found=repr(value), expected="a number in [0, 1]", mend="Copy the file again."
        )
    return float(value)


def read_results(folder: Path) -> tuple[pd.DataFrame, list[Refused]]:
    """Every result below a folder (an authors' checkout, or the package of their data with its ``results.csv``).

    Returns:
        columns ``COLUMNS`` (PLMs as hub ids, tasks as in the catalogue); and what could not be read.
    """
    table = folder / "results.csv"
    rows, refused = _package(table) if table.is_file() else ([], [])
    listed = {row["file"]: row for row in rows}
    for path in sorted(folder.glob("**/result*.json")):
        try:
            value = read_value(path)
            row = _row(path, value)
            # Kept beside their table, files are the table's own evidence.
            same = listed.get(f"{path.parent.name}/{path.name}")
            if same is not None and row["variant"] == same["variant"] and abs(same["value"] - value) > 1e-9:
                raise TaskError("the file and the table disagree", where=path, found=value, expected=f"{same['value']} as in {table}",
                                mend="Copy both again.")  # fmt: skip
            if not rows or same is None:
                rows.append(row)
        except PtlibError as error:
            refused.append(Refused(str(path), str(error)))
    return pd.DataFrame(rows, columns=COLUMNS).drop_duplicates(ignore_index=True), refused


def _metric(target: str) -> str:
    task = catalogue().get(target)
    return "bleu_floored" if task is not None and task.generates else "accuracy"


def _row(path: Path, value: float) -> dict[str, object]:
    found = named_result(path)
    if found is None:
        raise TaskError("the file's name says no source and target", where=path, expected="<TARGET>Prompt<PLM>/result_<SOURCE>Prompt<PLM>.json",
                        mend="Keep the authors' folders and names.")  # fmt: skip
    above = path.parent.parent.name
    return {"variant": MAIN if above == "result" else above, "kind": found.kind, "plm": found.backbone, "source_plm": found.source_backbone,
            "source": found.source, "target": found.target, "metric": _metric(found.target), "value": value,
            "file": f"{path.parent.name}/{path.name}"}  # fmt: skip


def _package(path: Path) -> tuple[list[dict[str, object]], list[Refused]]:
    rows, refused = [], []
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        absent = [name for name in PACKAGE if name not in (reader.fieldnames or ())]
        if absent:
            raise TaskError(f"no column {absent[0]!r}", where=path, found=f"columns {reader.fieldnames}", mend="Copy the file again.")
        for row in reader:
            try:
                value = float(row["value"])
                if not 0 <= value <= 1:
                    raise ValueError(f"value {value} is no fraction")
                rows.append({
                    "variant": row["variant"], "kind": row["kind"], "plm": BACKBONES[row["backbone"]],
                    "source_plm": BACKBONES[row["source_backbone"]] if row["source_backbone"] else "",
                    "source": "" if row["kind"] == "random" else task_name(row["source"]), "target": task_name(row["target"]), "metric": row["metric_actual"],
                    "value": value, "file": row["file"],
                })  # fmt: skip
            except (ValueError, KeyError) as error:
                refused.append(Refused(f"{path}, line {reader.line_num}", f"The row cannot be used: {error}."))
    return rows, refused
