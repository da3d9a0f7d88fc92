"""What pages read: the library, the store, and tables of both. Reads only; nothing here computes a model."""

from __future__ import annotations

import logging
from typing import NamedTuple

import numpy as np
import pandas as pd
import streamlit as st

from ptlib.library import Library
from ptlib.neurons.states import States, from_arrays
from ptlib.plms import PlmInfo
from ptlib.published import scores as imported
from ptlib.runs import Cell, plan, precision, tables
from ptlib.runs.estimate import Estimate
from ptlib.runs.estimate import estimate as estimated
from ptlib.runs.study import Study, load_study
from ptlib.store import Store

log = logging.getLogger("ptlib.dashboard")


@st.cache_resource
def store() -> Store:
    """The cache folder. Raises StoreError when it cannot be written."""
    return Store()


@st.cache_resource(ttl=30)
def library() -> Library:
    """The shelf, read again after half a minute."""
    return Library.open()


def precision_tests(plm: PlmInfo) -> list[precision.Tested]:
    """What is known of the PLM's precisions here."""
    return precision.tested(store(), plm.fingerprint) if plm.here else []


class Missing(NamedTuple):
    """What a selection still lacks."""

    total: int
    missing: list[Cell]
    stopped: list[Cell]
    """Cells that were stopped early: they have an interval and no exact score."""


def missing(view) -> Missing:
    """All cells of the selection and those without a result; of published results nothing can be run."""
    if view.published:
        return Missing(int(scores(view)["kind"].isin(["own", "zero-shot"]).sum()), [], [])
    cells = plan(library(), view.selection)
    stopped = tables.stopped(store(), cells)
    known = {cell.key for cell in stopped}
    return Missing(len(cells), [cell for cell in tables.missing(store(), cells) if cell.key not in known], stopped)


def seen_of(stopped: list[Cell]) -> tuple[int, int]:
    """Examples that cells stopped early have seen, and those they would see."""
    found = store().partials([cell.key for cell in stopped])
    return int(found.n.sum()), int(found.total.sum())


def scores(view) -> pd.DataFrame:
    """Tidy scores of the selection; see :func:`ptlib.runs.tables.scores`."""
    if view.published:
        return imported.scores(library(), view.plm.id, view.tasks, view.sources)
    return tables.scores(store(), library(), view.selection)


def study(view) -> Study:
    """Arrays of the selection's tasks with their own prompts."""
    both = [name for name in view.tasks if name in view.sources]
    return load_study(
        store(),
        library(),
        view.plm.id,
        tasks=both,
        seeds=view.seeds,
        limit=view.limit,
        published=view.published,
        insertion=view.selection.insertion,
        dtype=view.selection.dtype,
    )


def estimate(view, cells: list[Cell]) -> Estimate:
    """What running the cells will cost."""
    rows = {name: len(library().task(name).read("test", view.limit).labels) for name in view.tasks}
    return estimated(store(), cells, rows, view.plm.parameters)


@st.cache_resource(max_entries=64)
def stimulation(key: str) -> States | None:
    """(layers, ffn) of one stored stimulation."""
    found = store().result_arrays(key)
    return None if found is None else from_arrays(found)


@st.cache_resource(max_entries=256)
def prompt_values(digest: str) -> np.ndarray:
    """(length, hidden) of one prompt; by content, so that a changed file is read again."""
    return library().by_digest(digest).load().values
