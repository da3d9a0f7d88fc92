"""The two calls a notebook makes: transfer scores, and how well indicators predict them."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Literal

import pandas as pd

from ptlib.analysis import statistics
from ptlib.errors import RunError
from ptlib.library import Library
from ptlib.neurons.states import States
from ptlib.plms.describe import HUB
from ptlib.published import scores as imported
from ptlib.runs import Cell, Selection, check_seeds, plan, progress, queue, select, supervise, tables, until_clear
from ptlib.runs.masking import LIMIT, Cut, masking, stored
from ptlib.runs.study import load_study
from ptlib.store import Store

LOOK_SECONDS = 0.2


def wait(store: Store, run_id: str, on_progress: Callable[[progress.Progress], None] = lambda item: None) -> progress.Progress:
    """Waits for a run, its worker watched; an interrupt (Ctrl-C) cancels the run.

    Raises:
        RunError: no worker came to life.
    """
    seen, item = time.monotonic(), progress.progress(store, run_id)
    try:
        while item.open:
            supervise.keep_going(store)
            on_progress(item)
            if supervise.workers(store) or item.state == "paused":
                seen = time.monotonic()
            elif time.monotonic() - seen > 2 * supervise.START_SECONDS:
                queue.cancel(store, run_id)
                raise RunError("no worker came to life", where=store.folder / "logs" / "worker.out",
                               mend="Read that file, then resume the run.")  # fmt: skip
            time.sleep(LOOK_SECONDS)
            item = progress.progress(store, run_id)
    except KeyboardInterrupt:
        supervise.cancel(store, run_id)
        raise
    on_progress(item)
    return item


def complete(
    store: Store, cells: Sequence[Cell], title: str, asked_by: str, on_progress: Callable[[progress.Progress], None] = lambda item: None
) -> None:
    """Evaluates those of the cells that have no result, by the worker process, and waits for them.

    Raises:
        RunError: cells failed (with the first one's sentence), the run was cancelled elsewhere, or no worker came to life.
    """
    todo = tables.missing(store, cells)
    if not todo:
        return
    if absent := next((cell.plm_id for cell in todo if cell.plm.startswith(HUB)), None):
        raise RunError("the PLM's weights are not here", where=absent, mend=f"Bring them with: ptlib plms add {absent}")
    run_id = queue.start(store, todo, f"{title}: {len(todo)} cells", asked_by)
    item = wait(store, run_id, on_progress)
    if item.failed:
        raise RunError(f"{item.failed} of {item.total} cells failed", where=f"run {run_id}",
                       found=progress.errors(store, run_id).error.iloc[0], mend=f"See: ptlib runs show {run_id}")  # fmt: skip
    if item.cancelled:
        raise RunError(f"the run was cancelled with {item.cancelled} of {item.total} cells to go", where=f"run {run_id}",
                       mend=f"What was finished is kept. Go on with: ptlib runs resume {run_id}")  # fmt: skip


def stimulations(
    store: Store,
    library: Library,
    selection: Selection,
    asked_by: str,
    on_progress: Callable[[progress.Progress], None] = lambda item: None,
) -> tuple[States, list[Cell]]:
    """Stimulation of the selection's prompts, missing and damaged ones computed first.

    Returns:
        (prompts, layers, ffn), and the cells they belong to, in order.

    Raises:
        RunError: no prompts, or as :func:`complete`.
    """
    if not any(selection.prompts):
        raise RunError("no prompt is left to look at", where=selection.plm, mend="Choose other tasks or seeds.")
    found, cells, missing = tables.stimulations(store, library, selection)
    if missing:
        complete(store, missing, selection.plm, asked_by, on_progress)
        found, cells, missing = tables.stimulations(store, library, selection)
    if missing:
        raise RunError(f"{len(missing)} stimulations were damaged as soon as they were stored", where=store.folder,
                       mend="Check the disk, or name another folder in PTLIB_CACHE.")  # fmt: skip
    return found, cells


def transfer_matrix(
    plm: str | None = None, *, tasks: Sequence[str] | None = None, sources: Sequence[str] | None = None,
    seeds: Sequence[int] | None = None, limit: int | None = None, insertion: str | None = None, dtype: str = "float32",
    until: float | Literal["clear"] | None = None, store: Store | None = None, library: Library | None = None, on_progress: Callable[[progress.Progress], None] = lambda item: None,
) -> pd.DataFrame:  # fmt: skip
    """Scores of source prompts on target tasks; what is missing is evaluated first, by the worker process.

    Args:
        plm: id; None takes the library's default. tasks, sources, seeds: None takes all. limit: first test examples.
        until: "clear" stops each cell when it is clear, a number does so with intervals of that width; None evaluates all
            examples, also of cells that were stopped early before.

    Returns:
        One row a cell; columns as :func:`ptlib.runs.tables.scores`.

    Raises:
        PtlibError: unknown names, unreadable data, or as :func:`complete`.
    """
    store, library = store or Store(), library or Library.open()
    selection = select(library, plm, tasks=tasks, sources=sources, seeds=seeds, limit=limit, insertion=insertion, dtype=dtype)
    check_seeds(library, selection.plm, seeds)
    cells = plan(library, selection)
    complete(
        store,
        cells if until is None else until_clear(library, cells, None if until == "clear" else until),
        selection.plm,
        "api",
        on_progress,
    )
    return tables.scores(store, library, selection)


def published_scores(library: Library, plm: str, tasks: Sequence[str] | None = None, sources: Sequence[str] | None = None) -> pd.DataFrame:
    """Published scores of a PLM: see :func:`ptlib.published.scores.scores`. Raises RunError where there are none."""
    if not imported.has_scores(library, plm):
        raise RunError("no published results of this PLM are here", where=plm, mend="Bring them with: ptlib import thunlp FOLDER")
    names = library.tasks_for(plm, published=True)
    return imported.scores(library, plm, tasks or names, sources or names)


def correlate(
    plm: str | None = None, *, tasks: Sequence[str] | None = None, seeds: Sequence[int] | None = None, limit: int | None = None,
    layers: Sequence[int] | None = None, published: bool = False, diagonal: bool = False, insertion: str | None = None, dtype: str = "float32", store: Store | None = None, library: Library | None = None,
    on_progress: Callable[[progress.Progress], None] = lambda item: None,
) -> pd.DataFrame:  # fmt: skip
    """Every indicator against transfer (missing cells are evaluated first): see
    :func:`ptlib.analysis.statistics.indicator_table`. ``layers`` (from 0) restricts ON; ``published`` takes
    the scores that came with an import and evaluates nothing; ``diagonal`` counts prompts on their own task too."""
    store, library = store or Store(), library or Library.open()
    plm = plm or str(library.default_plm())
    count = library.plm(plm).layers
    for layer in layers or ():
        if not 0 <= layer < count:
            raise RunError("no such layer", where=plm, found=layer, expected=f"0 to {count - 1}")
    if published:
        published_scores(library, plm, tasks, tasks)
        study = load_study(store, library, plm, tasks=tasks, seeds=seeds, published=True)
        return statistics.indicator_table(study.transfer, study.similarities(layers), diagonal=diagonal)
    transfer_matrix(
        plm,
        tasks=tasks,
        sources=tasks,
        seeds=seeds,
        limit=limit,
        insertion=insertion,
        dtype=dtype,
        store=store,
        library=library,
        on_progress=on_progress,
    )
    stimulations(
        store,
        library,
        select(library, plm, sources=tasks, seeds=seeds, baselines=False, insertion=insertion, dtype=dtype),
        "api",
        on_progress,
    )
    study = load_study(store, library, plm, tasks=tasks, seeds=seeds, limit=limit, insertion=insertion, dtype=dtype)
    if not study.tasks:
        raise RunError("no task has an own prompt of every seed", where=plm, mend="Choose other tasks or seeds.")
    return statistics.indicator_table(study.transfer, study.similarities(layers), diagonal=diagonal)


def masked_scores(
    sources: Sequence[str], plm: str | None = None, *, cut: Cut = Cut(), tasks: Sequence[str] | None = None,
    among: Sequence[str] | None = None, seeds: Sequence[int] | None = None, cut_seeds: Sequence[int] | None = None, limit: int | None = LIMIT,
    insertion: str | None = None, dtype: str = "float32", store: Store | None = None, library: Library | None = None,
    on_progress: Callable[[progress.Progress], None] = lambda item: None,
) -> pd.DataFrame:  # fmt: skip
    """Scores with neurons of some prompts switched off; what is missing is evaluated first, by the worker process.

    :mod:`ptlib.analysis.ablation` makes means with intervals of them, and says whether the drop is specific.

    Args:
        sources: tasks whose trained prompts are cut. cut: which neurons, and who reads meanwhile.
        among, seeds: tasks and seeds of the prompts that decide which neurons are distinctive; ``cut_seeds``, among them, are cut.
        tasks: what is read. None takes all of each.
        limit: first test examples.

    Returns:
        One row a masked score; columns as :func:`ptlib.runs.masking.results`.

    Raises:
        PtlibError: as :func:`ptlib.runs.masking.masking` and :func:`complete`.
    """
    store, library = store or Store(), library or Library.open()
    selection = select(
        library, plm, tasks=tasks, sources=among, seeds=seeds, baselines=False, limit=limit, insertion=insertion, dtype=dtype
    )
    check_seeds(library, selection.plm, seeds)
    found = masking(library, selection, sources, cut, cut_seeds)
    complete(store, found.cells, f"{selection.plm}, neurons masked", "api", on_progress)
    return stored(store, found)
