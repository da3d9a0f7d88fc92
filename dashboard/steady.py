"""Figures that fill in without flicker.

Streamlit names a plotly figure by its contents even where it has a key, so that the browser throws the old one away and draws a new
one whenever a number changes. Ours are named by their key alone; the browser then updates what is there.
"""

from __future__ import annotations

from typing import Any

import streamlit.elements.plotly_chart as room

OWN = "figure-"
"""What keys of figures that stay begin with."""
CONTENTS = ("plotly_spec", "alt")


def keep_figures_mounted() -> None:
    """Changes how streamlit names figures in this process. Without the function it changes, in another version of streamlit, figures
    flicker and all else works."""
    real = getattr(room, "compute_and_register_element_id", None)
    if real is None or getattr(real, "steady", False):
        return

    def named(kind: str, *, user_key: str | None, **told: Any) -> str:
        if user_key is not None and user_key.startswith(OWN):
            told = {name: value for name, value in told.items() if name not in CONTENTS}
        return real(kind, user_key=user_key, **told)

    named.steady = True
    room.compute_and_register_element_id = named
