"""What every page is made of: guard, status line, figures with captions, the run panel."""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Callable

import pandas as pd
import plotly.graph_objects as go
import streamlit as st

from dashboard import crowd, data, export, export_panel, gallery, once, steady
from dashboard.export.leaving import Leaving
from dashboard.gallery import Drawn, Settings
from dashboard.live import LIVE
from dashboard.selection import View, image_format
from dashboard.theme import alt_text
from dashboard.words import count as count
from dashboard.words import p_value as p_value
from dashboard.words import plain as plain
from ptlib.errors import PtlibError
from ptlib.runs import Cell, executors, lane, progress, queue, supervise, until_clear

log = logging.getLogger("ptlib.dashboard")
REDRAW_SECONDS = 2.0
BREATH_SECONDS = 0.08
"""As long as a browser takes to begin drawing what it has been sent; it draws that meanwhile, so the whole page is there no later."""
TITLE = "Prompt transfer"
SHOWN, FROM = "shown", "shown on"
"""In the session: figures of the gallery on the page that was drawn last, place -> (name, settings), and the page."""
ENGINES = {"local": "this machine", "ray": "Ray", "slurm": "Slurm"}


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


def live_status(view: View) -> None:
    """The status line, drawn anew while a run is open."""

    def line() -> None:
        lacking = data.missing(view, may_lag=True)
        status(view, len(lacking.missing), lacking.total, len(lacking.stopped))

    live(line)


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


def draw(name: str, view: View, settings: Settings | None = None) -> Drawn | None:
    """A figure of the gallery from what this server keeps; None while what it needs is computed."""
    return gallery.draw(name, LIVE, view, settings)


def figure(name: str, view: View, settings: Settings | None = None, **options) -> object:
    """Draws a figure of the gallery and shows it; nothing while what it needs is computed."""
    drawn = draw(name, view, settings)
    return None if drawn is None else present(drawn, name, view, settings, **options)


def present(
    drawn: Drawn, name: str, view: View, settings: Settings | None = None, *, key: str = "", says: str = "", **options
) -> object:  # fmt: skip
    """Shows a figure of the gallery that was drawn.

    Args:
        key: tells figures of one name on a page apart.
        says: stands below it in the place of its caption, where a page says the rest for several figures at once.
    """
    st.session_state.setdefault(SHOWN, {})[key or name] = name, settings or {}
    words = plain(" ".join(filter(None, [says or drawn.caption, drawn.hint])))
    return _show(Leaving(drawn, name, view, settings or {}), key or name, words, options)


def show(fig: go.Figure, name: str, caption: str, *, table: pd.DataFrame | None = None, **options) -> object:
    """A figure that is in no gallery, what it shows in words (Markdown) below it, and its export."""
    words = re.sub(r"\\([\\`*_{}\[\]()#|~<>$:&])", r"\1", caption.replace("**", ""))
    return _show(Leaving(Drawn(fig, words, table), name, st.session_state.get("view")), name, caption, options)


def _show(leaving: Leaving, key: str, caption: str, options: dict) -> object:
    fig = leaving.drawn.figure
    with steady.place(key):
        event = st.plotly_chart(once.once(fig, clicks="on_select" in options), theme=None, width="stretch", key=f"figure-{key}", alt=alt_text(fig) or leaving.drawn.caption,
                                config=export.toolbar(key, image_format(), height=int(fig.layout.height or 500)), **options)  # fmt: skip
    st.caption(caption)
    export_panel.control(leaving, key)
    return event


def breathe() -> None:
    """Lets the browser draw what the page shows first: of figures that come at once it paints none before all are drawn."""
    time.sleep(BREATH_SECONDS)


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
    with st.container():
        _panel(view, missing, what, stopped)


def _panel(view: View, missing: list[Cell], what: str, stopped: list[Cell] | None) -> None:
    if missing and not view.plm.here:
        without_weights(view)
        return
    if data.open_runs():
        _watch()
        return
    title_of(None)
    if missing:
        _offer(view, missing, what)
    if stopped and view.plm.here:
        _finish(view, stopped)


def title_of(item: progress.Progress | None) -> None:
    """The browser tab's title: how far the run is."""
    st.set_page_config(page_title=TITLE if item is None else f"{item.ended / item.total:.0%} · {TITLE}")


def apart(part: Callable[[], None], every: float | None = None) -> None:
    """A part of a page that its own controls, and the clock if asked for, draw anew without a run of the whole page."""
    # A place of its own: what comes and goes above it must not make the browser draw it as something new.
    with st.container():
        st.fragment(lambda: guard(part), run_every=every)()


def live(part: Callable[[], None]) -> None:
    """A part of a page that is drawn anew while a run is open, and for its own controls."""
    apart(part, crowd.paced(REDRAW_SECONDS) if data.busy() else None)


def _start(view: View, cells: list[Cell], title: str, engine: str = "local") -> None:
    queue.start(data.store(), cells, title, "dashboard", engine=engine)
    supervise.ensure_worker(data.store())
    data.changed()
    st.rerun()


def engines() -> list[str]:
    """Engines that can be chosen here: this machine, and those whose package is installed."""
    return [engine for engine in ENGINES if executors.here(engine)]


def _offer(view: View, missing: list[Cell], what: str) -> None:
    cost = data.estimate(view, missing)
    basis = "measured on this PLM" if cost.measured else "a rough guess; nothing was measured on this PLM yet"
    left, right = st.columns([1, 2], vertical_alignment="center")
    early, engine = False, "local"
    with right:
        examples = f"{cost.examples:,} examples, " if cost.examples else ""
        st.markdown(f"{count(cost.cells, 'cell')}, {examples}about {minutes(max(1.0, cost.seconds))} on one worker ({basis}).")
        if what == "cells":
            early = st.toggle(
                "Stop each cell when it is clear", key="until-clear", bind="query-params",
                help="About a quarter of the examples. A cell ends when its 95 % interval, valid however often one looks, is narrow enough and its "
                "prompt cannot be the task's best source any more, or is certainly below the random prompts. Cells stopped early are marked "
                "and can be finished exactly later; nothing is read twice.",
            )  # fmt: skip
    with left:
        if len(engines()) > 1:
            engine = st.segmented_control("Run on", engines(), format_func=ENGINES.get, default="local", key="engine", required=True,
                                          help="This machine's devices, a Ray cluster (PTLIB_RAY_ADDRESS, or one started here) or Slurm jobs "
                                          "(PTLIB_SLURM). The run, its progress and its results are the same.")  # fmt: skip
        pressed = st.button(f"Run missing {what}", type="primary", key="run-missing", width="stretch")
    if pressed:
        cells = until_clear(data.library(), missing) if early else missing
        _start(view, cells, f"{view.plm.id}: {len(missing)} cells{', until clear' if early else ''}", engine)


def _finish(view: View, stopped: list[Cell]) -> None:
    seen, total = data.seen_of(stopped)
    left, right = st.columns([1, 2], vertical_alignment="center")
    if left.button("Finish exactly", key="finish-exactly", width="stretch"):
        _start(view, stopped, f"{view.plm.id}: {len(stopped)} cells, finished exactly")
    right.markdown(f"{count(len(stopped), 'cell')} stopped early, after {seen / total:.0%} of the examples: scores are estimates with an interval. "
                   f"{total - seen:,} examples are left.")  # fmt: skip


def _watch() -> None:
    def panel() -> None:
        data.keep_going()
        crowd.here()
        items = data.open_runs()
        if not items:
            st.rerun()
        # The one that is worked at; of several the newest.
        item = next((one for one in items if one.state == "running"), items[0])
        title_of(item)
        run_bar(item, len(items))
        troubles()
        if st.session_state.get("watched", item.state) != item.state:
            st.session_state["watched"] = item.state
            st.rerun()
        st.session_state["watched"] = item.state

    st.session_state.pop("watched", None)
    st.fragment(lambda: guard(panel), run_every=data.look_seconds())()


def run_bar(item: progress.Progress, of: int = 1, named: bool = True) -> None:
    """One open run: how far, how fast, how long still, what it is at, and the buttons that hold or end it."""
    bar, hold, stop = st.columns([6, 1, 1], vertical_alignment="center")
    bar.progress(item.ended / item.total, (f"{plain(item.title)} · " if named else "") + f"{item.done} of {item.total} done"
                 + (f" · {item.failed} failed" if item.failed else "") + (f" · {of} runs open" if of > 1 else ""))  # fmt: skip
    bar.caption(speed(item))
    paused = item.state == "paused"
    hold.button("Resume" if paused else "Pause", key=f"hold-{item.run_id}", width="stretch", on_click=change,
                args=(queue.resume if paused else queue.pause, item.run_id))  # fmt: skip
    stop.button("Cancel", key=f"cancel-{item.run_id}", width="stretch", on_click=change, args=(queue.cancel, item.run_id))


def speed(item: progress.Progress) -> str:
    """Rate, time left with its uncertainty, what is at hand and what comes first, in words."""
    if item.state == "paused":
        return "Paused: nothing of it is evaluated until it is resumed."
    parts = []
    if item.rate:
        parts.append(f"{item.rate:.1f} cells/s · {item.examples_rate:,.0f} examples/s")
    if item.open:
        parts.append("time left unknown yet" if item.seconds_left is None else f"about {left(item)} left")
    if item.ahead:
        parts.append(f"{item.ahead} cells of other runs come first")
    if item.doing:
        parts.append("now " + plain("; ".join(item.doing)))
    if item.engine != "local":
        parts.append(f"on {ENGINES[item.engine]}")
    return " · ".join(parts) or "waiting for a worker"


def left(item: progress.Progress) -> str:
    """Time left with half the width of its 95 % interval."""
    low, high = max(0.0, item.seconds_left - item.seconds_spread), item.seconds_left + item.seconds_spread
    return minutes(item.seconds_left) + (f" ({minutes(low)} to {minutes(high)})" if high - low > 0.2 * item.seconds_left + 1 else "")


def change(what: Callable, run_id: str, *more: object) -> None:
    """A button of a run was pressed."""
    what(data.store(), run_id, *more)
    data.changed()
    supervise.keep_going(data.store())


def troubles() -> None:
    """What hinders workers, a sentence each."""
    for _, sentence in lane.troubles(data.store().folder):
        st.error(plain(sentence))
