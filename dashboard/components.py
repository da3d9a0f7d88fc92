"""What every page is made of: guard, status line, figures with captions, the run panel."""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dashboard import data, export
from dashboard.selection import View, image_format
from dashboard.theme import alt_text
from ptlib.errors import PtlibError
from ptlib.runs import Cell, progress, queue, supervise, until_clear

log = logging.getLogger("ptlib.dashboard")
REDRAW_SECONDS = 2.0


def plain(text: object) -> str:
    """Text from files as it stands, in places that read Markdown."""
    return "".join(f"\\{mark}" if mark in "\\`*_{}[]()#|~<>$:&" else mark for mark in str(text))


def guard(body: Callable[[], None]) -> None:
    """Runs a page's body: a known error becomes its sentence, anything else a line with an id that the log explains."""
    try:
        body()
    except PtlibError as error:
        st.error(plain(error))
    except Exception as error:
        if type(error).__module__.startswith("streamlit.runtime"):
            raise
        number = secrets.token_hex(4)
        log.exception("page failed, id %s", number)
        st.error(f"This part could not be drawn (id {number}). The details are in cache/logs/dashboard\\.log; the other pages go on.")


def count(number: int, what: str) -> str:
    """ "1 seed", "3 seeds"."""
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def status(view: View, missing: int, total: int, stopped: int = 0) -> None:
    """One line: which PLM, prompts, tasks, n, how many cells are missing and how many were stopped early."""
    state = "complete" if not missing else f"**{missing} of {total} cells missing**"
    if stopped:
        state = f"{state if missing else 'no cell missing'} · {stopped} cells stopped early"
    text = (f"PLM **{plain(view.plm.id)}** · {len(view.sources)} source prompts × {count(len(view.seeds), 'seed')} · {len(view.tasks)} target tasks · "
            f"{view.n} · {state}")  # fmt: skip
    st.markdown(text)
    if view.published:
        st.caption("Results and prompts as the authors released them, never mixed with measured ones. n and intervals were not recorded; every n "
                   "is a multiple of 64, since the last batch was dropped. Free-text tasks: BLEU floored by batch, so zeros mean little.")  # fmt: skip
    if view.plm.card.get("synthetic"):
        st.caption("A zoo PLM: small, pre-trained by this project on generated text. It illustrates the method; its numbers are "
                   "not the paper's, and its types of task are partly by design.")  # fmt: skip


def show(fig: go.Figure, name: str, caption: str, *, table: pd.DataFrame | None = None, **options) -> object:
    """A figure, what it shows in words below it, and the data behind it as CSV."""
    event = st.plotly_chart(fig, theme=None, width="stretch", key=f"figure-{name}",
                            alt=alt_text(fig) or caption.replace("**", ""),
                            config=export.toolbar(name, image_format(), height=int(fig.layout.height or 500)), **options)  # fmt: skip
    left, right = st.columns([5, 1], vertical_alignment="top")
    left.caption(caption)
    if table is not None:
        right.download_button("CSV", lambda: export.csv(table), export.file_name(name) + ".csv", "text/csv", key=f"csv-{name}",
                              on_click="ignore", width="stretch")  # fmt: skip
    return event


def minutes(seconds: float) -> str:
    """Seconds for the eye."""
    return f"{seconds:.0f} s" if seconds < 90 else f"{seconds / 60:.1f} min"


def without_weights(view: View) -> None:
    """Why nothing can be computed, and the one command that changes it."""
    st.info(
        f"ON and everything about neurons is not computable without the PLM's weights. Bring them with `./run.sh ptlib plms add {view.plm.id}`."
    )


def no_tasks(view: View) -> bool:
    """Whether nothing can be measured for want of data; says so, with the command that changes it."""
    if view.tasks:
        return False
    names = data.library().tasks_for(view.plm.id, published=True)
    st.info("No data of this PLM's tasks is here. " + (f"Fetch it with `./run.sh ptlib tasks fetch {names[0]}`." if names else
            f"Bring prompts with `./run.sh ptlib import prompts FOLDER --plm {view.plm.id}`, and tasks in a folder named by PTLIB_LIBRARY."))  # fmt: skip
    return True


def run_panel(view: View, missing: list[Cell], what: str = "cells", stopped: list[Cell] | None = None) -> None:
    """Either the open run with its progress, or what is missing and the buttons that run it."""
    if missing and not view.plm.here:
        without_weights(view)
        return
    running = [item for item in progress.all_progress(data.store()) if item.open]
    if running:
        _watch(running[0].run_id)
        return
    if missing:
        _offer(view, missing, what)
    if stopped and view.plm.here:
        _finish(view, stopped)


def _start(view: View, cells: list[Cell], title: str) -> None:
    queue.start(data.store(), cells, title, "dashboard")
    supervise.ensure_worker(data.store())
    st.rerun()


def _offer(view: View, missing: list[Cell], what: str) -> None:
    cost = data.estimate(view, missing)
    basis = "measured on this PLM" if cost.measured else "a rough guess; nothing was measured on this PLM yet"
    left, right = st.columns([1, 2], vertical_alignment="center")
    early = False
    with right:
        st.markdown(f"{cost.cells} cells, {cost.examples:,} examples, about {minutes(cost.seconds)} on one worker ({basis}).")
        if what == "cells":
            early = st.toggle(
                "Stop each cell when it is clear", key="until-clear", bind="query-params",
                help="About a quarter of the examples. A cell ends when its 95 % interval, valid however often one looks, is narrow enough and its "
                "prompt cannot be the task's best source any more, or is certainly below the random prompts. Cells stopped early are marked "
                "and can be finished exactly later; nothing is read twice.",
            )  # fmt: skip
    if left.button(f"Run missing {what}", type="primary", key="run-missing", width="stretch"):
        cells = until_clear(data.library(), missing) if early else missing
        _start(view, cells, f"{view.plm.id}: {len(missing)} cells{', until clear' if early else ''}")


def _finish(view: View, stopped: list[Cell]) -> None:
    seen, total = data.seen_of(stopped)
    left, right = st.columns([1, 2], vertical_alignment="center")
    if left.button("Finish exactly", key="finish-exactly", width="stretch"):
        _start(view, stopped, f"{view.plm.id}: {len(stopped)} cells, finished exactly")
    right.markdown(f"{count(len(stopped), 'cell')} stopped early, after {seen / total:.0%} of the examples: scores are estimates with an interval. "
                   f"{total - seen:,} examples are left.")  # fmt: skip


def _watch(run_id: str) -> None:
    @st.fragment(run_every=1.0)
    def panel() -> None:
        supervise.keep_going(data.store())
        item = progress.progress(data.store(), run_id)
        if not item.open:
            st.rerun()
        left = "time left unknown yet" if item.seconds_left is None else f"about {minutes(item.seconds_left)} left"
        bar, button = st.columns([5, 1], vertical_alignment="center")
        bar.progress((item.done + item.failed + item.cancelled) / item.total,
                     f"{plain(item.title)}, {item.done} done · {item.rate:.1f} cells/s · {left}"
                     + (f" · {item.failed} failed" if item.failed else ""))  # fmt: skip
        if button.button("Cancel", key=f"cancel-{run_id}", width="stretch"):
            queue.cancel(data.store(), run_id)
        seen = st.session_state.get("drawn", (None, 0, 0.0))
        if seen[0] == run_id and item.done > seen[1] and time.monotonic() - seen[2] > REDRAW_SECONDS:
            st.rerun()

    st.session_state["drawn"] = (run_id, progress.progress(data.store(), run_id).done, time.monotonic())
    panel()


def p_value(p: float) -> str:
    """ "p = .003", with the floor of a permutation test kept."""
    return "p undefined" if p != p else f"p = {p:.4f}" if p >= 0.001 else f"p = {p:.1g}"
