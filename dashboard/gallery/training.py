"""Figures of trainings: a training's curve, its likeness to finished prompts, and what a start saves."""

from __future__ import annotations

import numpy as np
import pandas as pd

from dashboard.figures import training as figures
from dashboard.gallery.drawn import Drawn, Figure, Settings
from dashboard.gallery.source import Source
from dashboard.view import View
from dashboard.words import count
from ptlib.analysis import likeness as on_over_steps
from ptlib.analysis import saved
from ptlib.errors import RunError
from ptlib.library import Library, PromptEntry
from ptlib.neurons.overlap import overlap
from ptlib.runs import initialisation, training
from ptlib.runs.initialisation import Start
from ptlib.runs.training import TrainingSettings

USUAL = initialisation.READABLE
COMPARISON = {"lr": USUAL.lr, "steps": USUAL.steps, "every": USUAL.evaluate_every, "examples": USUAL.validation_examples, "mean": True}
"""Settings of a comparison of starts, see :class:`ptlib.transfer.settings.TrainingSettings`; mean: whether the mean of the same type's prompts is one."""


def finished(source: Source, view: View) -> list[PromptEntry]:
    """The PLM's prompts that were trained here, the newest first."""
    return source.of_library(("trained here", view.plm.id), lambda: training.finished(source.library(), view.plm.id)[::-1])


def one(source: Source, view: View, name: str) -> tuple[PromptEntry, dict[str, np.ndarray]]:
    """A finished training, the newest if none is named, and its arrays. Raises RunError where it, or its curve, is not here."""
    entries = {entry.name: entry for entry in finished(source, view)}
    if name and name not in entries:
        raise RunError(
            "no such prompt was trained here",
            where="training: prompt",
            found=repr(name),
            expected=f"one of {', '.join(list(entries)[:6]) or 'none'}",
        )
    if not entries:
        raise RunError(
            "no prompt of this PLM was trained here yet", where=view.plm.id, mend="Train one on the page Training, or with: ptlib train"
        )
    entry = entries[name or next(iter(entries))]
    key = entry.meta["training"]
    found = source.of_store(view, ("training arrays", key), lambda: training.arrays_of(source.store(), [key])).get(key)
    if found is None:
        raise RunError("its curve is not in this cache any more; the prompt and its story are in your library", where=entry.name)
    return entry, found


def curve(source: Source, view: View, settings: Settings) -> Drawn:
    """Loss and validation score of a training over its steps."""
    entry, found = one(source, view, settings["prompt"])
    points = training.curve(found).assign(training=entry.name)
    metric = source.library().task(entry.task).metric.replace("_", " ")
    return Drawn(
        figures.curves(points, view.mode, metric, {entry.name: int(entry.meta["step"])}),
        f"{entry.name}: loss (mean since the last point) and validation {metric}; the ring marks the prompt that is kept.", points,
        f"Best validation {metric} {float(entry.meta['validation']):.3f} at step {entry.meta['step']} of {entry.meta['steps']}.",
    )  # fmt: skip


def likeness(source: Source, view: View, settings: Settings) -> Drawn:
    """ON of a training's checkpoints with the selection's finished prompts."""
    entry, found = one(source, view, settings["prompt"])
    like = with_finished(source, view, entry, found)
    if like is None:
        raise RunError("ON with finished prompts needs their stimulation", where=view.plm.id, mend="Run the missing stimulations first.")
    table, leads = like
    kind = source.library().task(entry.task).type
    words = (f"From step {leads} on its mean ON with other tasks of its type ({kind}) stays above that with every other type; where bands overlap that may be chance."
             if leads is not None else f"Its mean ON with other tasks of its type ({kind}) does not lead at the end.")  # fmt: skip
    return Drawn(
        figures.likeness(table, view.mode, kind, leads),
        f"When does {entry.name} become like its type? ON of each checkpoint with the selection's finished prompts; bands: 95 % interval over prompts; the own "
        f"task's is in the table. {words}", table, words,
    )  # fmt: skip


def with_finished(source: Source, view: View, entry: PromptEntry, found: dict[str, np.ndarray]) -> tuple[pd.DataFrame, int | None] | None:
    """ON over steps, and from when its own type leads; None where no stimulation of a finished prompt is there."""
    states, library = source.states(source.stimulations(view.selection)), source.library()
    entries = [other for name in states if (other := library.prompt(name)).kind == "trained" and other.plm_id == view.plm.id]
    if not entries or not len(found["activated"]):
        return None
    active = training.activated(found, view.plm.layers, view.plm.ffn)
    others = np.stack([states[other.name].activated for other in entries])
    steps = found["curve"][: len(active), 0].astype(int)
    table = on_over_steps.by_type(
        overlap(active, view.layers, others), steps, [other.task for other in entries], [other.type for other in entries], entry.task
    )
    return table, on_over_steps.leads_from(table, library.task(entry.task).type)


def trainable(library: Library) -> list[str]:
    """Tasks with data to train on and to validate with, here without a network."""
    return [name for name, task in library.tasks.items() if not task.generates and task.here("train") and task.here("validation")]


def settings_of(source: Source, view: View, settings: Settings) -> TrainingSettings:
    """The trainings of a comparison. Raises PtlibError for settings that cannot be."""
    return initialisation.readable(source.library(), view.plm.id, lr=settings["lr"], steps=settings["steps"], evaluate_every=settings["every"],
                                   validation_examples=settings["examples"])  # fmt: skip


def comparison(source: Source, view: View, settings: Settings) -> list[Start]:
    """The trainings that compare starts for the selection; sources that were picked count, otherwise two are chosen a target."""
    library, how = source.library(), settings_of(source, view, settings)
    can = trainable(library)
    tasks = [name for name in view.tasks if name in can]
    picked = None if set(view.sources) == set(library.sources_for(view.plm.id)) else view.sources
    key = ("starts", view.plm.id, how, tuple(tasks), tuple(view.seeds), None if picked is None else tuple(picked), settings["mean"])
    return source.of_library(key, lambda: initialisation.starts(library, view.plm.id, tasks, view.seeds, how, picked, settings["mean"]))


def compared(source: Source, view: View, wanted: list[Start]) -> tuple[pd.DataFrame, pd.DataFrame, list[Start]]:
    """Curves, one row a training, and what is missing."""

    def make() -> tuple[pd.DataFrame, pd.DataFrame, list[Start]]:
        curves, missing = initialisation.curves(source.store(), wanted)
        return curves, saved.trainings(curves), missing

    return source.of_store(view, ("compared", tuple(item.cell.key for item in wanted)), make)


def complete(source: Source, view: View, wanted: list[Start], mend: str) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Curves, and one row a training. Raises RunError where no comparison is complete; ``mend`` says how to run what is missing."""
    curves, rows, _ = compared(source, view, wanted)
    if not len(rows) or not (rows["group"] != saved.RANDOM).any():
        raise RunError("no comparison of starts is complete yet", where=view.plm.id,
                       mend=f"A target needs its random initialisation and one start of the same seed: run the missing trainings {mend}")  # fmt: skip
    return curves, rows


MEND = "on the page Initialisation, or with: ptlib initialise"


def starts(source: Source, view: View, settings: Settings) -> Drawn:
    """Validation score over steps from every start, for one target."""
    return starts_of(source, view, settings, complete(source, view, comparison(source, view, settings), MEND))


def starts_of(source: Source, view: View, settings: Settings, there: tuple[pd.DataFrame, pd.DataFrame]) -> Drawn:
    """The same of any comparison. Raises RunError for a target that is not in it."""
    curves, rows = there
    targets = list(dict.fromkeys(rows[rows["group"] != saved.RANDOM]["target"]))
    target = settings["target"] or targets[0]
    if target not in targets:
        raise RunError(
            "no comparison of this target is here", where="starts: target", found=repr(target), expected=f"one of {', '.join(targets)}"
        )
    part = curves[curves["target"] == target]
    goal = rows[(rows["target"] == target) & (rows["group"] == saved.RANDOM)]["random_final"].mean()
    metric = source.library().task(target).metric.replace("_", " ")
    return Drawn(figures.starts(saved.bands(part), view.mode, metric, float(goal)),
                 f"{target}: validation {metric} over steps, mean and 95 % interval over {count(part['seed'].nunique(), 'seed')}. Dotted: what random "
                 "initialisation ends with.", part)  # fmt: skip


def steps_saved(source: Source, view: View, settings: Settings) -> Drawn:
    """Steps saved by every start, target by target and over all."""
    return steps_saved_of(view, settings, complete(source, view, comparison(source, view, settings), MEND)[1])


def steps_saved_of(view: View, settings: Settings, rows: pd.DataFrame) -> Drawn:
    """The same of any comparison."""
    others = rows[rows["group"] != saved.RANDOM]
    every, each = saved.summary(others), saved.summary(others, ("target", "group", "source"))
    told = saved.contrast(others, initialisation.SAME, initialisation.OTHER)
    return Drawn(figures.steps_saved(each, view.mode, every),
                 f"Steps saved against random initialisation (comparable result), of {settings['steps']}. Intervals over seeds, in the last row over targets, cut "
                 "where they leave the figure; right of zero: fewer steps than random initialisation.",
                 pd.concat([each, every.assign(target="all targets", source="")], ignore_index=True),
                 " ".join([*(saved.sentence(row, settings["steps"]) for row in every.itertuples()), *([told.words()] if told is not None else [])]))  # fmt: skip


FIGURES = {
    "training-curve": Figure("A training's curve", curve, {"prompt": ""}, ()),
    "training-likeness": Figure("When a prompt becomes like its type", likeness, {"prompt": ""}, ("stimulation",)),
    "starts": Figure("Training from different starts", starts, {"target": "", **COMPARISON}, ()),
    "steps-saved": Figure("Steps saved by transfer as initialisation", steps_saved, COMPARISON, ()),
}
