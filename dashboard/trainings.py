"""What the pages on training read: open and finished trainings, the arrays of both, adapters. Reads only."""

from __future__ import annotations

import io
import tempfile
import time
import zipfile
from pathlib import Path

import numpy as np
import streamlit as st

from dashboard import data
from dashboard.kept import kept
from dashboard.selection import View
from ptlib.library import PromptEntry
from ptlib.prompts import peft_format
from ptlib.runs import training
from ptlib.runs.training import Training

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


def arrays(keys: list[str]) -> dict[str, dict[str, np.ndarray]]:
    """What there is of trainings; of open ones the last checkpoint."""
    return kept().get(("training arrays", tuple(keys)), data.snapshot().refresh(), lambda: training.arrays_of(data.store(), keys))


def adapter(entry: PromptEntry, view: View) -> bytes:
    """A zip of the prompt as an adapter that peft loads. Raises PromptError for another insertion."""
    packed = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder:
        peft_format.write(entry.load(), Path(folder), view.plm.family, str(view.plm.folder))
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            for path in sorted(Path(folder).iterdir()):
                archive.write(path, f"{entry.path.stem}/{path.name}")
    return packed.getvalue()
