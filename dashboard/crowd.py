"""How often each of many sessions may look: one server has one processor's time for all of them."""

from __future__ import annotations

import time

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

FEW = 5
"""Sessions that may all look as often as one would."""
GONE_SECONDS = 30.0


@st.cache_resource
def _sessions() -> dict[str, float]:
    """When each session of this server was last seen."""
    return {}


def here() -> int:
    """Notes this session; gives how many have been here lately."""
    seen, now, context = _sessions(), time.monotonic(), get_script_run_ctx()
    if context is not None:
        seen[context.session_id] = now
    for name, at in list(seen.items()):
        if now - at > GONE_SECONDS:
            seen.pop(name, None)
    return len(seen)


def thinned() -> float:
    """How many times less often each session may look, and what all look at is made anew: 1 where they are few."""
    return max(1.0, here() / FEW)


def paced(seconds: float) -> float:
    """An interval at which a part of the page is drawn again: longer where there are many sessions."""
    return seconds * thinned()
