"""Where batches are evaluated. Three methods; the store stays with the worker, which is the one that writes. Imports no torch."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable
from typing import Literal, NamedTuple, Protocol

from ptlib.errors import RunError
from ptlib.library import Library
from ptlib.runs.parcel import Batch, Parcel
from ptlib.store import Store


class Event(NamedTuple):
    """What an executor tells of a batch."""

    number: int
    """The batch's, as it was handed in."""
    kind: Literal["begun", "parcel", "end", "lost"]
    """A cell is evaluated from now on; something was found; nothing more will come; nothing more will come since a process died."""
    key: str = ""
    parcel: Parcel | None = None
    reason: str = ""


class Executor(Protocol):
    """Evaluates batches somewhere."""

    def submit(self, number: int, batch: Batch) -> None:
        """Takes a batch. Raises RunError where it cannot be evaluated here."""

    def collect(self, listen: Callable[[Event], None], seconds: float) -> None:
        """Tells what happened; works or waits for about ``seconds`` at most where nothing did."""

    def cancel(self, number: int) -> None:
        """Asks a batch to end between two batches of texts, and makes it end after a grace time. May be called by any thread."""

    def room(self) -> int:
        """How many batches more it can take now."""

    def about(self) -> dict:
        """What it holds: ``plms`` (list of words), ``hands`` (how many evaluate), ``memory`` and ``memory_of`` (bytes)."""

    def close(self) -> None:
        """Ends everything it started."""


ROOMS = {"local": ("ptlib.runs.executors.local", "LocalExecutor", ""), "ray": ("ptlib.runs.executors.cluster", "RayExecutor", "ray"),
         "slurm": ("ptlib.runs.executors.slurm", "SlurmExecutor", "submitit")}  # fmt: skip
"""Engine -> module, class, package that it needs beside this project's requirements."""


def here(engine: str) -> bool:
    """Whether what an engine needs is installed."""
    package = ROOMS[engine][2]
    return not package or importlib.util.find_spec(package) is not None


def make(engine: str, store: Store, library: Library, device: str | None) -> Executor:
    """The executor of an engine.

    Raises:
        RunError: its package is not installed, or it cannot be reached.
    """
    module, name, package = ROOMS[engine]
    if not here(engine):
        raise RunError(
            f"the engine {engine!r} needs the package {package}", where="executor", mend=f"Install it: .venv/bin/pip install {package}"
        )
    return getattr(importlib.import_module(module), name)(store, library, device)
