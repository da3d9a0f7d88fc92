"""The study's HTML: style, script, plotly.js and numbers in one file."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Sequence
from importlib.resources import files
from pathlib import Path

from plotly.offline import get_plotlyjs

from dashboard import theme
from dashboard.export.press import as_plain
from dashboard.gallery import Fresh
from dashboard.recipe import Chosen
from dashboard.study_page import contents
from dashboard.view import View
from ptlib import __version__
from ptlib.library import Library
from ptlib.store import Store

POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:"
"""Nothing may be fetched, whatever the file holds."""
PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<title>{title}</title>
<link rel="icon" href="data:,">
<style>{style}</style>
</head>
<body>
<main id="main"></main>
<noscript>This study draws its figures with a script; allow scripts for this file.</noscript>
<script type="application/json" id="study">{study}</script>
<script>{plotly}</script>
<script>{script}</script>
</body>
</html>
"""


def html_of(source: Fresh, views: Sequence[View], title: str, tell: Callable[[str], None] = lambda words: None) -> str:
    """The whole page.

    Args:
        views: one a PLM, in the light mode.
        tell: is told what is at hand.

    Raises:
        PtlibError: the store or the library cannot be read.
    """
    plms = []
    for number, view in enumerate(views, 1):
        tell(f"PLM {number} of {len(views)}")
        plms.append(contents.of_plm(source, view))
    kinds = theme.type_order(task["type"] for plm in plms for task in [*plm["tasks"], *plm["sources"]])
    study = {
        "title": title, "version": __version__, "template": as_plain(theme.figure("light", 100))["layout"]["template"], "scale": theme.sequential("light"),
        "types": [{"name": kind, "colour": theme.colour(kind), "symbol": theme.symbol(kind)} for kind in [*kinds, "random", "none"]],
        "ink": theme.ink("light"), "faint": theme.faint("light"), "accent": theme.accent("light"), "plms": plms,
    }  # fmt: skip
    # Inside a script nothing but its end is read as HTML.
    numbers = json.dumps(study, ensure_ascii=False, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    here = files(__package__)
    return PAGE.format(policy=POLICY, title=html.escape(title), style=here.joinpath("study.css").read_text(encoding="utf-8"), study=numbers,
                       plotly=get_plotlyjs(), script=here.joinpath("study.js").read_text(encoding="utf-8"))  # fmt: skip


def make(cache: Path, chosen: Sequence[Chosen], title: str, out: Path) -> Path:
    """Writes the page of selections to a file; how far it is stands beside it meanwhile. Runs in the process of
    :mod:`dashboard.export.beside`."""
    library = Library.open()
    beside, part = out.with_suffix(".progress"), out.with_suffix(".part")
    out.parent.mkdir(parents=True, exist_ok=True)
    source = Fresh(Store(cache), library)
    part.write_text(html_of(source, [one.view(library) for one in chosen], title, beside.write_text), encoding="utf-8")
    part.replace(out)
    beside.unlink(missing_ok=True)
    return out
