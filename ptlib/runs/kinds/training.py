"""Prompt tuning as a cell: checkpoints come as it goes, the finished prompt goes to the user's library."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from ptlib import __version__
from ptlib.errors import PromptError, RunError
from ptlib.library import Library
from ptlib.prompts import SoftPrompt, save
from ptlib.prompts.safetensors_format import header
from ptlib.runs.parcel import Batch, Parcel
from ptlib.runs.plan import Cell
from ptlib.runs.training import folder_of, settings_in
from ptlib.store import unusable
from ptlib.tasks.metrics import wilson_interval

CHECKPOINT_SECONDS = 1.0
"""Between checkpoints at most: what a killed worker loses, and how live the curve is."""


def evaluate(evaluator: Any, plm: Any, cell: Cell, batch: Batch, should_stop: Callable[[], bool]) -> Iterator[Parcel]:
    """Trains the cell's prompt. A loss that is no number fails the cell; the last good prompt goes with that parcel."""
    from ptlib.plms.checksum import checksum
    from ptlib.transfer.tuning import Diverged, State, train

    settings = settings_in(cell)
    task, sources = _task(evaluator, plm, cell), [evaluator.library.by_digest(digest).load() for digest in settings.sources]
    known = batch.states.get(cell.key)
    state = None if known is None else State.from_arrays(known)
    bits = [] if known is None else list(known["activated"])
    before, started, told = checksum(plm), time.perf_counter(), 0.0
    spent = 0.0 if known is None else float(known["seconds"][0])

    def arrays() -> dict[str, np.ndarray]:
        seconds = np.array([spent + time.perf_counter() - started])
        return {**state.to_arrays(), "activated": np.array(bits, np.uint8), "seconds": seconds}

    try:
        for found in train(plm, task, settings, sources, state=state, should_stop=should_stop):
            state = found
            bits += [_activated(plm, state.values, cell)] * (len(state.curve) - len(bits))
            if not state.ended and (should_stop() or time.perf_counter() - told > CHECKPOINT_SECONDS):
                yield Parcel("partial", cell.key, {**_row(plm, cell, task, state), "total": settings.steps, "reason": ""}, arrays())
                told = time.perf_counter()
    except Diverged as error:
        good = {} if state is None else _finished(arrays(), _story(evaluator, plm, cell, state, before, str(error)))
        yield Parcel("failed", cell.key, arrays=good, error=str(error))
        return
    if checksum(plm) != before:
        raise RunError(
            "the PLM's weights changed while a prompt was trained", where=plm.info.id, mend="Nothing of it is kept. Train it again."
        )
    kept = _finished(arrays(), _story(evaluator, plm, cell, state, before, state.ended))
    yield Parcel("result", cell.key, {**_row(plm, cell, task, state), "kind": "training", "split": cell.split, "limit_n": cell.limit,
                                       "seconds": spent + time.perf_counter() - started}, kept)  # fmt: skip


def _task(evaluator: Any, plm: Any, cell: Cell) -> Any:
    task, settings = evaluator.task(cell, plm), settings_in(cell)
    if task.digest("validation", settings.validation_examples) != cell.told.get("validation_data"):
        raise RunError("the task's validation data changed since the run was planned", where=task.source,
                       mend="Start the run again; it will plan for the new data.")  # fmt: skip
    return task


def _activated(plm: Any, values: np.ndarray, cell: Cell) -> np.ndarray:
    from ptlib.neurons.stimulate import stimulate

    found = stimulate(plm, [SoftPrompt(values, "checkpoint", plm.info.fingerprint, cell.task, insertion=cell.insertion)])
    return np.packbits(found.activated[0])


def _row(plm: Any, cell: Cell, task: Any, state: Any) -> dict[str, object]:
    value, n = state.validation, len(task.read("validation", settings_in(cell).validation_examples).labels)
    low, high = wilson_interval(round(value * n), n) if task.metric == "accuracy" and math.isfinite(value) else (None, None)
    return {"key": cell.key, "plm": cell.plm, "prompt": cell.prompt, "task": cell.task, "task_digest": cell.task_digest, "insertion": cell.insertion,
            "dtype": plm.dtype, "metric": task.metric, "value": value if math.isfinite(value) else None, "n": n, "ci_low": low, "ci_high": high,
            "device": plm.device}  # fmt: skip


def _story(evaluator: Any, plm: Any, cell: Cell, state: Any, weights: str, ended: str) -> dict[str, object]:
    """Where the prompt comes from, for its file's header."""
    import torch
    import transformers

    settings = settings_in(cell)
    sources = [{"name": evaluator.library.by_digest(digest).name, "digest": digest} for digest in settings.sources]
    return {"training": cell.key, "validation": state.validation, "step": state.best_step, "steps": state.step, "lr": settings.lr, "batch": settings.batch,
            "length": settings.length, "init": settings.initialisation, "sources": sources, "settings": asdict(settings), "ended": ended,
            "train_data": cell.task_digest, "validation_data": cell.told["validation_data"], "weights": weights, "device": plm.device,
            "versions": {"ptlib": __version__, "torch": torch.__version__, "transformers": transformers.__version__}}  # fmt: skip


def _finished(arrays: Mapping[str, np.ndarray], story: Mapping[str, object]) -> dict[str, np.ndarray]:
    """What is kept of a training that ended: nothing that only going on needs."""
    text = json.dumps({**story, "seconds": round(float(arrays["seconds"][0]), 3), "created": round(time.time(), 3)}, sort_keys=True)
    return {"best": arrays["best"], "last": arrays["values"], "curve": arrays["curve"], "activated": arrays["activated"],
            "story": np.frombuffer(text.encode(), np.uint8)}  # fmt: skip


def prompt_of(cell: Cell, arrays: Mapping[str, np.ndarray]) -> SoftPrompt:
    """The trained prompt with its story, from what is kept of its training."""
    story = json.loads(arrays["story"].tobytes())
    return SoftPrompt(arrays["best"], cell.prompt_name, cell.plm, cell.task, settings_in(cell).seed, "trained", cell.insertion, story)


def keep(cell: Cell, parcel: Parcel) -> None:
    """Puts the trained prompt into the user's library, under a name that nothing there has; doing it twice changes nothing.

    A cell without a name (of a comparison of many trainings) stays in the cache.

    Raises:
        StoreError: it cannot be written.
    """
    if not cell.prompt_name:
        return
    folder = folder_of(cell.plm_id)
    if any(_trained_by(path) == cell.key for path in folder.glob("[!.]*.safetensors")):
        return
    taken = {entry.name for entry in Library.open().entries} | {f"{cell.plm_id}/{path.stem}" for path in folder.glob("*.safetensors")}
    number, name = 1, cell.prompt_name
    while f"{cell.plm_id}/{name}" in taken:
        number += 1
        name = f"{cell.prompt_name[: 63 - len(str(number))]}-{number}"
    try:
        save(prompt_of(cell, parcel.arrays), folder / f"{name}.safetensors")
    except PromptError as error:
        if isinstance(error.__cause__, OSError):
            raise unusable("written", folder, error.__cause__) from error
        raise


def _trained_by(path: Any) -> str | None:
    try:
        return header(path)["meta"].get("training")
    except PromptError:
        return None
