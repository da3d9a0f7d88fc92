"""What runs, what ran, and what went wrong."""

import json

import pandas as pd
import streamlit as st

from dashboard import components, data
from dashboard.selection import View
from ptlib.runs import progress, queue, supervise


def row(item: progress.Progress) -> None:
    """One run: progress, figures, buttons, errors."""
    with st.container(border=True):
        left, right = st.columns([5, 1], vertical_alignment="center")
        made = pd.Timestamp(item.created, unit="s", tz="UTC").strftime("%Y-%m-%d %H:%M UTC")
        left.markdown(f"**{components.plain(item.title)}** · {item.state} · {made} · id {item.run_id}")
        parts = [f"{item.done} of {item.total} done"] + [
            f"{count} {what}" for count, what in ((item.failed, "failed"), (item.cancelled, "cancelled")) if count
        ]
        speed = (
            f"{item.rate:.1f} cells/s, {components.minutes(item.seconds)} so far"
            if item.open
            else f"took {components.minutes(item.seconds)}, {item.rate:.1f} cells/s"
        )
        ahead = f", about {components.minutes(item.seconds_left)} left" if item.open and item.seconds_left is not None else ""
        left.progress(item.done / item.total, f"{', '.join(parts)} · {speed}{ahead}")
        if item.doing:
            at = json.loads(item.doing)
            left.caption(f"Now: {components.plain(at['task'])} on {components.plain(at['plm'])}")
        if item.open:
            right.button(
                "Cancel",
                key=f"cancel-{item.run_id}",
                on_click=queue.cancel,
                args=(data.store(), item.run_id),
                width="stretch",
            )
        elif item.failed or item.cancelled:
            right.button("Resume", key=f"resume-{item.run_id}", on_click=_resume, args=(item.run_id,), width="stretch")
        if item.failed:
            errors = progress.errors(data.store(), item.run_id)
            specs = [json.loads(text) for text in errors.spec]
            st.dataframe(pd.DataFrame({"prompt": [spec["prompt_name"] for spec in specs], "task": [spec["task"] for spec in specs],
                                       "attempts": errors.attempts, "error": errors.error}), hide_index=True, width="stretch")  # fmt: skip


def _resume(run_id: str) -> None:
    queue.resume(data.store(), run_id)
    supervise.ensure_worker(data.store())


def all_runs() -> None:
    supervise.keep_going(data.store())
    items = progress.all_progress(data.store())
    if not items:
        st.info("No run yet. Start one on the Transfer page: pick prompts and tasks, then press Run missing cells.")
    for item in items[:30]:
        row(item)
    if st.session_state.get("runs-open") and not any(item.open for item in items):
        st.session_state["runs-open"] = False
        st.rerun()


def body() -> None:
    view: View = st.session_state["view"]
    st.title("Runs")
    lacking = data.missing(view)
    components.status(view, len(lacking.missing), lacking.total, len(lacking.stopped))
    busy = any(item.open for item in progress.all_progress(data.store()))
    st.session_state["runs-open"] = busy
    st.fragment(all_runs, run_every=1.0 if busy else None)()
    st.subheader("Workers")
    workers = supervise.workers(data.store())
    if workers:
        shown = pd.DataFrame(workers)[["id", "device", "pid", "peak_memory"]]
        shown["peak_memory"] = (shown.peak_memory / 2**20).round().astype(int)
        st.dataframe(shown.rename(columns={"peak_memory": "peak memory, MiB"}), hide_index=True, width="stretch")
    else:
        st.caption("No worker is running. One starts with a run, keeps its PLM loaded and ends after a minute without work.")


components.guard(body)
