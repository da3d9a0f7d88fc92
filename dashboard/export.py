"""Figures and tables on their way out of the browser: toolbar settings, names and safe CSV."""

from __future__ import annotations

import re

import pandas as pd

PRINT_WIDTH = 648
"""A double column, 6.75 inches, at the browser's 96 pixels an inch; text of 12 pixels is then 9 points."""
FINENESS = 3.125
"""PNG pixels for each of these: 300 dots an inch."""
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""A cell that begins so runs as a formula in a spreadsheet (OWASP, CSV injection)."""


def file_name(*parts: str) -> str:
    """A download name of harmless characters."""
    joined = "-".join(re.sub(r"[^A-Za-z0-9._-]+", "-", part).strip("-.") for part in parts if part)
    return joined[:80].strip("-.") or "figure"


def toolbar(name: str, image_format: str = "svg", height: int = 500) -> dict:
    """Plotly's own toolbar: image download ("svg" or "png") at a size fit for print, no cloud, no logo."""
    image = {"format": image_format, "filename": file_name(name), "width": PRINT_WIDTH, "height": height,
             "scale": FINENESS if image_format == "png" else 1}  # fmt: skip
    return {"displaylogo": False, "displayModeBar": "hover", "toImageButtonOptions": image, "responsive": True, "showSendToCloud": False,
            "modeBarButtonsToRemove": ["sendChartToCloud", "sendDataToCloud", "select2d", "lasso2d", "autoScale2d"]}  # fmt: skip


def guarded(value: object) -> object:
    """Text that a spreadsheet would run as a formula gets an apostrophe before it; all else stays."""
    return f"'{value}" if isinstance(value, str) and value.startswith(FORMULA) else value


def csv(table: pd.DataFrame) -> bytes:
    """CSV in UTF-8, cells and headings guarded. Numbers keep their sign."""
    safe = table.map(guarded)
    safe.columns = [guarded(name) for name in table.columns]
    return safe.to_csv(index=False).encode()
