"""Which neurons each prompt activates, and what two prompts share."""

import streamlit as st

from dashboard import components, data
from dashboard.selection import View


def one_prompt(view: View, name: str) -> None:
    components.figure("neurons-overview", view, {"prompt": name})
    layer = st.segmented_control("Layer in full", list(range(1, view.plm.layers + 1)), default=view.plm.layers, key="layer",
                                 bind="query-params", required=True)  # fmt: skip
    components.figure("neurons-layer", view, {"prompt": name, "layer": layer})


def two_prompts(view: View, settings: dict) -> None:
    left, right = st.columns([3, 2], gap="large")
    with left:
        components.figure("neurons-compared", view, settings)
    with right:
        components.figure("overlap-by-layer", view, settings)


def body() -> None:
    view: View = st.session_state["view"]
    st.title("Neurons")
    cells, missing = data.stimulations(view.selection), data.missing_stimulations(view)
    components.status(view, len(missing), len(cells))
    components.run_panel(view, missing, "stimulations")
    if missing and not view.plm.here:
        return
    components.live(lambda: figures(view))


def figures(view: View) -> None:
    """What is stored of the prompts' stimulations."""
    values = data.states(data.stimulations(view.selection))
    if not values:
        st.info("No stimulation has been computed for these prompts yet. Run the missing ones above; it takes seconds.")
        return
    names = list(values)
    left, right = st.columns(2)
    first = left.selectbox("Prompt", names, key="prompt", bind="query-params")
    second = right.selectbox("Compared with", ["nothing", *(name for name in names if name != first)], key="with", bind="query-params")
    one_prompt(view, first)
    if second != "nothing":
        st.header("Two prompts")
        two_prompts(view, {"prompt": first, "other": second})
    if len(values) > 1:
        st.header("All prompts")
        components.figure("on-matrix", view)


components.guard(body)
