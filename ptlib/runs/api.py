"""The two calls a notebook makes: transfer scores, and how well indicators predict them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import pandas as pd

from ptlib.analysis import statistics
from ptlib.errors import RunError
from ptlib.library import Library
from ptlib.runs import plan, queue, select, supervise, tables
from ptlib.runs.study import load_study
from ptlib.store import Store

LOOK_SECONDS = 0.2


def wait(store: Store, run_id: str, on_progress: Callable[[queue.Progress], None] = lambda item: None) -> queue.Progress:
    """Waits for a run, its worker watched; an interrupt (Ctrl-C) cancels the run.

    Raises:
        RunError: no worker came to life.
    """
    started, item = time.monotonic(), queue.progress(store, run_id)
    try:
        while item.open:
            supervise.keep_going(store)
            on_progress(item)
            if not item.done and not supervise.workers(store) and time.monotonic() - started > 2 * supervise.START_SECONDS:
                queue.cancel(store, run_id)
                raise RunError("no worker came to life", where=store.folder / "logs" / "worker.out",
                               mend="Read that file, then resume the run.")  # fmt: skip
            time.sleep(LOOK_SECONDS)
            item = queue.progress(store, run_id)
    except KeyboardInterrupt:
        queue.cancel(store, run_id)
        raise
    on_progress(item)
    return item


def transfer_matrix(
    plm: str | None = None, *, tasks: Sequence[str] | None = None, sources: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None, limit: int | None = None, store: Store | None = None, library: Library | None = None,
    on_progress: Callable[[queue.Progress], None] = lambda item: None,
) -> pd.DataFrame:  # fmt: skip
    """Scores of source prompts on target tasks; what is missing is evaluated first, by the worker process.

    Args:
        plm: id; None takes the library's default. tasks, sources, seeds: None takes all. limit: first test examples.

    Returns:
        One row a cell; columns as :func:`ptlib.runs.tables.scores`.

    Raises:
        PtlibError: unknown names, unreadable data, or cells that failed (the first one's sentence).
    """
    store, library = store or Store(), library or Library.open()
    selection = select(library, plm, tasks=tasks, sources=sources, seeds=seeds, limit=limit)
    cells = plan(library, selection)
    todo = tables.missing(store, cells)
    if todo:
        run_id = queue.start(store, todo, f"{selection.plm}: {len(todo)} cells", "api")
        item = wait(store, run_id, on_progress)
        if item.failed:
            raise RunError(f"{item.failed} of {item.total} cells failed", where=f"run {run_id}",
                           found=queue.errors(store, run_id).error.iloc[0])  # fmt: skip
    return tables.scores(store, library, selection)


def correlate(
    plm: str | None = None, *, tasks: Sequence[str] | None = None, seeds: Sequence[int] | None = None, limit: int | None = None,
    layers: Sequence[int] | None = None, store: Store | None = None, library: Library | None = None,
) -> pd.DataFrame:  # fmt: skip
    """Every indicator against transfer (missing cells are evaluated first): see
    :func:`ptlib.analysis.statistics.indicator_table`. ``layers`` (from 0) restricts ON."""
    store, library = store or Store(), library or Library.open()
    transfer_matrix(plm, tasks=tasks, sources=tasks, seeds=seeds, limit=limit, store=store, library=library)
    study = load_study(store, library, plm or str(library.default_plm()), tasks=tasks, seeds=seeds, limit=limit)
    return statistics.indicator_table(study.transfer, study.similarities(layers))
