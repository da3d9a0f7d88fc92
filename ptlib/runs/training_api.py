"""Training from a notebook or a shell: by the worker process, kept in the cache and in the user's library."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple

import pandas as pd

from ptlib.analysis import saved
from ptlib.errors import RunError
from ptlib.library import Library, PromptEntry
from ptlib.runs import Cell, api, initialisation, kinds, queue
from ptlib.runs.parcel import Parcel
from ptlib.runs.progress import Progress
from ptlib.runs.training import sensible, training_cell
from ptlib.store import Store
from ptlib.transfer.settings import TrainingSettings


def settings_for(library: Library, plm_id: str, sources: Sequence[str] = (), **settings: Any) -> TrainingSettings:
    """Sensible settings with some changed; a source prompt (by name) is the start, several are averaged, and their length counts.

    Raises:
        PromptError: an unknown prompt, or settings that cannot be.
    """
    entries = [library.prompt(name) for name in sources]
    given = {"initialisation": "prompt" if len(entries) == 1 else "mean", "sources": tuple(entry.digest for entry in entries),
             "length": entries[0].length} if entries else {}  # fmt: skip
    return replace(sensible(library, plm_id), **{**given, **settings})


def start(store: Store, cells: Sequence[Cell], title: str, asked_by: str, engine: str = "local") -> str | None:
    """Queues trainings; returns the run's id, or None where all were trained before: then their prompts are put into the library."""
    shelve(store, cells)
    if len(store.present([cell.key for cell in cells])) == len({cell.key for cell in cells}):
        return None
    return queue.start(store, cells, title, asked_by, engine=engine)


def shelve(store: Store, cells: Sequence[Cell]) -> None:
    """Puts prompts of trainings that have a result into the user's library, if they have a name and are not there."""
    there = store.present([cell.key for cell in cells])
    for cell in cells:
        if cell.prompt_name and cell.key in there and (arrays := store.result_arrays(cell.key)) is not None:
            kinds.keep(cell, Parcel("result", cell.key, arrays=arrays))


def train(
    task: str, plm: str | None = None, *, sources: Sequence[str] = (), name: str | None = None, seeds: Sequence[int] = (0,),
    store: Store | None = None, library: Library | None = None, on_progress: Callable[[Progress], None] = lambda item: None,
    **settings: Any,
) -> list[PromptEntry]:  # fmt: skip
    """Trains a prompt for a task, one for each seed, and waits; they are in the user's library then.

    Args:
        plm: id; None takes the library's default. sources: names of prompts to start from. name: None makes one for each seed.
        settings: fields of :class:`ptlib.transfer.settings.TrainingSettings`, in place of sensible ones.

    Returns:
        The trained prompts; ``meta`` holds how they were trained, ``load()`` gives the matrix.

    Raises:
        PtlibError: what cannot be trained, or as :func:`ptlib.runs.api.complete`.
    """
    store, library = store or Store(), library or Library.open()
    plm = plm or str(library.default_plm())
    if name is not None and len(seeds) > 1:
        raise RunError("one name for several trainings", where="training", found=name, mend="Leave the name out, or train one seed.")
    chosen = settings_for(library, plm, sources, **settings)
    cells = [training_cell(library, plm, task, replace(chosen, seed=seed), name) for seed in seeds]
    api.complete(store, cells, f"{plm}: training for {task}", "api", on_progress)
    shelve(store, cells)
    by_key = {entry.meta.get("training"): entry for entry in Library.open().entries}
    return [by_key[cell.key] for cell in cells]


class Comparison(NamedTuple):
    """Transfer as initialisation against random initialisation."""

    trainings: pd.DataFrame
    """One row a training: :func:`ptlib.analysis.saved.trainings`."""
    curves: pd.DataFrame
    """One row a point: :data:`ptlib.analysis.saved.CURVES`."""

    def summary(self, by: Sequence[str] = ("group",)) -> pd.DataFrame:
        """Means with 95 % intervals: :func:`ptlib.analysis.saved.summary`."""
        return saved.summary(self.trainings[self.trainings["group"] != saved.RANDOM], by)

    def contrast(self) -> saved.Contrast | None:
        """Steps saved by the same type's prompts against another type's, paired over targets: :func:`ptlib.analysis.saved.contrast`."""
        return saved.contrast(self.trainings, initialisation.SAME, initialisation.OTHER)


def compare_starts(
    plm: str | None = None, *, targets: Sequence[str] | None = None, sources: Sequence[str] | None = None, seeds: Sequence[int] | None = None,
    mean: bool = True, store: Store | None = None, library: Library | None = None,
    on_progress: Callable[[Progress], None] = lambda item: None, **settings: Any,
) -> Comparison:  # fmt: skip
    """What starting from source prompts saves; missing trainings are run first. Their prompts stay in the cache.

    Args:
        targets, seeds: None takes all of the PLM's. sources: see :func:`ptlib.runs.initialisation.starts`.
        settings: fields of :class:`ptlib.transfer.settings.TrainingSettings`, in place of those of ``initialisation.READABLE``.

    Raises:
        PtlibError: unknown names, or as :func:`ptlib.runs.api.complete`.
    """
    store, library = store or Store(), library or Library.open()
    plm = plm or str(library.default_plm())
    wanted = initialisation.starts(library, plm, targets or library.sources_for(plm), seeds_of(library, plm, seeds),
                                   initialisation.readable(library, plm, **settings), sources, mean)  # fmt: skip
    return compare(store, wanted, f"{plm}: comparing starts", "api", on_progress)


def compare(
    store: Store, wanted: Sequence[initialisation.Start], title: str, asked_by: str, on_progress: Callable[[Progress], None]
) -> Comparison:
    """Trainings of a comparison, missing ones run first. Raises PtlibError as :func:`ptlib.runs.api.complete`."""
    api.complete(store, [item.cell for item in wanted], title, asked_by, on_progress)
    curves, _ = initialisation.curves(store, wanted)
    return Comparison(saved.trainings(curves), curves)


def seeds_of(library: Library, plm: str, seeds: Sequence[int] | None) -> list[int]:
    """The seeds asked for, or those of the PLM's own prompts."""
    if seeds:
        return list(seeds)
    return sorted({entry.seed for entry in library.given(plm) if entry.seed is not None}) or [0, 1, 2]
