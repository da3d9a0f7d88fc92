"""Two PLMs, two settings or two runs side by side: what differs, by how much, and whether it is clear."""

import hashlib

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import arrange, components, data, detail, sides
from dashboard.background import found
from dashboard.figures import compare as figures
from dashboard.figures import matrix
from dashboard.figures.wide import is_wide
from dashboard.gallery import arranged
from dashboard.kept import kept
from dashboard.selection import View
from dashboard.sides import Side
from dashboard.theme import type_order
from ptlib.analysis.paired import ALPHA, Difference
from ptlib.runs import comparison

WAYS = {"PLMs": sides.two_plms, "settings": sides.two_settings, "runs": sides.two_runs}
TESTS = (comparison.MCNEMAR, comparison.SEVERAL, comparison.TEXT)
TABLE = ["source", "target", "one", "other", "difference", "p", "p_holm", "n_one", "n_other", "test"]


def body() -> None:
    view: View = st.session_state["view"]
    st.title("Compare")
    with st.container(horizontal=True, vertical_alignment="bottom"):
        way = st.segmented_control("Compare two", list(WAYS), default="PLMs", key="compare", bind="query-params", required=True)
        both = WAYS[way](view)
    if both is None:
        return
    missing, absent = sides.lacking(*both)
    for name in absent:
        st.info(f"The weights of {components.plain(name)} are not here, so what it lacks cannot be computed.")
    components.run_panel(view, missing)
    components.live(lambda: findings(view, *both))


def findings(view: View, one: Side, other: Side) -> None:
    """The difference and its tests."""
    cells, whole = kept().get(("compared", one.name, other.name, view.selection), (id(one.table), id(other.table)), lambda: compared(one, other),
                              may_lag=data.busy())[0]  # fmt: skip
    status(view, one, other, cells, whole)
    if not whole.pairs:
        st.info("No cell is there on both sides yet. Run the missing cells above.")
        return
    pairs = comparison.examples(cells, one.table, other.table, data.snapshot())
    if sides.alike(one, other):
        st.info("Both sides are the same cells: choose another setting above, or another run.")
        return
    digest = hashlib.sha256(repr((pairs, cells["difference"].tolist())).encode()).hexdigest()
    known = found(f"compare {digest}", "the test of every cell", comparison.concluded, str(data.store().folder), cells, pairs,
                  name=("compare", one.name, other.name, view.selection))  # fmt: skip
    shown = cells if known is None or len(known.cells) != len(cells) else known.cells
    names = (one.name, other.name)
    in_sentences(whole, names, known)
    picked = pictures(view, shown, names, known)
    if picked:
        pair_panel(view, one, other, shown, picked)
    side_by_side(view, shown, names)
    st.header("All cells")
    st.dataframe(shown[[name for name in TABLE if name in shown]], hide_index=True, width="stretch", column_config={
        name: st.column_config.NumberColumn(format="%.3f") for name in ("one", "other", "difference")}
        | {name: st.column_config.NumberColumn(format="%.2g") for name in ("p", "p_holm")}
        | {"one": st.column_config.NumberColumn(one.name, format="%.3f"), "other": st.column_config.NumberColumn(other.name, format="%.3f")})  # fmt: skip


def compared(one: Side, other: Side) -> tuple:
    """Cells of both sides with their overall difference; the tables go along, since their ids name the version."""
    cells = comparison.paired_cells(one.table, other.table)
    return (cells, comparison.overall(cells)), one.table, other.table


def status(view: View, one: Side, other: Side, cells: pd.DataFrame, whole: Difference) -> None:
    """One line: the two sides, prompts, tasks, n, and how many pairs are there."""
    n = sorted({int(value) for side in ("n_one", "n_other") for value in cells[side].dropna()})
    examples = "no examples yet" if not n else f"n = {n[0]}" if len(n) == 1 else f"n = {n[0]} to {n[-1]}"
    state = "complete" if whole.pairs == len(cells) else f"**{len(cells) - whole.pairs} of {len(cells)} pairs missing**"
    early = int(cells["estimates"].sum())
    seeds = " and ".join(
        components.count(number, "seed") for number in dict.fromkeys(int(cells[side].max()) for side in ("seeds_one", "seeds_other"))
    )
    st.markdown(f"**{components.plain(one.name)}** against **{components.plain(other.name)}** · {cells['source'].nunique()} source prompts × "
                f"{seeds} · {components.count(cells['target'].nunique(), 'target task')} · {examples} a cell · {state}"
                + (f" · {components.count(early, 'cell')} stopped early, estimates that are not tested" if early else ""))  # fmt: skip


def in_sentences(whole: Difference, names: tuple[str, str], known: comparison.Comparison | None) -> None:
    """The overall difference, and how many cells differ, as numbers and words."""
    interval = "unbounded: too few targets" if not np.isfinite(whole.ci_low) else f"{whole.ci_low:+.3f} to {whole.ci_high:+.3f}"
    one, two, three = st.columns(3)
    one.metric(
        "mean difference",
        f"{whole.value:+.3f}",
        border=True,
        help=f"Mean over {whole.n} targets of the mean over a target's {whole.pairs // max(whole.n, 1)} or so cells.",
    )
    two.metric("95 % interval", interval, border=True, help="Every shift that the sign-flip test over targets does not reject.")
    tested = known.cells["p_holm"].notna() if known else pd.Series(dtype=bool)
    clear = int((known.cells["p_holm"] <= ALPHA).sum()) if known else 0
    three.metric("cells that differ clearly", "…" if known is None else f"{clear} of {int(tested.sum())}" if tested.any() else "not tested", border=True,
                 help="Adjusted by Holm over all cells tested: one false one or more with a chance of 5 % at most.")  # fmt: skip
    first, second = map(components.plain, names)
    text = (f"{first} minus {second}: {whole.value:+.3f}, 95 % interval {interval}, {components.p_value(whole.p)} (two-sided sign-flip permutation over {whole.n} targets, "
            f"{whole.pairs} pairs of source and target, means over seeds). ")  # fmt: skip
    if known is not None:
        kinds = known.cells["test"].value_counts()
        used = ", ".join(
            f"{name} ({count})" for name, count in kinds.items() if name in (comparison.MCNEMAR, comparison.SEVERAL, comparison.TEXT)
        )
        why = ", ".join(f"{name or 'missing, stopped early or shared'} ({count})" for name, count in kinds.items()
                        if name not in TESTS)  # fmt: skip
        text += (
            f"Single cells: {used}, over the same examples, adjusted by Holm over {int(tested.sum())} cells."
            if used
            else "No single cell could be tested."
        ) + (f" Not tested: {why}." if why else "")
    st.markdown(text)


def pictures(view: View, cells: pd.DataFrame, names: tuple[str, str], known: comparison.Comparison | None) -> detail.Pair | None:
    """The difference as a matrix, one side against the other, and by target. Gives the pair that is picked."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        settings = arrange.controls()
    everything = axes(cells, settings["order"])
    shown = arranged.zoomed(everything, settings["zoom"])
    picked = detail.picked(everything.rows.names, everything.columns.names, "compare")
    rows, columns = shown.rows.names, shown.columns.names
    wide = is_wide(len(rows), len(columns))
    name = "difference-overview" if wide else "difference"
    how = arrange.boxes(name, shown) if wide else detail.clicks(name, lambda point: (rows[int(point["y"])], columns[int(point["x"])]))
    components.show(figures.difference_matrix(cells, shown.rows, shown.columns, names, view.mode, gaps=shown.gaps, selected=shown.place(picked), found=arranged.matches(settings["find"], shown)),
                    name, f"{components.plain(names[0])} minus {components.plain(names[1])}, each source prompt (row) on each task (column), means over seeds. Blue: the first is "
                    "higher; red: the second is. " + ("Draw a box over a block to open it." if wide else "A stroke in the corner: not clear after Holm's adjustment. Crosses: not on both "
                    "sides. Click a cell for its examples."), table=cells, **how)  # fmt: skip
    arrange.whole_button(shown, everything)
    left, right = st.columns(2, gap="large")
    with left:
        components.show(figures.against(cells, names, view.mode, picked), "one-against-other", f"Each point is a source prompt on a task, {int(cells['difference'].notna().sum())} pairs. Above "
                        f"the line {components.plain(names[0])} is higher. Colour and symbol: type of the target. Click a point for its pair.", table=cells,
                        **detail.clicks("one-against-other", detail.named))  # fmt: skip
    with right:
        if known is not None:
            order_of = list(everything.columns.names)
            table = known.by_target.sort_values("target", key=lambda targets: targets.map(order_of.index), kind="stable")
            components.show(figures.by_target(table, names, view.mode), "difference-by-target", "Mean difference on each target over its sources, with 95 % interval (sign flips over "
                            "the sources, which share the target's examples; adjusted by Holm over targets).", table=table)  # fmt: skip
    return picked


def axes(cells: pd.DataFrame, order: str) -> arranged.Arranged:
    """Rows and columns of the difference in an order."""
    tasks = list(data.library().tasks)
    found = []
    for side in ("source", "target"):
        types = dict(zip(cells[side], cells[f"{side}_type"], strict=True))
        kinds = type_order(types.values())
        names = sorted(types, key=lambda name: (kinds.index(types[name]), tasks.index(name) if name in tasks else len(tasks), name))
        found.append(matrix.Axis(names, [types[name] for name in names]))
    return arranged.ordered(figures.grids(cells, *found, "difference")[0], *found, order)


def side_by_side(view: View, cells: pd.DataFrame, names: tuple[str, str]) -> None:
    """Both sides' scores in the same order and colours."""
    shown = arranged.zoomed(axes(cells, st.session_state.get("order") or "type"), st.query_params.get(arrange.ZOOM, ""))
    if is_wide(len(shown.rows.names), len(shown.columns.names)):
        return
    st.header("Side by side")
    for place, name, side in zip(st.columns(2), names, ("one", "other"), strict=True):
        with place:
            components.show(figures.scores(cells, shown.rows, shown.columns, side, name, view.mode), f"scores-{side}",
                            f"Scores of {components.plain(name)}, means over seeds.")  # fmt: skip


def pair_panel(view: View, one: Side, other: Side, cells: pd.DataFrame, picked: detail.Pair) -> None:
    """What the two sides answer differently for one source and target."""
    everything = axes(cells, st.session_state.get("order") or "type")
    detail.header(picked, everything.rows.names, everything.columns.names)
    row = cells[(cells.source == picked[0]) & (cells.target == picked[1])].iloc[0]
    if not np.isfinite(row.difference):
        st.info("This pair is not there on both sides yet. Run the missing cells above.")
        return
    columns = st.columns(4)
    columns[0].metric(one.name, f"{row.one:.3f}", border=True, help=f"n = {row.n_one:.0f}, {components.count(int(row.seeds_one), 'seed')}")
    columns[1].metric(
        other.name, f"{row.other:.3f}", border=True, help=f"n = {row.n_other:.0f}, {components.count(int(row.seeds_other), 'seed')}"
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
