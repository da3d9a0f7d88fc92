"""What runs, what ran, what went wrong, and runs as study files."""

import time

import pandas as pd
import streamlit as st

from dashboard import components, data
from dashboard.selection import View
from ptlib.errors import PtlibError
from ptlib.runs import Cell, progress, queue, study_file, supervise
from ptlib.runs.study_file import Part, StudyFile

# Runs on the page, the newest, and failed cells of each.
SHOWN, ERRORS = 30, 200


def row(item: progress.Progress) -> None:
    """One run: progress, figures, buttons, errors, log."""
    with st.container(border=True):
        made = pd.Timestamp(item.created, unit="s", tz="UTC").strftime("%Y-%m-%d %H:%M UTC")
        words = f" · priority {item.priority}" if item.priority else ""
        st.markdown(f"**{components.plain(item.title)}** · {item.state} · {made} · id {item.run_id}{words}")
        if item.open:
            components.run_bar(item, named=False)
        else:
            ended(item)
        with st.popover("More", width="content"):
            more(item)
        if item.failed:
            failures(item)


def ended(item: progress.Progress) -> None:
    """A run that nothing more happens to."""
    left, right = st.columns([7, 1], vertical_alignment="center")
    parts = [f"{item.done} of {item.total} done"] + [
        f"{count} {what}" for count, what in ((item.failed, "failed"), (item.cancelled, "cancelled")) if count
    ]
    left.progress(item.done / item.total, f"{', '.join(parts)} · took {components.minutes(item.seconds)}, {item.rate:.1f} cells/s")
    if item.cancelled:
        right.button("Resume", key=f"resume-{item.run_id}", on_click=components.change, args=(queue.resume, item.run_id), width="stretch")
    elif item.failed:
        right.button(
            "Retry failed", key=f"retry-{item.run_id}", on_click=components.change, args=(queue.retry, item.run_id), width="stretch"
        )


def more(item: progress.Progress) -> None:
    """Who asked, priority, the study, the log."""
    st.caption(f"Asked for by {components.plain(item.asked_by)}; engine {components.ENGINES[item.engine]}.")
    if item.open:
        wanted = st.number_input("Priority", -99, 99, item.priority, key=f"priority-{item.run_id}", help="Higher goes first.")
        if wanted != item.priority:
            components.change(queue.prefer, item.run_id, int(wanted))
    st.download_button("Save as study", lambda: study_of(item), f"{item.run_id}.toml", "text/plain", key=f"study-{item.run_id}", on_click="ignore",
                       help="What this run asks for, as a short TOML; starting it again does only what is missing.")  # fmt: skip
    lines = progress.log_of(data.store(), item.run_id, 200)
    st.code(
        "\n".join(f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(at))}  {line}" for at, line in lines) or "no line",
        language=None,
        height=240,
    )


def study_of(item: progress.Progress) -> str:
    """A run's study, or why there is none."""
    try:
        cells = progress.cells_of(data.store(), item.run_id)
        return study_file.of_cells(data.library(), cells, item.title, item.engine, item.priority).to_toml(data.library())
    except PtlibError as error:
        return f"# This run cannot be written as a study: {error}\n"


def failures(item: progress.Progress) -> None:
    """A line for each cell that failed."""
    errors = progress.errors(data.store(), item.run_id).head(ERRORS)
    cells = [Cell.from_spec(text) for text in errors.spec]
    st.dataframe(pd.DataFrame({"prompt": [cell.prompt_name or "no prompt" for cell in cells], "task": [cell.task or cell.kind for cell in cells],
                               "attempts": errors.attempts, "error": errors.error}), hide_index=True, width="stretch")  # fmt: skip


def all_runs() -> None:
    data.keep_going()
    items = data.all_runs(SHOWN)
    components.troubles()
    opened = [item for item in items if item.open]
    components.title_of(opened[0] if opened else None)
    if not items:
        st.info("No run yet. Start one on the Transfer page: pick prompts and tasks, then press Run missing cells.")
    for item in items:
        row(item)
    st.header("Workers")
    workers()
    # Started, paused or ended elsewhere: how often this page looks follows from it.
    states = [item.state for item in opened]
    if st.session_state.get("runs-open", states) != states:
        st.session_state["runs-open"] = states
        st.rerun()
    st.session_state["runs-open"] = states


def workers() -> None:
    """Processes that evaluate, with their memory."""
    living = supervise.workers(data.store())
    if not living:
        st.caption("No worker is running. One starts with a run, one a device, keeps its PLMs loaded and ends after a minute without work.")
        return
    shown = pd.DataFrame(living)
    memory = [
        f"{one / 2**20:,.0f} of {of / 2**20:,.0f}" if of else ""
        for one, of in zip(shown.memory.fillna(0), shown.memory_of.fillna(0), strict=True)
    ]
    st.dataframe(pd.DataFrame({"worker": shown.id, "engine": [components.ENGINES[name] for name in shown.engine], "device": shown.device,
                               "PLMs loaded": shown.plms.fillna(""), "memory, MiB": memory,
                               "own peak, MiB": (shown.peak_memory / 2**20).round().astype(int)}), hide_index=True, width="stretch")  # fmt: skip


def studies(view: View) -> None:
    """The selection as a study file, and a study file as a run."""
    left, right = st.columns(2, gap="large", vertical_alignment="top")
    with left:
        st.header("Save as study")
        st.caption("What is selected in the sidebar, as a short TOML: readable in a diff, started with `./run.sh ptlib runs start FILE`.")
        whole = StudyFile(f"{view.plm.id}: {len(view.sources)} sources on {len(view.tasks)} tasks", (Part(view.selection),))
        st.download_button("Save as study", lambda: whole.to_toml(data.library()), f"{view.plm.id}.toml", "text/plain", key="save-study",
                           on_click="ignore", disabled=view.published)  # fmt: skip
    with right:
        st.header("Open study")
        given = st.file_uploader("A study's TOML", type=["toml"], key="open-study", label_visibility="collapsed")
        if given is not None:
            opened(given.name, given.getvalue())


def opened(name: str, content: bytes) -> None:
    """What a study asks for, and the button that starts what of it is missing."""
    try:
        story = study_file.parse(content.decode("utf-8", errors="replace"), data.library(), name)
        cells = story.cells(data.library())
        done = len(queue.done_keys(data.store(), cells))
        supervise.check_engine(story.engine)
    except PtlibError as error:
        st.error(components.plain(error))
        return
    st.markdown(
        f"**{components.plain(story.title)}**: {len(cells)} cells, {done} there, {len(cells) - done} missing; on {components.ENGINES[story.engine]}."
    )
    if st.button("Start what is missing", type="primary", key="start-study", disabled=done == len(cells)):
        queue.start(data.store(), cells, story.title, "dashboard, a study", engine=story.engine, priority=story.priority)
        supervise.ensure_worker(data.store())
        data.changed()
        st.rerun()


def body() -> None:
    view: View = st.session_state["view"]
    st.title("Runs")
    components.live_status(view)
    st.session_state.pop("runs-open", None)
    st.fragment(lambda: components.guard(all_runs), run_every=data.look_seconds())()
    studies(view)


components.guard(body)
