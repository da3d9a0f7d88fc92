"""``ptlib runs``: what is queued, running and done, and the verbs that hold, end and begin it."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from ptlib.errors import PtlibError
from ptlib.library import Library
from ptlib.runs import Cell, Selection, api, progress, queue, study_file, supervise, tables
from ptlib.runs.lane import troubles
from ptlib.store import Store

Chosen = Callable[[Library, argparse.Namespace], tuple[Selection, list[Cell]]]
Show = Callable[[pd.DataFrame, str], None]
CHANGES = {"cancel": supervise.cancel, "pause": queue.pause, "resume": queue.resume, "retry": queue.retry}
ACTIONS = ("list", "show", "log", "start", "save", "priority", *CHANGES)


def register(verb: Callable[..., argparse.ArgumentParser], chosen: Chosen, show: Show, on_progress: Callable) -> argparse.ArgumentParser:
    """Adds the verb; its parser is for the caller to add the selection's options to.

    Args:
        verb: makes a parser. chosen: the selection of options and its cells. show: prints a table in a format.
        on_progress: hears how far a run is.
    """
    parser = verb("runs", lambda options: _run(options, chosen, show, on_progress),
                  "runs: list, show, log, start, save, pause, resume, retry, cancel, priority", "runs start study.toml")  # fmt: skip
    parser.add_argument("action", choices=ACTIONS, nargs="?", default="list", help="start: from a study's TOML, or from the options below; it does not "
                        "wait. save: a run as a study's TOML. retry: failed cells again. resume: also cancelled ones, and after a pause")  # fmt: skip
    parser.add_argument("run", nargs="?", help="id of a run; for start a study's TOML")
    parser.add_argument("value", nargs="?", help="for priority its number (higher goes first), for save the file")
    parser.add_argument("--engine", choices=queue.ENGINES, help="where its cells are evaluated (default: this machine)")
    parser.add_argument("--priority", type=int, help="higher goes first (default: 0)")
    parser.add_argument("--wait", action="store_true", help="wait until the run has ended; Ctrl-C cancels it")
    return parser


def _run(options: argparse.Namespace, chosen: Chosen, show: Show, on_progress: Callable) -> None:
    """Does the action and shows the runs. Raises PtlibError for what cannot be done."""
    store = Store()
    if options.action == "start":
        options.run = _start(store, options, chosen)
        if options.run is None:
            return
    elif options.action != "list" and not options.run:
        raise PtlibError(f"runs {options.action} needs the id of a run", where="ptlib runs", mend="List them with: ptlib runs list")
    if options.action == "save":
        _save(store, options)
        return
    if options.action in CHANGES:
        CHANGES[options.action](store, options.run)
    if options.action == "priority":
        if not (options.value or "").lstrip("-").isdigit():
            raise PtlibError(
                "which priority",
                where="ptlib runs priority",
                found=options.value,
                expected="a whole number",
                mend="For example: ptlib runs priority ID 5",
            )
        queue.prefer(store, options.run, int(options.value))
    if options.action in ("start", "resume", "retry"):
        supervise.keep_going(store)
    if options.wait and options.run:
        api.wait(store, options.run, on_progress)
    _show(store, options, show)


def _show(store: Store, options: argparse.Namespace, show: Show) -> None:
    if options.action == "log":
        for at, line in progress.log_of(store, options.run):
            print(f"{time.strftime('%Y-%m-%d %H:%M:%S', time.gmtime(at))}  {line}")
        return
    items = [progress.progress(store, options.run)] if options.run else progress.all_progress(store)
    rows = [{"id": item.run_id, "title": item.title, "state": item.state, "done": item.done, "total": item.total, "failed": item.failed,
             "cancelled": item.cancelled, "seconds": item.seconds, "cells/s": item.rate, "left": item.seconds_left if item.open else None,
             "priority": item.priority, "engine": item.engine} for item in items]  # fmt: skip
    show(pd.DataFrame(rows), options.format)
    if options.action == "show":
        for row in progress.errors(store, options.run).itertuples():
            print(f"{Cell.from_spec(row.spec).words}: {row.error}")
    for lane, sentence in troubles(store.folder):
        print(f"ptlib: worker {lane}: {sentence}", file=sys.stderr)


def _start(store: Store, options: argparse.Namespace, chosen: Chosen) -> str | None:
    library = Library.open()
    if options.run:
        study = study_file.read(options.run, library)
        cells, title, engine, priority = study.cells(library), study.title, options.engine or study.engine, study.priority
        priority = priority if options.priority is None else options.priority
    else:
        selection, cells = chosen(library, options)
        engine, priority = options.engine or "local", options.priority or 0
        title = f"{selection.plm}: {len(tables.missing(store, cells))} cells"
    supervise.check_engine(engine)
    if len(queue.done_keys(store, cells)) == len({cell.key for cell in cells}):
        # What is asked for is there: no error for a script that starts its study again.
        print(f"{title}: nothing to run, every cell has its result already", file=sys.stderr)
        return None
    return queue.start(store, cells, title, "command line", engine=engine, priority=priority)


def _save(store: Store, options: argparse.Namespace) -> None:
    library, item = Library.open(), progress.progress(store, options.run)
    text = study_file.of_cells(library, progress.cells_of(store, options.run), item.title, item.engine, item.priority).to_toml(library)
    if options.value:
        Path(options.value).write_text(text, encoding="utf-8")
    else:
        print(text, end="")
