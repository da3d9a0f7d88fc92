"""What goes to the processes that evaluate, and what comes back: plain data, so that they need no store. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Literal, NamedTuple

import numpy as np

from ptlib.errors import RunError
from ptlib.runs.plan import Cell


class Known(NamedTuple):
    """What a cell that was stopped early, or interrupted, has evaluated already."""

    rows: np.ndarray
    """(m,) int32"""
    logits: np.ndarray
    """(m, classes) float32"""
    seconds: float


@dataclass(frozen=True)
class Batch:
    """Cells of one PLM and task, with everything from the store that their evaluation needs."""

    cells: tuple[Cell, ...]
    seen: Mapping[str, Known] = field(default_factory=dict)
    """Cell's key -> what it evaluated before."""
    rivals: Mapping[str, np.ndarray] = field(default_factory=dict)
    """Prompt's digest -> (n, classes) logits of this task, of prompts that are only compared with."""
    slots: Mapping[str, int] = field(default_factory=dict)
    """Place (:func:`place_of`) -> most slots a batch of texts may have, where memory ran out before."""
    tested: tuple[str, ...] = ()
    """Devices on which this PLM's half precision was tested."""
    states: Mapping[str, Mapping[str, np.ndarray]] = field(default_factory=dict)
    """Cell's key -> what a training or the like had reached when it was interrupted: the arrays of its last partial parcel."""

    def to_bytes(self) -> bytes:
        """As a safetensors file."""
        arrays = {f"rivals/{digest}": logits for digest, logits in self.rivals.items()}
        for key, known in self.seen.items():
            arrays |= {f"rows/{key}": known.rows, f"logits/{key}": known.logits}
        for key, state in self.states.items():
            arrays |= {f"state/{key}/{name}": array for name, array in state.items()}
        story = {"cells": [asdict(cell) for cell in self.cells], "seconds": {key: known.seconds for key, known in self.seen.items()},
                 "slots": dict(self.slots), "tested": list(self.tested)}  # fmt: skip
        return _packed(story, arrays)

    @classmethod
    def from_bytes(cls, data: bytes) -> Batch:
        """The reverse. Raises RunError for other bytes."""
        story, arrays = _unpacked(data)
        seen = {key: Known(arrays[f"rows/{key}"], arrays[f"logits/{key}"], seconds) for key, seconds in story["seconds"].items()}
        rivals = {name.removeprefix("rivals/"): array for name, array in arrays.items() if name.startswith("rivals/")}
        states: dict[str, dict[str, np.ndarray]] = {}
        for name, array in arrays.items():
            if name.startswith("state/"):
                _, key, inner = name.split("/", 2)
                states.setdefault(key, {})[inner] = array
        return cls(tuple(Cell(**cell) for cell in story["cells"]), seen, rivals, story["slots"], tuple(story["tested"]), states)


Kind = Literal["result", "partial", "failed", "slots", "probe"]


@dataclass(frozen=True)
class Parcel:
    """Something that an evaluating process found."""

    kind: Kind
    """"result": a finished cell. "partial": a cell's state, with a reason in its row where it was stopped early and none where it
    goes on. "failed": why a cell has no result. "slots", "probe": what was learned of the device."""
    key: str = ""
    row: Mapping[str, object] = field(default_factory=dict)
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    error: str = ""
    seconds: float = 0.0
    """Spent on the cell here, by a clock that cannot be set."""

    def to_bytes(self) -> bytes:
        """As a safetensors file."""
        story = {"kind": self.kind, "key": self.key, "row": dict(self.row), "error": self.error, "seconds": self.seconds}
        return _packed(story, self.arrays)

    @classmethod
    def from_bytes(cls, data: bytes) -> Parcel:
        """The reverse. Raises RunError for other bytes."""
        story, arrays = _unpacked(data)
        return cls(story["kind"], story["key"], story["row"], arrays, story["error"], story["seconds"])


def place_of(plm: str, device: str, dtype: str, width: int) -> str:
    """Names where a batch size is remembered: by PLM, device, precision and length, in powers of two (:func:`width_of`)."""
    return f"{plm} {device.split(':')[0]} {dtype} {width}"


def _packed(story: Mapping[str, object], arrays: Mapping[str, np.ndarray]) -> bytes:
    from safetensors.numpy import save

    return save({name: np.ascontiguousarray(array) for name, array in arrays.items()} or {"": np.zeros(0, np.int8)},
                metadata={"story": json.dumps(story)})  # fmt: skip


def _unpacked(data: bytes) -> tuple[dict, dict[str, np.ndarray]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load

    try:
        arrays = load(data)
        size = int.from_bytes(data[:8], "little")
        story = json.loads(json.loads(data[8 : 8 + size])["__metadata__"]["story"])
    except (SafetensorError, KeyError, ValueError) as error:
        raise RunError(
            "a parcel between processes was damaged", where="executor", found=error, mend="The cell is evaluated again."
        ) from error
    arrays.pop("", None)
    return story, arrays
