"""The control beside each figure that takes it out of the page. Nothing is computed before it is opened, and no picture before its
button is pressed; pictures are drawn in a process of their own."""

from __future__ import annotations

import logging
from dataclasses import replace

import streamlit as st

from dashboard import data, export, gallery, recipe, slides
from dashboard.export import render
from dashboard.export.beside import Press
from dashboard.export.leaving import MIME, TABLES, Leaving
from dashboard.export.press import FONTS, FORMATS, SIZES, Print
from dashboard.live import LIVE
from dashboard.view import View
from dashboard.words import plain
from ptlib.errors import PtlibError

log = logging.getLogger("ptlib.dashboard")
KEPT, TROUBLE = "print", "export troubles"
NAMES = {"tex": "LaTeX", "md": "MD"}


@st.cache_resource
def press() -> Press:
    """The one process of this server that draws pictures."""
    return Press()


def control(leaving: Leaving, key: str) -> None:
    """The button, and what it opens; drawn anew alone."""
    st.fragment(lambda: _control(leaving, key))()


def _control(leaving: Leaving, key: str) -> None:
    opened = st.popover("Export", key=f"export-{key}", on_change="rerun")
    if opened.open:
        with opened:
            try:
                _panel(_in_light(leaving), key)
            except PtlibError as error:
                st.error(plain(error))


def _in_light(leaving: Leaving) -> Leaving:
    """The same figure for white paper."""
    if leaving.view is None or leaving.view.mode == "light" or not leaving.known:
        return leaving
    view = replace(leaving.view, mode="light")
    drawn = gallery.draw(leaving.name, LIVE, view, leaving.settings)
    return leaving if drawn is None else leaving._replace(drawn=drawn, view=view)


def printed(key: str) -> Print:
    """The controls of how figures are printed; what is chosen at one figure holds for the next."""
    kept = st.session_state.get(KEPT, Print())
    one, two = st.columns(2)
    size = one.selectbox("Size", list(SIZES), index=list(SIZES).index(kept.size), key=f"print-size-{key}",
                         help="Single column 3.25 inches, double column 6.75, a slide 13.33 × 7.5, a poster's figure 24.")  # fmt: skip
    font = two.selectbox("Font", list(FONTS), index=list(FONTS).index(kept.font), key=f"print-font-{key}",
                         help="Computer Modern as LaTeX sets it, where this machine has it (Debian: fonts-cmu); a serif otherwise.")  # fmt: skip
    one, two = st.columns(2)
    grey = one.toggle("Greys", kept.grey, key=f"print-grey-{key}", help="Colours become greys that stay apart in print.")
    title = two.toggle("Title", kept.title, key=f"print-title-{key}")
    st.session_state[KEPT] = Print(size, font, grey, title)
    return st.session_state[KEPT]


def _panel(leaving: Leaving, key: str) -> None:
    chosen, here = printed(key), render.browser_path() is not None
    if not here:
        st.caption("PDF, SVG and PNG need Chromium or Chrome, which is not here (Debian: apt-get install chromium, or name one in BROWSER_PATH). "
                   "The camera in the figure's toolbar saves it meanwhile.")  # fmt: skip
    _buttons(leaving, key, FORMATS, chosen, disabled=not here)
    if leaving.drawn.table is not None:
        _buttons(leaving, key, TABLES, chosen)
    when = recipe.newest(LIVE, leaving.view)
    st.caption("A draft of its caption")
    st.code(leaving.caption(when), language=None, wrap_lines=True, height=120)
    if leaving.known:
        if st.button("Present", key=f"present-{key}", width="stretch", help="This figure alone, as large as the window."):
            slides.present(slides.Slide(leaving.name, leaving.settings))
        st.caption("The same in a notebook")
        st.code(recipe.as_python(leaving, data.library()), language="python", height=120)
        st.download_button("Recipe", lambda: recipe_of(leaving, chosen), f"{export.file_name(key)}.toml", MIME["toml"], key=f"recipe-{key}",
                           on_click="ignore", width="stretch", help="A short TOML that makes this figure again: ./run.sh ptlib figure FILE")  # fmt: skip
    if (trouble := st.session_state.get(TROUBLE, {}).pop(key, None)) is not None:
        st.error(plain(trouble))


def recipe_of(leaving: Leaving, chosen: Print) -> str:
    """The figure's recipe as TOML."""
    return recipe.write(leaving, chosen, data.library(), missing_of(leaving.view, gallery.figure(leaving.name).needs)).to_toml()


def missing_of(view: View, kinds: tuple[str, ...]) -> int:
    """Cells of these kinds that the selection lacks."""
    return sum(cell.kind in kinds for cell in data.missing(view).missing)


def _buttons(leaving: Leaving, key: str, forms: tuple[str, ...], chosen: Print, disabled: bool = False) -> None:
    when, troubles, drawing = recipe.newest(LIVE, leaving.view), st.session_state.setdefault(TROUBLE, {}), press()

    def made(form: str) -> bytes:
        try:
            return leaving.form(form, chosen, when, drawing.ask)
        except PtlibError as error:
            # Streamlit tells the browser only that there is no file; the sentence is shown when the panel is drawn again.
            log.warning("export of %s: %s", leaving.name, error)
            troubles[key] = str(error)
            raise

    for column, form in zip(st.columns(len(forms), gap="small"), forms, strict=True):
        column.download_button(NAMES.get(form, form.upper()), lambda form=form: made(form), f"{export.file_name(key)}.{form}", MIME[form],
                               key=f"{form}-{key}", on_click="ignore", width="stretch", disabled=disabled)  # fmt: skip
