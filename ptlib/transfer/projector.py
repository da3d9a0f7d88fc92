"""The cross-model projector (paper, section 5): two linear layers that carry a soft prompt to another PLM. Imports no torch.

A projector reads the live rows of a prompt of the source PLM and writes the live rows of one for the target PLM. Rows that
never reach a PLM (row 0 under ``thunlp`` on RoBERTa and BERT) are neither read nor learned: they hold whatever a prompt was
initialised with. In a projected prompt they are zero.

Values are scaled on both sides, so that one learning rate serves PLMs whose embeddings differ in size: what goes in is divided
by ``input_unit`` (the standard deviation of the source prompts it was trained on), what comes out is multiplied by
``output_unit`` (of the target's own prompts, or of the target's word embeddings times :data:`SPREAD`).
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from typing import Literal, NamedTuple, get_args

import numpy as np

from ptlib.errors import PromptError
from ptlib.plms.describe import PlmInfo
from ptlib.prompts import SoftPrompt, inert_rows

Way = Literal["distance", "tuning"]
"""What a projector is trained by: the distance to the target PLM's own prompt of the same task (Distance Minimizing), or the
task's loss through the frozen target PLM (Task Tuning)."""
Form = Literal["flat", "token"]
"""The paper's: the whole prompt as one vector, l d_source -> h -> l d_target. Or every token by itself: d_source -> h -> d_target."""
Activation = Literal["tanh", "leaky_relu"]
LEAK = 0.01
"""Slope of LeakyReLU below zero."""
SPREAD = 4.0
"""Trained prompts are about this many times as widely spread as the word embeddings of their PLM (measured on the zoo)."""
EPSILON = 1e-5
PROJECTOR_VERSION = "1"
"""Part of the key of a stored projector: raised when a change here or in its training could change one."""


@dataclass(frozen=True)
class ProjectorSettings:
    """How a projector is built and trained."""

    way: Way = "tuning"
    form: Form = "flat"
    hidden: int = 256
    """Width between the two layers."""
    activation: Activation = "tanh"
    layer_norm: bool = False
    """Over every token that comes out, with weights of its own, as in the released code."""
    steps: int = 200
    lr: float = 0.003
    batch: int = 32
    """Examples a step (Task Tuning)."""
    seed: int = 0

    def check(self) -> ProjectorSettings:
        """Itself. Raises PromptError for settings that build or train nothing."""
        for name, choices in (("way", Way), ("form", Form), ("activation", Activation)):
            if getattr(self, name) not in get_args(choices):
                raise PromptError(
                    f"unknown {name}", where="projector", found=repr(getattr(self, name)), expected=" or ".join(get_args(choices))
                )
        for name in ("hidden", "steps", "batch"):
            if getattr(self, name) < 1:
                raise PromptError(
                    f"{name} is too small to train a projector", where="projector", found=getattr(self, name), expected="1 at least"
                )
        if not 0 < self.lr <= 1:
            raise PromptError("the learning rate trains nothing", where="projector", found=self.lr, expected="above 0, 1 at most",
                              mend="For example 0.003.")  # fmt: skip
        return self


class Side(NamedTuple):
    """Prompts of one PLM as a projector sees them."""

    plm: str
    """Fingerprint, or hub id after ``hub:``."""
    plm_id: str
    length: int
    """Soft tokens, the inert ones included."""
    hidden: int
    insertion: str
    inert: tuple[int, ...]
    """Rows that never reach the PLM."""

    @property
    def live(self) -> list[int]:
        """Rows that do."""
        return [row for row in range(self.length) if row not in self.inert]

    @classmethod
    def of(cls, plm: PlmInfo, length: int, insertion: str) -> Side:
        """Prompts of a length that meet a PLM in a way. Raises PromptError where no row would reach it."""
        found = cls(plm.fingerprint, plm.id, length, plm.hidden, insertion, inert_rows(insertion, plm.family))
        if not found.live:
            raise PromptError(
                "no row of such a prompt reaches the PLM",
                where=plm.id,
                found=f"length {length}",
                expected=f"{len(found.inert) + 1} at least",
            )
        return found

    def rows(self, prompt: SoftPrompt) -> np.ndarray:
        """(live rows, hidden) of a prompt.

        Raises:
            PromptError: another width or length.
        """
        prompt.check_fits(self.hidden, self.plm_id)
        if prompt.length != self.length:
            raise PromptError("the projector reads prompts of another length", where=f"prompt {prompt.name}", found=f"length {prompt.length}",
                              expected=f"length {self.length}", mend="Train a projector on prompts of this length.")  # fmt: skip
        return prompt.values[self.live]

    def filled(self, rows: np.ndarray) -> np.ndarray:
        """(length, hidden) of live rows; the others are zero."""
        found = np.zeros((self.length, self.hidden), dtype=np.float32)
        found[self.live] = rows
        return found


@dataclass(frozen=True, eq=False)
class Projector:
    """A trained projector."""

    settings: ProjectorSettings
    source: Side
    target: Side
    input_unit: float
    output_unit: float
    weights: Mapping[str, np.ndarray]
    """float32 by name: ``first.weight`` (h, in), ``first.bias``, ``second.weight`` (out, h), ``second.bias``, and where there is a
    layer norm ``norm.weight``, ``norm.bias`` (target's hidden)."""
    trained_on: tuple[str, ...] = ()
    """Names of tasks."""

    @cached_property
    def digest(self) -> str:
        """sha256 (hex) of everything that decides what comes out."""
        total = hashlib.sha256(self._story().encode())
        for name in sorted(self.weights):
            total.update(name.encode() + np.ascontiguousarray(self.weights[name], dtype="<f4").tobytes())
        return total.hexdigest()

    def rows(self, rows: np.ndarray) -> np.ndarray:
        """(n, target's live rows, hidden) of (n, source's live rows, hidden)."""
        flat = self.settings.form == "flat"
        values = np.asarray(rows, dtype=np.float32) / np.float32(self.input_unit)
        values = values.reshape(len(values), -1) if flat else values
        values = values @ self.weights["first.weight"].T + self.weights["first.bias"]
        values = np.tanh(values) if self.settings.activation == "tanh" else np.where(values > 0, values, np.float32(LEAK) * values)
        values = values @ self.weights["second.weight"].T + self.weights["second.bias"]
        values = values.reshape(len(values), -1, self.target.hidden)
        if self.settings.layer_norm:
            centred = values - values.mean(axis=-1, keepdims=True)
            values = centred / np.sqrt((centred**2).mean(axis=-1, keepdims=True) + np.float32(EPSILON))
            values = values * self.weights["norm.weight"] + self.weights["norm.bias"]
        return values * np.float32(self.output_unit)

    def project(self, prompt: SoftPrompt, name: str | None = None) -> SoftPrompt:
        """The prompt for the target PLM, of kind "projected", with where it comes from in its ``meta``.

        Raises:
            PromptError: a prompt of another width or length, or one that was trained for another PLM.
        """
        if prompt.plm != self.source.plm:
            raise PromptError("the prompt was trained for another PLM than the projector reads", where=f"prompt {prompt.name}",
                              found=prompt.plm[:16], expected=f"{self.source.plm[:16]} ({self.source.plm_id})",
                              mend="Choose a projector of its PLM.")  # fmt: skip
        values = self.target.filled(self.rows(self.source.rows(prompt)[None])[0])
        story = {"projector": self.digest, "source_prompt": prompt.digest, "source_name": prompt.name, "source_plm": self.source.plm_id,
                 "source_fingerprint": self.source.plm, "source_kind": prompt.kind, "trained_on": list(self.trained_on),
                 **asdict(self.settings)}  # fmt: skip
        return SoftPrompt(values, name or prompt.name, self.target.plm, prompt.task, prompt.seed, "projected", self.target.insertion, story)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """As arrays to be stored; the story among them as bytes."""
        return {**self.weights, "story": np.frombuffer(self._story().encode(), np.uint8)}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> Projector:
        """The reverse; other arrays beside them are left out. Raises PromptError for arrays that are no projector."""
        try:
            story = json.loads(arrays["story"].tobytes())
            source, target = (Side(**{**story[side], "inert": tuple(story[side]["inert"])}) for side in ("source", "target"))
            weights = {name: array for name, array in arrays.items() if name.split(".")[0] in ("first", "second", "norm")}
            return cls(ProjectorSettings(**story["settings"]), source, target, story["input_unit"], story["output_unit"], weights,
                       tuple(story["trained_on"]))  # fmt: skip
        except (KeyError, TypeError, ValueError) as error:
            raise PromptError("not a projector", where="stored projector", found=error, mend="Train it again.") from error

    def _story(self) -> str:
        return json.dumps({"settings": asdict(self.settings), "source": self.source._asdict(), "target": self.target._asdict(),
                           "input_unit": self.input_unit, "output_unit": self.output_unit, "trained_on": self.trained_on}, sort_keys=True)  # fmt: skip


def target_side(settings: ProjectorSettings, source: Side, plm: PlmInfo, insertion: str, length: int | None = None) -> Side:
    """What comes out: prompts as long as the source's, or of ``length`` (form "flat" alone can change it).

    Token by token, as many live rows come out as go in, so between PLMs of which one ignores row 0 lengths differ by it.

    Raises:
        PromptError: form "token" and a length that it cannot give.
    """
    inert = len(inert_rows(insertion, plm.family))
    kept = len(source.live) + inert
    if settings.form == "token" and length not in (None, kept):
        raise PromptError("token by token a prompt keeps its length", where=f"projector to {plm.id}", found=f"length {length}", expected=f"length {kept}",
                          mend='Take the form "flat".')  # fmt: skip
    return Side.of(plm, kept if settings.form == "token" else length or source.length, insertion)


def gaussian_like(prompts: Sequence[SoftPrompt], seed: int) -> SoftPrompt:
    """Control: a Gaussian prompt as widely spread as these, which says nothing of any task.

    What a projector makes of it, and what it makes of prompts of other tasks, shows whether what comes out depends on what goes in.
    """
    values = np.random.default_rng([seed, 1]).standard_normal(prompts[0].values.shape).astype(np.float32)
    values *= np.float32(spread(np.stack([prompt.values for prompt in prompts])))
    return replace(prompts[0], values=values, name=f"gaussian-s{seed}", task="", seed=seed, kind="random", meta={})


def spread(values: np.ndarray) -> float:
    """Root mean square. Raises PromptError where all is zero: nothing can be scaled by it."""
    found = math.sqrt(float(np.mean(np.square(values, dtype=np.float64))))
    if not found:
        raise PromptError("all values of the prompts are zero", where="projector", mend="Choose other prompts.")
    return found
