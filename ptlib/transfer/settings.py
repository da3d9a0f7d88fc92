"""What a prompt is trained with, in plain values: validated, and written as canonical JSON. Imports no torch."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from typing import Any, Literal, get_args, get_type_hints

from ptlib.errors import PromptError, TaskError
from ptlib.prompts.insertion import INSERTIONS
from ptlib.tasks import Task

Initialisation = Literal["random", "vocabulary", "text", "prompt", "mean"]
"""Gaussian rows as wide as the word embeddings; embeddings of words drawn from the vocabulary; embeddings of a text's tokens,
repeated as peft does; a source prompt (the paper's transfer as initialisation); the mean of several."""
Fit = Literal["", "truncate", "repeat"]
"""What is done with a source prompt of another length: nothing (an error), its first rows, or its rows over again."""
Optimizer = Literal["adam", "adamw", "sgd", "adafactor"]
Schedule = Literal["decay", "constant", "constant_with_warmup", "linear", "cosine", "cosine_with_restarts", "polynomial", "inverse_sqrt"]
"""``decay``: the zoo's, linear to 5 %. The others: transformers' of that name."""
Precision = Literal["float32", "bfloat16", "float16"]
"""Of the pass through the PLM (torch's autocast); prompt, loss and optimiser stay in single precision."""
MOST = {"length": 4096, "lr": 100.0, "weight_decay": 1.0, "steps": 10_000_000, "batch": 65536, "accumulation": 4096}
"""Beyond these a number is taken for a slip."""
CHOICES = {"initialisation": Initialisation, "fit": Fit, "optimizer": Optimizer, "schedule": Schedule, "precision": Precision}

TAKES = {"prompt": (lambda count: count == 1, "one source prompt"), "mean": (lambda count: count > 1, "two source prompts at least")}


@dataclass(frozen=True)
class TrainingSettings:
    """How a prompt is trained. Together with the PLM, the task's data and the source prompts it decides the result.

    Raises:
        PromptError: a value that trains nothing, or that cannot be meant; says which and what was expected.
    """

    length: int = 16
    """Soft tokens, inert ones included."""
    initialisation: Initialisation = "random"
    text: str = ""
    """What the initialisation ``text`` reads."""
    sources: tuple[str, ...] = ()
    """Digests of the source prompts."""
    fit: Fit = ""
    insertion: str = ""
    """Empty: that of the source prompt, or the family's own."""
    optimizer: Optimizer = "adam"
    schedule: Schedule = "decay"
    warmup: int = 10
    """Steps in which the learning rate rises."""
    lr: float = 0.02
    weight_decay: float = 0.0
    steps: int = 160
    batch: int = 32
    """Most examples of one pass."""
    accumulation: int = 1
    """Passes a step."""
    precision: Precision = "float32"
    patience: int | None = None
    """Validations without a better score after which training ends; None: never."""
    evaluate_every: int | None = None
    """Steps between validations; None: four in all."""
    validation_examples: int | None = None
    """First rows of the validation split; None takes all."""
    examples: int | None = None
    """First rows of the training split; None takes all."""
    seed: int = 0

    def __post_init__(self) -> None:
        if isinstance(self.sources, list | tuple):
            object.__setattr__(self, "sources", tuple(self.sources))
        for name in ("lr", "weight_decay"):
            if type(getattr(self, name)) is int:
                object.__setattr__(self, name, float(getattr(self, name)))
        for name, hint in get_type_hints(TrainingSettings).items():
            _check_type(name, getattr(self, name), hint)
        for name, choices in CHOICES.items():
            if getattr(self, name) not in get_args(choices):
                raise _wrong(f"unknown {name}", repr(getattr(self, name)), f"one of {', '.join(map(repr, get_args(choices)))}")
        self._check_numbers()
        self._check_start()

    def _check_numbers(self) -> None:
        for name in ("length", "steps", "batch", "accumulation", "patience", "evaluate_every", "validation_examples", "examples"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise _wrong(f"{name} is too small to train a prompt", value, "1 at least")
        if not (math.isfinite(self.lr) and self.lr > 0):
            raise _wrong(
                "the learning rate trains nothing", self.lr, "a number above 0", "The zoo's prompts used 0.02, the paper 1e-4 to 1e-2."
            )
        for name, least in (("warmup", 0), ("weight_decay", 0), ("seed", 0)):
            if not (math.isfinite(getattr(self, name)) and getattr(self, name) >= least):
                raise _wrong(f"{name} is below {least}", getattr(self, name), f"{least} at least")
        for name, most in MOST.items():
            if getattr(self, name) > most:
                raise _wrong(f"{name} cannot be meant", getattr(self, name), f"{most} at most", "Write a smaller number.")

    def _check_start(self) -> None:
        if self.insertion not in ("", *INSERTIONS):
            raise _wrong("unknown insertion", repr(self.insertion), f"one of {list(INSERTIONS)}")
        fits, many = TAKES.get(self.initialisation, (lambda count: count == 0, "no source prompt"))
        if not fits(len(self.sources)):
            raise _wrong(f"the initialisation {self.initialisation} takes {many}", f"{len(self.sources)} sources", None, "Choose other sources or another initialisation.")  # fmt: skip
        if self.initialisation == "text" and not self.text.strip():
            raise _wrong("the initialisation text needs a text", "none", "words of the PLM's vocabulary")

    @property
    def stride(self) -> int:
        """Steps between validations."""
        return self.evaluate_every or max(1, self.steps // 4)

    def to_json(self) -> str:
        """Canonical: equal settings give equal bytes."""
        return json.dumps(dataclasses.asdict(self), sort_keys=True, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> TrainingSettings:
        """The reverse.

        Raises:
            PromptError: other text, or as the class.
        """
        try:
            given = json.loads(text)
            if not isinstance(given, dict):
                raise ValueError("not an object")
        except (ValueError, RecursionError) as error:
            raise _wrong("not valid JSON", error, "an object of settings") from error
        known = {field.name for field in dataclasses.fields(cls)}
        if unknown := sorted(set(given) - known):
            raise _wrong(f"unknown setting {unknown[0]!r}", unknown[0], f"one of {', '.join(sorted(known))}")
        return cls(**given)


def _wrong(what: str, found: object, expected: object, mend: str = "Change the setting.") -> PromptError:
    return PromptError(what, where="training settings", found=found, expected=expected, mend=mend)


def _check_type(name: str, value: Any, hint: Any) -> None:
    if name == "sources":
        right, words = isinstance(value, tuple) and all(isinstance(item, str) for item in value), "digests"
    elif name in CHOICES or hint is str:
        right, words = isinstance(value, str), "text"
    elif hint is float:
        right, words = isinstance(value, float), "a number"
    else:
        right, words = type(value) is int or (value is None and hint is not int), "a whole number"
    if not right:
        raise _wrong(f"{name} is of no use", repr(value)[:60], words)


def check_trainable(task: Task) -> None:
    """Raises TaskError for a task without training or validation data, or whose answer is free text."""
    if task.generates:
        raise TaskError("prompt tuning learns label words", where=task.source, found="a task whose answer is free text",
                        mend="Choose a task with labels.")  # fmt: skip
    for split in ("train", "validation"):
        if split not in task.splits:
            raise TaskError(f"prompt tuning needs a {split} split", where=task.source, found=f"{sorted(task.splits)}",
                            mend=f"Name its file under [splits], or choose a task with {split} data.")  # fmt: skip
