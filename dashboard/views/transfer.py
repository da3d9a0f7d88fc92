"""Which source prompt works on which target task."""

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import arrange, components, data, detail
from dashboard.figures.wide import is_wide
from dashboard.gallery.transfer import RELATIVE, SCORE, arranged_of
from dashboard.live import LIVE
from dashboard.selection import View
from ptlib.analysis import relative
from ptlib.published.scores import has_scores
from ptlib.runs import tables

AGAINST = "measured − published"
# Columns of the table of all cells that are shown at first.
FIRST = ("prompt", "target", "value", "ci_low", "ci_high", "n", "relative", "source_type", "target_type", "kind", "seed", "stopped")
# Rows of it that are sent to the browser as a whole; of more, those in sight.
MOST_SENT = 5000


def matrix_part(view: View, table: pd.DataFrame) -> None:
    both = has_scores(data.library(), view.plm.id) and not view.published
    choices = [SCORE, RELATIVE, *([AGAINST] if both else [])]
    with st.container(horizontal=True, vertical_alignment="bottom"):
        what = st.segmented_control("Show", choices, default=SCORE, key="show", bind="query-params", required=True)
        settings = {"show": what, **arrange.controls()} if what != AGAINST else {}
    if what == AGAINST:
        against_published(view)
        return
    everything, shown = arranged_of(LIVE, view, settings)
    picked = detail.picked(everything.rows.names, everything.columns.names, "transfer")
    # A name of its own: the browser must not keep an overview's box over a block.
    wide = is_wide(len(shown.rows.names), len(shown.columns.names))
    key = "transfer-overview" if wide else "transfer-matrix"
    how = arrange.boxes(key, shown) if wide else detail.clicks(
        key, lambda point: (shown.rows.names[int(point["y"])], shown.columns.names[int(point["x"])]))  # fmt: skip
    components.figure("transfer-matrix", view, {**settings, "cell": detail.told(picked)}, key=key, **how)
    arrange.whole_button(shown, everything)
    if picked:
        detail.header(picked, everything.rows.names, everything.columns.names)
        detail.panel(view, *picked)
    if not view.published and (table.kind == "zero-shot").any():
        best_sources(view)
    all_cells(view, table)
    blocks(view, picked)


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


def all_cells(view: View, table: pd.DataFrame) -> None:
    """Every cell of the selection as a table: search, sort, columns of one's choice. Drawn only when it is opened."""
    box = st.expander("All cells", on_change="rerun", key="table", bind="query-params")
    if not box.open:
        return
    with box:
        text = st.text_input("Rows with", key="table-find", bind="query-params", placeholder="words of prompt, target, type or kind")
        shown = data.derived(view, ("all cells", text), lambda table: cells_with(table, text))
        st.dataframe(shown, hide_index=True, width="stretch", height=420, column_order=[name for name in FIRST if name in shown],
                     lazy=True if len(shown) > MOST_SENT else None,
                     column_config={"created": st.column_config.DatetimeColumn(format="YYYY-MM-DD HH:mm"),
                                    **{name: st.column_config.NumberColumn(format="%.3f") for name in ("value", "ci_low", "ci_high", "relative")}})  # fmt: skip
        st.caption(f"{len(shown):,} of {len(table):,} cells. A click on a heading sorts; the toolbar above the table shows further columns"
                   + ("." if len(shown) > MOST_SENT else ", searches and saves as CSV."))  # fmt: skip


def cells_with(table: pd.DataFrame, text: str) -> pd.DataFrame:
    """Rows in which every word of a text occurs, whatever its case."""
    here = np.ones(len(table), dtype=bool)
    words = text.casefold().split()
    if words:
        everything = table[["prompt", "target", "source_type", "target_type", "kind"]].astype(str).agg(" ".join, axis=1).str.casefold()
        for word in words:
            here &= everything.str.contains(word, regex=False).to_numpy()
    found = table[here].drop(columns=["key"], errors="ignore")
    return found.assign(created=pd.to_datetime(found["created"], unit="s")) if "created" in found else found


def blocks(view: View, picked: detail.Pair | None) -> None:
    study = data.study(view)
    if len(set(study.types)) < 2 or not np.isfinite(study.transfer).all():
        return
    st.header("By type of task")
    effect = data.of_study(view, "type effect", lambda study: relative.type_effect(study.transfer, study.types))
    left, right = st.columns([3, 2], gap="large")
    with left:
        components.figure("type-blocks", view, {"cell": detail.told(picked)})
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
