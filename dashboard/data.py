"""What pages read: the library, the store, and tables of both. Reads only; nothing here computes a model.

Tables are shared by all sessions: pages never change them in place.
"""

from __future__ import annotations

import hashlib
import logging
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import crowd
from dashboard.kept import kept
from ptlib.errors import PtlibError
from ptlib.library import Library
from ptlib.neurons.states import States, from_arrays
from ptlib.plms import PlmInfo
from ptlib.published import scores as imported
from ptlib.runs import Cell, precision, progress, stimulation_cells, supervise, tables
from ptlib.runs.estimate import Estimate
from ptlib.runs.estimate import estimate as estimated
from ptlib.runs.plan import Grid, Selection
from ptlib.runs.snapshot import Snapshot
from ptlib.runs.study import Study, load_study
from ptlib.store import Store

log = logging.getLogger("ptlib.dashboard")
LIBRARY_SECONDS = 30.0
PATIENCE = 0.06
"""Seconds that a page waits for a library that is read anew; the zoo takes a third of it."""
OPEN_SECONDS = 0.5
"""How long the answer to what is running may be old."""
LOOK_SECONDS, PAUSED_SECONDS = 1.0, 5.0
MOST_STATES = 8192


@st.cache_resource
def store() -> Store:
    """The cache folder. Raises StoreError when it cannot be written."""
    return Store()


class Shelf:
    """The library, looked at again now and then; the same object as long as nothing changed, so that what was made of it lasts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="library")
        self._reading: Future | None = None
        self._library: Library | None = None
        self._read = 0.0
        self._another = False
        self.version = 0

    def library(self) -> Library:
        """The library. Raises PtlibError when it cannot be read.

        One that is large is read anew beside the pages, which go on with what was read last.
        """
        while self._library is None or self._another:
            self._reader().result()
        if time.monotonic() - self._read > LIBRARY_SECONDS:
            reading = self._reader()
            wait([reading], PATIENCE)
            if reading.done():
                reading.result()
        return self._library

    def _reader(self) -> Future:
        with self._lock:
            self._reading = self._reading or self._beside.submit(self._look)
            return self._reading

    def _look(self) -> None:
        self._another = False
        try:
            found = Library.open()
            if self._library is None or not _alike(found, self._library):
                self._library = found
                self.version += 1
            self._read = time.monotonic()
        finally:
            with self._lock:
                self._reading = None

    def look_again(self) -> None:
        """The next one who asks reads it anew and waits for it: something was put into it."""
        self._another = True


def _alike(one: Library, other: Library) -> bool:
    return (one.entries == other.entries and dict(one.plms) == dict(other.plms) and list(one.tasks.items()) == list(other.tasks.items())
            and one.refused == other.refused and dict(one.flags) == dict(other.flags) and one.published.equals(other.published))  # fmt: skip


@st.cache_resource
def _shelf() -> Shelf:
    return Shelf()


def library() -> Library:
    """The shelf, read again after half a minute."""
    return _shelf().library()


def look_again() -> None:
    """The shelf is read again at once: a run put something into the user's library."""
    _shelf().look_again()


@st.cache_resource
def snapshot() -> Snapshot:
    """The store's scores in memory."""
    return Snapshot(store())


def of_library(key: Hashable, make: Callable[[], Any]) -> Any:
    """Something made of the library, kept as long as that is the same."""
    library()
    return kept().get(("of library", key), _shelf().version, make)


def open_runs() -> list[progress.Progress]:
    """Runs with anything still to come, newest first; asked once for all sessions."""
    return kept().get("open runs", int(time.monotonic() / OPEN_SECONDS), lambda: progress.open_runs(store()), wait=False)


def changed() -> None:
    """Says that this session started or changed a run: what is kept of runs is asked anew."""
    kept().forget("open runs")
    kept().forget("all runs")


def all_runs(most: int) -> list[progress.Progress]:
    """The latest runs, newest first; asked once for all sessions."""
    return kept().get("all runs", int(time.monotonic()), lambda: progress.all_progress(store(), most), wait=False)


def cells_of_run(run_id: str) -> list[Cell]:
    """Every cell of a run; which they are does not change."""
    return kept().get(("cells of run", run_id), None, lambda: progress.cells_of(store(), run_id))


def busy() -> bool:
    """Whether anything is queued or running, and not held by a pause."""
    return any(item.state != "paused" for item in open_runs())


def look_seconds() -> float | None:
    """How often a page looks at runs: not at all where none is open, seldom where all are paused or many look."""
    return crowd.paced(LOOK_SECONDS) if busy() else crowd.paced(PAUSED_SECONDS) if open_runs() else None


def keep_going() -> None:
    """Workers are there and cancels take effect; once a second for all sessions."""
    kept().get("keep going", int(time.monotonic()), lambda: supervise.keep_going(store()), wait=False)


def workers() -> list[dict]:
    """Living workers; asked once for all sessions."""
    return kept().get("workers", int(time.monotonic()), lambda: supervise.workers(store()), wait=False)


def _keep(key: Hashable, version: Hashable, make: Callable[[], Any], lag: bool = True) -> Any:
    return kept().get(key, version, make, may_lag=lag and busy())


def _versions(selection: Selection) -> tuple:
    """What tells that the selection's cells are others now: the library and the tasks' data."""
    shelf = library()
    return (_shelf().version, *(_version(shelf, name, selection) for name in selection.tasks))


def _version(shelf: Library, name: str, selection: Selection) -> object:
    try:
        return shelf.task(name).version(selection.split, selection.limit)
    except PtlibError:
        return None


def grid(selection: Selection) -> Grid:
    """The selection's scores as cells. Raises PtlibError as :class:`ptlib.runs.plan.Grid`."""
    return _keep(("grid", selection), _versions(selection), lambda: Grid(library(), selection), lag=False)


def stimulations(selection: Selection) -> list[Cell]:
    """The selection's stimulations as cells."""
    return _keep(("stimulations", selection), _versions(selection), lambda: stimulation_cells(library(), selection), lag=False)


def precision_tests(plm: PlmInfo) -> list[precision.Tested]:
    """What is known of the PLM's precisions here."""
    if not plm.here:
        return []
    return kept().get(
        ("precision", plm.fingerprint), int(time.monotonic() / 5), lambda: precision.tested(store(), plm.fingerprint), wait=False
    )


class Missing(NamedTuple):
    """What a selection still lacks."""

    total: int
    missing: list[Cell]
    stopped: list[Cell]
    """Cells that were stopped early: they have an interval and no exact score."""


def missing(view, may_lag: bool = False) -> Missing:
    """All cells of the selection and those without a result; of published results nothing can be run.

    Args:
        may_lag: for parts of a page that are drawn anew while a run is open. What a page is built on must be true now: nothing would
            draw it anew when the run has ended meanwhile.
    """
    if view.published:
        return Missing(int(scores(view)["kind"].isin(["own", "zero-shot"]).sum()), [], [])
    version = (snapshot().refresh(), _versions(view.selection))
    return _keep(("missing", view.selection), version, lambda: _missing(view.selection), may_lag)


def _missing(selection: Selection) -> Missing:
    found, quick = grid(selection), stimulations(selection)
    whole, early, _ = snapshot().state(found.keys)
    there, _, _ = snapshot().state([cell.key for cell in quick])
    lacking = [cell for cell, has in zip(quick, there, strict=True) if not has]
    lacking += [found.cell(row) for row in np.flatnonzero(~whole & ~early)]
    return Missing(len(found) + len(quick), lacking, [found.cell(row) for row in np.flatnonzero(early)])


def missing_stimulations(view) -> list[Cell]:
    """Stimulations of the selection that are not there."""
    snapshot().refresh()
    cells = stimulations(view.selection)
    there, _, _ = snapshot().state([cell.key for cell in cells])
    return [cell for cell, has in zip(cells, there, strict=True) if not has]


def seen_of(stopped: list[Cell]) -> tuple[int, int]:
    """Examples that cells stopped early have seen, and those they would see."""
    found = store().partials([cell.key for cell in stopped])
    return int(found.n.sum()), int(found.total.sum())


def scores(view) -> pd.DataFrame:
    """Tidy scores of the selection; see :func:`ptlib.runs.tables.scores`."""
    if view.published:
        return imported.scores(library(), view.plm.id, view.tasks, view.sources)
    version = (snapshot().refresh(), _versions(view.selection))
    return _keep(("scores", view.selection), version, lambda: tables.scores_of(grid(view.selection), snapshot()))


def derived(view, name: Hashable, make: Callable[[pd.DataFrame], Any]) -> Any:
    """Something made of the selection's scores, kept as long as they are the same."""
    table = scores(view)
    if view.published:
        return make(table)
    return _keep(("derived", name, view.selection), id(table), lambda: (make(table), table))[0]


def of_cells(view, name: Hashable, make: Callable[[], Any]) -> Any:
    """Something made of the selection alone, kept as long as the library and its data are the same."""
    return _keep(("of cells", name, view.selection), _versions(view.selection), make, lag=False)


def of_store(view, name: Hashable, make: Callable[[], Any]) -> Any:
    """Something made of the selection and what the store holds, kept as long as both are the same."""
    return _keep(("of store", name, view.selection), (snapshot().refresh(), _versions(view.selection)), make)


def study(view) -> Study:
    """Arrays of the selection's tasks with their own prompts."""
    both = [name for name in view.tasks if name in view.sources]
    chosen = {"tasks": both, "seeds": view.seeds, "limit": view.limit, "published": view.published,
              "insertion": view.selection.insertion, "dtype": view.selection.dtype}  # fmt: skip
    version = (snapshot().refresh(), _versions(view.selection))
    key = ("study", view.plm.id, *(tuple(value) if isinstance(value, list) else value for value in chosen.values()))
    return _keep(key, version, lambda: load_study(store(), library(), view.plm.id, snapshot=snapshot(), **chosen))


def of_study(view, name: Hashable, make: Callable[[Study], Any]) -> Any:
    """Something made of the selection's study, kept as long as that is the same."""
    found = study(view)
    if view.published:
        return make(found)
    return _keep(("of study", name, view.selection), id(found), lambda: (make(found), found))[0]


def of_found(view, name: Hashable, found: Any, make: Callable[[], Any]) -> Any:
    """Something made of a result that was found for the selection, kept as long as that is the same."""
    return _keep(("of found", name, view.selection), id(found), lambda: (make(), found))[0]


def estimate(view, cells: list[Cell]) -> Estimate:
    """What running the cells will cost."""
    rows = {name: len(library().task(name).read("test", view.limit).labels) for name in {cell.task for cell in cells} - {""}}
    return _keep(("estimate", view.selection), (len(cells), int(time.monotonic() / 5)), lambda: estimated(store(), cells, rows, view.plm.parameters))  # fmt: skip


def states(cells: list[Cell]) -> dict[str, States]:
    """Prompt's name -> (layers, ffn) of its stored stimulation; broken ones are left out, dropped and to be run again."""
    snapshot().refresh()
    files = snapshot().tensors([cell.key for cell in cells])
    version = hashlib.sha256("".join(files).encode()).hexdigest()
    return _keep(("states", tuple(cell.key for cell in cells)), version, lambda: _states(cells, files))


@st.cache_resource
def _read_states() -> dict[str, States]:
    return {}


def _states(cells: list[Cell], files: list[str]) -> dict[str, States]:
    # What was read for an earlier state of the store is not read again; a file's name is the hash of its bytes.
    read, found = _read_states(), {}
    if len(read) > MOST_STATES:
        read.clear()
    for cell, file in zip(cells, files, strict=True):
        if not file:
            continue
        try:
            if file not in read:
                arrays = store().result_arrays(cell.key, file)
                if arrays is None:
                    continue
                read[file] = from_arrays(arrays)
            found[cell.prompt_name] = read[file]
        except PtlibError as error:
            log.warning("%s", error)
    return found


def of_states(view, key: Hashable, active: np.ndarray, make: Callable[[], Any]) -> Any:
    """Something made of stimulations, kept as long as they are the same."""
    return _keep(("of states", view.selection, key), hashlib.sha256(active.tobytes()).hexdigest(), make)
