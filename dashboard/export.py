"""Figures and tables on their way out of the browser: toolbar settings, names and safe CSV."""

from __future__ import annotations

import re

import pandas as pd

PRINT_WIDTH = 675
"""6.75 inches, a double column, at 100 pixels an inch; the PNG is three times as fine (300 dpi)."""


def file_name(*parts: str) -> str:
    """A download name of harmless characters."""
    joined = "-".join(re.sub(r"[^A-Za-z0-9._-]+", "-", part).strip("-.") for part in parts if part)
    return joined[:80] or "figure"


def toolbar(name: str, image_format: str = "svg", height: int = 500) -> dict:
    """Plotly's own toolbar: image download ("svg" or "png") at a size fit for print, no cloud, no logo."""
    image = {"format": image_format, "filename": file_name(name), "width": PRINT_WIDTH, "height": height,
             "scale": 3 if image_format == "png" else 1}  # fmt: skip
    return {"displaylogo": False, "displayModeBar": "hover", "toImageButtonOptions": image, "responsive": True,
            "modeBarButtonsToRemove": ["sendChartToCloud", "sendDataToCloud", "select2d", "lasso2d", "autoScale2d"]}  # fmt: skip


def csv(table: pd.DataFrame) -> bytes:
    """CSV in UTF-8; text that a spreadsheet would run as a formula gets an apostrophe before it."""
    texts = table.select_dtypes(include=["object", "str"]).columns
    guarded = table.copy()
    for column in texts:
        guarded[column] = [f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t") else value
                           for value in table[column]]  # fmt: skip
    return guarded.to_csv(index=False).encode()
