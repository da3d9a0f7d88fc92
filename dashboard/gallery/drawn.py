"""What a figure's function gives, and what the gallery knows of the function."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pandas as pd
import plotly.graph_objects as go

from dashboard.gallery.source import Source
from dashboard.view import View

Settings = Mapping[str, Any]
"""What decides a figure beside the selection: texts, numbers, true or false."""


class Drawn(NamedTuple):
    """A figure and all that leaves the page with it. Texts are plain: whoever shows them escapes them."""

    figure: go.Figure
    caption: str
    """What it shows and how to read it."""
    table: pd.DataFrame | None = None
    """The data behind it, one row a mark."""
    statistic: str = ""
    """What it says in one number, with its interval and n."""
    sheet: pd.DataFrame | None = None
    """The table as it is printed, where that is not ``table``; cells may be :class:`ptlib.analysis.relative.Mean`."""
    brackets: str = "95 % interval"
    """What the sheet's cells have in brackets."""
    hint: str = ""
    """What can be done with it on a page, and nowhere else."""
    note: str = ""
    """Why something else was drawn than what was asked for."""
    behind: Any = None
    """What it was drawn of, where a page shows more of it beside the figure."""


class Figure(NamedTuple):
    """One kind of figure."""

    title: str
    draw: Callable[[Source, View, Settings], Drawn | None]
    defaults: Settings = {}  # noqa: RUF012  (a NamedTuple's default; never changed)
    """Its settings and what they are when nothing is said."""
    needs: tuple[str, ...] = ("score",)
    """Kinds of cells it is drawn from; without them it is incomplete."""
