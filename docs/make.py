"""Writes ``docs/cli.md`` and ``docs/api.md`` from the program itself: ``PYTHONPATH=. .venv/bin/python docs/make.py``.

A test compares what they name with what the program has.
"""

from __future__ import annotations

import argparse
import inspect
import io
import os
import subprocess
import sys
from contextlib import redirect_stdout, suppress
from pathlib import Path

import ptlib
from ptlib import cli

HERE = Path(__file__).parent
APART = (("import", "thunlp"), ("import", "prompts"), ("zoo", "build"), ("zoo", "report"))
"""Verbs whose parsers stand in rooms of their own."""
DRAWN = ("figure", "study")
"""Verbs that the dashboard's side answers, in a process of its own."""


def verbs() -> list[tuple[str, ...]]:
    """Every verb, as the words of its command."""
    apart, parser = {words[0] for words in APART}, cli._parser()
    named = next(action for action in parser._actions if isinstance(action, argparse._SubParsersAction)).choices
    return [(name,) for name in named if name not in apart] + list(APART)


def help_of(words: tuple[str, ...]) -> str:
    """What a verb says of itself."""
    os.environ["COLUMNS"] = "110"
    if words[0] in DRAWN:
        told = subprocess.run(
            [sys.executable, "-m", "ptlib", *words, "--help"], capture_output=True, text=True, check=True, cwd=HERE.parent
        ).stdout
    else:
        with redirect_stdout(io.StringIO()) as said, suppress(SystemExit):
            cli.main([*words, "--help"])
        told = said.getvalue()
    return "\n".join(line.rstrip() for line in told.splitlines())


def cli_page() -> str:
    """All verbs with their options."""
    lines = ["# Command line", "", "Made by `docs/make.py`. Every verb also takes `--csv`, `--json` and `--format` where it prints a table; `./run.sh "
             "ptlib VERB --help` says the same. Exit codes: 0, 2 for an error that one sentence explains, 130 after Ctrl-C (what was finished is kept)."]  # fmt: skip
    for words in verbs():
        lines += ["", f"## {' '.join(words)}", "", "```", help_of(words), "```"]
    return "\n".join(lines) + "\n"


def signature(found: object) -> str:
    """How a public name is called."""
    try:
        return str(inspect.signature(found)).replace("ptlib.", "")
    except (TypeError, ValueError):
        return ""


def members(found: object) -> list[str]:
    """Public methods and properties of a class, a line each."""
    if not inspect.isclass(found):
        return []
    lines = []
    for name, one in vars(found).items():
        inner = one.fget if isinstance(one, property) else getattr(one, "__func__", one)
        if not name.startswith("_") and callable(inner) and inner.__doc__ and not inspect.isclass(inner):
            lines.append(f"* `{name}{'' if isinstance(one, property) else '()'}`: {' '.join(inner.__doc__.split(chr(10) * 2)[0].split())}")
    return [*lines, ""] if lines else []


def api_page() -> str:
    """All public names with their docstrings."""
    lines = ["# Python interface", "", "Made by `docs/make.py` from docstrings. `import ptlib` is light: each name is imported when it is first used.", ""]  # fmt: skip
    for name in ptlib.__all__:
        if name.startswith("__"):
            continue
        found = getattr(ptlib, name)
        lines += [f"## {name}", "", "```", f"ptlib.{name}{signature(found)}", "", inspect.getdoc(found) or "", "```", "", *members(found)]
    return "\n".join(lines).rstrip() + "\n"


if __name__ == "__main__":
    (HERE / "cli.md").write_text(cli_page(), encoding="utf-8")
    (HERE / "api.md").write_text(api_page(), encoding="utf-8")
