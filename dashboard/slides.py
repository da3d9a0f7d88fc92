"""Figures as slides: which there are, what a slide is called in the address, and which comes next."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn
from urllib.parse import parse_qsl, urlencode

import streamlit as st

from dashboard import gallery
from dashboard.export.pack import FIGURES
from dashboard.gallery import Settings
from ptlib.errors import RunError

PAGE = Path(__file__).parent / "views" / "presentation.py"
LEFT = "left"
"""In the session: the address of the page that the figures are shown from."""
NAME = "figure"
"""In the address: the figure's name and, behind "~", the settings that are not its usual ones."""


class Slide(NamedTuple):
    """One figure of the gallery."""

    figure: str
    settings: Settings

    def told(self) -> str:
        """As the address has it."""
        usual = gallery.figure(self.figure).defaults
        other = {key: value for key, value in self.settings.items() if value != usual[key]}
        return self.figure + ("~" + urlencode(other) if other else "")


def read(text: str) -> Slide:
    """A slide from the address. Raises RunError for a figure or a setting that is none."""
    name, _, given = text.partition("~")
    usual = gallery.figure(name).defaults
    settings = {}
    for key, value in parse_qsl(given, keep_blank_values=True):
        if key not in usual:
            raise RunError("the figure has no such setting", where=name, found=key, expected=f"one of {', '.join(usual) or 'none'}")
        settings[key] = _like(usual[key], value, f"{name}: {key}")
    return Slide(name, settings)


def _like(usual: object, value: str, where: str) -> object:
    try:
        return {"True": True, "False": False}[value] if isinstance(usual, bool) else type(usual)(value)
    except (KeyError, ValueError) as error:
        expected = "True or False" if isinstance(usual, bool) else "a number"
        raise RunError("wrong value", where=where, found=repr(value)[:60], expected=expected) from error


def usual() -> list[Slide]:
    """The figures of a pack, in its order."""
    return [Slide(name, settings) for name, settings in FIGURES]


def around(shown: Slide) -> list[Slide]:
    """The slides with one of them as it is shown: with settings of its own in the place of its figure, or before all others."""
    slides = usual()
    told = [slide.told() for slide in slides]
    if shown.told() in told:
        return slides
    place = next((place for place, slide in enumerate(slides) if slide.figure == shown.figure), None)
    return [shown, *slides] if place is None else [*slides[:place], shown, *slides[place + 1 :]]


def first(slides: Sequence[Slide], can_be_drawn: Callable[[Slide], bool]) -> Slide | None:
    """The first of them that can be drawn of what is here."""
    return next(filter(can_be_drawn, slides), None)


def present(slide: Slide | None = None) -> NoReturn:
    """Goes to the page that shows one; None leaves it to that page which one is the first."""
    st.session_state[LEFT] = {name: st.query_params.get_all(name) for name in st.query_params}
    _go(PAGE, {} if slide is None else {NAME: [slide.told()]})


def leave(page: str) -> NoReturn:
    """Goes back to the page that the figures were shown from, as it was."""
    _go(PAGE.with_name(f"{page or 'overview'}.py"), {})


def _go(page: Path, more: dict[str, list[str]]) -> NoReturn:
    # What a control of the sidebar is bound to it writes into the address itself, and streamlit lets nobody else.
    kept = {name: values for name, values in st.session_state.get(LEFT, {}).items() if name not in (NAME, *st.session_state)}
    st.switch_page(page, query_params={**kept, **more})
