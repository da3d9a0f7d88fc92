"""Neurons switched off: what that costs a prompt's own task, its type and other types, and in which layer."""

import pandas as pd
import streamlit as st

from dashboard import components, data
from dashboard.figures.ablation import TITLES
from dashboard.gallery import ablation as gallery
from dashboard.gallery.ablation import ALL, OTHERS, Wish
from dashboard.live import LIVE
from dashboard.selection import View
from ptlib.analysis import ablation
from ptlib.errors import PtlibError
from ptlib.neurons.mask import MEANS
from ptlib.runs import Cell
from ptlib.runs.masking import LIMIT, READERS, SHARES, Masking

PERCENT = (1, 2, 5, 10, 20, 30, 40, 50)


def controls(view: View) -> tuple[View, dict, str]:
    """Whose neurons, how many, where, and who reads meanwhile, as settings of the curves; and the rule of the heatmap, if one is asked for."""
    one, two, three = st.columns([2, 2, 3])
    source = one.selectbox("Neurons of the prompt for", view.sources, key="cut", bind="query-params")
    seeds = two.pills("Seeds that are cut", view.seeds, selection_mode="multi", default=view.seeds[:1], key="cut-seeds", bind="query-params",
                      help="Each seed is a prompt of its own, with masks of its own.")  # fmt: skip
    shares = three.pills("Neurons off (%)", PERCENT, selection_mode="multi", default=[round(100 * share) for share in SHARES], key="shares",
                         bind="query-params", help="Of all neurons of the chosen layers.")  # fmt: skip
    one, two, three = st.columns([2, 2, 3])
    names = [ALL, *(f"layer {layer + 1}" for layer in range(view.plm.layers))]
    place = one.selectbox("In", names, key="in", bind="query-params")
    each = two.selectbox("Also one layer at a time", ["no", *MEANS], key="each", bind="query-params",
                         help="For the heatmap of layers and shares: which neurons. It takes as many scores again for every layer.")  # fmt: skip
    reader = three.segmented_control("Tasks are read with", list(READERS), format_func=READERS.get, default="own", key="reader", bind="query-params",
                                     required=True, help="Its own prompt says what the neurons do for a task. The prompt itself is transfer with neurons off: "
                                     "where it transfers badly to begin with, little is left to lose.")  # fmt: skip
    whole = view.limit is None and st.toggle(
        "All test examples", key="whole", bind="query-params", help=f"Otherwise the first {LIMIT} of each task: there are many cells."
    )
    settings = {**gallery.CURVES, "whole": whole, "cut": source, "cut_seeds": " ".join(map(str, sorted(seeds))), "shares": " ".join(map(str, sorted(shares))),
                "reader": reader, "layer": names.index(place)}  # fmt: skip
    return gallery.limited(view, settings), settings, "" if each == "no" else each


def of_layers(settings: dict, each: str, group: str = ablation.GROUPS[0]) -> dict:
    """The heatmap's settings."""
    return {**{name: settings[name] for name in gallery.CUT}, "each": each, "group": group}


def lacking(cells: list[Cell]) -> list[Cell]:
    """Those without a result."""
    data.snapshot().refresh()
    whole, _, _ = data.snapshot().state([cell.key for cell in cells])
    return [cell for cell, there in zip(cells, whole, strict=True) if not there]


def body() -> None:
    view: View = st.session_state["view"]
    st.title("Ablation")
    if view.published:
        components.live_status(view)
        st.info("No neurons came with the published results. Choose the measured ones in the sidebar.")
        return
    if components.no_tasks(view):
        return
    if not view.plm.here:
        components.without_weights(view)
        return
    view, settings, each = controls(view)
    main = gallery.planned(LIVE, view, gallery.wish(view, settings))
    single = gallery.planned(LIVE, view, gallery.wish(view, of_layers(settings, each))) if each else None
    cells = list({cell.key: cell for plan in (main, single) if plan for cell in plan.cells}.values())
    missing = lacking(cells)
    components.live(lambda: components.status(view, len(lacking(cells)), len(cells)))
    components.run_panel(view, missing, "masked scores")
    for note in main.notes:
        st.warning(components.plain(note))
    components.live(lambda: shown(view, settings, each, main))


def shown(view: View, settings: dict, each: str, main: Masking) -> None:
    """What is there of it."""
    asked = gallery.wish(view, settings)
    try:
        told = gallery.findings(LIVE, view, asked)
    except PtlibError:
        st.info("No masked score has been computed for this choice yet. Run the missing ones above.")
        return
    if told is None:
        return
    verdict(told)
    panels(view, settings, told)
    if each:
        heatmap(view, settings, each)
    with st.expander("What was masked"):
        cut_of(view, asked, main)


def verdict(told: ablation.Findings) -> None:
    """Is the drop specific? A sentence for each choice of neurons, at the share that is picked."""
    shares = sorted({share for _, share in told.specific})
    usual = min(shares, key=lambda share: abs(share - gallery.USUAL_SHARE))
    share = st.segmented_control(
        "Is the drop specific? With", shares, format_func=lambda share: f"{share:.0%} off", default=usual, key="at", required=True
    )
    for rule in ablation.WHAT:
        if (rule, share) in told.specific:
            st.markdown(components.plain(ablation.in_words(told.specific[rule, share], rule, share)))


def panels(view: View, settings: dict, told: ablation.Findings) -> None:
    """Three figures of one scale: own task, same type, other types."""
    measure = st.segmented_control(
        "Show", list(TITLES), format_func=TITLES.get, default="drop", key="measure", bind="query-params", required=True
    )
    there = set(told.curves["group"])
    for column, group in zip(st.columns(len(ablation.GROUPS)), ablation.GROUPS, strict=True):
        with column:
            if group in there:
                mine = {**settings, "group": group, "measure": measure}
                drawn = components.draw("ablation", view, mine)
                if drawn is not None:
                    # What all three have in common stands below them once.
                    components.present(
                        drawn, "ablation", view, mine, key=f"ablation-{group.replace(' ', '-')}", says=drawn.caption.split(". ")[0] + "."
                    )
            else:
                st.info(OTHERS[group])
    st.caption(components.plain(gallery.about(view, gallery.wish(view, settings))))


def heatmap(view: View, settings: dict, each: str) -> None:
    """One layer at a time."""
    st.header("One layer at a time")
    group = st.segmented_control(
        "Drop on", list(ablation.GROUPS), default=ablation.GROUPS[0], key="group", bind="query-params", required=True
    )
    try:
        components.figure("ablation-layers", view, of_layers(settings, each, group))
    except PtlibError:
        st.info("Nothing of this has been computed yet. Run the missing masked scores above.")


def cut_of(view: View, wish: Wish, main: Masking) -> None:
    """How many neurons of each layer were off, how many of them the prompt activates, how many are distinctive."""
    rows = main.rows[main.rows["draw"] == 0].drop_duplicates(["prompt", "rule", "like", "share"])
    table = data.of_store(view, ("cut of", wish), lambda: pd.DataFrame([row for row in map(parts_of, rows.itertuples()) if row]))
    if table.empty:
        st.caption("Nothing yet.")
        return
    st.dataframe(table, hide_index=True, width="stretch")
    st.caption("Distinctive: a larger share of the type's prompts than of any other type's activates it. Where there are fewer of them than are to be masked, "
               "neurons that no type activates fill up. Of random neurons the first draw.")  # fmt: skip


def parts_of(row) -> dict | None:
    """One mask; None where its score is missing."""
    try:
        arrays = data.store().result_arrays(row.key)
    except PtlibError:
        arrays = None
    if arrays is None:
        return None
    return {"neurons": ablation.LINES[row.rule, row.like], "prompt": row.prompt.split("/")[-1], "share": row.share, "off": int(arrays["masked"].sum()),
            "by layer": " + ".join(map(str, arrays["masked"])), "the prompt activates": int(arrays["activated"].sum()),
            "distinctive": int(arrays["distinctive"].sum()) if "distinctive" in arrays else None}  # fmt: skip


components.guard(body)
