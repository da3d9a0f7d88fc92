"""The view as a link: many picks in few characters, what of a link is not here, and the buttons that copy and keep it.

Streamlit keeps a control with ``bind="query-params"`` in the address and drops what the control does not know without a word; here it is told.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import streamlit as st
from streamlit.runtime.scriptrunner import get_script_run_ctx

from dashboard import picks

PACKED = "-packed"
"""What the name of a packed list of picks ends with in the address."""
NAMES = {
    "plm": "PLM", "seeds": "prompt seed", "sources": "source task", "further": "prompt trained here", "tasks": "task", "layers": "layer", "layer": "layer", "n": "number of examples",
    "projection-seed": "seed of the projection", "near": "prompt", "prompt": "prompt", "with": "prompt", "dims": "number of dimensions",
    "dtype": "precision", "by": "colour", "of": "kind of rows", "results": "kind of results", "cell": "cell",
}  # fmt: skip
"""What parameters stand for, where their own names do not say it."""
MOST_NAMED, LONGEST_NAMED = 4, 70


@dataclass
class Link:
    """What opened this session, as far as it has not been dealt with."""

    page: str
    asked: dict[str, list[str]]
    """Parameter -> values, of controls that have not been drawn yet."""
    notes: dict[str, str] = field(default_factory=dict)
    """Parameter -> what of it is not here."""
    back: set[str] = field(default_factory=set)
    """Controls whose picks were brought back on this page; they are drawn without a default."""


def arrive(page: str) -> None:
    """Keeps what the address asks for before streamlit corrects it; notes are for the page they were made on."""
    link = st.session_state.get("link")
    if link is None:
        st.session_state["link"] = Link(page, {name: st.query_params.get_all(name) for name in st.query_params})
    elif link.page != page:
        st.session_state["link"] = Link(page, {}, back=_bring_back())


def keep(keys: Sequence[str]) -> None:
    """Keeps the picks of controls that every page has, and how the address tells them."""
    names = [name for key in keys for name in (key, key + PACKED)]
    st.session_state["kept picks"] = ({key: st.session_state[key] for key in keys if key in st.session_state},
                                      {name: st.query_params.get_all(name) for name in names if name in st.query_params})  # fmt: skip


def _bring_back() -> set[str]:
    """Sets controls to the picks that streamlit 1.67 lost: those of an address, where the page was changed before the browser had drawn
    its controls, as on a slow line."""
    kept, told = st.session_state.get("kept picks", ({}, {}))
    lost = [key for key in kept if key not in st.session_state]
    for key in lost:
        st.session_state[key] = kept[key]
    for name in told:
        if lost and name not in st.query_params:
            st.query_params[name] = told[name]
    return set(lost)


def unless_back(key: str, **default: Any) -> dict[str, Any]:
    """The default of a control, which streamlit does not want beside picks that were brought back."""
    return {} if key in st.session_state["link"].back else default


def several(draw: Callable[..., Any], label: str, options: Sequence[Any], key: str, room: int, **more: Any) -> list[Any]:
    """A control of several picks that takes at most ``room`` characters of the address, give or take one for six options.

    Few picks stand there by name, which streamlit sees to; many of them packed, in a parameter of their own.
    """
    texts = {str(option): option for option in options}
    asked, told = st.query_params.get(key + PACKED, ""), st.session_state.get(f"told-{key}", "")
    if asked and asked != told:
        found = picks.unpack(asked, list(texts))
        st.session_state[key] = [texts[name] for name in found.names]
        _note_packed(key, found)
    picked = [pick for pick in st.session_state.get(key) or [] if pick in options]
    fits = picks.length(key, [str(pick) for pick in picked]) <= room or set(picked) == set(more.get("default", ()))
    packed = "" if fits else picks.pack([str(pick) for pick in picked], list(texts), room)
    if packed or told or key in st.session_state["link"].back:
        # Streamlit writes picks that a script sets into the address, and wants no default beside them.
        st.session_state[key] = picked
        more.pop("default", None)
    result = draw(label, options, key=key, bind=None if packed else "query-params", **more)
    if packed != asked:
        if packed:
            st.query_params[key + PACKED] = packed
        else:
            del st.query_params[key + PACKED]
    st.session_state[f"told-{key}"] = packed
    return result


def _note_packed(key: str, found: picks.Unpacked) -> None:
    what, here = NAMES[key], len(found.names)
    if found.lost > 0:
        st.session_state["link"].notes[key] = f"{_count(found.lost + here, what)}, {found.lost} of them not here"
    elif not found.exact and found.names:
        st.session_state["link"].notes[key] = (
            f"all but some {what}s; of those that are here now that makes {here}, other than where the link was made"
        )
    elif not found.exact:
        st.session_state["link"].notes[key] = f"{what}s of another list than the one here (all are shown)"


def answered(key: str, why: str = "") -> None:
    """Says that what a link asks for has been dealt with, where no control of its name is drawn; ``why`` it is not here, if so."""
    link: Link = st.session_state["link"]
    lost = link.asked.pop(key, [])
    if lost and why:
        link.notes[key] = f"{_named(key, lost)} ({why})"


def forgive() -> None:
    """Forgets the notes."""
    st.session_state["link"].notes.clear()


def lacking() -> list[str]:
    """What the link asks for that is not here, a phrase each; asked for when the page has been drawn."""
    link: Link = st.session_state["link"]
    for key in list(link.asked):
        drawn = _drawn(key)
        if drawn is not None:
            lost = [value for value in link.asked.pop(key) if value and not _among(value, drawn)]
            if lost:
                link.notes[key] = f"{_named(key, lost)} (shown: {', '.join(drawn) if 0 < len(drawn) <= MOST_NAMED else 'all'})"
    return list(link.notes.values())


def _named(key: str, lost: list[str]) -> str:
    what = NAMES.get(key, key.replace("-", " "))
    shown = [value if len(value) <= LONGEST_NAMED else value[: LONGEST_NAMED - 1] + "…" for value in lost[:MOST_NAMED]]
    more = f" and {len(lost) - MOST_NAMED} more" if len(lost) > MOST_NAMED else ""
    return f"{what if len(lost) == 1 else f'{what}s'} {', '.join(shown)}{more}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _drawn(key: str) -> list[str] | None:
    """How the address would write the value of a control; None where there is no such control on the page.

    Streamlit shows this to no script: in a version where it lies elsewhere, links work and nothing is told of what they lack.
    """
    try:
        state = get_script_run_ctx().session_state._state
        widget = state._new_widget_state.widget_metadata[state._key_id_mapper.get_id_from_key(key)]
        value = widget.serializer(st.session_state[key])
    except (AttributeError, KeyError):
        return None
    return [str(part) for part in value] if isinstance(value, list | tuple) else [str(value)]


def _among(value: str, drawn: list[str]) -> bool:
    if value.casefold() in (one.casefold() for one in drawn):
        return True
    try:
        return float(value) in [float(one) for one in drawn]
    except ValueError:
        return False


def explicit() -> dict[str, str]:
    """What a link has to say even where it is the default here: it may not be where the link is opened."""
    return {name: str(st.session_state[name]) for name in ("plm", "results") if st.session_state.get(name)}


def query() -> str:
    """The whole view as a link holds it, without page and question mark."""
    there = [(name, value) for name in st.query_params for value in st.query_params.get_all(name)]
    return urlencode([*((name, value) for name, value in explicit().items() if name not in st.query_params), *there])


def address(page: str, query: str, current: str) -> str:
    """Where the browser finds a view.

    Args:
        current: path of the page that is shown, which the browser's address ends with.
    """
    base = (st.context.url or "/").rstrip("/").removesuffix(f"/{current}" if current else "").rstrip("/")
    return f"{base}/{page}" + (f"?{query}" if query else "")
