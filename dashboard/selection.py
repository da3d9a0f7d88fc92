"""What the user picked, and the URL: one selection for all pages. The one place that touches widget state."""

from __future__ import annotations

from collections.abc import Callable

import streamlit as st

from dashboard import links
from dashboard.gallery.sides import AS_TRAINED
from dashboard.theme import Mode, type_order
from dashboard.view import View
from ptlib.analysis.indicators import INDICATORS
from ptlib.errors import RunError
from ptlib.library import Library
from ptlib.plms import PlmInfo
from ptlib.plms.device import DTYPES
from ptlib.prompts import family_insertions
from ptlib.published.scores import has_scores
from ptlib.runs import select
from ptlib.runs.precision import AUTO, Tested, best

ALL = "all"
IMAGES = ("SVG", "PNG")
LIMITS = {ALL: None, "100": 100, "25": 25}
SHARED = (
    "plm",
    "seeds",
    "results",
    "sources",
    "further",
    "tasks",
    "types",
    "name",
    "n",
    "indicator",
    "layers",
    "insertion",
    "dtype",
    "image",
)
"""Controls of the selection, which every page has."""
ROOM = {"sources": 820, "tasks": 220, "seeds": 130, "layers": 130, "further": 130}
"""Characters of the address: 200 sources and 50 tasks fit as hashes, and with everything else a link stays under 2 kB."""


def mode() -> Mode:
    """Light or dark, as the browser shows the app."""
    return "dark" if st.context.theme.type == "dark" else "light"


def image_format() -> str:
    """ "svg" or "png": what the figures' own toolbar saves."""
    return str(st.session_state.get("image") or IMAGES[0]).lower()


def sidebar(library: Library, tests: Callable[[PlmInfo], list[Tested]]) -> View:
    """Draws the shared controls and gives the view. Every control is in the URL; empty lists stand for "all".

    Args:
        tests: what is known of a PLM's precisions here.

    Raises:
        RunError: a library without PLMs or tasks.
    """
    if not library.plms or not library.tasks:
        raise RunError("the library has no PLM or no task", where="library", mend="Run: ./run.sh ptlib zoo build")
    ids = list(library.plms)
    with st.sidebar:
        plm_id = st.selectbox(
            "PLM", ids, **links.unless_back("plm", index=ids.index(library.default_plm())), key="plm", bind="query-params"
        )
        plm = library.plms[plm_id]
        have = sorted({entry.seed for entry in library.given(plm_id) if entry.seed is not None})
        seeds = links.several(
            st.pills,
            "Prompt seeds",
            have,
            "seeds",
            ROOM["seeds"],
            selection_mode="multi",
            default=have,
            help="Every prompt was trained from several random starts. Matrices show the mean over the seeds picked.",
        )
        published = _published(library, plm)
        names = library.tasks_for(plm_id, published=published)
        absent = [] if published else [name for name in library.tasks_for(plm_id, published=True) if name not in names]
        if absent:
            st.caption(f"No data here for {len(absent)} tasks; fetch with `./run.sh ptlib tasks fetch {absent[0]}`.")
        trained = library.sources_for(plm_id)
        sources = links.several(st.multiselect, "Prompts (source tasks)", trained, "sources", ROOM["sources"], placeholder="all tasks")
        further = _further(library, plm_id)
        tasks = links.several(st.multiselect, "Tasks (targets)", names, "tasks", ROOM["tasks"], placeholder="all tasks")
        narrowed = _filtered(library, tasks or names, sources or trained, bool(tasks), bool(sources))
        limit = st.selectbox("Test examples a cell", list(LIMITS), key="n", bind="query-params")
        indicator = st.selectbox(
            "Indicator",
            [name for name in INDICATORS if name != "same_type"],
            key="indicator",
            bind="query-params",
            format_func=lambda name: INDICATORS[name].label,
            help="Similarity of two prompts that might predict transfer.",
        )
        layers = links.several(
            st.multiselect, "Layers (for ON)", list(range(1, plm.layers + 1)), "layers", ROOM["layers"], placeholder="all layers"
        )
        ways = family_insertions(plm.family)
        way = st.selectbox("Insertion", [AS_TRAINED, *ways], key="insertion", bind="query-params", disabled=published,
                           help="How a prompt meets the input. Another way than it was trained with is measured apart.")  # fmt: skip
        dtype = _precision(plm, tests(plm), published)
        st.segmented_control(
            "Figures save as", IMAGES, **links.unless_back("image", default=IMAGES[0]), key="image", bind="query-params", required=True,
            help="The camera in a figure's toolbar: 6.75 inches wide, SVG as vectors, PNG at 300 dots an inch.",
        )  # fmt: skip
    links.keep(SHARED)
    chosen = sorted(seeds or have)
    tasks, sources = narrowed
    picked = select(library, plm_id, tasks=tasks, sources=sources, seeds=chosen, limit=LIMITS[limit],
                    insertion=None if way == AS_TRAINED else way, dtype=dtype, further=[] if published else further)  # fmt: skip
    return View(plm, tasks, sources, chosen, LIMITS[limit], indicator,
                [layer - 1 for layer in layers] or None, picked, mode(), published, further)  # fmt: skip


def _further(library: Library, plm_id: str) -> list[str]:
    names = [entry.name for entry in library.prompts(plm_id, ("trained",)) if entry.name in library.further]
    if not names:
        return []
    return links.several(st.multiselect, "Prompts trained here", names, "further", ROOM["further"], placeholder="none",
                         format_func=lambda name: name.partition("/")[2],
                         help="Trainings of your own, each a row of its own. Studies and means never count them unasked.")  # fmt: skip


def _filtered(library: Library, tasks: list[str], sources: list[str], by_hand: bool, sources_by_hand: bool) -> tuple[list[str], list[str]]:
    """Targets and sources that the filters leave: of types of task, and source tasks with a text in their name. What was picked by
    hand stays; a filter that would leave nothing is left out, and says so."""
    types = {name: task.type for name, task in library.tasks.items()}
    there = type_order(types.get(name, "other") for name in [*tasks, *sources])
    kinds = st.multiselect("Types of task", there, key="types", placeholder="all types", bind="query-params") if len(there) > 1 else []
    text = st.text_input("Prompts with", key="name", placeholder="part of a name", bind="query-params").strip().casefold()
    found = []
    for names, hand, word in ((tasks, by_hand, ""), (sources, sources_by_hand, text)):
        left = [name for name in names if hand or ((not kinds or types.get(name, "other") in kinds) and word in name.casefold())]
        found.append(left or names)
        if not left:
            st.caption("No prompt or task is left by the filter: all are shown.")
    return found[0], found[1]


def _precision(plm: PlmInfo, tests: list[Tested], published: bool) -> str:
    picked = st.selectbox("Precision", [AUTO, *DTYPES], key="dtype", bind="query-params", disabled=published,
                          help="Of the PLM's weights; results of each precision are kept apart. Auto takes half precision where a short test on this "
                          "device found it faster and in agreement. In half precision, answers whose margin is within the error are taken from float32.")  # fmt: skip
    found = best(tests)
    if tests:
        st.caption(tests[0].words() + (f" Auto takes {found}." if picked == AUTO else ""))
    return found if picked == AUTO else picked


def _published(library: Library, plm: PlmInfo) -> bool:
    if not has_scores(library, plm.id):
        links.answered("results", "this PLM has measured ones alone")
        return False
    if not plm.here:
        links.answered("results", "this PLM has published ones alone")
        return True
    first = "measured" if library.tasks_for(plm.id) else "published"
    return st.segmented_control("Results", ["measured", "published"], **links.unless_back("results", default=first), key="results", bind="query-params", required=True,
                                help="Measured here, or as they came with an import. The two are never mixed.") == "published"  # fmt: skip
