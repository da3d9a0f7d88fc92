"""Figures of prompts that projectors carried to another PLM."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd

from dashboard.figures import cross_model as figures
from dashboard.figures.matrix import Axis
from dashboard.gallery import training
from dashboard.gallery.drawn import Drawn, Figure, Settings
from dashboard.gallery.source import Source
from dashboard.theme import type_order
from dashboard.view import View
from dashboard.words import count
from ptlib.analysis import collapse as collapsed
from ptlib.analysis import cross_model as analysis
from ptlib.errors import PtlibError, RunError
from ptlib.library import Library, PromptEntry
from ptlib.runs import Cell, cross_model, initialisation
from ptlib.runs.carry import projector_cells
from ptlib.runs.cross_model import Carried, ProjectorSettings
from ptlib.runs.initialisation import Start

WAYS = {"tuning": "Task Tuning", "distance": "Distance Minimizing"}
FORMS = {"flat": "whole prompts", "token": "token by token"}
GAUSSIAN, RANDOM, OWN = "Gaussian, projected", "random prompts", "own prompts"
CHOICE = {"source": "", "trained_on": "", "way": "tuning", "form": "flat", "projectors": 3}
"""Settings of every figure here: source PLM (empty for the one most unlike in width), tasks (empty for one a type), how, and how many projectors."""

STARTED = {**CHOICE, **{name: value for name, value in training.COMPARISON.items() if name != "mean"}}
"""Settings of the figures of projected prompts as initialisation."""
MEND = "on the page Cross-model, or with: ptlib projector --as-initialisation"


class Choice(NamedTuple):
    """Projectors of one kind."""

    source: str
    tasks: tuple[str, ...]
    settings: ProjectorSettings
    seeds: int


def sources_of(library: Library, view: View) -> list[str]:
    """PLMs whose prompts can be carried over."""
    others = [plm for plm in library.plms.values() if plm.fingerprint != view.plm.fingerprint and library.sources_for(plm.id)]
    # PLMs of another width are what a projector is for; of one width the prompts could be tried as they are.
    return [plm.id for plm in sorted(others, key=lambda plm: (plm.hidden == view.plm.hidden, not plm.here))]


def one_a_type(library: Library, source: str, tasks: list[str]) -> list[str]:
    """The first task of every type: a projector of several types can depend on what it reads."""
    found: dict[str, str] = {}
    for name in tasks:
        if name in library.sources_for(source):
            found.setdefault(library.task(name).type, name)
    return list(found.values())


def choice(source: Source, view: View, settings: Settings) -> Choice:
    """What a figure's settings stand for. Raises RunError for a PLM, a task or a way that is none."""
    library = source.library()
    others = sources_of(library, view)
    plm = settings["source"] or (others[0] if others else "")
    for name, given, known in (("source", plm, others), ("way", settings["way"], list(WAYS)), ("form", settings["form"], list(FORMS))):
        if given not in known:
            raise RunError("not to be had here", where=f"cross-model: {name}", found=repr(given), expected=f"one of {', '.join(known) or 'none: no other PLM with prompts is here'}")  # fmt: skip
    tasks = settings["trained_on"].split() or one_a_type(library, plm, library.tasks_for(view.plm.id))
    if unknown := [name for name in tasks if name not in library.sources_for(plm) or name not in library.tasks]:
        raise RunError(
            "no prompt of this task is here",
            where="cross-model: trained_on",
            found=unknown[0],
            expected=f"one of {', '.join(library.sources_for(plm))}",
        )
    return Choice(plm, tuple(tasks), ProjectorSettings(way=settings["way"], form=settings["form"]), settings["projectors"])


def planned(source: Source, view: View, asked: Choice) -> list[Cell]:
    """The projectors' trainings."""
    return source.of_library(("projectors", view.plm.id, asked), lambda: projector_cells(
        source.library(), asked.source, view.plm.id, [asked.tasks], asked.settings, range(asked.seeds)))  # fmt: skip


def trained(source: Source, view: View, asked: Choice) -> list[Carried]:
    """The finished projectors. Raises RunError where one is missing."""
    cells = planned(source, view, asked)
    found = cross_model.of_cells(source.library(), cells)
    if len(found) < len(cells):
        raise RunError(f"{len(cells) - len(found)} of {len(cells)} projectors are not in your library", where=f"{asked.source} to {view.plm.id}",
                       mend="Train them on the page Cross-model, or with: ptlib projector")  # fmt: skip
    return found


def table_of(source: Source, view: View, projectors: list[Carried]) -> pd.DataFrame:
    """Scores of their prompts. Raises RunError where there is none."""
    key = ("projected", tuple(view.tasks), view.limit, tuple(item.digest for item in projectors))
    table = source.of_store(
        view, key, lambda: cross_model.cross_scores(source.store(), source.library(), projectors, view.tasks, view.limit, source.snapshot())
    )
    if not table["value"].notna().any():
        raise RunError("no projected prompt has been scored yet", where=view.plm.id, mend="Run the missing scores on the page Cross-model.")
    return table


def roles(source: Source, view: View, settings: Settings) -> Drawn:
    """What was projected, on tasks that were trained on and on unseen ones."""
    asked = choice(source, view, settings)
    projectors = trained(source, view, asked)
    table, relatively = table_of(source, view, projectors), settings["relative"]
    rows = analysis.summary(table, "relative" if relatively else "value")
    where = f"{asked.source} to {view.plm.id}, {WAYS[asked.settings.way]}, {len(projectors)} projectors, {view.n}. Intervals: bootstrap over tasks and projectors."
    return Drawn(
        figures.roles(rows, relatively, view.mode, where=where),
        "What was projected, on tasks that the projectors were trained on and on unseen ones. A projector that carries meaning scores high with the task's own prompt "
        "and low with the controls: prompts of wrong types and a Gaussian matrix. Where all are alike, it has learned one prompt. " + _difference(rows),
        rows, analysis.finding(analysis.summary(table)),
    )  # fmt: skip


def _difference(rows: pd.DataFrame) -> str:
    gaps = rows[rows["what"] == f"{analysis.OWN} − {analysis.WRONG}"]
    return " ".join(f"{figures.HEADS[row.relation].capitalize()}: own task minus wrong type {row.value:+.3f} ({row.ci_low:+.3f} to {row.ci_high:+.3f})."
                    for row in gaps.itertuples())  # fmt: skip


def matrix(source: Source, view: View, settings: Settings) -> Drawn:
    """Projected prompts on every task."""
    table = table_of(source, view, trained(source, view, choice(source, view, settings)))
    relatively = settings["relative"]
    column = "relative" if relatively else "value"
    types = {
        **dict(zip(table["source"], table["source_type"], strict=True)),
        **dict(zip(table["target"], table["target_type"], strict=True)),
    }
    rank = type_order(table["target_type"])
    order = sorted(dict.fromkeys(view.tasks), key=lambda name: rank.index(types[name]))
    names = [*(name for name in order if (table["source"] == name).any()), GAUSSIAN]
    rows = table.assign(row=table["source"].where(table["source"] != "", GAUSSIAN))
    base = table.drop_duplicates("target").set_index("target")
    drawn = {RANDOM: base["random"] / (base["own"] if relatively else 1.0), OWN: base["own"] / (base["own"] if relatively else 1.0)}

    def grid(values: str, how: str) -> np.ndarray:
        return (
            rows.pivot_table(index="row", columns="target", values=values, aggfunc=how).reindex(index=names, columns=order).to_numpy(float)
        )

    def with_drawn(how: str) -> np.ndarray:
        return np.vstack([grid(column, how), *(values.reindex(order).to_numpy(float) for values in drawn.values())])

    n = np.vstack([grid("n", "mean"), np.full((len(drawn), len(order)), np.nan)])
    shown = [*names, *drawn]
    fig = figures.projected_matrix(with_drawn("mean"), with_drawn("min"), with_drawn("max"), n, Axis(shown, [types.get(name, "random") for name in shown]),
                                   Axis(order, [types[name] for name in order]), table["trained_on"].iloc[0].split(), relatively, view.mode, "lowest and highest projector")  # fmt: skip
    return Drawn(
        fig,
        f"Projected prompts (rows, by the task they were trained for on the source PLM) on tasks of {view.plm.id} (columns), mean over "
        f"{count(table['projector'].nunique(), 'projector')}. Framed: the prompt of this very task. Bold: tasks the projectors were trained on. Rows that are alike "
        "within a column mean that it does not matter what is projected. Crosses: not computed.", table,
    )  # fmt: skip


class Group(NamedTuple):
    """Projected prompts that belong together: of one projector, or of one import."""

    name: str
    entries: tuple[PromptEntry, ...]
    projector: Carried | None


def groups(source: Source, view: View, asked: Choice | None) -> list[Group]:
    """The chosen projectors' prompts, and imported projected prompts of this PLM."""
    library, found = source.library(), []
    if asked is not None and asked.tasks:
        try:
            mine = cross_model.of_cells(library, planned(source, view, asked))
        except PtlibError:
            mine = []
        found += [
            Group(f"projector {item.digest[:8]}, seed {item.story['seed']}", tuple(entry for entry in item.entries if entry.task), item)
            for item in mine
        ]
    imported: dict[tuple, list[PromptEntry]] = {}
    for entry in library.prompts(view.plm.id, ("projected",)):
        if "projector" not in entry.meta:
            key = (str(entry.meta.get("source_backbone", "a PLM that is not recorded")), entry.length, entry.insertion)
            imported.setdefault(key, []).append(entry)
    return found + [Group(f"imported, from {origin}", tuple(entries), None) for (origin, *_), entries in imported.items()]


def collapse(source: Source, view: View, settings: Settings) -> Drawn:
    """Distances of projected prompts to each other."""
    try:
        asked = choice(source, view, settings)
    except RunError:
        # Imported prompts can be looked at where no projector can be trained.
        asked = None
    there = {group.name: group for group in groups(source, view, asked)}
    name = settings["of"] or next(iter(there), "")
    if name not in there:
        raise RunError(
            "no such projected prompts are here", where="collapse: of", found=repr(name), expected=f"one of {'; '.join(there) or 'none'}"
        )
    entries = there[name].entries
    rank = type_order(entry.type for entry in entries)
    entries = sorted(entries, key=lambda entry: (rank.index(entry.type), entry.task, entry.seed or 0))
    several = len({entry.seed for entry in entries}) > 1
    names = [f"{entry.task} {entry.seed}" if several else entry.task for entry in entries]
    found = source.of_library(
        ("distances", view.plm.id, tuple(entry.digest for entry in entries)),
        lambda: collapsed.distances(cross_model.live(source.library(), entries)),
    )
    return Drawn(
        figures.distances(found, names, [entry.type for entry in entries], view.mode, f"{name}, to {view.plm.id}"),
        "Distance of every pair of projected prompts as a share of their mean norm, tasks grouped by type. 0: the same prompt under two names; about 1.4: nothing in "
        "common.", pd.DataFrame(found, index=names, columns=names).reset_index(names="prompt"),
    )  # fmt: skip


def comparison(source: Source, view: View, settings: Settings, projectors: list[Carried]) -> list[Start]:
    """The trainings that compare unseen tasks' projected prompts with random initialisation. Raises PtlibError for settings that cannot be."""
    how, can = training.settings_of(source, view, settings), training.trainable(source.library())
    tasks = [name for name in view.tasks if name in can]
    key = ("projected starts", view.plm.id, how, tuple(tasks), tuple(item.digest for item in projectors))
    return source.of_library(key, lambda: initialisation.projected_starts(source.library(), projectors, tasks, how))


def _compared(source: Source, view: View, settings: Settings) -> tuple[pd.DataFrame, pd.DataFrame]:
    wanted = comparison(source, view, settings, trained(source, view, choice(source, view, settings)))
    return training.complete(source, view, wanted, MEND)


def starts(source: Source, view: View, settings: Settings) -> Drawn:
    """Validation score over steps from the projected prompt and from random rows, for one unseen task."""
    return training.starts_of(source, view, settings, _compared(source, view, settings))


def steps_saved(source: Source, view: View, settings: Settings) -> Drawn:
    """Steps saved by starting from the projected prompt, target by target and over all."""
    return training.steps_saved_of(view, settings, _compared(source, view, settings)[1])


FIGURES = {
    "cross-model-roles": Figure("Prompts carried to another PLM", roles, {**CHOICE, "relative": False}, ()),
    "cross-model-matrix": Figure("Projected prompts on every task", matrix, {**CHOICE, "relative": False}, ()),
    "projected-starts": Figure("Training from projected prompts", starts, {"target": "", **STARTED}, ()),
    "projected-steps-saved": Figure("Steps saved by projected prompts as initialisation", steps_saved, STARTED, ()),
    "collapse": Figure("Distances of projected prompts", collapse, {**CHOICE, "of": ""}, ()),
}
