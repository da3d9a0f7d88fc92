"""A projector as a cell: it is trained, carries source prompts over, and these go to the user's library."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from ptlib.errors import PromptError, RunError
from ptlib.library import user_folder
from ptlib.prompts import SoftPrompt, save
from ptlib.runs.parcel import Batch, Parcel
from ptlib.runs.plan import Cell
from ptlib.store import unusable
from ptlib.transfer.projector import Projector, ProjectorSettings, gaussian_like

STATE_STEPS = 20
CHECKPOINT_SECONDS = 5.0
"""Between checkpoints at most: what a killed worker loses."""
LONGEST_NAME = 64


def settings_in(cell: Cell) -> ProjectorSettings:
    """How the cell's projector is trained."""
    told = cell.told
    return ProjectorSettings(**{name: told[name] for name in ProjectorSettings.__dataclass_fields__})


def evaluate(evaluator: Any, plm: Any, cell: Cell, batch: Batch, should_stop: Callable[[], bool]) -> Iterator[Parcel]:
    """Trains the cell's projector and projects the prompts that it names, and a Gaussian one."""
    from ptlib.transfer.projector_training import training

    told, source = cell.told, _source(evaluator, cell)
    pairs = _pairs(evaluator, cell, plm)
    known = time.monotonic()
    for state in training(source, plm, pairs, settings_in(cell), insertion=cell.insertion, length=told.get("length"),
                          begun=batch.states.get(cell.key), should_stop=should_stop, state_every=STATE_STEPS):  # fmt: skip
        if state.trained is None and (should_stop() or time.monotonic() - known > CHECKPOINT_SECONDS):
            yield Parcel(
                "partial", cell.key, {**_row(plm, cell, state.arrays["losses"]), "total": told["steps"], "reason": ""}, state.arrays
            )
            known = time.monotonic()
    projector, losses = state.trained
    entries = [evaluator.library.by_digest(digest) for digest in told["carry"]]
    sources = [replace(entry.load(), name=entry.path.stem) for entry in entries]
    made = carried(projector, [*sources, gaussian_like([pair.source for pair in pairs], told["seed"])], cell.key)
    yield Parcel(
        "result", cell.key, {**_row(plm, cell, losses), "kind": "projector"}, {**projector.to_arrays(), "losses": losses, **_packed(made)}
    )


def _source(evaluator: Any, cell: Cell) -> Any:
    found = next((plm for plm in evaluator.library.plms.values() if plm.fingerprint == cell.told["source_plm"]), None)
    if found is None:
        raise RunError("the source PLM is not in the library any more", where=cell.told["source"], mend="Bring it back, or plan again.")
    return found


def _pairs(evaluator: Any, cell: Cell, plm: Any) -> list:
    from ptlib.transfer.projector_training import Pair

    found, library, told = [], evaluator.library, cell.told
    for name, digest in told["data"].items():
        if library.task(name).for_family(plm.info.family).digest("train") != digest:
            raise RunError("the task's data changed since the run was planned", where=library.task(name).source,
                           mend="Start the run again; it will plan for the new data.")  # fmt: skip
    for source, task, own in told["pairs"]:
        found.append(Pair(library.by_digest(source).load(), library.task(task), library.by_digest(own).load() if own else None))
    return found


def _row(plm: Any, cell: Cell, losses: np.ndarray) -> dict[str, object]:
    last = float(np.mean(losses[-10:])) if len(losses) else None
    return {"key": cell.key, "plm": cell.plm, "prompt": "", "task": " ".join(cell.told["tasks"]), "task_digest": "", "insertion": cell.insertion,
            "dtype": plm.dtype, "metric": "loss", "value": last, "n": len(losses) * cell.told["batch"], "device": plm.device}  # fmt: skip


def carried(projector: Projector, sources: Sequence[SoftPrompt], cell: str) -> list[SoftPrompt]:
    """The sources' projections, under names that say where they come from; ``cell`` is the key of the projector's."""
    made = [projector.project(source, file_name(source, projector)) for source in sources]
    return [replace(prompt, meta={**prompt.meta, "cell": cell}) for prompt in made]


def file_name(source: SoftPrompt, projector: Projector) -> str:
    """``laptop-s0.from-zoo-128-s1.3fa9c1``: the source prompt, its PLM, and the projector's digest."""
    end = f".{projector.digest[:8]}"
    origin = f".from-{projector.source.plm_id}"[: LONGEST_NAME // 2 - len(end)]
    clean = re.sub(r"[^a-z0-9._-]+", "-", source.name.lower()).strip("-._") or "prompt"
    return f"{clean[: LONGEST_NAME - len(origin) - len(end)]}{origin}{end}"


def _packed(prompts: Sequence[SoftPrompt]) -> dict[str, np.ndarray]:
    story = [{"name": prompt.name, "plm": prompt.plm, "task": prompt.task, "seed": prompt.seed, "insertion": prompt.insertion, "meta": dict(prompt.meta)}
             for prompt in prompts]  # fmt: skip
    return {
        "prompts": np.stack([prompt.values for prompt in prompts]),
        "prompts_story": np.frombuffer(json.dumps(story).encode(), np.uint8),
    }


def prompts_of(arrays: Mapping[str, np.ndarray]) -> list[SoftPrompt]:
    """The projected prompts of a finished cell, the Gaussian control last."""
    story = json.loads(arrays["prompts_story"].tobytes())
    return [SoftPrompt(values, one["name"], one["plm"], one["task"], one["seed"], "projected", one["insertion"], one["meta"])
            for values, one in zip(arrays["prompts"], story, strict=True)]  # fmt: skip


def folder_of(plm_id: str) -> Path:
    """Where a PLM's projected prompts go in the user's library."""
    return user_folder() / "prompts" / plm_id


def keep(cell: Cell, parcel: Parcel) -> None:
    """Puts the projected prompts into the user's library; doing it twice changes nothing, since names hold the projector's digest.

    Raises:
        StoreError: they cannot be written.
    """
    folder = folder_of(cell.plm_id)
    for prompt in prompts_of(parcel.arrays):
        path = folder / f"{prompt.name}.safetensors"
        if path.is_file():
            continue
        try:
            save(prompt, path)
        except PromptError as error:
            if isinstance(error.__cause__, OSError):
                raise unusable("written", folder, error.__cause__) from error
            raise
