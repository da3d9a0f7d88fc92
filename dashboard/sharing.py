"""The view as something to hand on: *Copy link*, *Saved views*, *Present*, and what a link asks for that is not here."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs

import streamlit as st

from dashboard import links, saved_views, slides
from dashboard.components import plain
from dashboard.saved_views import LONGEST_NAME, SavedView
from ptlib.errors import StoreError

LOOK = """
button, a { box-sizing: border-box; width: 100%; min-height: 2.5rem; padding: 0.25rem 0.75rem; display: inline-flex; align-items: center;
  justify-content: center; font: inherit; font-size: 0.875rem; color: var(--st-text-color); background: var(--st-background-color); text-decoration: none;
  border: 1px solid var(--st-border-color); border-radius: var(--st-button-radius, 0.5rem); cursor: pointer; }
button:hover, a:hover { color: var(--st-primary-color); border-color: var(--st-primary-color); }
button:focus-visible, a:focus-visible { outline: 2px solid var(--st-primary-color); outline-offset: 1px; }
input { box-sizing: border-box; width: 100%; margin-top: 0.25rem; font: inherit; color: var(--st-text-color);
  background: var(--st-background-color); border: 1px solid var(--st-border-color); }
[hidden] { display: none; }
"""
COPY = """
export default function ({ data, parentElement }) {
  const button = parentElement.querySelector("button"), field = parentElement.querySelector("input");
  let later;
  button.onclick = async () => {
    const link = new URL(window.location.href);
    for (const [name, value] of Object.entries(data)) if (!link.searchParams.has(name)) link.searchParams.set(name, value);
    let done = true;
    try { await navigator.clipboard.writeText(link.href); } catch {
      // Browsers keep the clipboard from pages of other hosts without TLS.
      field.hidden = false; field.value = link.href; field.focus(); field.select();
      done = document.execCommand("copy");
      field.hidden = done;
    }
    button.textContent = done ? "Copied" : "Press Ctrl+C";
    clearTimeout(later);
    later = setTimeout(() => { button.textContent = "Copy link"; }, 2500);
  };
  return () => clearTimeout(later);
}
"""
OPEN = """
export default function ({ data, parentElement }) { parentElement.querySelector("a").href = data; }
"""
# Streamlit has no clipboard and opens links in new tabs only. Both parts are text of this file; what they show is set as data.
copy_link = st.components.v2.component(
    "ptlib_copy_link",
    html='<button type="button" aria-live="polite">Copy link</button><input hidden readonly aria-label="Link to this view">',
    css=LOOK,
    js=COPY,
)
open_link = st.components.v2.component("ptlib_open_view", html='<a target="_self">Open</a>', css=LOOK, js=OPEN)


def buttons(page: Any) -> None:
    """Draws them; ``page`` is the streamlit page that is shown."""
    with st.sidebar:
        left, right = st.columns(2)
        with left:
            copy_link(key="copy-link", data=links.explicit())
        if right.button("Saved views", key="saved-views", width="stretch", help="Keep this view under a name, or open one that was kept."):
            dialog(page.url_path)
        if st.button("Present", key="present", icon=":material/slideshow:", width="stretch", help="This page's figures one at a time, as large as the window. "
                     "The arrow keys turn the pages, Escape leaves."):  # fmt: skip
            slides.present()


def tell(place: Any) -> None:
    """Writes above the page what of the link is not here."""
    notes = links.lacking()
    if notes:
        with place.container(horizontal=True, vertical_alignment="center"):
            st.warning(f"This link asks for what is not here: {plain('; '.join(notes))}. Everything else is as the link says.")
            st.button("Dismiss", key="dismiss-link", on_click=links.forgive)


@st.dialog("Saved views", width="medium")
def dialog(page: str) -> None:
    """Keeps, opens, renames and deletes views."""
    query = links.query()
    st.markdown("The view on this page, as a link")
    st.code(links.address(page, query, page), language=None, wrap_lines=True)
    left, right = st.columns([3, 1], vertical_alignment="bottom")
    left.text_input("Keep it as", key="view-name", max_chars=LONGEST_NAME, placeholder="a name")
    right.button("Save", key="view-save", type="primary", width="stretch", on_click=_tried, args=(_save, page, query))
    sentence, failed = st.session_state.pop("view-said", ("", False))
    if sentence:
        (st.error if failed else st.success)(plain(sentence))
    views, refused = saved_views.saved()
    if views:
        _kept(views, page)
    else:
        st.caption(f"Nothing is kept yet. Saved views are files in {plain(saved_views.folder())}.")
    for item in refused:
        st.error(plain(item.reason))


def _kept(views: list[SavedView], page: str) -> None:
    st.divider()
    names = {view.name: view for view in views}
    chosen = names[st.selectbox("Kept views", list(names), key="view-chosen")]
    told = ", ".join(
        f"{name.removesuffix(links.PACKED)} {'many' if name.endswith(links.PACKED) else ' and '.join(values)}"
        for name, values in parse_qs(chosen.query).items()
    )
    st.caption(
        f"Page {plain(chosen.page or 'overview')} · {plain(told) or 'everything'} · saved {plain(chosen.saved[:16].replace('T', ' '))} UTC"
    )
    one, two = st.columns([3, 1], vertical_alignment="bottom")
    one.text_input("New name", chosen.name, key=f"view-rename-{chosen.name}", max_chars=LONGEST_NAME)
    two.button("Rename", key="view-do-rename", width="stretch", on_click=_tried, args=(_rename, chosen.name))
    left, right = st.columns(2)
    with left:
        open_link(key="open-view", data=links.address(chosen.page, chosen.query, page))
    right.button("Delete", key="view-delete", width="stretch", on_click=_tried, args=(_delete, chosen.name))


def _tried(work: Any, *args: str) -> None:
    try:
        st.session_state["view-said"] = (work(*args), False)
    except StoreError as error:
        st.session_state["view-said"] = (str(error), True)


def _save(page: str, query: str) -> str:
    view = saved_views.save(st.session_state["view-name"], page, query)
    st.session_state["view-chosen"], st.session_state["view-name"] = view.name, ""
    return f"Kept as {view.name}."


def _rename(name: str) -> str:
    view = saved_views.rename(name, st.session_state[f"view-rename-{name}"])
    st.session_state["view-chosen"] = view.name
    return f"{name} is called {view.name} now."


def _delete(name: str) -> str:
    saved_views.delete(name)
    del st.session_state["view-chosen"]
    return f"{name} is deleted."
