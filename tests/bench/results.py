"""What was measured, kept as JSON beside the bench's PLMs, and the table made of all of it: ``tests/bench/RESULTS.md``."""

from __future__ import annotations

import datetime
import importlib.metadata
import json
import os
import platform
import re
import statistics
from collections.abc import Sequence
from pathlib import Path

TABLE = Path(__file__).parent / "RESULTS.md"
ORDER = ("cells", "techniques", "capture", "grid", "store", "parts", "similarity", "statistics", "early", "training", "faults", "pages")


def home() -> Path:
    """Where PLMs and results of the bench are kept: ``PTLIB_BENCH``, or a folder in the user's cache."""
    base = os.environ.get("PTLIB_BENCH") or Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ptlib" / "bench"
    return Path(base)


def machine() -> str:
    """Processor, cores, versions and date."""
    import torch

    name = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), ""
    )
    device = f", {torch.cuda.get_device_name()}" if torch.cuda.is_available() else ""
    versions = ", ".join(f"{package} {importlib.metadata.version(package)}" for package in ("torch", "transformers", "numpy"))
    return f"{name} ({os.cpu_count()} cores, shared{device}), Python {platform.python_version()}, {versions}, {datetime.date.today().isoformat()}"


def spread(values: Sequence[float], digits: int = 2) -> str:
    """ "median [least, most]"."""
    return f"{statistics.median(values):.{digits}f} [{min(values):.{digits}f}, {max(values):.{digits}f}]"


def keep(suite: str, title: str, text: str, head: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Keeps one table of a suite and prints it; the table of the same title is replaced."""
    folder = home() / "results"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{suite}.json"
    tables = json.loads(path.read_text()) if path.exists() else []
    table = {"title": title, "text": text, "machine": machine(), "head": list(head), "rows": [[str(cell) for cell in row] for row in rows]}
    places = [place for place, other in enumerate(tables) if other["title"] == title]
    if places:
        tables[places[0]] = table
    else:
        tables.append(table)
    path.write_text(json.dumps(tables, indent=1))
    print(_markdown(table), flush=True)


def _markdown(table: dict) -> str:
    lines = [f"### {table['title']}", "", table["text"], "", " | ".join(["", *table["head"], ""]).strip(),
             "|" + " --- |" * len(table["head"]), *(" | ".join(["", *row, ""]).strip() for row in table["rows"]), ""]  # fmt: skip
    return "\n".join(lines)


def write() -> None:
    """RESULTS.md from everything that was kept here; tables that were never made here stay as they are."""
    old = re.split(r"^## (\w+)\n", TABLE.read_text(encoding="utf-8"), flags=re.MULTILINE) if TABLE.exists() else [""]
    known = dict(zip(old[1::2], old[2::2], strict=True))
    parts = ["# What was measured", "",
             "Made by `./run.sh bench`; never written by hand. Medians with [least, most]; machines are shared and noisy, so ratios within one "
             "run are what counts.", ""]  # fmt: skip
    for suite in ORDER:
        path = home() / "results" / f"{suite}.json"
        mine = (
            {table["title"]: f"{_markdown(table)}\n_{table['machine']}_" for table in json.loads(path.read_text())} if path.exists() else {}
        )
        if tables := {**_tables(known.get(suite, "")), **mine}:
            parts += [f"## {suite}", "", f"`./run.sh bench {suite}`", "", *(line for table in tables.values() for line in (table, ""))]
    TABLE.write_text("\n".join(parts).rstrip() + "\n", encoding="utf-8")


def _tables(section: str) -> dict[str, str]:
    """Title -> table, as they stand in a section."""
    parts = re.split(r"^(?=### )", section, flags=re.MULTILINE)[1:]
    return {part.split("\n", 1)[0].removeprefix("### "): part.rstrip("\n") for part in parts}
