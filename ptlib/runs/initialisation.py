"""Transfer as initialisation: the trainings of a comparison, planned and read back. Imports no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import pandas as pd

from ptlib.analysis import cross_model, saved
from ptlib.errors import RunError
from ptlib.library import Library, PromptEntry
from ptlib.runs.cross_model import Carried
from ptlib.runs.plan import Cell
from ptlib.runs.training import arrays_of, curve, sensible, settings_in, training_cell
from ptlib.store import Store
from ptlib.transfer.settings import TrainingSettings

SAME, OTHER, MEAN = "same type", "other type", "mean of same type"
UNSEEN = {cross_model.SAME_TYPE: "projected prompt (trained type)", cross_model.OTHER_TYPE: "projected prompt (other type)"}
"""Projected prompts of tasks that their projector was not trained on, by how the task relates to those that it was."""
GROUPS = (saved.RANDOM, SAME, OTHER, MEAN, *UNSEEN.values())
READABLE = TrainingSettings(lr=0.005, schedule="constant", warmup=0, steps=60, evaluate_every=1, validation_examples=128)
"""A small constant learning rate and a validation after every step: with the zoo's own, random initialisation is there in ten
steps and nothing can be told apart."""


class Start(NamedTuple):
    """One training of a comparison."""

    target: str
    target_type: str
    seed: int
    group: str
    """One of :data:`GROUPS`."""
    source: str
    """The source task, or several; empty for random initialisation."""
    cell: Cell


def starts(
    library: Library, plm_id: str, targets: Sequence[str], seeds: Sequence[int], settings: TrainingSettings = READABLE,
    sources: Sequence[str] | None = None, mean: bool = True,
) -> list[Start]:  # fmt: skip
    """The trainings that compare starts for each target and seed: random initialisation, source prompts, and the mean of all
    same-type source prompts.

    Args:
        sources: tasks whose prompts are started from; None takes for each target the next task of its type and the next of
            another type, in the library's order, so that nothing is chosen by its result.
        mean: whether the mean of the same type's prompts is tried, where there are two at least.

    Raises:
        RunError: no prompt of a source task. PtlibError: as :func:`ptlib.runs.training.training_cell`.
    """
    own = {(entry.task, entry.seed): entry for entry in library.given(plm_id)}
    tasks = [name for name in library.sources_for(plm_id) if name in library.tasks]
    found = []
    for target in targets:
        kind = library.task(target).type
        mates = [name for name in _after(tasks, target) if library.task(name).type == kind]
        strangers = [name for name in _after(tasks, target) if library.task(name).type != kind]
        picked = [*mates[:1], *strangers[:1]] if sources is None else [name for name in sources if name != target]
        for seed in seeds:
            wanted = [(saved.RANDOM, ())] + [(SAME if library.task(name).type == kind else OTHER, (name,)) for name in picked]
            wanted += [(MEAN, tuple(mates))] if mean and len(mates) > 1 else []
            for group, names in wanted:
                cell = _cell(library, plm_id, target, settings, seed, [_prompt(own, plm_id, name, seed) for name in names])
                found.append(Start(target, kind, int(seed), group, ", ".join(names), cell))
    return found


def projected_starts(
    library: Library, projectors: Sequence[Carried], targets: Sequence[str], settings: TrainingSettings = READABLE
) -> list[Start]:
    """The trainings that compare tasks' own projected prompts with random initialisation, on tasks their projector was not trained on.

    A projector's seed is the seed of its trainings, so that several projectors are as many seeds; prompts are as long as the
    projected ones. Of a projector that carried a task's prompts of several seeds, the first is taken.

    Raises:
        PtlibError: as :func:`ptlib.runs.training.training_cell`.
    """
    found, several = [], len({tuple(item.story["trained_on"]) for item in projectors}) > 1
    for target in targets:
        kind = library.task(target).type
        for item in projectors:
            entry = min((one for one in item.entries if one.task == target), key=lambda one: one.seed or 0, default=None)
            trained_on = [str(name) for name in item.story["trained_on"]]
            types = [library.tasks[name].type for name in trained_on if name in library.tasks]
            group = UNSEEN.get(cross_model.relation(target, kind, trained_on, types))
            if entry is None or group is None:
                continue
            seed, how = int(item.story["seed"]), replace(settings, length=entry.length, insertion=entry.insertion)
            origin = str(item.story["source_plm"]) + (f" by {', '.join(trained_on)}" if several else "")
            for name, source, prompts in ((saved.RANDOM, "", []), (group, origin, [entry])):
                found.append(Start(target, kind, seed, name, source, _cell(library, entry.plm_id, target, how, seed, prompts)))
    # Projectors of one seed have their random counterpart in common.
    return list(dict.fromkeys(found))


def readable(library: Library, plm_id: str, **settings: object) -> TrainingSettings:
    """:data:`READABLE`, as long as the PLM's own prompts, with some settings changed."""
    return replace(READABLE, **{"length": sensible(library, plm_id).length, **settings})


def _after(names: Sequence[str], name: str) -> list[str]:
    at = names.index(name) if name in names else 0
    return [other for other in (*names[at:], *names[:at]) if other != name]


def _prompt(own: dict[tuple[str, int | None], PromptEntry], plm_id: str, task: str, seed: int) -> PromptEntry:
    exact = own.get((task, seed))
    found = exact or next((entry for (name, _), entry in own.items() if name == task), None)
    if found is None:
        raise RunError(
            "no prompt of the source task is here", where=plm_id, found=task, mend="Choose another source, or train its prompt first."
        )
    return found


def _cell(library: Library, plm_id: str, target: str, settings: TrainingSettings, seed: int, prompts: Sequence[PromptEntry]) -> Cell:
    how = {0: "random", 1: "prompt"}.get(len(prompts), "mean")
    given = replace(settings, initialisation=how, sources=tuple(entry.digest for entry in prompts), seed=int(seed))
    return training_cell(library, plm_id, target, given, name="")


def curves(store: Store, wanted: Sequence[Start]) -> tuple[pd.DataFrame, list[Start]]:
    """Curves of the comparison (:data:`ptlib.analysis.saved.CURVES`), and those that have no result yet."""
    there = store.present([item.cell.key for item in wanted])
    arrays = arrays_of(store, [key for key in dict.fromkeys(item.cell.key for item in wanted) if key in there])
    rows, missing = [], []
    for item in wanted:
        if item.cell.key not in arrays:
            missing.append(item)
            continue
        points = curve(arrays[item.cell.key])
        # A training that ended early stays where it was.
        rows.append(points.assign(target=item.target, target_type=item.target_type, seed=item.seed, group=item.group, source=item.source))
    table = pd.concat(rows, ignore_index=True) if rows else pd.DataFrame(columns=[*saved.CURVES, "loss"])
    return table[saved.CURVES], missing


def rows_to_train(wanted: Sequence[Start]) -> int:
    """Examples that go through the PLM in training, for a word on the cost."""
    return int(np.sum([s.steps * s.batch * s.accumulation for s in (settings_in(item.cell) for item in wanted)]))
