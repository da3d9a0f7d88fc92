"""What the browser saves by itself: the figures' own toolbar, and names of downloads."""

from __future__ import annotations

import re

PRINT_WIDTH = 648
"""A double column, 6.75 inches, at the browser's 96 pixels an inch; text of 12 pixels is then 9 points."""
FINENESS = 3.125
"""PNG pixels for each of these: 300 dots an inch."""


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
