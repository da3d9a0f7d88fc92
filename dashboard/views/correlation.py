"""Does the overlap of activated neurons predict transfer, and do other similarities do it better?"""

from dataclasses import replace

import numpy as np
import streamlit as st

from dashboard import components, data, detail
from dashboard.gallery import Drawn
from dashboard.gallery.correlation import FEWEST_TASKS, PAIRS, parts
from dashboard.selection import View
from ptlib.analysis import statistics


def body() -> None:
    view: View = st.session_state["view"]
    st.title("Correlation")
    lacking = data.missing(view)
    components.live_status(view)
    components.run_panel(view, lacking.missing, stopped=lacking.stopped)
    components.live(lambda: findings(view))


def findings(view: View) -> None:
    """The selection's correlations."""
    study = data.study(view)
    if len(study.tasks) < FEWEST_TASKS:
        st.info(f"A rank correlation needs at least {FEWEST_TASKS} tasks that are both source and target; here are {len(study.tasks)}.")
        return
    if not np.isfinite(study.transfer).any():
        st.info("Nothing has been evaluated for this selection yet. Run the missing cells above.")
        return
    if view.indicator == "ON" and not len(study.active) and not view.plm.here:
        components.without_weights(view)
        view = replace(view, indicator="C_average")
    if view.indicator == "ON" and not len(study.active):
        st.info(f"ON needs the stimulation of every prompt; {study.missing_stimulations} are missing. Run the missing cells above.")
        return
    which = st.segmented_control("Pairs", PAIRS, default="all", key="pairs", bind="query-params", required=True,
                                 help="Without pairs of one type, the type itself can no longer explain the correlation. A prompt on its own task is left out unless asked for.")  # fmt: skip
    picked = detail.picked(study.tasks, study.tasks, "correlation")
    settings = {"pairs": which}
    with_pair = {**settings, "cell": detail.told(picked)}
    table = components.draw("indicators", view, settings)
    left, right = st.columns([3, 2], gap="large")
    # The small one first: a browser that is at work on the large one draws all that has come meanwhile later.
    with right:
        if table is not None:
            all_indicators(view, table, settings)
    with left:
        components.figure("overlap-performance", view, with_pair, **detail.clicks("overlap-performance", detail.named))
    components.breathe()
    if picked:
        detail.header(picked, study.tasks, study.tasks)
        detail.panel(view, *picked)
    st.header("By target")
    components.figure("by-target", view, {**with_pair, "part": part_control(study.tasks)}, **detail.clicks("by-target", detail.named))
    if view.indicator == "ON":
        st.header("By layer")
        components.figure("by-layer", view, settings)


def part_control(tasks: list[str]) -> int:
    """Which part of many targets is shown, from 1; 0 where all are."""
    there = parts(tasks)
    if len(there) < 2:
        return 0
    return st.segmented_control("Targets", range(1, len(there) + 1), default=1, key="part", bind="query-params", required=True,
                                format_func=lambda number: f"{there[number - 1][0] + 1} to {there[number - 1][-1] + 1}")  # fmt: skip


def all_indicators(view: View, drawn: Drawn, settings: dict) -> None:
    table = drawn.table
    st.markdown(components.plain(drawn.statistic))
    for sentence in statistics.better_than_on(table):
        st.warning(sentence)
    components.present(drawn, "indicators", view, settings)
    shown = table[["label", "value", "ci_low", "ci_high", "p", "pooled", "pooled_p", "undefined"]].rename(columns={
        "label": "indicator", "value": "mean rho", "ci_low": "low", "ci_high": "high"})  # fmt: skip
    for column in ("p", "pooled_p"):
        shown[column] = [components.p_value(p).removeprefix("p ").removeprefix("= ") for p in shown[column]]
    shown = shown.rename(columns={"pooled_p": "p (pooled)"})
    st.dataframe(shown.round(3), hide_index=True, width="stretch")


components.guard(body)
