"""What is here, and what it shows at a glance."""

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import components, data, take_away
from dashboard.background import found
from dashboard.selection import View
from ptlib.analysis import statistics
from ptlib.runs.study import Study


def counts(view: View) -> None:
    """PLMs, prompts, tasks, worker."""
    shelf = data.library()
    names = shelf.tasks_for(view.plm.id, published=view.published)
    types = len({shelf.tasks[name].type for name in names})
    workers = data.workers()
    columns = st.columns(4)
    columns[0].metric("PLMs", len(shelf.plms), border=True, help=", ".join(shelf.plms))
    columns[1].metric("Trained prompts", len(shelf.prompts(kinds=("trained",))), border=True)
    columns[2].metric("Tasks", f"{len(names)} in {types} types", border=True)
    columns[3].metric("Worker", workers[0]["device"] if workers else "idle", border=True,
                      help="A process of its own evaluates cells; it starts with a run and ends when idle.")  # fmt: skip
    if shelf.refused:
        with st.expander(f"{len(shelf.refused)} items could not be read", expanded=True):
            st.dataframe(pd.DataFrame(shelf.refused), hide_index=True, width="stretch")


def prediction(view: View, study: Study) -> None:
    table = found(
        f"table {study.digest} None",
        "the correlations",
        statistics.indicator_table,
        study.transfer,
        data.of_study(view, "similarities", lambda study: study.similarities()),
        name=("overview table", view.selection),
    )
    if table is None:
        return
    names = ["ON"] if (table.name == "ON").any() else [name for name in table.name if name != "same_type"][:1]
    on = table[table.name == names[0]].iloc[0]
    words = "the overlap of activated neurons" if on["name"] == "ON" else f"the similarity of prompts ({on.label}, the best of its kind)"
    st.markdown(f"**Does {words} predict transfer?** Mean Spearman correlation per target {on.value:z.2f} "
                f"(95 % interval {on.ci_low:z.2f} to {on.ci_high:z.2f}, {components.p_value(on.p)}, {on.n} targets). "
                + (" ".join(statistics.better_than_on(table)) or ("No other indicator lies above it." if on["name"] == "ON" else "")))  # fmt: skip


def body() -> None:
    view: View = st.session_state["view"]
    st.title("Which soft prompts transfer, and why")
    lacking = data.missing(view)
    components.live_status(view)
    counts(view)
    components.run_panel(view, lacking.missing, stopped=lacking.stopped)
    components.live(lambda: findings(view))
    if view.tasks:
        take_away.offer(view)
    ways_on()


def findings(view: View) -> None:
    """What the selection shows."""
    study = data.study(view)
    if components.no_tasks(view):
        pass
    elif not np.isfinite(study.transfer).any():
        st.info("Nothing has been evaluated for this selection yet. Run the missing cells; the findings appear here.")
    else:
        left, right = st.columns([3, 2], gap="large")
        with left:
            st.header("Own prompts against baselines")
            components.figure("own-against-baselines", view)
        with right:
            st.header("Transfer by type of task")
            components.figure("type-effect", view)
            if (len(study.active) or not view.plm.here) and len(study.tasks) > 3:
                prediction(view, study)


def ways_on() -> None:
    """The other pages."""
    st.header("Where to go next")
    st.page_link("views/transfer.py", label="Transfer: which source prompt works on which task", icon=":material/grid_on:")
    st.page_link("views/neurons.py", label="Neurons: what a prompt activates, and what two share", icon=":material/neurology:")
    st.page_link("views/correlation.py", label="Correlation: does overlap predict transfer", icon=":material/scatter_plot:")
    st.page_link(
        "views/prompt_space.py",
        label="Prompt space: prompts in two or three dimensions",
        icon=":material/bubble_chart:",
    )


components.guard(body)
