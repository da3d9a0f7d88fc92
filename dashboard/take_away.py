"""The selection as files: all figures as a pack, and a study as one HTML file; made beside the page, which says how far they are."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial
from pathlib import Path

import streamlit as st

from dashboard import data
from dashboard.export import pack, render
from dashboard.export.leaving import MIME
from dashboard.export.press import FORMATS, Print
from dashboard.export_panel import KEPT, press
from dashboard.recipe import Chosen
from dashboard.study_page import make as make_study
from dashboard.view import View
from dashboard.words import plain
from ptlib.errors import PtlibError

LOOK_SECONDS = 1.0
KEEP = 8
"""Files that stay in the cache's folder exports/; the oldest go first."""
TITLE = "Which soft prompts transfer, and why"


@st.cache_resource
def _making() -> dict[Path, Future]:
    """What is being made, by its file; once for all sessions."""
    return {}


def offer(view: View) -> None:
    """The two buttons, with their progress."""
    st.header("Take it with you")
    left, right = st.columns(2, gap="large")
    printed, chosen = st.session_state.get(KEPT, Print()), Chosen.of(view)
    formats = FORMATS if render.browser_path() else ()
    with left:
        st.caption("Every figure of the selection as PDF, SVG and PNG, its data and tables, captions and recipes, as a zip. Printed as chosen last at "
                   "a figure's Export." + ("" if formats else " No Chromium is here: without the pictures."))  # fmt: skip
        _piece(view, "Figure pack", "zip", (chosen, printed, formats), lambda out: (pack.make, chosen, printed, out, formats))
    with right:
        st.caption(
            "Overview, matrices, correlations, neurons and projections with filters, as one HTML file that needs no network and no server."
        )
        _piece(view, "Study as HTML", "html", (chosen,), lambda out: (make_study, [chosen], TITLE, out))


def _piece(view: View, label: str, ending: str, what: tuple, work: Callable[[Path], tuple]) -> None:
    st.fragment(partial(_draw, view, label, ending, what, work), run_every=LOOK_SECONDS if _running(ending) else None)()


def _running(ending: str) -> bool:
    return any(not future.done() for path, future in _making().items() if path.suffix == f".{ending}")


def _draw(view: View, label: str, ending: str, what: tuple, work: Callable[[Path], tuple]) -> None:
    version = 0 if view.published else data.snapshot().refresh()
    name = hashlib.sha256(repr((what, view.plm.fingerprint, version)).encode()).hexdigest()[:16]
    out = data.store().folder / "exports" / f"{name}.{ending}"
    future = _making().get(out)
    if out.is_file() and (future is None or future.done()):
        st.download_button(f"Download {label[0].lower()}{label[1:]}", out.read_bytes, f"{view.plm.id}.{ending}", MIME.get(ending, f"application/{ending}"),
                           key=f"take-{ending}", on_click="ignore", type="primary", width="stretch")  # fmt: skip
    elif future is not None and not future.done():
        told = out.with_suffix(".progress")
        st.button(
            f"Making it: {told.read_text() if told.is_file() else 'starting'}", key=f"take-{ending}-wait", disabled=True, width="stretch"
        )
    else:
        if future is not None and (error := future.exception()) is not None:
            st.error(
                plain(error if isinstance(error, PtlibError) else "It could not be made; the details are in cache/logs/dashboard.log.")
            )
        if st.button(f"Make {label[0].lower()}{label[1:]}", key=f"take-{ending}-make", width="stretch"):
            _tidy(out.parent)
            first, *rest = work(out)
            _making()[out] = press().start(first, data.store().folder, *rest)
            st.rerun()


def _tidy(folder: Path) -> None:
    """Makes room; what is being made stays."""
    files = sorted(
        (path for path in folder.glob("*.*") if path not in _making() or _making()[path].done()), key=lambda path: path.stat().st_mtime
    )
    for path in files[: -KEEP or None]:
        path.unlink(missing_ok=True)
        _making().pop(path, None)
