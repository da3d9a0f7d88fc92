"""Trainings as cells: planned from settings, named for the library, and their curves read back. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import NamedTuple, get_args

import numpy as np
import pandas as pd

from ptlib.errors import PlmError, RunError
from ptlib.library import ID, Library, PromptEntry, user_folder
from ptlib.prompts.insertion import UNKNOWN, family_insertions
from ptlib.runs.plan import Cell, settings_of
from ptlib.store import Damaged, Store
from ptlib.tasks import Task
from ptlib.transfer.settings import CHOICES, TrainingSettings, check_trainable

CURVE = ["step", "loss", "validation"]
PAPER = {"roberta": 1e-3, "bert": 1e-3, "t5": 5e-3}
"""Learning rates of the paper's released configurations, by family; of roberta-large it was 1e-4."""
SHORT = {"random": "random", "vocabulary": "words", "text": "text", "prompt": "from", "mean": "mean"}
OPEN = {"queued": "waiting", "running": "training", "failed": "failed", "cancelled": "cancelled"}


def choices(setting: str) -> list[str]:
    """What a setting of :class:`TrainingSettings` may be."""
    return list(get_args(CHOICES[setting]))


def sensible(library: Library, plm_id: str) -> TrainingSettings:
    """What to start from: as long as the PLM's own prompts; the zoo's recipe for a zoo PLM, elsewhere the paper's."""
    plm = library.plm(plm_id)
    lengths = [entry.length for entry in library.given(plm_id)]
    length = max(set(lengths), key=lengths.count) if lengths else None
    if plm.card.get("synthetic"):
        return TrainingSettings(length=length or 16)
    return TrainingSettings(length=length or 100, optimizer="adamw", schedule="constant", warmup=0, lr=PAPER.get(plm.family, 1e-3), steps=1000, batch=16,
                            evaluate_every=100)  # fmt: skip


def training_cell(library: Library, plm_id: str, task_name: str, settings: TrainingSettings, name: str | None = None) -> Cell:
    """One training.

    Args:
        name: under which the finished prompt goes to the user's library, without the PLM's id; None makes one, and the empty
            name keeps it in the cache alone.

    Raises:
        PtlibError: an unknown PLM, task or source; weights that are not here; a task that cannot be trained; sources that do
            not fit.
    """
    plm, task = library.plm(plm_id), library.task(task_name)
    if not plm.here:
        raise PlmError("the PLM's weights are not here", where=plm.id, mend=f"Bring them with: ptlib plms add {plm.id}")
    sources = [library.by_digest(digest) for digest in settings.sources]
    offered = family_insertions(plm.family)
    insertion = settings.insertion or next((source.insertion for source in sources if source.insertion in offered), offered[0])
    if insertion not in offered:
        raise RunError(
            "this insertion is not defined for the PLM's family", where=plm.id, found=repr(insertion), expected=f"one of {list(offered)}"
        )
    for source in sources:
        _check_source(source, plm.id, plm.hidden, settings)
    settings = replace(settings, insertion=insertion)
    told = settings_of(**asdict(settings), validation_data=_data(task, plm.family, "validation", settings.validation_examples))
    digest = _data(task, plm.family, "train", settings.examples)
    wanted = default_name(library, task_name, settings) if name is None else name
    if wanted and not ID.fullmatch(wanted):
        raise RunError(
            "the name cannot be a prompt's",
            where="training",
            found=repr(wanted),
            expected="64 characters at most of a-z, 0-9, dot, dash and underscore",
        )
    return Cell(
        "training", plm.id, plm.fingerprint, "", wanted, insertion, "float32", task.name, digest, "train", settings.examples, settings=told
    )


def _check_source(source: PromptEntry, plm_id: str, hidden: int, settings: TrainingSettings) -> None:
    if source.hidden != hidden:
        raise RunError("the source prompt has another width than the PLM", where=f"prompt {source.name}", found=source.hidden, expected=f"{hidden} as {plm_id}",
                       mend="Choose a prompt of this PLM, or carry it over with a projector.")  # fmt: skip
    fit = {True: "truncate", False: "repeat"}[source.length > settings.length]
    if source.length != settings.length and settings.fit != fit:
        raise RunError("the source prompt has another length than the prompt to train", where=f"prompt {source.name}", found=source.length,
                       expected=settings.length, mend=f"Train with length {source.length}, or choose to {fit} it.")  # fmt: skip


def _data(task: Task, family: str, split: str, limit: int | None) -> str:
    check_trainable(task)
    return task.for_family(family).digest(split, limit)


def settings_in(cell: Cell) -> TrainingSettings:
    """The settings of a training. Raises PromptError for a cell made by hand that tells others."""
    told = {name: value for name, value in cell.told.items() if name != "validation_data"}
    return TrainingSettings.from_json(json.dumps(told))


def default_name(library: Library, task: str, settings: TrainingSettings) -> str:
    """A readable name, ``<task>-<how>-s<seed>``: how is the start, for a source prompt its own name."""
    how = SHORT[settings.initialisation]
    if settings.initialisation == "prompt":
        how = f"from-{library.by_digest(settings.sources[0]).path.stem}"
    end = f"-s{settings.seed}"
    return f"{task}-{how}"[: 60 - len(end)].rstrip("-._") + end


class Training(NamedTuple):
    """A training that was asked for and is not finished."""

    cell: Cell
    state: str
    """"waiting", "training", "failed", "cancelled"."""
    error: str
    run_id: str


def unfinished(store: Store, plm: str | None = None) -> list[Training]:
    """Trainings without a result, newest first, each once; ``plm``: fingerprint of the only PLM asked for."""
    with store.read() as db:
        rows = db.execute("SELECT spec, state, error, run_id FROM run_cells WHERE state IN ('queued', 'running', 'failed', 'cancelled') "
                          "AND batch LIKE '% training %' ORDER BY rowid DESC").fetchall()  # fmt: skip
    found: dict[str, Training] = {}
    for row in rows:
        cell = Cell.from_spec(row["spec"])
        if cell.kind == "training" and plm in (None, cell.plm):
            found.setdefault(cell.key, Training(cell, OPEN[row["state"]], row["error"] or "", row["run_id"]))
    there = store.present(list(found))
    return [item for key, item in found.items() if key not in there]


def finished(library: Library, plm_id: str | None = None) -> list[PromptEntry]:
    """Prompts of the library that were trained by a run, the newest last."""
    entries = [entry for entry in library.prompts(plm_id, ("trained",)) if entry.trained_here]
    return sorted(entries, key=lambda entry: float(entry.meta.get("created", 0)))


def arrays_of(store: Store, keys: Sequence[str]) -> dict[str, dict[str, np.ndarray]]:
    """Key -> what is there of a training: its result's arrays, or those of its last checkpoint; damaged ones are left out."""
    there = store.present(keys)
    begun = set(store.partials([key for key in keys if key not in there]).index)
    found = {}
    for key in keys:
        try:
            arrays = store.result_arrays(key, there[key]) if key in there else store.partial_arrays(key) if key in begun else None
        except Damaged:
            continue
        if arrays is not None:
            found[key] = arrays
    return found


def curve(arrays: dict[str, np.ndarray]) -> pd.DataFrame:
    """step, loss (nats, since the point before; NaN at step 0), validation (score)."""
    return pd.DataFrame(arrays["curve"], columns=CURVE).astype({"step": int})


def activated(arrays: dict[str, np.ndarray], layers: int, ffn: int) -> np.ndarray:
    """(points, layers, ffn) bool: what the prompt of each point of the curve activates."""
    bits = arrays["activated"]
    return np.unpackbits(bits, axis=1, count=layers * ffn).astype(bool).reshape(len(bits), layers, ffn)


def folder_of(plm_id: str):
    """Where finished prompts of a PLM go."""
    return user_folder() / "prompts" / plm_id


def usable_sources(library: Library, plm_id: str) -> list[PromptEntry]:
    """Prompts a training of this PLM can start from: trained or projected ones of its width, its own first."""
    plm = library.plm(plm_id)
    entries = [
        entry for entry in library.prompts(None, ("trained", "projected")) if entry.hidden == plm.hidden and entry.insertion != UNKNOWN
    ]
    return sorted(entries, key=lambda entry: entry.plm_id != plm_id)
