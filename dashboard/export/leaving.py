"""One figure on its way out: every form of it is made of what was drawn at one moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pandas as pd

from dashboard.export import render, tables
from dashboard.export.press import FORMATS, Print, as_plain
from dashboard.gallery import FIGURES, Drawn, Settings
from dashboard.view import View
from dashboard.words import count
from ptlib import __version__

TABLES = ("csv", "json", "tex", "md")
MIME = {"pdf": "application/pdf", "svg": "image/svg+xml", "png": "image/png", "csv": "text/csv", "json": "application/json",
        "tex": "text/x-tex", "md": "text/markdown", "txt": "text/plain", "toml": "text/plain"}  # fmt: skip


class Leaving(NamedTuple):
    """A figure with where it came from."""

    drawn: Drawn
    name: str
    """In the gallery; another where the figure is in none."""
    view: View | None
    settings: Settings = {}  # noqa: RUF012  (a NamedTuple's default; never changed)

    @property
    def known(self) -> bool:
        """Whether it is in the gallery, so that a recipe makes it again."""
        return self.name in FIGURES

    @property
    def title(self) -> str:
        """What is printed above it."""
        what = FIGURES[self.name].title if self.known else self.name.replace("-", " ").capitalize()
        return what if self.view is None else f"{what}, {self.view.plm.id}"

    def caption(self, when: str = "") -> str:
        """A draft: what it shows, its statistic, PLM, prompts, tasks, n, and what it was made of and with.

        Args:
            when: the day of the newest result.
        """
        parts = [self.drawn.caption]
        if self.drawn.statistic and self.drawn.statistic not in self.drawn.caption:
            parts.append(self.drawn.statistic)
        if self.view is not None:
            view = self.view
            parts.append(
                f"PLM {view.plm.id}; {count(len(view.sources), 'source task')} × {count(len(view.seeds), 'prompt seed')} "
                f"({', '.join(map(str, view.seeds))}), {count(len(view.tasks), 'target task')}; n: {view.n}"
                + ("" if view.published else f"; insertion {view.selection.insertion or 'as trained'}, {view.selection.dtype}") + "."
            )  # fmt: skip
        parts.append((f"Results up to {when}, " if when else "Made by ") + f"ptlib {__version__}.")
        return " ".join(parts)

    def form(self, form: str, chosen: Print, when: str = "", ask: Callable[..., Any] = lambda work, *args: work(*args)) -> bytes:
        """The figure as a picture, its data or its table.

        Args:
            form: one of FORMATS and TABLES, or "txt" for the caption.
            ask: who does the work that needs a browser.

        Raises:
            RunError: an unknown size or font, or no browser for a picture.
        """
        if form in FORMATS:
            return ask(render.picture, as_plain(self.drawn.figure), form, chosen, self.title)
        table = pd.DataFrame() if self.drawn.table is None else self.drawn.table
        sheet = table if self.drawn.sheet is None else self.drawn.sheet
        if form == "csv":
            return tables.csv(table)
        if form == "json":
            return tables.as_json(table, {"figure": self.name, "caption": self.caption(when), "settings": dict(self.settings)})
        if form == "tex":
            return tables.latex(sheet, self.caption(when), f"tab:{self.name}", self.drawn.brackets).encode()
        return (tables.markdown(sheet, self.drawn.brackets) if form == "md" else self.caption(when) + "\n").encode()
