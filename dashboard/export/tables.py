"""Tables as CSV that no spreadsheet runs, JSON, LaTeX (booktabs) and Markdown."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from statistics import median_low
from typing import Any

import pandas as pd

from ptlib.analysis.relative import Mean

FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins so runs as a formula in a spreadsheet (OWASP, CSV injection)."""
LATEX = {"\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
         "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}",
         "−": r"$-$", "×": r"$\times$", "ρ": r"$\rho$", "\n": " ", "\r": " ", "\t": " "}  # fmt: skip
ENDS = (("ci_low", "ci_high"), ("low", "high"))
"""Columns that hold the ends of the interval of a column called "value"."""
MOST_DECIMALS = 4
ESTIMATE_DECIMALS = 3


def guarded(value: object) -> object:
    """Text that a spreadsheet would run as a formula gets an apostrophe before it; all else stays."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def csv(table: pd.DataFrame) -> bytes:
    """CSV in UTF-8, cells and headings guarded. Numbers keep their sign."""
    safe = table.map(guarded)
    safe.columns = [guarded(name) for name in table.columns]
    return safe.to_csv(index=False).encode()


def as_json(table: pd.DataFrame | None, story: Mapping[str, Any]) -> bytes:
    """The figure's story and its rows. Missing numbers are null."""
    rows = [] if table is None else json.loads(table.to_json(orient="records", double_precision=15))
    return (json.dumps({**story, "rows": rows}, ensure_ascii=False, indent=1) + "\n").encode()


def latex_text(text: object) -> str:
    """Text as LaTeX prints it; letters beyond ASCII stay, for LuaLaTeX or XeLaTeX."""
    return "".join(LATEX.get(mark, mark) for mark in str(text))


def markdown_text(text: object) -> str:
    """Text as a Markdown table prints it."""
    marked = "".join(f"\\{mark}" if mark in "\\`*_{}[]()#|~<>$&!" else mark for mark in str(text))
    return re.sub(r"[\r\n\t]+", " ", marked)


def with_intervals(table: pd.DataFrame) -> pd.DataFrame:
    """The table with every column that has an interval beside it as :class:`~ptlib.analysis.relative.Mean` cells: "value" with
    ci_low and ci_high, any "x" with x_low and x_high."""
    found, drop = table.copy(), []
    for name in table.columns:
        pairs = [(f"{name}_low", f"{name}_high"), *(ENDS if name == "value" else ())]
        ends = next((pair for pair in pairs if set(pair) <= set(table.columns)), None)
        if ends is not None:
            n = table["n"] if name == "value" and "n" in table else [0] * len(table)
            found[name] = pd.Series(
                [Mean(*row) for row in zip(table[name], table[ends[0]], table[ends[1]], n, strict=True)], table.index, dtype=object
            )
            drop += ends
    return found.drop(columns=drop)


def decimals(value: Mean | float) -> int:
    """Places after the point: so that the interval's half-width keeps two significant digits, or the number itself three."""
    if isinstance(value, Mean):
        size, digits = (value.ci_high - value.ci_low) / 2, 2
    else:
        size, digits = abs(float(value)), 3
    if not math.isfinite(size) or size == 0:
        return 3
    return min(MOST_DECIMALS, max(0, digits - 1 - math.floor(math.log10(size))))


def _places(means: list[Mean]) -> int | None:
    """Of a column of estimates: those of its middle interval."""
    known = [decimals(value) for value in means if value.ci_high > value.ci_low]
    return min(ESTIMATE_DECIMALS, median_low(known)) if known else ESTIMATE_DECIMALS if means else None


def has_estimates(table: pd.DataFrame) -> bool:
    """Whether any of its cells has an interval."""
    return any(isinstance(value, Mean) for name in range(table.shape[1]) for value in table.iloc[:, name])


def _number(value: float, places: int) -> str:
    return f"{value:.{places}f}" if math.isfinite(value) else "–"


def _written(value: object, column: int | None, text: Callable[[object], str]) -> str:
    """One cell; ``column`` is the decimals of its column's estimates."""
    if isinstance(value, Mean):
        if not math.isfinite(value.value):
            return "–"
        places = column if column is not None else decimals(value)
        ends = [_number(end, places) for end in (value.ci_low, value.ci_high)]
        return _number(value.value, places) + (f" [{ends[0]}, {ends[1]}]" if math.isfinite(value.ci_low) else "")
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Integral):
        return str(value)
    if isinstance(value, Real):
        return _number(float(value), 0 if float(value).is_integer() else decimals(float(value)))
    return "" if value is None or value is pd.NA else text(value)


def cells(table: pd.DataFrame, text: Callable[[object], str], bold: Callable[[str], str]) -> list[list[str]]:
    """The table's cells as they are printed, row by row: estimates with their interval, all of a column to the same places; the highest
    estimate of a column in bold."""
    columns = []
    for place in range(table.shape[1]):
        values = list(table.iloc[:, place])
        means = [value for value in values if isinstance(value, Mean) and math.isfinite(value.value)]
        places = _places(means)
        best = max((value.value for value in means), default=None) if len(means) > 1 else None
        columns.append([
            bold(written) if best is not None and isinstance(value, Mean) and value.value == best else written
            for value in values for written in [_written(value, places, text)]
        ])  # fmt: skip
    return [list(row) for row in zip(*columns, strict=True)]


def _explained(sheet: pd.DataFrame, brackets: str) -> str:
    return f"In brackets the {brackets}; in bold the highest of each column." if has_estimates(sheet) else ""


def latex(table: pd.DataFrame, caption: str = "", label: str = "", brackets: str = "95 % interval") -> str:
    r"""A booktabs table: \usepackage{booktabs}; the best of each column of estimates in bold, what ``brackets`` names beside it."""
    sheet = with_intervals(table)
    caption = " ".join(filter(None, [caption, _explained(sheet, brackets)]))
    rows = cells(sheet, latex_text, lambda written: rf"\textbf{{{written}}}")
    left = "".join("r" if pd.api.types.is_numeric_dtype(kind) else "l" for kind in sheet.dtypes)
    body = [" & ".join(row) + r" \\" for row in rows]
    lines = [r"% \usepackage{booktabs}", r"\begin{table}", r"\centering", *([rf"\caption{{{latex_text(caption)}}}"] if caption else []),
             *([rf"\label{{{label}}}"] if label else []), rf"\begin{{tabular}}{{{left}}}", r"\toprule",
             " & ".join(latex_text(name) for name in sheet.columns) + r" \\", r"\midrule", *body, r"\bottomrule", r"\end{tabular}",
             r"\end{table}"]  # fmt: skip
    return "\n".join(lines) + "\n"


def markdown(table: pd.DataFrame, brackets: str = "95 % interval") -> str:
    """A Markdown table; estimates as in :func:`latex`."""
    sheet = with_intervals(table)
    rows = cells(sheet, markdown_text, lambda written: f"**{written}**")
    head = [markdown_text(name) for name in sheet.columns]
    told = _explained(sheet, brackets)
    return "\n".join(f"| {' | '.join(row)} |" for row in [head, ["---"] * len(head), *rows]) + "\n" + (f"\n{told}\n" if told else "")
