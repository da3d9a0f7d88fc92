"""The soft prompt: a trained float matrix that is put before the input embeddings."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, get_args

import numpy as np

from ptlib.errors import PromptError
from ptlib.prompts.insertion import INSERTIONS, UNKNOWN

PromptKind = Literal["trained", "random", "projected"]


@dataclass(frozen=True, eq=False)
class SoftPrompt:
    """A prompt and where it comes from. Its values are a read-only copy; ask ``digest`` whether two are the same.

    Raises:
        PromptError: not a finite, non-empty ``(length, hidden)`` float matrix, or an unknown insertion or kind.
    """

    values: np.ndarray
    """Shape (length, hidden), float32."""
    name: str
    plm: str
    """Fingerprint of the PLM it was trained for."""
    task: str
    """Name of the task it was trained on; empty for random prompts."""
    seed: int | None = None
    kind: PromptKind = "trained"
    insertion: str = "thunlp"
    meta: Mapping[str, Any] = field(default_factory=dict)
    """How it was trained: steps, learning rate, validation score and the like."""

    def __post_init__(self) -> None:
        values = np.asarray(self.values)
        what = f"prompt {self.name}"
        if values.ndim != 2 or 0 in values.shape:
            raise PromptError("the prompt is not a matrix", where=what, found=f"shape {values.shape}",
                              expected="shape (length, hidden)", mend="Save one row per soft token.")  # fmt: skip
        if values.dtype.kind != "f":
            raise PromptError("the prompt does not hold floats", where=what, found=str(values.dtype),
                              expected="float32", mend="Convert it before saving.")  # fmt: skip
        # Infinity also comes from doubles that single precision cannot hold.
        with np.errstate(over="ignore"):
            values = np.array(values, dtype=np.float32, order="C")
        bad = np.flatnonzero(~np.isfinite(values).all(axis=1))
        if bad.size:
            raise PromptError("the prompt holds NaN or infinite values", where=what,
                              found=f"{bad.size} of {len(values)} rows, first row {bad[0]}", expected="finite numbers",
                              mend="Its training diverged; train it again with a lower learning rate.")  # fmt: skip
        if self.insertion not in (*INSERTIONS, UNKNOWN):
            raise PromptError("unknown insertion", where=what, found=repr(self.insertion),
                              expected=f"one of {list(INSERTIONS)}")  # fmt: skip
        if self.kind not in get_args(PromptKind):
            raise PromptError("unknown kind of prompt", where=what, found=repr(self.kind),
                              expected=f"one of {list(get_args(PromptKind))}")  # fmt: skip
        values.setflags(write=False)
        object.__setattr__(self, "values", values)

    @property
    def length(self) -> int:
        """Number of soft tokens."""
        return self.values.shape[0]

    @property
    def hidden(self) -> int:
        """Width of a soft token."""
        return self.values.shape[1]

    @cached_property
    def digest(self) -> str:
        """sha256 (hex) of shape and bytes: two names of one matrix share it."""
        return digest(self.values)

    def check_fits(self, hidden: int, plm_id: str) -> None:
        """Raises PromptError when the prompt is not as wide as the PLM's embeddings."""
        if self.hidden != hidden:
            raise PromptError("the prompt is not as wide as the PLM", where=f"prompt {self.name} on {plm_id}",
                              found=f"width {self.hidden}", expected=f"width {hidden}",
                              mend="Choose a prompt trained for this PLM.")  # fmt: skip


def digest(values: np.ndarray) -> str:
    """sha256 (hex) of a matrix's shape and little-endian float32 bytes."""
    values = np.ascontiguousarray(values, dtype="<f4")
    return hashlib.sha256(f"{values.shape}".encode() + values.tobytes()).hexdigest()
