"""What prompts are worth on another PLM, when a projector carries them there."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import components, data
from dashboard.figures import cross_model as figures
from dashboard.figures.matrix import Axis
from dashboard.selection import View
from dashboard.theme import type_order
from ptlib.analysis import collapse
from ptlib.analysis import cross_model as analysis
from ptlib.errors import PtlibError
from ptlib.library import Library, PromptEntry
from ptlib.runs import Cell, cross_model, tables
from ptlib.runs.carry import projector_cells
from ptlib.runs.cross_model import Carried, ProjectorSettings

WAYS = {"tuning": "Task Tuning", "distance": "Distance Minimizing"}
FORMS = {"flat": "whole prompts", "token": "token by token"}
GAUSSIAN, RANDOM, OWN = "Gaussian, projected", "random prompts", "own prompts"


@dataclass(frozen=True)
class Choice:
    """What the page asks for, beside the shared selection."""

    source: str
    tasks: tuple[str, ...]
    settings: ProjectorSettings
    seeds: int
    everything: bool


def sources_of(shelf: Library, view: View) -> list[str]:
    """PLMs whose prompts can be carried over, the one most like the target first."""
    others = [plm for plm in shelf.plms.values() if plm.fingerprint != view.plm.fingerprint and shelf.sources_for(plm.id)]
    # PLMs of another width are what a projector is for; of one width the prompts could be tried as they are.
    return [plm.id for plm in sorted(others, key=lambda plm: (plm.hidden == view.plm.hidden, not plm.here))]


def one_a_type(shelf: Library, source: str, tasks: list[str]) -> list[str]:
    """The first task of every type: a projector of several types can depend on what it reads."""
    found: dict[str, str] = {}
    for name in tasks:
        if name in shelf.sources_for(source):
            found.setdefault(shelf.task(name).type, name)
    return list(found.values())


def controls(view: View) -> Choice | None:
    shelf = data.library()
    others = sources_of(shelf, view)
    if not others or not view.plm.here:
        return None
    one, two = st.columns([2, 5])
    source = one.selectbox(
        "From (source PLM)", others, key="from", bind="query-params", help="The target is the PLM chosen in the sidebar."
    )
    offered = [name for name in shelf.sources_for(source) if name in shelf.tasks]
    tasks = two.multiselect("Trained on", offered, default=one_a_type(shelf, source, shelf.tasks_for(view.plm.id)), key="trained-on", bind="query-params",
                            help="Tasks that the projector learns from. The other tasks are unseen.")  # fmt: skip
    one, two, three, four = st.columns([3, 3, 1.5, 3], vertical_alignment="bottom")
    way = one.segmented_control("Trained by", list(WAYS), format_func=WAYS.get, default="tuning", key="way", bind="query-params", required=True,
                                help="Task Tuning: the tasks' loss through the frozen target PLM. Distance Minimizing: the distance to the target PLM's own prompts "
                                "of these tasks (Su et al. 2022, section 5).")  # fmt: skip
    form = two.segmented_control(
        "Reads", list(FORMS), format_func=FORMS.get, default="flat", key="form", bind="query-params", required=True
    )
    seeds = three.number_input("Projectors", 1, 10, 3, key="projectors", bind="query-params", help="Trained alike from different seeds; each carries the source "
                               "prompts of one prompt seed.")  # fmt: skip
    everything = four.toggle("Every prompt on every task", key="everything", bind="query-params", help="Fills the whole matrix. Otherwise every task gets its own "
                             "projected prompt, three of wrong types, and the Gaussian control.")  # fmt: skip
    return Choice(source, tuple(tasks), ProjectorSettings(way=way, form=form), int(seeds), everything)


def planned(view: View, choice: Choice) -> list[Cell]:
    """The projectors that are asked for."""
    return data.of_library(("projectors", view.plm.id, choice), lambda: projector_cells(
        data.library(), choice.source, view.plm.id, [choice.tasks], choice.settings, range(choice.seeds)))  # fmt: skip


def there(cells: list[Cell]) -> list[Carried]:
    """Finished projectors; their prompts are put back where they left the library."""
    found = cross_model.of_cells(data.library(), cells)
    if len(found) < len(cells):
        cross_model.restore(data.store(), cells)
        data.look_again()
        found = cross_model.of_cells(data.library(), cells)
    return found


def projectors_part(view: View, choice: Choice) -> None:
    cells = planned(view, choice)
    missing = tables.missing(data.store(), cells)
    line = (f"From **{components.plain(choice.source)}** to **{components.plain(view.plm.id)}** · {components.count(len(cells), 'projector')} by "
            f"{WAYS[choice.settings.way]} on {components.plain(', '.join(choice.tasks))} · scored on {len(view.tasks)} tasks, {view.n}")  # fmt: skip
    if missing:
        st.markdown(f"{line} · **{len(missing)} of {len(cells)} projectors to be trained**")
        components.run_panel(view, missing, "projectors")
        return
    projectors = there(cells)
    scores = data.of_library(("projected scores", view.plm.id, choice, tuple(view.tasks), view.limit, tuple(item.digest for item in projectors)),
                             lambda: cross_model.score_cells(data.library(), projectors, view.tasks, view.limit, choice.everything))  # fmt: skip
    data.snapshot().refresh()
    whole, _, _ = data.snapshot().state([cell.key for cell in scores])
    lacking = [cell for cell, has in zip(scores, whole, strict=True) if not has]
    st.markdown(f"{line} · " + (f"**{len(lacking)} of {len(scores)} scores missing**" if lacking else "complete"))
    components.run_panel(view, lacking, "scores of projected prompts")
    components.live(lambda: results(view, choice, projectors))


def results(view: View, choice: Choice, projectors: list[Carried]) -> None:
    data.snapshot().refresh()
    table = cross_model.cross_scores(data.store(), data.library(), projectors, view.tasks, view.limit, data.snapshot())
    if not table["value"].notna().any():
        st.info("No projected prompt has been scored yet. Run the missing scores; the findings appear here.")
        return
    relatively = st.segmented_control("Show", ["score", "relative performance"], default="score", key="projected-show", bind="query-params",
                                      required=True) != "score"  # fmt: skip
    rows = analysis.summary(table, "relative" if relatively else "value")
    said = analysis.finding(analysis.summary(table))
    if said:
        st.markdown(f"**{components.plain(said.split('. ')[0])}.** {components.plain('. '.join(said.split('. ')[1:]))}")
    where = f"{choice.source} to {view.plm.id}, {WAYS[choice.settings.way]}, {len(projectors)} projectors, {view.n}. Intervals: bootstrap over tasks and projectors."
    left, right = st.columns([2, 3], gap="large")
    with left:
        components.show(
            figures.roles(rows, relatively, view.mode, where=where), "cross-model-roles",
            "What was projected, on tasks that the projectors were trained on and on unseen ones. A projector that carries meaning scores high with the task's "
            "own prompt and low with the controls: prompts of wrong types and a Gaussian matrix. Where all are alike, it has learned one prompt. "
            f"{_difference(rows)}", table=rows,
        )  # fmt: skip
    with right:
        matrix_part(view, table, relatively)


def _difference(rows: pd.DataFrame) -> str:
    gaps = rows[rows["what"] == f"{analysis.OWN} − {analysis.WRONG}"]
    return " ".join(f"{figures.HEADS[row.relation].capitalize()}: own task minus wrong type {row.value:+.3f} ({row.ci_low:+.3f} to {row.ci_high:+.3f})."
                    for row in gaps.itertuples())  # fmt: skip


def matrix_part(view: View, table: pd.DataFrame, relatively: bool) -> None:
    column = "relative" if relatively else "value"
    rank = type_order(table["target_type"])
    types = {
        **dict(zip(table["source"], table["source_type"], strict=True)),
        **dict(zip(table["target"], table["target_type"], strict=True)),
    }
    order = sorted(dict.fromkeys(view.tasks), key=lambda name: rank.index(types[name]))
    sources = [name for name in order if (table["source"] == name).any()]
    rows = table.assign(row=table["source"].where(table["source"] != "", GAUSSIAN))
    base = table.drop_duplicates("target").set_index("target")
    drawn = {RANDOM: base["random"] / (base["own"] if relatively else 1.0), OWN: base["own"] / (base["own"] if relatively else 1.0)}
    names = [*sources, GAUSSIAN, *drawn]

    def grid(how: str) -> np.ndarray:
        found = rows.pivot_table(index="row", columns="target", values=column, aggfunc=how).reindex(
            index=[*sources, GAUSSIAN], columns=order
        )
        return np.vstack([found.to_numpy(float), *(values.reindex(order).to_numpy(float) for values in drawn.values())])

    count = (
        rows.pivot_table(index="row", columns="target", values="n", aggfunc="mean")
        .reindex(index=[*sources, GAUSSIAN], columns=order)
        .to_numpy(float)
    )
    count = np.vstack([count, np.full((len(drawn), len(order)), np.nan)])
    trained = table["trained_on"].iloc[0].split()
    fig = figures.projected_matrix(grid("mean"), grid("min"), grid("max"), count, Axis(names, [types.get(name, "random") for name in names]),
                                   Axis(order, [types[name] for name in order]), trained, relatively, view.mode, "lowest and highest projector")  # fmt: skip
    components.show(
        fig, "cross-model-matrix",
        f"Projected prompts (rows, by the task they were trained for on the source PLM) on tasks of {components.plain(view.plm.id)} (columns), mean over "
        f"{components.count(table['projector'].nunique(), 'projector')}. Framed: the prompt of this very task. Bold: tasks the projectors were trained on. "
        "Rows that are alike within a column mean that it does not matter what is projected. Crosses: not computed.", table=table,
    )  # fmt: skip


@dataclass(frozen=True)
class Group:
    """Projected prompts that belong together: of one projector, or of one import."""

    name: str
    entries: tuple[PromptEntry, ...]
    projector: Carried | None


def groups_of(view: View, choice: Choice | None) -> list[Group]:
    """The chosen projectors' prompts, and imported projected prompts of this PLM."""
    found = []
    if choice is not None and choice.tasks:
        try:
            mine = cross_model.of_cells(data.library(), planned(view, choice))
        except PtlibError:
            mine = []
        found += [
            Group(f"projector {item.digest[:8]}, seed {item.story['seed']}", tuple(entry for entry in item.entries if entry.task), item)
            for item in mine
        ]
    imported: dict[tuple, list[PromptEntry]] = {}
    for entry in data.library().prompts(view.plm.id, ("projected",)):
        if "projector" not in entry.meta:
            imported.setdefault(
                (str(entry.meta.get("source_backbone", "a PLM that is not recorded")), entry.length, entry.insertion), []
            ).append(entry)
    return found + [Group(f"imported, from {origin}", tuple(entries), None) for (origin, *_), entries in imported.items()]


def collapse_part(view: View, choice: Choice | None) -> None:
    groups = groups_of(view, choice)
    if not groups:
        return
    st.header("Have projected prompts collapsed?")
    key = ("collapse", view.plm.id, tuple(entry.digest for group in groups for entry in group.entries))
    rows = data.of_library(key, lambda: [measured(group) for group in groups])
    for one in rows:
        same = f" One and the same: {'; '.join(', '.join(names) for names in one.together)}." if one.together else ""
        st.markdown(f"**{components.plain(one.name)}.** {components.plain(collapse.verdict(one.found, one.source) + same)}")
    st.caption(f"Collapsed: two prompts whose distance is below {collapse.COLLAPSED:.0%} of their norm count as one. Nearly constant: their spread (root mean square "
               f"distance to the mean prompt over root mean square norm) is below {collapse.NEARLY:.0%} of that of the prompts they were made of. Rows that never "
               "reach the PLM are left out.")  # fmt: skip
    # The one that has collapsed most is what there is to see.
    worst = min(range(len(rows)), key=lambda place: rows[place].found.distinct / max(rows[place].found.n, 1))
    chosen = st.selectbox("Distances of", [group.name for group in groups], index=worst, key="collapse-of", bind="query-params")
    group = next(one for one in groups if one.name == chosen)
    rank = type_order(entry.type for entry in group.entries)
    entries = sorted(group.entries, key=lambda entry: (rank.index(entry.type), entry.task, entry.seed or 0))
    several = len({entry.seed for entry in entries}) > 1
    names = [f"{entry.task} {entry.seed}" if several else entry.task for entry in entries]
    fig = data.of_library(("distances", view.plm.id, tuple(entry.digest for entry in entries), view.mode), lambda: figures.distances(
        collapse.distances(cross_model.live(data.library(), entries)), names, [entry.type for entry in entries], view.mode, f"{chosen}, to {view.plm.id}"))  # fmt: skip
    components.show(fig, "collapse", "Distance of every pair of projected prompts as a share of their mean norm, tasks grouped by type. 0: the same prompt under two "
                    "names; about 1.4: nothing in common.")  # fmt: skip


class Measured(NamedTuple):
    """How much a group's prompts differ."""

    name: str
    found: collapse.Collapse
    source: collapse.Collapse | None
    """How much the prompts they were made of did, where they are here."""
    together: list[list[str]]
    """Tasks whose prompts are one."""


def measured(group: Group) -> Measured:
    """Reads a group's prompts."""
    tasks, values = [entry.task for entry in group.entries], cross_model.live(data.library(), group.entries)
    source = cross_model.spread_of(data.library(), group.projector)[1] if group.projector is not None else None
    return Measured(group.name, collapse.collapse(values, tasks), source, collapse.together(values, tasks))


def body() -> None:
    view: View = st.session_state["view"]
    st.title("Cross-model")
    choice = controls(view)
    if choice is None:
        st.markdown(f"To **{components.plain(view.plm.id)}**")
        if not view.plm.here:
            st.info(f"Carrying prompts to this PLM needs its weights. Bring them with `./run.sh ptlib plms add {view.plm.id}`.")
        else:
            st.info(
                "No other PLM with prompts is here to carry over. Add one with `./run.sh ptlib plms add`, or bring prompts with `./run.sh ptlib import`."
            )
    elif not choice.tasks:
        st.info("Choose at least one task that the projector learns from.")
    elif view.tasks:
        components.guard(lambda: projectors_part(view, choice))
    else:
        components.no_tasks(view)
    components.guard(lambda: collapse_part(view, choice))


components.guard(body)
