"""Where figures read: the store and the library, at one moment."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd

from dashboard.view import View
from ptlib.library import Library
from ptlib.neurons.states import States, from_arrays
from ptlib.published import scores as imported
from ptlib.runs import Cell, Selection, plan, progress, stimulation_cells, tables
from ptlib.runs.plan import Grid
from ptlib.runs.snapshot import Snapshot
from ptlib.runs.study import Study, load_study
from ptlib.store import Damaged, Store


class Source(Protocol):
    """What the figures' functions ask for. Pages give what they keep (:mod:`dashboard.data`), a recipe reads afresh."""

    def library(self) -> Library: ...
    def store(self) -> Store: ...
    def scores(self, view: View) -> pd.DataFrame: ...
    def study(self, view: View) -> Study: ...
    def stimulations(self, selection: Selection) -> list[Cell]: ...
    def states(self, cells: list[Cell]) -> dict[str, States]: ...
    def derived(self, view: View, name: Hashable, make: Callable[[pd.DataFrame], Any]) -> Any: ...
    def of_study(self, view: View, name: Hashable, make: Callable[[Study], Any]) -> Any: ...
    def of_states(self, view: View, key: Hashable, active: np.ndarray, make: Callable[[], Any]) -> Any: ...
    def of_library(self, key: Hashable, make: Callable[[], Any]) -> Any: ...
    def of_cells(self, view: View, name: Hashable, make: Callable[[], Any]) -> Any: ...
    def of_store(self, view: View, name: Hashable, make: Callable[[], Any]) -> Any: ...
    def of_found(self, view: View, name: Hashable, found: Any, make: Callable[[], Any]) -> Any: ...
    def snapshot(self) -> Snapshot: ...
    def cells_of_run(self, run_id: str) -> list[Cell]: ...
    def found(self, key: str, what: str, work: Callable[..., Any], *args: Any, name: Hashable = None, **options: Any) -> Any | None: ...


class Fresh:
    """A source that reads the store once: all figures drawn from it show one moment, whatever a run adds meanwhile."""

    def __init__(self, store: Store, library: Library) -> None:
        """Raises StoreError when the cache cannot be read."""
        self._store, self._library = store, library
        self._snapshot = Snapshot(store)
        self._snapshot.refresh()
        self._kept: dict[Hashable, Any] = {}

    def library(self) -> Library:
        return self._library

    def store(self) -> Store:
        return self._store

    def _once(self, key: Hashable, make: Callable[[], Any]) -> Any:
        if key not in self._kept:
            self._kept[key] = make()
        return self._kept[key]

    def scores(self, view: View) -> pd.DataFrame:
        """See :func:`ptlib.runs.tables.scores`."""
        if view.published:
            return imported.scores(self._library, view.plm.id, view.tasks, view.sources)
        return self._once(("scores", view.selection), lambda: tables.scores_of(Grid(self._library, view.selection), self._snapshot))

    def study(self, view: View) -> Study:
        """Arrays of the tasks that have an own prompt; see :func:`ptlib.runs.study.load_study`."""
        both = [name for name in view.tasks if name in view.sources]
        key = ("study", view.selection, view.published, tuple(view.seeds), tuple(both))
        return self._once(key, lambda: load_study(
            self._store, self._library, view.plm.id, tasks=both, seeds=view.seeds, limit=view.limit, published=view.published,
            insertion=view.selection.insertion, dtype=view.selection.dtype, snapshot=self._snapshot))  # fmt: skip

    def stimulations(self, selection: Selection) -> list[Cell]:
        return self._once(("stimulations", selection), lambda: stimulation_cells(self._library, selection))

    def states(self, cells: list[Cell]) -> dict[str, States]:
        """Prompt's name -> its stored stimulation; missing and damaged ones are left out."""
        return self._once(("states", tuple(cell.key for cell in cells)), lambda: self._states(cells))

    def _states(self, cells: list[Cell]) -> dict[str, States]:
        found = {}
        for cell, file in zip(cells, self._snapshot.tensors([cell.key for cell in cells]), strict=True):
            try:
                if file and (arrays := self._store.result_arrays(cell.key, file)) is not None:
                    found[cell.prompt_name] = from_arrays(arrays)
            except Damaged:
                continue
        return found

    def missing(self, selection: Selection, kinds: Sequence[str]) -> tuple[int, int]:
        """Cells of these kinds that the selection has neither a result nor an early end of, and all of them."""
        keys = [cell.key for cell in plan(self._library, selection) if cell.kind in kinds]
        whole, early, _ = self._snapshot.state(keys)
        return int((~whole & ~early).sum()), len(keys)

    def derived(self, view: View, name: Hashable, make: Callable[[pd.DataFrame], Any]) -> Any:
        return make(self.scores(view))

    def of_study(self, view: View, name: Hashable, make: Callable[[Study], Any]) -> Any:
        return make(self.study(view))

    def of_states(self, view: View, key: Hashable, active: np.ndarray, make: Callable[[], Any]) -> Any:
        return make()

    def of_library(self, key: Hashable, make: Callable[[], Any]) -> Any:
        return self._once(key, make)

    def of_cells(self, view: View, name: Hashable, make: Callable[[], Any]) -> Any:
        return self._once(("of cells", name, view.selection), make)

    def of_store(self, view: View, name: Hashable, make: Callable[[], Any]) -> Any:
        return self._once(("of store", name, view.selection), make)

    def of_found(self, view: View, name: Hashable, found: Any, make: Callable[[], Any]) -> Any:
        return make()

    def snapshot(self) -> Snapshot:
        """The store's scores at the one moment."""
        return self._snapshot

    def cells_of_run(self, run_id: str) -> list[Cell]:
        """Every cell of a run; none where there is no such run."""
        return self._once(("cells of run", run_id), lambda: progress.cells_of(self._store, run_id))

    def found(self, key: str, what: str, work: Callable[..., Any], *args: Any, name: Hashable = None, **options: Any) -> Any:
        """The result, computed here and now; pages compute it in a process beside theirs. The key tells one from another."""
        return self._once(("found", key), lambda: work(*args, **options))
