"""``ptlib train`` and ``ptlib initialise``: prompt tuning, and what starting from other prompts saves."""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import pandas as pd

from ptlib.analysis import saved
from ptlib.errors import PtlibError
from ptlib.library import Library
from ptlib.prompts import peft_format
from ptlib.runs import training_api
from ptlib.transfer.settings import CHOICES, TrainingSettings

HELP = {
    "length": "soft tokens", "text": "what the initialisation text reads", "fit": "a source prompt of another length: its first rows, or its rows over again",
    "insertion": "how the prompt meets the input", "warmup": "steps in which the learning rate rises", "lr": "learning rate", "weight_decay": "weight decay",
    "steps": "steps", "batch": "examples of one pass", "accumulation": "passes a step", "precision": "of the pass through the PLM",
    "patience": "validations without a better score after which it ends", "evaluate_every": "steps between validations",
    "validation_examples": "first N validation examples", "examples": "first N training examples", "optimizer": "optimiser", "schedule": "of the learning rate",
    "initialisation": "where the prompt starts; --from says from which prompts",
}  # fmt: skip
SHOWN = ["group", "targets", "trainings", "never", "start", "reached", "random_reached", "saved", "saved_low", "saved_high", "speed_up", "speed_up_low", "speed_up_high",
         "convergence_speed_up", "convergence_speed_up_low", "convergence_speed_up_high", "difference", "difference_low", "difference_high"]  # fmt: skip


def register(verb: Callable[..., argparse.ArgumentParser], show: Callable[[pd.DataFrame, str], None], progress: Callable) -> None:
    """Adds the verbs. ``verb`` makes a parser, ``show`` prints a table in a format, ``progress`` hears how far a run is."""
    train = verb("train", lambda options: _train(options, show, progress), "train a prompt; it goes to your library",
                 "train laptop --from zoo-64-s1/restaurant-s0 --steps 60")  # fmt: skip
    train.add_argument("task", help="what it is trained for")
    train.add_argument(
        "--from", dest="sources", nargs="+", default=[], metavar="PROMPT", help="prompts to start from; several are averaged"
    )
    train.add_argument("--seeds", nargs="+", type=int, default=[0], help="one training each")
    train.add_argument("--name", help="of the prompt in your library (default: <task>-<start>-s<seed>)")
    start = verb("initialise", lambda options: _initialise(options, show, progress),
                 "transfer as initialisation: steps that starting from source prompts saves; missing trainings are run first", "initialise --tasks laptop qnli")  # fmt: skip
    start.add_argument("--tasks", nargs="+", help="targets (default: all)")
    start.add_argument("--sources", nargs="+", help="source tasks (default: for each target the next of its type and the next of another)")
    start.add_argument("--seeds", nargs="+", type=int, help="one training each (default: those of the PLM's prompts)")
    start.add_argument("--no-mean", dest="mean", action="store_false", help="leave out the mean of all same-type prompts")
    start.add_argument(
        "--by",
        choices=("group", "target", "training", "point"),
        default="group",
        help="a row each: kind of start, target, training, point of a curve",
    )
    export = verb("export", _export, "write a prompt as an adapter that peft loads", "export my-plm/laptop-random-s0 adapter/")
    export.add_argument("prompt", help="unique name in the library")
    export.add_argument("folder", type=Path, help="adapter_config.json and adapter_model.safetensors go here")
    for command in (train, start):
        command.add_argument("--plm", help="PLM id (default: the library's)")
        _add_settings(command, {"sources", "seed"} | (set() if command is train else {"initialisation", "text"}))


def _add_settings(command: argparse.ArgumentParser, but: set[str]) -> None:
    kinds = {"lr": float, "weight_decay": float, "text": str, "insertion": str}
    for field in dataclasses.fields(TrainingSettings):
        if field.name in but:
            continue
        choices = [choice for choice in get_args(CHOICES[field.name]) if choice] if field.name in CHOICES else None
        kind = str if choices else kinds.get(field.name, int)
        command.add_argument(f"--{field.name.replace('_', '-')}", type=kind, choices=choices, help=HELP[field.name])


def _settings(options: argparse.Namespace) -> dict[str, Any]:
    names = {field.name for field in dataclasses.fields(TrainingSettings)} - {"sources", "seed"}
    return {name: value for name in names if (value := getattr(options, name, None)) is not None}


def _train(options: argparse.Namespace, show: Callable, progress: Callable) -> None:
    found = training_api.train(options.task, options.plm, sources=options.sources, name=options.name, seeds=options.seeds, on_progress=progress, **_settings(options))  # fmt: skip
    rows = [{"prompt": entry.name, "validation": entry.meta["validation"], "best step": entry.meta["step"], "steps": entry.meta["steps"],
             "ended": entry.meta["ended"], "seconds": entry.meta["seconds"], "file": str(entry.path)} for entry in found]  # fmt: skip
    show(pd.DataFrame(rows), options.format)


def _initialise(options: argparse.Namespace, show: Callable, progress: Callable) -> None:
    found = training_api.compare_starts(options.plm, targets=options.tasks, sources=options.sources, seeds=options.seeds, mean=options.mean, on_progress=progress,
                                        **_settings(options))  # fmt: skip
    if options.by == "point":
        show(found.curves, options.format)
    elif options.by == "training":
        show(found.trainings, options.format)
    else:
        print_starts(found, ("group",) if options.by == "group" else ("target", "group", "source"), show, options.format)


def print_starts(found: training_api.Comparison, by: tuple[str, ...], show: Callable[[pd.DataFrame, str], None], form: str) -> None:
    """What starts save, a row each for ``by``; below a table over all targets in words too."""
    table = found.summary(by)
    show(table[[*by, *(name for name in SHOWN if name not in by)]], form)
    if form == "table" and by == ("group",):
        steps = int(found.trainings["steps"].max())
        for row in table.itertuples():
            print(saved.sentence(row, steps))
        if (told := found.contrast()) is not None:
            print(told.words())


def _export(options: argparse.Namespace) -> None:
    library = Library.open()
    entry = library.prompt(options.prompt)
    plm = library.plm(entry.plm_id)
    if not plm.here:
        raise PtlibError("the PLM's weights are not here", where=plm.id, mend=f"Bring them with: ptlib plms add {plm.id}")
    peft_format.write(entry.load(), options.folder, plm.family, str(plm.folder))
    print(f"{entry.name}: {options.folder}")
