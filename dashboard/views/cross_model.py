"""What prompts are worth on another PLM, when a projector carries them there."""

from typing import NamedTuple

import streamlit as st

from dashboard import components, data, starts
from dashboard.gallery import cross_model as gallery
from dashboard.gallery import training
from dashboard.gallery.cross_model import FORMS, WAYS, Choice, Group
from dashboard.live import LIVE
from dashboard.selection import View
from ptlib.analysis import collapse
from ptlib.analysis import cross_model as analysis
from ptlib.errors import PtlibError
from ptlib.runs import cross_model, tables
from ptlib.runs.cross_model import Carried


def controls(view: View) -> tuple[dict, bool] | None:
    """What is carried over, as settings of the figures, and whether every prompt is scored on every task; None where nothing can be."""
    shelf = data.library()
    others = gallery.sources_of(shelf, view)
    if not others or not view.plm.here:
        return None
    one, two = st.columns([2, 5])
    source = one.selectbox(
        "From (source PLM)", others, key="from", bind="query-params", help="The target is the PLM chosen in the sidebar."
    )
    offered = [name for name in shelf.sources_for(source) if name in shelf.tasks]
    usual = gallery.one_a_type(shelf, source, shelf.tasks_for(view.plm.id))
    tasks = two.multiselect("Trained on", offered, default=usual, key="trained-on", bind="query-params",
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
    return {"source": source, "trained_on": " ".join(tasks), "way": way, "form": form, "projectors": int(seeds)}, everything


def there(view: View, asked: Choice) -> list[Carried]:
    """Finished projectors; their prompts are put back where they left the library."""
    cells = gallery.planned(LIVE, view, asked)
    found = cross_model.of_cells(data.library(), cells)
    if len(found) < len(cells):
        cross_model.restore(data.store(), cells)
        data.look_again()
        found = cross_model.of_cells(data.library(), cells)
    return found


def projectors_part(view: View, settings: dict, everything: bool) -> None:
    asked = gallery.choice(LIVE, view, settings)
    cells = gallery.planned(LIVE, view, asked)
    missing = tables.missing(data.store(), cells)
    line = (f"From **{components.plain(asked.source)}** to **{components.plain(view.plm.id)}** · {components.count(len(cells), 'projector')} by "
            f"{WAYS[asked.settings.way]} on {components.plain(', '.join(asked.tasks))} · scored on {len(view.tasks)} tasks, {view.n}")  # fmt: skip
    if missing:
        st.markdown(f"{line} · **{len(missing)} of {len(cells)} projectors to be trained**")
        components.run_panel(view, missing, "projectors")
        return
    projectors = there(view, asked)
    scores = data.of_library(("projected scores", view.plm.id, asked, everything, tuple(view.tasks), view.limit, tuple(item.digest for item in projectors)),
                             lambda: cross_model.score_cells(data.library(), projectors, view.tasks, view.limit, everything))  # fmt: skip
    data.snapshot().refresh()
    whole, _, _ = data.snapshot().state([cell.key for cell in scores])
    lacking = [cell for cell, has in zip(scores, whole, strict=True) if not has]
    st.markdown(f"{line} · " + (f"**{len(lacking)} of {len(scores)} scores missing**" if lacking else "complete"))
    components.run_panel(view, lacking, "scores of projected prompts")
    components.live(lambda: results(view, settings, projectors))
    components.guard(lambda: initialisation_part(view, settings, projectors))


def results(view: View, settings: dict, projectors: list[Carried]) -> None:
    try:
        table = gallery.table_of(LIVE, view, projectors)
    except PtlibError:
        st.info("No projected prompt has been scored yet. Run the missing scores; the findings appear here.")
        return
    relatively = st.segmented_control("Show", ["score", "relative performance"], default="score", key="projected-show", bind="query-params",
                                      required=True) != "score"  # fmt: skip
    said = analysis.finding(analysis.summary(table))
    if said:
        st.markdown(f"**{components.plain(said.split('. ')[0])}.** {components.plain('. '.join(said.split('. ')[1:]))}")
    shown = {**settings, "relative": relatively}
    left, right = st.columns([2, 3], gap="large")
    with left:
        components.figure("cross-model-roles", view, shown)
    with right:
        components.figure("cross-model-matrix", view, shown)


def initialisation_part(view: View, settings: dict, projectors: list[Carried]) -> None:
    st.header("Do projected prompts save training?")
    st.markdown(
        "The projected prompts of tasks that the projectors were not trained on, as the start of a training, against random rows of the same seed."
    )
    with st.expander("What is measured"):
        st.markdown(starts.DEFINITIONS)
    given = {**settings, **starts.controls()}
    wanted = gallery.comparison(LIVE, view, given, projectors)
    if not wanted:
        st.info(
            "Every chosen task that has training and validation data here is one that the projectors were trained on. Choose more tasks in the sidebar."
        )
        return
    _, _, missing = training.compared(LIVE, view, wanted)
    components.run_panel(view, [item.cell for item in missing], "trainings from projected prompts")
    components.live(lambda: starts.results(view, wanted, given, "projected-starts", "projected-steps-saved"))


def collapse_part(view: View, settings: dict | None) -> None:
    try:
        asked = None if settings is None else gallery.choice(LIVE, view, settings)
    except PtlibError:
        asked = None
    groups = gallery.groups(LIVE, view, asked)
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
    components.figure("collapse", view, {**(settings or {}), "of": chosen})


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
    chosen = controls(view)
    if chosen is None:
        st.markdown(f"To **{components.plain(view.plm.id)}**")
        if not view.plm.here:
            st.info(f"Carrying prompts to this PLM needs its weights. Bring them with `./run.sh ptlib plms add {view.plm.id}`.")
        else:
            st.info(
                "No other PLM with prompts is here to carry over. Add one with `./run.sh ptlib plms add`, or bring prompts with `./run.sh ptlib import`."
            )
    elif not chosen[0]["trained_on"]:
        st.info("Choose at least one task that the projector learns from.")
    elif view.tasks:
        components.guard(lambda: projectors_part(view, *chosen))
    else:
        components.no_tasks(view)
    components.guard(lambda: collapse_part(view, None if chosen is None else chosen[0]))


components.guard(body)
