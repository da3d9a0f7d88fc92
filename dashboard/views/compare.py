"""Two PLMs, two settings or two runs side by side: what differs, by how much, and whether it is clear."""

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import arrange, components, data, detail, sides
from dashboard.figures.wide import is_wide
from dashboard.gallery import arranged
from dashboard.gallery import compare as gallery
from dashboard.gallery.arranged import Arranged
from dashboard.gallery.compare import Compared
from dashboard.gallery.sides import CHOICE, Side, alike, of
from dashboard.live import LIVE
from dashboard.selection import View
from ptlib.runs import comparison

TABLE = ["source", "target", "one", "other", "difference", "p", "p_holm", "n_one", "n_other", "test"]


def body() -> None:
    view: View = st.session_state["view"]
    st.title("Compare")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        chosen = sides.controls(view)
    if chosen is None:
        return
    settings = {**CHOICE, **chosen}
    components.run_panel(view, sides.lacking(*of(LIVE, view, settings)))
    components.live(lambda: findings(view, settings))


def findings(view: View, settings: dict) -> None:
    """The difference and its tests."""
    found = gallery.compared(LIVE, view, settings)
    status(found)
    if not found.whole.pairs:
        st.info("No cell is there on both sides yet. Run the missing cells above.")
        return
    if alike(found.one, found.other):
        st.info("Both sides are the same cells: choose another setting above, or another run.")
        return
    numbers(found)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        settings = {**settings, **arrange.controls()}
    everything = gallery.axes(found, settings["order"])
    shown = arranged.zoomed(everything, settings["zoom"])
    picked = detail.picked(everything.rows.names, everything.columns.names, "compare")
    pictures(view, found, {**settings, "cell": detail.told(picked)}, shown, everything)
    if picked:
        detail.header(picked, everything.rows.names, everything.columns.names)
        pair_panel(view, found, picked)
    if not is_wide(len(shown.rows.names), len(shown.columns.names)):
        side_by_side(view, found, settings)
    all_cells(found)


def status(found: Compared) -> None:
    """One line: the two sides, prompts, tasks, n, and how many pairs are there."""
    cells, plain = found.cells, components.plain
    n = sorted({int(value) for side in ("n_one", "n_other") for value in cells[side].dropna()})
    examples = "no examples yet" if not n else f"n = {n[0]}" if len(n) == 1 else f"n = {n[0]} to {n[-1]}"
    state = "complete" if found.whole.pairs == len(cells) else f"**{len(cells) - found.whole.pairs} of {len(cells)} pairs missing**"
    early = int(cells["estimates"].sum())
    seeds = " and ".join(
        components.count(number, "seed") for number in dict.fromkeys(int(cells[side].max()) for side in ("seeds_one", "seeds_other"))
    )
    st.markdown(f"**{plain(found.one.name)}** against **{plain(found.other.name)}** · {cells['source'].nunique()} source prompts × "
                f"{seeds} · {components.count(cells['target'].nunique(), 'target task')} · {examples} a cell · {state}"
                + (f" · {components.count(early, 'cell')} stopped early, estimates that are not tested" if early else ""))  # fmt: skip


def numbers(found: Compared) -> None:
    """The overall difference, and how many cells differ, as numbers and words."""
    whole, (clear, tested) = found.whole, gallery.clear_of(found)
    one, two, three = st.columns(3)
    one.metric("mean difference", f"{whole.value:+.3f}", border=True, help=f"Mean over {whole.n} targets of the mean over each one's sources, "
               f"{whole.pairs} pairs.")  # fmt: skip
    two.metric(
        "95 % interval", gallery.interval_of(whole), border=True, help="Every shift that the sign-flip test over targets does not reject."
    )
    three.metric("cells that differ clearly", "…" if found.known is None else f"{clear} of {tested}" if tested else "not tested", border=True,
                 help="Adjusted by Holm over all cells tested: one false one or more with a chance of 5 % at most.")  # fmt: skip
    st.markdown(components.plain(gallery.in_words(found)))


def pictures(view: View, found: Compared, settings: dict, shown: Arranged, everything: Arranged) -> None:
    """The difference as a matrix, one side against the other, and by target."""
    rows, columns = shown.rows.names, shown.columns.names
    wide = is_wide(len(rows), len(columns))
    # A name of its own: the browser must not keep an overview's box over a block.
    key = "difference-overview" if wide else "difference"
    how = arrange.boxes(key, shown) if wide else detail.clicks(key, lambda point: (rows[int(point["y"])], columns[int(point["x"])]))
    components.present(gallery.difference_of(view, found, settings), "difference", view, of_figure("difference", settings), key=key, **how)
    arrange.whole_button(shown, everything)
    left, right = st.columns(2, gap="large")
    with left:
        name = "one-against-other"
        components.present(
            gallery.against_of(view, found, settings), name, view, of_figure(name, settings), **detail.clicks(name, detail.named)
        )
    with right:
        drawn, name = gallery.by_target_of(view, found, settings), "difference-by-target"
        if drawn is not None:
            components.present(drawn, name, view, of_figure(name, settings))


def of_figure(name: str, settings: dict) -> dict:
    """Those of the page's settings that a figure has."""
    return {key: value for key, value in settings.items() if key in gallery.FIGURES[name].defaults}


def side_by_side(view: View, found: Compared, settings: dict) -> None:
    """Both sides' scores in the same order and colours."""
    st.header("Side by side")
    for place, side in zip(st.columns(2), ("one", "other"), strict=True):
        with place:
            mine = of_figure("scores", {**settings, "side": side})
            components.present(gallery.scores_of(view, found, mine), "scores", view, mine, key=f"scores-{side}")


def all_cells(found: Compared) -> None:
    """Every pair with its difference and test."""
    st.header("All cells")
    st.dataframe(found.cells[[name for name in TABLE if name in found.cells]], hide_index=True, width="stretch", column_config={
        "one": st.column_config.NumberColumn(found.one.name, format="%.3f"), "other": st.column_config.NumberColumn(found.other.name, format="%.3f"),
        "difference": st.column_config.NumberColumn(format="%.3f"),
        **{name: st.column_config.NumberColumn(format="%.2g") for name in ("p", "p_holm")}})  # fmt: skip


def pair_panel(view: View, found: Compared, picked: detail.Pair) -> None:
    """What the two sides answer differently for one source and target."""
    cells, (one, other) = found.cells, (found.one, found.other)
    row = cells[(cells.source == picked[0]) & (cells.target == picked[1])].iloc[0]
    if not np.isfinite(row.difference):
        st.info("This pair is not there on both sides yet. Run the missing cells above.")
        return
    columns = st.columns(4)
    columns[0].metric(
        components.plain(one.name),
        f"{row.one:.3f}",
        border=True,
        help=f"n = {row.n_one:.0f}, {components.count(int(row.seeds_one), 'seed')}",
    )
    columns[1].metric(
        components.plain(other.name),
        f"{row.other:.3f}",
        border=True,
        help=f"n = {row.n_other:.0f}, {components.count(int(row.seeds_other), 'seed')}",
    )
    columns[2].metric("difference", f"{row.difference:+.3f}", border=True)
    p = row.get("p", np.nan)
    columns[3].metric(
        "p, and by Holm", f"{p:.2g}, {row.p_holm:.2g}" if np.isfinite(p) else "not tested", border=True, help=row.get("test") or None
    )
    answers_apart(view, one, other, picked)


def answers_apart(view: View, one: Side, other: Side, picked: detail.Pair) -> None:
    """Examples that exactly one side answers rightly, for one seed."""
    sides = [
        side.table[(side.table.source == picked[0]) & (side.table.target == picked[1]) & side.table.kind.isin(comparison.TRAINED)]
        for side in (one, other)
    ]
    seeds = sorted(set(sides[0]["seed"].dropna()) & set(sides[1]["seed"].dropna()))
    if "key" not in sides[0] or not seeds:
        return
    seed = (
        seeds[0]
        if len(seeds) == 1
        else st.segmented_control("Seed", seeds, default=seeds[0], format_func=lambda one: f"{one:.0f}", key="pair-seed", required=True)
    )
    keys = [side[side.seed == seed].iloc[0].key for side in sides]
    arrays = [data.store().result_arrays(key) for key in keys]
    if any(found is None or not len(found["predictions"]) for found in arrays) or not np.array_equal(
        arrays[0]["labels"], arrays[1]["labels"]
    ):
        st.caption("The two sides have no answers to the same examples.")
        return
    labels = arrays[0]["labels"].astype(int)
    answers = [found["predictions"].astype(int) for found in arrays]
    right = [found == labels for found in answers]
    counts = pd.DataFrame([[int((right[0] & right[1]).sum()), int((right[0] & ~right[1]).sum())], [int((~right[0] & right[1]).sum()), int((~right[0] & ~right[1]).sum())]],
                          columns=[f"{other.name} right", f"{other.name} wrong"], index=[f"{one.name} right", f"{one.name} wrong"])  # fmt: skip
    left, wide = st.columns([2, 3], gap="large")
    with left:
        st.markdown(f"**Answers together**, seed {seed:.0f}, n = {len(labels)}")
        st.dataframe(counts, width="stretch")
        st.caption("McNemar's test looks at the two cells in which exactly one side is right.")
    with wide:
        task = data.library().task(picked[1]).for_family(view.plm.family)
        apart = np.flatnonzero(right[0] != right[1])
        st.markdown(f"**Examples that exactly one side answers rightly** ({len(apart)} of {len(labels)})")
        texts = task.read("test", len(labels)).texts
        st.dataframe(pd.DataFrame({**{field: [texts[at][place] for at in apart] for place, field in enumerate(task.fields)},
                                   "label": [task.label_words[labels[at]] for at in apart],
                                   **{side.name: [task.label_words[found[at]] for at in apart] for side, found in zip((one, other), answers, strict=True)}}),
                     hide_index=True, width="stretch", height=280)  # fmt: skip


components.guard(body)
