"""Which source prompt works on which target task."""

import json

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import components, data
from dashboard.gallery.transfer import RELATIVE, SCORE, axes_of, cells_of, place_of
from dashboard.live import LIVE
from dashboard.selection import View
from ptlib.analysis import relative
from ptlib.errors import StoreError
from ptlib.published.scores import has_scores
from ptlib.runs import tables
from ptlib.tasks import Task, metrics

AGAINST = "measured − published"


def matrix_part(view: View, table: pd.DataFrame) -> None:
    both = has_scores(data.library(), view.plm.id) and not view.published
    choices = [SCORE, RELATIVE, *([AGAINST] if both else [])]
    what = st.segmented_control("Show", choices, default=SCORE, key="show", bind="query-params", required=True)
    if what == AGAINST:
        against_published(view)
        return
    rows, targets, _ = axes_of(LIVE, view, table)
    picked = place_of(st.query_params.get("cell", ""), rows, targets.names)
    settings = {"show": what, "cell": st.query_params.get("cell", "") if picked else ""}
    event = components.figure("transfer-matrix", view, settings, on_select="rerun", selection_mode="points")
    points = event.selection.points if event else []
    if points:
        row, place = int(points[0]["y"]), int(points[0]["x"])
        wanted = f"{rows[row]}~{targets.names[place]}"
        if st.query_params.get("cell") != wanted:
            st.query_params["cell"] = wanted
            st.rerun()
    if picked:
        row, target = rows[picked[0]], targets.names[picked[1]]
        detail(view, data.derived(view, ("cells of", row, target), lambda table: cells_of(view, table, row, target)), row, target)
    if not view.published and (table.kind == "zero-shot").any():
        best_sources(view)
    blocks(view)


def best_sources(view: View) -> None:
    """Which prompt of another task to start each task from."""
    found = data.derived(view, "best sources", tables.best_sources)
    with st.expander("Best source for each task"):
        st.dataframe(found.drop(columns=["source"]).round(3), hide_index=True, width="stretch")
        st.caption("The prompt of another task with the highest score. Where cells were stopped early it is the prompt left in the race: each other one was "
                   "dropped when the evidence against its being better reached 14 to 1, example by example.")  # fmt: skip


def against_published(view: View) -> None:
    """Measured and published scores of the same prompts, and their difference."""
    drawn = components.draw("measured-published", view)
    components.present(drawn, "measured-published", view)
    st.dataframe(drawn.table.round(4), hide_index=True, width="stretch")


def detail(view: View, shown: pd.DataFrame, source: str, target: str) -> None:
    """One cell: value, interval, confusion, what it gets wrong and the own prompt gets right, where it came from."""
    st.divider()
    left, right = st.columns([4, 1], vertical_alignment="bottom")
    left.subheader(f"{source} on {target}")
    if right.button("Close", key="close-cell", width="stretch"):
        del st.query_params["cell"]
        st.rerun()
    cells = shown[(shown.row == source) & (shown.target == target)].sort_values("seed")
    names = list(cells.prompt)
    chosen = st.segmented_control("Prompt", names, default=names[0], key="cell-prompt", required=True) if len(names) > 1 else names[0]
    cell = cells[cells.prompt == (chosen if chosen in names else names[0])].iloc[0]
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
        why = {"narrow": "its interval is narrow enough", "below random": "it is certainly below the random prompts",
               "best source": "its prompt is the best source for this task"}  # fmt: skip
        st.info(f"Stopped early after {cell.n:.0f} of {cell.total:.0f} examples: {why.get(cell.stopped, cell.stopped)}. The score is an estimate; the "
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
        classes(view, task, arrays, own[:0] if cell.stopped else own, cell, f"{source}-{target}")
    made = pd.Timestamp(cell.created, unit="s", tz="UTC").strftime("%Y-%m-%d %H:%M UTC")
    st.caption(f"Computed {made} on {components.plain(cell.device)}, {view.selection.dtype}, in {cell.seconds:.2f} s. Prompt "
               f"{components.plain(cell.prompt)}, insertion {cell.insertion}, key {cell.key[:12]}.")  # fmt: skip


def free_text(view: View, task: Task, arrays: dict[str, np.ndarray], cell: pd.Series) -> None:
    """What was written beside what was right, worst first."""
    written, rows = json.loads(arrays["texts"].tobytes()), task.read("test", view.limit)
    table = pd.DataFrame({"text": [" ".join(parts) for parts in rows.texts], "written": written, "right": [" | ".join(right) for right in rows.references],
                          cell.metric.replace("_", " "): arrays["logits"][:, 0].round(3)})  # fmt: skip
    st.dataframe(table.sort_values(table.columns[-1], kind="stable"), hide_index=True, height=320, width="stretch")


def classes(view: View, task: Task, arrays: dict[str, np.ndarray], own: pd.DataFrame, cell: pd.Series, name: str) -> None:
    """Confusion matrix, and the examples it gets wrong."""
    labels, answers = arrays["labels"].astype(int), arrays["predictions"].astype(int)
    left, right = st.columns([2, 3], gap="large")
    with left:
        components.figure("confusion", view, {"cell": f"{cell.prompt}~{cell.target}"}, key=f"confusion-{name}")
    with right:
        against_own(view, task, labels, answers, own, cell, arrays.get("rows"))


def against_own(
    view: View, task: Task, labels: np.ndarray, answers: np.ndarray, own: pd.DataFrame, cell: pd.Series, seen: np.ndarray | None
) -> None:  # fmt: skip
    if cell.kind == "own" or own.empty:
        wrong = np.flatnonzero(labels != answers)
        st.markdown(f"**Examples it gets wrong** ({len(wrong)} of {len(labels)})")
        picked = {"answered": [task.label_words[answers[row]] for row in wrong]}
    else:
        best = data.store().result_arrays(own.iloc[0].key)["predictions"].astype(int)
        wrong = np.flatnonzero((labels != answers) & (labels == best))
        p = metrics.mcnemar_p(labels == answers, labels == best)
        st.markdown(f"**Examples it gets wrong and the own prompt gets right** ({len(wrong)} of {len(labels)}; difference to the own "
                    f"prompt: exact McNemar {components.p_value(p)})")  # fmt: skip
        picked = {"answered": [task.label_words[answers[row]] for row in wrong]}
    if not len(wrong):
        st.caption("There are none.")
        return
    texts = task.read("test", view.limit).texts
    texts = texts if seen is None else [texts[row] for row in seen]
    rows = pd.DataFrame({**{field: [texts[row][place] for row in wrong] for place, field in enumerate(task.fields)},
                         "label": [task.label_words[labels[row]] for row in wrong], **picked})  # fmt: skip
    st.dataframe(rows, hide_index=True, height=280, width="stretch")


def blocks(view: View) -> None:
    study = data.study(view)
    if len(set(study.types)) < 2 or not np.isfinite(study.transfer).all():
        return
    st.subheader("By type of task")
    effect = data.of_study(view, "type effect", lambda study: relative.type_effect(study.transfer, study.types))
    left, right = st.columns([3, 2], gap="large")
    with left:
        components.figure("type-blocks", view)
    right.metric("same type", f"{effect.same.value:.3f}", border=True,
                 help=f"95 % interval {effect.same.ci_low:.3f} to {effect.same.ci_high:.3f}, {effect.same.n} pairs")  # fmt: skip
    right.metric("other types", f"{effect.other.value:.3f}", border=True,
                 help=f"95 % interval {effect.other.ci_low:.3f} to {effect.other.ci_high:.3f}, {effect.other.n} pairs")  # fmt: skip
    right.caption(f"Same type: 95 % interval {effect.same.ci_low:.3f} to {effect.same.ci_high:.3f}. Other types: {effect.other.ci_low:.3f} "
                  f"to {effect.other.ci_high:.3f}. Bootstrap over {len(study.tasks)} targets.")  # fmt: skip


def body() -> None:
    view: View = st.session_state["view"]
    st.title("Transfer")
    lacking = data.missing(view)
    components.live_status(view)
    components.run_panel(view, lacking.missing, stopped=lacking.stopped)
    if not components.no_tasks(view):
        components.live(lambda: matrix_part(view, data.scores(view)))


components.guard(body)
