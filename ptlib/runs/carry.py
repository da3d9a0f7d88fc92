"""The call a notebook makes to carry prompts from one PLM to another and to see what they are worth there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from ptlib.errors import RunError
from ptlib.library import Library
from ptlib.runs import cross_model as plan
from ptlib.runs import initialisation, progress
from ptlib.runs.api import complete
from ptlib.runs.plan import Cell
from ptlib.runs.training_api import Comparison, compare
from ptlib.store import Store
from ptlib.transfer.projector import ProjectorSettings


def projector_cells(
    library: Library, source: str, target: str, task_sets: Sequence[Sequence[str]], settings: ProjectorSettings, projector_seeds: Sequence[int], **how
) -> list[Cell]:  # fmt: skip
    """A projector for every set of tasks and every seed; ``how`` as :func:`ptlib.runs.cross_model.projector_cell`."""
    return [
        plan.projector_cell(library, source, target, tasks, replace(settings, seed=seed), **how)
        for tasks in task_sets
        for seed in projector_seeds
    ]


def carry_over(
    store: Store, cells: Sequence[Cell], asked_by: str, on_progress: Callable[[progress.Progress], None] = lambda item: None
) -> list[plan.Carried]:
    """Trains those of the projectors that are missing; their projected prompts are then in the user's library.

    Raises:
        PtlibError: as :func:`ptlib.runs.api.complete`.
    """
    complete(store, cells, f"projectors to {', '.join(dict.fromkeys(cell.plm_id for cell in cells))}", asked_by, on_progress)
    plan.restore(store, cells)
    return plan.of_cells(Library.open(), cells)


def cross_model(
    source: str, target: str, tasks: Sequence[str], *, settings: ProjectorSettings | None = None, projector_seeds: Sequence[int] = (0, 1, 2),
    seeds: Sequence[int] | None = None, carry: Sequence[int] | None = None, insertion: str | None = None, length: int | None = None,
    targets: Sequence[str] | None = None, limit: int | None = None, everything: bool = False, store: Store | None = None,
    on_progress: Callable[[progress.Progress], None] = lambda item: None,
) -> pd.DataFrame:  # fmt: skip
    """Trains projectors from one PLM to another, projects prompts, and scores them with their controls; what is there is not done anew.

    The projected prompts stay in the user's library (kind "projected").

    Args:
        source, target: PLM ids. tasks: that the projectors are trained on. settings: None takes Task Tuning on whole prompts.
        seeds, carry, insertion, length: as :func:`ptlib.runs.cross_model.projector_cell`.
        targets: tasks to score on; None takes all that the target PLM has prompts of. limit: first test examples.
        everything: every projected prompt on every task, not only the own one and some controls.

    Returns:
        One row a projected prompt and task: see :func:`ptlib.runs.cross_model.cross_scores`;
        :func:`ptlib.analysis.cross_model.summary` makes the table with intervals of it.

    Raises:
        PtlibError: what cannot be planned, or as :func:`ptlib.runs.api.complete`.
    """
    store, library = store or Store(), Library.open()
    cells = projector_cells(library, source, target, [tasks], settings or ProjectorSettings(), projector_seeds, seeds=seeds, carry=carry,
                            insertion=insertion, length=length)  # fmt: skip
    return scored(store, carry_over(store, cells, "api", on_progress), targets, limit, everything, "api", on_progress)


def scored(
    store: Store, projectors: Sequence[plan.Carried], targets: Sequence[str] | None, limit: int | None, everything: bool, asked_by: str,
    on_progress: Callable[[progress.Progress], None],
) -> pd.DataFrame:  # fmt: skip
    """Scores of projected prompts, missing ones evaluated first. Raises PtlibError as :func:`cross_model`."""
    library = Library.open()
    if not projectors:
        raise RunError("no projected prompt is in the library", where="cross-model", mend="Train a projector first.")
    target = projectors[0].entries[0].plm_id
    names = [library.task(name).name for name in (targets or library.tasks_for(target))]
    complete(store, plan.score_cells(library, projectors, names, limit, everything), f"{target}: projected prompts", asked_by, on_progress)
    return plan.cross_scores(store, library, projectors, names, limit)


def as_initialisation(
    projectors: Sequence[plan.Carried], targets: Sequence[str] | None = None, *, store: Store | None = None, asked_by: str = "api",
    on_progress: Callable[[progress.Progress], None] = lambda item: None, **settings: Any,
) -> Comparison:  # fmt: skip
    """What starting a training from projected prompts saves, on tasks their projector was not trained on; missing trainings are run first.

    Args:
        projectors: of one target PLM, from :func:`carry_over` or :func:`ptlib.runs.cross_model.carried`.
        targets: tasks; None takes all that the target PLM has prompts of.
        settings: fields of :class:`ptlib.transfer.settings.TrainingSettings`, in place of those of ``initialisation.READABLE``.

    Raises:
        RunError: no projector, or no task that is unseen. PtlibError: as :func:`ptlib.runs.api.complete`.
    """
    library = Library.open()
    if not projectors:
        raise RunError("no projected prompt is in the library", where="cross-model", mend="Train a projector first.")
    target = projectors[0].entries[0].plm_id
    names = [library.task(name).name for name in (targets or library.tasks_for(target))]
    wanted = initialisation.projected_starts(library, projectors, names, initialisation.readable(library, target, **settings))
    if not wanted:
        raise RunError(
            "no task is unseen: the projectors were trained on all of them", where=target, found=", ".join(names), mend="Name other tasks."
        )
    return compare(store or Store(), wanted, f"{target}: projected prompts as initialisation", asked_by, on_progress)
