"""Neurons switched off: what that costs a prompt's own task, its type and other types, and in which layer."""

import hashlib
from dataclasses import replace
from typing import NamedTuple

import pandas as pd
import streamlit as st

from dashboard import components, data, export
from dashboard.background import found
from dashboard.figures import ablation as figures
from dashboard.selection import View
from ptlib.analysis import ablation
from ptlib.errors import PtlibError
from ptlib.neurons.mask import MEANS
from ptlib.runs import Cell
from ptlib.runs.masking import LIMIT, READERS, SHARES, Cut, Masking, masking, results

PERCENT = (1, 2, 5, 10, 20, 30, 40, 50)
ALL = "all layers"


class Wish(NamedTuple):
    """What is to be cut."""

    source: str
    seeds: tuple[int, ...]
    cut: Cut
    each: str
    """The rule whose neurons are also masked one layer at a time; empty for none."""

    @property
    def layers(self) -> str:
        """As in the table."""
        part = self.cut.layers[0]
        return "all" if part is None else ", ".join(str(layer + 1) for layer in part)


def limited(view: View) -> View:
    """There are many cells: the first test examples, unless all are asked for."""
    if view.limit is not None:
        return view
    whole = st.toggle(
        "All test examples", key="whole", bind="query-params", help=f"Otherwise the first {LIMIT} of each task: there are many cells."
    )
    return view if whole else replace(view, limit=LIMIT, selection=replace(view.selection, limit=LIMIT))


def controls(view: View) -> tuple[View, Wish]:
    """Whose neurons, how many, where, and who reads meanwhile."""
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
    layers = None if place == ALL else (names.index(place) - 1,)
    chosen = tuple(share / 100 for share in sorted(shares)) or SHARES
    wish = Wish(
        source, tuple(sorted(seeds or view.seeds[:1])), Cut(shares=chosen, layers=(layers,), reader=reader), "" if each == "no" else each
    )
    return limited(view), wish


def plans(view: View, wish: Wish) -> tuple[Masking, Masking | None]:
    """Cells of the curves, and of the heatmap where it is asked for."""

    def planned(cut: Cut) -> Masking:
        return masking(data.library(), view.selection, [wish.source], cut, wish.seeds)

    if not wish.each:
        return planned(wish.cut), None
    layers = tuple((layer,) for layer in range(view.plm.layers))
    return planned(wish.cut), planned(wish.cut._replace(rules=(wish.each,), layers=layers))


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
    view, wish = controls(view)
    main, single = data.of_cells(view, ("masking", wish), lambda: plans(view, wish))
    cells = list({cell.key: cell for plan in (main, single) if plan for cell in plan.cells}.values())
    missing = lacking(cells)
    components.live(lambda: components.status(view, len(lacking(cells)), len(cells)))
    components.run_panel(view, missing, "masked scores")
    for note in main.notes:
        st.warning(components.plain(note))
    components.live(lambda: shown(view, wish, main, single))


def shown(view: View, wish: Wish, main: Masking, single: Masking | None) -> None:
    """What is there of it."""
    table = data.of_store(view, ("masked", wish), lambda: results(main, data.snapshot()))
    usable = ablation.drops(table)
    if usable.empty:
        st.info("No masked score has been computed for this choice yet. Run the missing ones above.")
        return
    told = found(f"ablation {digest(usable)} {wish.layers}", "means, intervals and permutation p", ablation.findings, table, wish.layers,
                 name=("ablation", wish, view.selection))  # fmt: skip
    if told is None:
        return
    verdict(wish, told)
    panels(view, wish, told, usable)
    if single is not None:
        heatmap(view, wish, single)
    with st.expander("What was masked"):
        cut_of(view, wish, main)


def digest(table: pd.DataFrame) -> str:
    """Two tables that share it share every statistic."""
    return hashlib.sha256(table[["key", "value", "intact"]].to_csv(index=False).encode()).hexdigest()


def verdict(wish: Wish, told: ablation.Findings) -> None:
    """Is the drop specific? A sentence for each choice of neurons, at the share that is picked."""
    shares = sorted({share for _, share in told.specific})
    usual = min(shares, key=lambda share: abs(share - 0.2))
    share = st.segmented_control(
        "Is the drop specific? With", shares, format_func=lambda share: f"{share:.0%} off", default=usual, key="at", required=True
    )
    for rule in ablation.WHAT:
        if (rule, share) in told.specific:
            st.markdown(components.plain(ablation.in_words(told.specific[rule, share], rule, share)))


def panels(view: View, wish: Wish, told: ablation.Findings, usable: pd.DataFrame) -> None:
    """Three figures of one scale: own task, same type, other types."""
    measure = st.segmented_control("Show", list(figures.TITLES), format_func=figures.TITLES.get, default="drop", key="measure", bind="query-params",
                                   required=True)  # fmt: skip
    ends, there = figures.span(told.curves, measure), set(told.curves["group"])
    others = {"same type": "No other task of this type is selected.", "other types": "No task of another type is selected.",
              "own task": "The prompt's own task is not selected."}  # fmt: skip
    for column, group in zip(st.columns(len(ablation.GROUPS)), ablation.GROUPS, strict=True):
        with column:
            if group in there:
                part = usable[usable["group"] == group]
                components.show(figures.curve(told.curves, group, measure, ends, view.mode), f"ablation-{group.replace(' ', '-')}",
                                f"{group.capitalize()}: {len(part)} scores, {components.count(part['target'].nunique(), 'task')}, "
                                f"{components.count(part['prompt'].nunique(), 'prompt')}.")  # fmt: skip
            else:
                st.info(others[group])
    left, right = st.columns([5, 1], vertical_alignment="top")
    left.caption(about(view, wish))
    right.download_button(
        "CSV", lambda: export.csv(told.curves), "ablation.csv", "text/csv", key="csv-ablation", on_click="ignore", width="stretch"
    )


def about(view: View, wish: Wish) -> str:
    """What the figures show, in words."""
    place = ALL if wish.layers == "all" else f"layer {wish.layers}"
    decoder = ", in the decoder (the encoder is untouched)" if view.plm.family == "t5" else ""
    rules = ". ".join(text[0].upper() + text[1:] for text in MEANS.values())
    return (f"PLM {components.plain(view.plm.id)}, {view.n}. Off: neurons of {place}{decoder}, zero after the activation function at every position, "
            f"chosen by the stimulation of the prompt for {components.plain(wish.source)} (seed {', '.join(map(str, wish.seeds))}). Tasks are read with "
            f"{READERS[wish.cut.reader]}. Relative drop: 1 − score ÷ score with all neurons. {rules}; mean of {wish.cut.draws} draws, as many in each layer as "
            "of the most activated or of the distinctive. What is distinctive is decided by all prompts selected in the sidebar. Bands: 95 % bootstrap over "
            "tasks and masks; with one of each, over the examples (Wilson).")  # fmt: skip


def heatmap(view: View, wish: Wish, single: Masking) -> None:
    """One layer at a time."""
    st.header("One layer at a time")
    table = data.of_store(view, ("masked layers", wish), lambda: results(single, data.snapshot()))
    group = st.segmented_control(
        "Drop on", list(ablation.GROUPS), default=ablation.GROUPS[0], key="group", bind="query-params", required=True
    )
    line = next(name for (rule, _), name in ablation.LINES.items() if rule == wish.each)
    drops = ablation.by_layer(table, line, group)
    if drops.empty:
        st.info("Nothing of this has been computed yet. Run the missing masked scores above.")
        return
    drops = drops.reindex(index=range(1, view.plm.layers + 1), columns=list(wish.cut.shares))
    components.show(figures.by_layer(drops, line.split(" (")[0], group, view.mode), "ablation-layers",
                    f"Mean relative drop on {group} when the neurons of one layer are off, {line.split(' (')[0]}, {view.n}; "
                    f"{int(ablation.drops(table)['group'].eq(group).sum())} scores. Crosses: not computed yet.",
                    table=drops.reset_index())  # fmt: skip


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
