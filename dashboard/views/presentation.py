"""One figure at a time, as large as the window: for talks. The arrow keys turn the pages, Escape leaves."""

from pathlib import Path

import streamlit as st

from dashboard import components, export, gallery, links, slides
from dashboard.export.press import Print, as_plain, lay_out
from dashboard.gallery import Drawn
from dashboard.selection import View, image_format
from dashboard.slides import Slide
from dashboard.theme import alt_text
from ptlib.errors import PtlibError

# Letters of what stands below the figure, where it has more than one sentence.
LONGEST = 200
LOOK = (Path(__file__).parents[1] / "presentation.css").read_text(encoding="utf-8")


def body() -> None:
    view: View = st.session_state["view"]
    shown = asked(view)
    if shown is None:
        st.html(f"<style>{LOOK}</style>")
        st.title("Presentation")
        st.info("Nothing can be drawn of this selection yet: no figure's cells have been evaluated. Run them from the page Transfer.")
        leave()
        return
    st.query_params[slides.NAME] = shown.told()
    st.title(components.plain(gallery.figure(shown.figure).title))
    components.live(lambda: slide(view, shown))
    controls(view, shown)


def asked(view: View) -> Slide | None:
    """The slide that the address names; otherwise the first figure of the page before, or of all; None where nothing can be drawn."""
    told = st.query_params.get(slides.NAME, "")
    try:
        found = slides.read(told) if told else None
        if found is not None:
            components.draw(found.figure, view, found.settings)
            links.answered(slides.NAME)
            return found
    except PtlibError as error:
        links.answered(slides.NAME, str(error))
    # In the gallery's order, which is the pages': a page may draw what stands beside or below another figure before that.
    order = list(gallery.FIGURES)
    before = sorted((Slide(*one) for one in st.session_state.get(components.SHOWN, {}).values()), key=lambda one: order.index(one.figure))
    return slides.first([*before, *slides.usual()], lambda one: can_be_drawn(view, one))


def can_be_drawn(view: View, one: Slide) -> bool:
    """Whether there is a figure of what is here; also where it is being computed."""
    place = st.empty()
    try:
        with place.container():
            components.draw(one.figure, view, one.settings)
    except PtlibError:
        # What was begun for it says no more that it is being computed.
        place.empty()
        return False
    return True


def slide(view: View, shown: Slide) -> None:
    """The figure and the sentence it is shown for."""
    drawn = components.draw(shown.figure, view, shown.settings)
    if drawn is None:
        return
    sheet = lay_out(as_plain(drawn.figure), Print("slide 16:9"))
    layout = {key: value for key, value in sheet.figure["layout"].items() if key not in ("width", "autosize")}
    st.html(f"<style>{LOOK} .st-key-slide {{ --wide: {sheet.width}px; --tall: {sheet.height}px; }}</style>")
    with st.container(key="slide"), st.container(key="slide-sheet"):
        st.plotly_chart({**sheet.figure, "layout": layout}, theme=None, width="stretch", key="figure-slide", alt=alt_text(drawn.figure) or drawn.caption,
                        config={**export.toolbar(shown.figure, image_format(), height=sheet.height), "displayModeBar": False})  # fmt: skip
    with st.container(key="slide-says"):
        st.markdown(components.plain(says(drawn)))


def says(drawn: Drawn) -> str:
    """What a slide says in words: the figure's statistic, or its caption, as many sentences as two lines hold."""
    first, *more = (drawn.statistic or drawn.caption).rstrip(".").split(". ")
    for sentence in more:
        if len(first) + len(sentence) > LONGEST:
            break
        first += f". {sentence}"
    return f"{first}."


def controls(view: View, shown: Slide) -> None:
    """Where one is, and the buttons with their keys."""
    order = slides.around(shown)
    place = [one.told() for one in order].index(shown.told())
    with st.container(key="slide-foot", horizontal=True, vertical_alignment="center"):
        st.markdown(f"{components.plain(view.plm.id)} · {view.n} · {place + 1} of {len(order)}")
        turn("Previous", "Left", view, order[:place][::-1])
        turn("Next", "Right", view, order[place + 1 :])
        leave()


def turn(label: str, key: str, view: View, ahead: list[Slide]) -> None:
    """A button to the next slide that can be drawn."""
    if st.button(label, shortcut=key, key=f"slide-{label}", disabled=not ahead):
        found = slides.first(ahead, lambda one: can_be_drawn(view, one))
        if found is not None:
            st.query_params[slides.NAME] = found.told()
            st.rerun()


def leave() -> None:
    """The button back to the page one came from."""
    if st.button("Leave", shortcut="Esc", key="slide-leave"):
        slides.leave(st.session_state.get(components.FROM, ""))


components.guard(body)
