"""What starting from another task's prompt saves."""

import streamlit as st

from dashboard import components, data, starts
from dashboard.gallery import training as gallery
from dashboard.live import LIVE
from dashboard.selection import View
from ptlib.errors import PtlibError


def body() -> None:
    view: View = st.session_state["view"]
    st.title("Transfer as initialisation")
    st.markdown(f"Does training on **{components.plain(view.plm.id)}** get there sooner from another task's prompt than from random rows? "
                f"{components.count(len(view.tasks), 'target')}, {components.count(len(view.seeds), 'seed')}; sources: "
                + ("for each target the next task of its type and the next of another (pick others in the sidebar)." if set(view.sources) == set(data.library().sources_for(view.plm.id))
                   else "those picked in the sidebar."))  # fmt: skip
    with st.expander("What is measured"):
        st.markdown(starts.DEFINITIONS)
    try:
        settings = starts.controls("Mean of same type")
        wanted = gallery.comparison(LIVE, view, settings)
    except PtlibError as error:
        st.warning(components.plain(error))
        return
    if not wanted:
        st.info("None of the chosen tasks has training and validation data here.")
        return
    _, _, missing = gallery.compared(LIVE, view, wanted)
    components.run_panel(view, [item.cell for item in missing], "trainings")
    components.live(lambda: starts.results(view, wanted, settings, "starts", "steps-saved"))


components.guard(body)
