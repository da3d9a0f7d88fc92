"""Figures that fill in without flicker: the browser keeps a picture of each until its successor is drawn (``steady.js``)."""

from functools import cache
from pathlib import Path

import streamlit as st


@cache
def _script() -> str:
    return f"<script>{Path(__file__).with_suffix('.js').read_text(encoding='utf-8')}</script>"


def keep_figures() -> None:
    """Puts the script, which is our own and takes no input, on the page."""
    st.html(_script(), unsafe_allow_javascript=True)


def place(name: str):
    """A container that stays while the figure in it is drawn anew."""
    return st.container(key=f"steady-{name}")
