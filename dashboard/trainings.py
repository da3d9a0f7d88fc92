"""What the pages on training read: open and finished trainings, their curves, comparisons of starts. Reads only."""

from __future__ import annotations

import io
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import streamlit as st

from dashboard import data
from dashboard.kept import kept
from dashboard.selection import View
from ptlib.analysis import likeness, saved
from ptlib.library import Library, PromptEntry
from ptlib.neurons.overlap import overlap
from ptlib.prompts import peft_format
from ptlib.runs import initialisation, training
from ptlib.runs.initialisation import Start
from ptlib.runs.training import Training, TrainingSettings

LOOK_SECONDS = 1.0


def unfinished(view: View) -> list[Training]:
    """Trainings of the PLM without a result, newest first; asked once a second for all sessions."""
    found = kept().get(("trainings", view.plm.fingerprint), int(time.monotonic() / LOOK_SECONDS), lambda: training.unfinished(data.store(), view.plm.fingerprint))  # fmt: skip
    seen, now = st.session_state.get("trainings-open", set()), {item.cell.key for item in found}
    st.session_state["trainings-open"] = now
    if seen - now:
        # One has ended: its prompt is in the library by now.
        data.look_again()
    return found


def changed(view: View) -> None:
    """What is open is asked for anew: a training was queued."""
    kept().forget(("trainings", view.plm.fingerprint))
    data.changed()


def finished(view: View) -> list[PromptEntry]:
    """The PLM's prompts that were trained here, the newest first."""
    return data.of_library(("trained here", view.plm.id), lambda: training.finished(data.library(), view.plm.id)[::-1])


def arrays(keys: list[str]) -> dict[str, dict[str, np.ndarray]]:
    """What there is of trainings; of open ones the last checkpoint."""
    return kept().get(("training arrays", tuple(keys)), data.snapshot().refresh(), lambda: training.arrays_of(data.store(), keys))


def trainable(library: Library) -> list[str]:
    """Tasks with data to train on and to validate with, here without a network."""
    return [name for name, task in library.tasks.items() if not task.generates and task.here("train") and task.here("validation")]


def like(view: View, found: dict[str, np.ndarray], task: str) -> tuple[pd.DataFrame, int | None] | None:
    """ON of a training's checkpoints with the PLM's finished prompts over steps, and from when its own type leads; None where no
    stimulation of a finished prompt is there."""
    states = data.states(data.stimulations(view.selection))
    library = data.library()
    entries = [entry for name in states if (entry := library.prompt(name)).kind == "trained" and entry.plm_id == view.plm.id]
    if not entries or not len(found["activated"]):
        return None
    active = training.activated(found, view.plm.layers, view.plm.ffn)
    others = np.stack([states[entry.name].activated for entry in entries])
    steps = found["curve"][: len(active), 0].astype(int)
    table = likeness.by_type(
        overlap(active, view.layers, others), steps, [entry.task for entry in entries], [entry.type for entry in entries], task
    )
    return table, likeness.leads_from(table, library.task(task).type)


def comparison(view: View, settings: TrainingSettings, tasks: list[str], mean: bool) -> list[Start]:
    """The trainings that compare starts for the selection; sources picked in the sidebar count, otherwise two are chosen a target."""
    library = data.library()
    picked = None if set(view.sources) == set(library.sources_for(view.plm.id)) else view.sources
    key = ("starts", view.plm.id, settings, tuple(tasks), tuple(view.seeds), None if picked is None else tuple(picked), mean)
    return data.of_library(key, lambda: initialisation.starts(library, view.plm.id, tasks, view.seeds, settings, picked, mean))


def compared(wanted: list[Start]) -> tuple[pd.DataFrame, pd.DataFrame, list[Start]]:
    """Curves, one row a training, and what is missing."""
    key = ("compared", tuple(item.cell.key for item in wanted))

    def make() -> tuple[pd.DataFrame, pd.DataFrame, list[Start]]:
        curves, missing = initialisation.curves(data.store(), wanted)
        return curves, saved.trainings(curves), missing

    return kept().get(key, data.snapshot().refresh(), make, may_lag=data.busy())


def adapter(entry: PromptEntry, view: View) -> bytes:
    """A zip of the prompt as an adapter that peft loads. Raises PromptError for another insertion."""
    packed = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        peft_format.write(entry.load(), Path(folder), view.plm.family, str(view.plm.folder))
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(Path(folder).iterdir()):
                archive.write(path, f"{entry.path.stem}/{path.name}")
    return packed.getvalue()
