"""``ptlib import thunlp FOLDER`` and ``ptlib import prompts FOLDER --plm ID``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from ptlib.prompts import INSERTIONS
from ptlib.published.bring import Brought, bring, import_name
from ptlib.store import Store

SHOWN = 10


def main(arguments: Sequence[str]) -> int:
    """Runs one import; returns 0."""
    parser = argparse.ArgumentParser(
        prog="ptlib import", description="Brings foreign prompts and results into the library (imports/ in the cache).",
        epilog="example: ptlib import thunlp ~/Prompt-Transferability/Prompt-Transferability-1.0",
    )  # fmt: skip
    parser.add_argument("what", choices=("thunlp", "prompts"),
                        help="thunlp: an authors' checkout or the package of their data, prompts and results; prompts: torch files, "
                        "OpenPrompt state dicts, PEFT folders, safetensors")  # fmt: skip
    parser.add_argument("folder", type=Path)
    parser.add_argument("--plm", help="hub id of the PLM, where the files do not say it")
    parser.add_argument("--task", help="what the prompts were trained on, where the files do not say it (default: their own names)")
    parser.add_argument("--insertion", choices=INSERTIONS, help="how plain tensors meet the input (default: peft)")
    parser.add_argument("--name", help="what to call the import (default: the folder's name)")
    options = parser.parse_args(arguments)
    into = Store().folder / "imports" / (options.name or import_name(options.folder))

    def progress(count: int) -> None:
        if sys.stderr.isatty():
            print(f"\r{count} prompts   ", end="", file=sys.stderr, flush=True)

    _say(
        bring(
            options.folder,
            into,
            plm=options.plm,
            task=options.task,
            insertion=options.insertion,
            results=options.what == "thunlp",
            on_item=progress,
        )
    )
    return 0


def _say(found: Brought) -> None:
    same = f" ({found.copies} are copies of others)" if found.copies else ""
    print(f"{found.prompts} prompts{same} and {found.results} results are in {found.folder}")
    for item in found.refused[:SHOWN]:
        print(f"ptlib: not read: {item.path}: {item.reason}", file=sys.stderr)
    if len(found.refused) > SHOWN:
        print(f"ptlib: and {len(found.refused) - SHOWN} more files were not read", file=sys.stderr)
