"""The pair of source and target that is picked: its place in the address, and the one panel that every page shows of it."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import components, data, links, picks
from dashboard.gallery.transfer import cells_of
from dashboard.selection import View
from ptlib.analysis.indicators import INDICATORS
from ptlib.errors import StoreError
from ptlib.runs.study import Study
from ptlib.tasks import Task, metrics

NAME = "cell"
"""In the address: source~target, see :func:`dashboard.picks.joined`."""
NEIGHBOURS = 5
WHY = {"narrow": "its interval is narrow enough", "below random": "it is certainly below the random prompts",
       "best source": "its prompt is the best source for this task"}  # fmt: skip

Pair = tuple[str, str]


def picked(rows: Sequence[str], targets: Sequence[str], page: str) -> Pair | None:
    """The pair in the address, if it is among these rows and targets. It goes along from page to page."""
    if NAME not in st.query_params and st.session_state.get("pair-page") != page and st.session_state.get("pair"):
        st.query_params[NAME] = st.session_state["pair"]
    st.session_state["pair-page"], st.session_state["pair"] = page, st.query_params.get(NAME)
    found = picks.unjoined(st.query_params.get(NAME, ""), rows, targets)
    links.answered(NAME, "" if found else "not a source and a target here")
    return (rows[found[0]], targets[found[1]]) if found else None


def told(pair: Pair | None) -> str:
    """A pair as figures' settings name it."""
    return picks.joined(*pair) if pair else ""


def pick(source: str, target: str) -> None:
    """Puts a pair into the address."""
    st.query_params[NAME] = picks.joined(source, target)


def close() -> None:
    """No pair is picked any more."""
    st.query_params.pop(NAME, None)


def clicks(figure: str, pair_of: Callable[[dict], Pair | None]) -> dict:
    """Options for :func:`dashboard.components.show` with which a click on a point picks its pair.

    Args:
        figure: the name the figure is shown by.
        pair_of: a point as the browser gives it -> pair, or None where it stands for none.
    """

    def clicked() -> None:
        points = st.session_state[f"figure-{figure}"].selection.points
        found = pair_of(points[0]) if points else None
        # A second click on a point takes the browser's mark from it; here it picks the pair again.
        found = found or st.session_state.get(f"last-{figure}")
        if found:
            st.session_state[f"last-{figure}"] = found
            pick(*found)

    return {"on_select": clicked, "selection_mode": "points"}


def named(point: dict) -> Pair | None:
    """The pair of a point whose customdata begin with source and target."""
    told = point.get("customdata") or ()
    return (html.unescape(str(told[0])), html.unescape(str(told[1]))) if len(told) > 1 else None


def header(pair: Pair, rows: Sequence[str], targets: Sequence[str]) -> None:
    """Names the pair, and the controls that take another one: lists that can be searched, and keys."""
    st.divider()
    st.header(components.plain(f"{pair[0]} on {pair[1]}"), anchor=False)
    with st.container(horizontal=True, vertical_alignment="bottom"):
        for what, names, now in (("Source", rows, pair[0]), ("Target", targets, pair[1])):
            st.session_state[f"pair-{what}"] = now
            st.selectbox(what, list(names), key=f"pair-{what}", on_change=_chosen, width=210)
        for label, icon, keys, names, place, step in (
            ("Source", "arrow_upward", "Shift+Up", rows, 0, -1), ("Source", "arrow_downward", "Shift+Down", rows, 0, 1),
            ("Target", "arrow_back", "Shift+Left", targets, 1, -1), ("Target", "arrow_forward", "Shift+Right", targets, 1, 1),
        ):  # fmt: skip
            at = list(names).index(pair[place]) + step
            other = names[at] if 0 <= at < len(names) else None
            st.button(label, key=f"pair-{keys}", icon=f":material/{icon}:", shortcut=keys, disabled=other is None, on_click=pick,
                      args=(other or "", pair[1]) if place == 0 else (pair[0], other or ""))  # fmt: skip
        st.button("Close", key="close-cell", shortcut="Esc", on_click=close)


def _chosen() -> None:
    pick(st.session_state["pair-Source"], st.session_state["pair-Target"])


def panel(view: View, source: str, target: str) -> None:
    """The score of a row of the transfer matrix on a target, what it gets wrong, how alike the two prompts are, and the source's
    neighbours."""
    shown = data.derived(view, ("cells of", source, target), lambda table: cells_of(view, table, source, target))
    cells = shown[(shown.row == source) & (shown.target == target)].sort_values("seed")
    if cells.empty:
        st.info("No prompt of this source and target is in the selection.")
        return
    names = list(cells.prompt)
    chosen = (
        st.segmented_control("Prompt", names, default=names[0], key="cell-prompt", bind="query-params", required=True)
        if len(names) > 1
        else names[0]
    )
    cell = cells[cells.prompt == (chosen if chosen in names else names[0])].iloc[0]
    score(view, shown, cell, source, target)
    alike(view, source, target, cell.seed)


def score(view: View, shown: pd.DataFrame, cell: pd.Series, source: str, target: str) -> None:
    """Value, interval, confusion, what it gets wrong and the own prompt gets right, where it came from."""
    if view.published:
        st.markdown("not published" if np.isnan(cell.value) else f"{cell.metric.replace('_', ' ')} **{cell.value:.4f}**, relative performance "
                    f"{cell.relative:.3f}. Published as one number a cell: n, interval and examples were not.")  # fmt: skip
        if cell.metric == "bleu_floored":
            st.caption("BLEU summed over each batch of 64 and cut down to a whole number: an exact zero means less than one point in every batch, "
                       "not that nothing was right.")  # fmt: skip
        return
    if np.isnan(cell.value):
        st.info("This cell has not been computed yet. Run the missing cells above.")
        return
    task = data.library().task(target).for_family(view.plm.family)
    try:
        arrays = data.store().partial_arrays(cell.key) if cell.stopped else data.store().result_arrays(cell.key)
    except StoreError as error:
        st.error(components.plain(error))
        return
    if arrays is None:
        st.error("What this cell has seen was damaged. Finish it exactly above; it is read anew.")
        return
    if cell.stopped:
        st.info(f"Stopped early after {cell.n:.0f} of {cell.total:.0f} examples: {WHY.get(cell.stopped, cell.stopped)}. The score is an estimate; the "
                "interval holds the score on all examples with 95 % however often one looks.")  # fmt: skip
    own = shown[(shown.kind == "own") & (shown.target == target) & shown.value.notna() & (shown.stopped == "")]
    own = own[own.seed == cell.seed] if (own.seed == cell.seed).any() else own
    one, two, three, four = st.columns(4)
    one.metric(cell.metric.replace("_", " "), f"{cell.value:.3f}", border=True)
    two.metric("95 % interval", f"{cell.ci_low:.3f}–{cell.ci_high:.3f}", border=True,
               help="Valid whenever one looks (prior-posterior-ratio confidence sequence by class)." if cell.stopped else
              "Bootstrap over the examples." if task.generates else "Wilson score interval of the accuracy.")  # fmt: skip
    three.metric("examples", f"{cell.n:.0f}", border=True)
    four.metric("relative performance", f"{cell.relative:.3f}" if np.isfinite(cell.relative) else "unknown", border=True)
    if task.generates:
        free_text(view, task, arrays, cell)
    else:
        classes(view, task, arrays, own[:0] if cell.stopped else own, cell)
    made = pd.Timestamp(cell.created, unit="s", tz="UTC").strftime("%Y-%m-%d %H:%M UTC")
    st.caption(f"Computed {made} on {components.plain(cell.device)}, {view.selection.dtype}, in {cell.seconds:.2f} s. Prompt "
               f"{components.plain(cell.prompt)}, insertion {cell.insertion}, key {cell.key[:12]}.")  # fmt: skip


def free_text(view: View, task: Task, arrays: dict[str, np.ndarray], cell: pd.Series) -> None:
    """What was written beside what was right, worst first."""
    written, rows = json.loads(arrays["texts"].tobytes()), task.read("test", view.limit)
    table = pd.DataFrame({"text": [" ".join(parts) for parts in rows.texts], "written": written, "right": [" | ".join(right) for right in rows.references],
                          cell.metric.replace("_", " "): arrays["logits"][:, 0].round(3)})  # fmt: skip
    st.dataframe(table.sort_values(table.columns[-1], kind="stable"), hide_index=True, height=320, width="stretch")


def classes(view: View, task: Task, arrays: dict[str, np.ndarray], own: pd.DataFrame, cell: pd.Series) -> None:
    """Confusion matrix, and the examples it gets wrong."""
    labels, answers = arrays["labels"].astype(int), arrays["predictions"].astype(int)
    left, right = st.columns([2, 3], gap="large")
    with left:
        components.figure("confusion", view, {"cell": told((cell.prompt, cell.target))})
    with right:
        against_own(view, task, labels, answers, own, cell, arrays.get("rows"))


def against_own(
    view: View, task: Task, labels: np.ndarray, answers: np.ndarray, own: pd.DataFrame, cell: pd.Series, seen: np.ndarray | None
) -> None:  # fmt: skip
    """Examples that the target's own prompt gets right, or for an own prompt all that are wrong."""
    if cell.kind == "own" or own.empty:
        wrong = np.flatnonzero(labels != answers)
        st.markdown(f"**Examples it gets wrong** ({len(wrong)} of {len(labels)})")
    else:
        best = data.store().result_arrays(own.iloc[0].key)["predictions"].astype(int)
        wrong = np.flatnonzero((labels != answers) & (labels == best))
        p = metrics.mcnemar_p(labels == answers, labels == best)
        st.markdown(f"**Examples it gets wrong and the own prompt gets right** ({len(wrong)} of {len(labels)}; difference to the own "
                    f"prompt: exact McNemar {components.p_value(p)})")  # fmt: skip
    if not len(wrong):
        st.caption("There are none.")
        return
    texts = task.read("test", view.limit).texts
    texts = texts if seen is None else [texts[row] for row in seen]
    rows = pd.DataFrame({**{field: [texts[row][place] for row in wrong] for place, field in enumerate(task.fields)},
                         "label": [task.label_words[labels[row]] for row in wrong],
                         "answered": [task.label_words[answers[row]] for row in wrong]})  # fmt: skip
    st.dataframe(rows, hide_index=True, height=280, width="stretch")


def alike(view: View, source: str, target: str, seed: float) -> None:
    """Similarity of the source's prompt and the target's own by every indicator, and the source's neighbours."""
    study = data.study(view)
    if source not in study.tasks or target not in study.tasks or seed not in study.seeds:
        return
    chosen = None if view.layers is None else tuple(view.layers)
    similarities = data.of_study(view, ("similarities", chosen), lambda study: study.similarities(view.layers))
    place = study.seeds.index(seed), study.tasks.index(source), study.tasks.index(target)
    left, right = st.columns([2, 3], gap="large")
    with left:
        st.markdown(f"**Similarity to {components.plain(target)}'s own prompt**")
        st.dataframe(of_indicators(similarities, place), hide_index=True, width="stretch")
        st.caption(f"Rank among {len(study.tasks) - 1} source prompts of other tasks, seed {seed:.0f}; 1 is the most alike. "
                   + ("" if "ON" in similarities else "ON needs the stimulation of every prompt."))  # fmt: skip
    name = view.indicator if view.indicator in similarities else "C_average"
    with right:
        st.markdown(f"**Neighbours of {components.plain(source)}'s prompt**, by {INDICATORS[name].label}")
        st.dataframe(neighbours(study, similarities[name], place, euclidean=name.startswith("E_")), hide_index=True, width="stretch")
        st.caption(f"The {min(NEIGHBOURS, len(study.tasks) - 1)} prompts of seed {seed:.0f} most alike to it, and what they score on {components.plain(target)}. "
                   + ("Distance: 1 / similarity − 1, Euclidean." if name.startswith("E_") else "Distance: 1 − similarity."))  # fmt: skip


def of_indicators(similarities: dict[str, np.ndarray], place: tuple[int, int, int]) -> pd.DataFrame:
    """Columns indicator, similarity, rank among the sources of other tasks (empty for a prompt with itself)."""
    seed, source, target = place
    rows = []
    for name, values in similarities.items():
        if name == "same_type":
            continue
        column = np.delete(values[seed, :, target], target)
        rank = int((column > values[place]).sum()) + 1 if source != target else None
        rows.append({"indicator": INDICATORS[name].label, "similarity": round(float(values[place]), 4), "rank": rank})
    return pd.DataFrame(rows).astype({"rank": "Int64"})


def neighbours(study: Study, similarity: np.ndarray, place: tuple[int, int, int], *, euclidean: bool = False) -> pd.DataFrame:
    """Columns prompt, type, similarity, distance, score on the target; the nearest first."""
    seed, source, target = place
    row = similarity[seed, source].astype(float).copy()
    row[source] = -np.inf
    nearest = np.argsort(-np.nan_to_num(row, nan=-np.inf), kind="stable")[: min(NEIGHBOURS, len(row) - 1)]
    with np.errstate(divide="ignore"):
        distance = 1 / row[nearest] - 1 if euclidean else 1 - row[nearest]
    return pd.DataFrame({"prompt": [study.tasks[at] for at in nearest], "type": [study.types[at] for at in nearest],
                         "similarity": row[nearest].round(4), "distance": distance.round(4),
                         f"score on {study.tasks[target]}": study.transfer[seed, nearest, target].round(3)})  # fmt: skip
