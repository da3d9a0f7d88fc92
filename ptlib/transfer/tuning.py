"""Prompt tuning (paper, section 3): only the prompt learns, the PLM stays frozen."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

from ptlib.errors import PromptError
from ptlib.plms.plm import Plm
from ptlib.prompts import SoftPrompt
from ptlib.tasks import Task
from ptlib.transfer import initialisation
from ptlib.transfer.draws import Draws, seed_of
from ptlib.transfer.evaluate import evaluate
from ptlib.transfer.forward import Stopped
from ptlib.transfer.schedule import arrays_of, learning_rate, optimizer_of, restore
from ptlib.transfer.settings import TrainingSettings, check_trainable
from ptlib.transfer.tokens import tokens_of

TRAINING_VERSION = "1"
"""Part of every training's key: raised when a change here could change a trained prompt."""
ENDINGS = ("", "all steps", "patience")


class Diverged(PromptError):
    """The loss or the prompt is not a number any more; what was trained before is still good."""


class Point(NamedTuple):
    """One point of the training curve."""

    step: int
    loss: float
    """Mean cross-entropy since the last point, in nats; NaN before the first step."""
    validation: float
    """Score on the validation split."""


class Tuned(NamedTuple):
    """A trained prompt and how it got there."""

    prompt: SoftPrompt
    curve: list[Point]


@dataclass(frozen=True)
class State:
    """A training after a step: everything that going on from there to the same bits needs, as plain arrays."""

    step: int
    values: np.ndarray
    """(length, hidden) float32, after this step."""
    best: np.ndarray
    """(length, hidden) float32 of the best validation score; of several the latest."""
    best_step: int
    """-1 before the first validation."""
    curve: tuple[Point, ...]
    losses: tuple[float, ...]
    """Of the steps since the last point."""
    optimizer: Mapping[str, np.ndarray]
    draws: np.ndarray
    """Where the examples go on: :attr:`ptlib.transfer.draws.Draws.state`."""
    scaler: tuple[float, ...] = ()
    """Scale and steps since it last changed, in half precision on a GPU."""
    ended: str = ""
    """Why nothing follows ("all steps", "patience"), or empty."""

    @property
    def validation(self) -> float:
        """Score of :attr:`best`; NaN before the first validation."""
        return max((point.validation for point in self.curve), default=math.nan)

    def to_arrays(self) -> dict[str, np.ndarray]:
        """As arrays by name."""
        return {"values": self.values, "best": self.best, "losses": np.array(self.losses, np.float64), "draws": self.draws,
                "curve": np.array(self.curve, np.float64).reshape(-1, 3), "scaler": np.array(self.scaler, np.float64),
                "counts": np.array([self.step, self.best_step, ENDINGS.index(self.ended)], np.int64),
                **{f"optimizer/{name}": array for name, array in self.optimizer.items()}}  # fmt: skip

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, np.ndarray]) -> State:
        """The reverse; other arrays among them are left alone. Raises KeyError where one is missing."""
        step, best_step, ended = (int(number) for number in arrays["counts"])
        points = tuple(Point(int(row[0]), float(row[1]), float(row[2])) for row in arrays["curve"])
        optimizer = {name.removeprefix("optimizer/"): array for name, array in arrays.items() if name.startswith("optimizer/")}
        return cls(step, arrays["values"], arrays["best"], best_step, points, tuple(arrays["losses"].tolist()), optimizer,
                   arrays["draws"], tuple(arrays["scaler"].tolist()), ENDINGS[ended])  # fmt: skip


def train(
    plm: Plm, task: Task, settings: TrainingSettings, sources: Sequence[SoftPrompt] = (), *, state: State | None = None,
    from_start: bool = True, should_stop: Callable[[], bool] = lambda: False,
) -> Iterator[State]:  # fmt: skip
    """Trains a prompt; gives its state at every validation, the last one with the reason why it ended.

    Cross-entropy over the label words. Going on from any state that was given ends in the same bits as a training that
    was never interrupted (on one device).

    Args:
        plm: frozen PLM; its weights are not changed.
        sources: the prompts that ``settings.sources`` name, in that order.
        state: to go on from.
        from_start: whether the prompt is validated before the first step as well.
        should_stop: asked between steps and inside validations; then the state so far is given and :class:`Stopped` raised.

    Raises:
        PromptError: settings or sources that fit neither the PLM nor each other. TaskError: no training or validation data.
        Diverged: the loss became NaN or infinite; says at which step.
    """
    work = _Training(plm, task, settings, sources, state)
    fresh = state is None
    while True:
        if work.due(from_start):
            try:
                work.validate(should_stop)
            except Stopped:
                yield work.state()
                raise
            yield work.state()
            fresh = False
        if work.ended:
            return
        if should_stop():
            if fresh:
                yield work.state()
            raise Stopped
        work.learn()
        fresh = True


class _Training:
    """A training between two steps."""

    def __init__(self, plm: Plm, task: Task, settings: TrainingSettings, sources: Sequence[SoftPrompt], state: State | None) -> None:
        own = settings.insertion or (sources[0].insertion if sources else plm.insertions[0])
        self.plm, self.settings, self.insertion = plm, settings, plm.check_insertion(own)
        _check(plm, task, settings)
        self.task = task.for_family(plm.info.family)
        first = initialisation.start(plm, task.name, settings, sources, self.insertion) if state is None else state.values
        self.data = tokens_of(plm, self.task, "train", settings.examples, self.insertion, settings.length)
        self.values = torch.tensor(first, device=plm.device, requires_grad=True)
        self.optimizer, self.lr = optimizer_of(settings, self.values), learning_rate(settings)
        self.scaler = torch.amp.GradScaler("cuda", enabled=settings.precision == "float16")
        self.step, self.curve, self.losses, self.best, self.best_step = 0, [], [], first, -1
        if state is not None:
            self.step, self.curve, self.losses = state.step, list(state.curve), list(state.losses)
            self.best, self.best_step = state.best, state.best_step
            restore(self.optimizer, dict(state.optimizer))
            if state.scaler:
                self.scaler.load_state_dict({**self.scaler.state_dict(), "scale": state.scaler[0], "_growth_tracker": int(state.scaler[1])})
        lengths = [len(ids) for ids in self.data.ids]
        self.draws = Draws(lengths, settings.batch, seed_of(task.name, settings.seed), None if state is None else state.draws)

    def due(self, from_start: bool) -> bool:
        """Whether this step's prompt is to be validated."""
        if self.curve and self.curve[-1].step == self.step:
            return False
        return from_start if self.step == 0 else self.step % self.settings.stride == 0 or self.step == self.settings.steps

    @property
    def ended(self) -> str:
        """Why nothing follows, or empty."""
        if self.settings.patience is not None:
            scores = [point.validation for point in self.curve]
            if scores and len(scores) - 1 - scores.index(max(scores)) >= self.settings.patience:
                return "patience"
        return "all steps" if self.step >= self.settings.steps else ""

    def validate(self, should_stop: Callable[[], bool]) -> None:
        """Adds a point to the curve and keeps the prompt where it is the best."""
        matrix = self.values.detach().float().cpu().numpy().copy()
        if not np.isfinite(matrix).all():
            raise self._diverged("NaN or infinite values in the prompt")
        prompt = SoftPrompt(
            matrix, f"{self.task.name}-s{self.settings.seed}", self.plm.info.fingerprint, self.task.name, insertion=self.insertion
        )
        try:
            score = next(
                evaluate(
                    self.plm, [prompt], self.task, split="validation", limit=self.settings.validation_examples, should_stop=should_stop
                )
            ).value
        except PromptError as error:
            raise self._diverged(error.found) from error
        if self.best_step < 0 or score >= max(point.validation for point in self.curve):
            self.best, self.best_step = matrix, self.step
        self.curve.append(Point(self.step, float(np.mean(self.losses)) if self.losses else math.nan, score))
        self.losses = []

    def learn(self) -> None:
        """One step."""
        self.step += 1
        passes, losses = self.settings.accumulation, []
        self.optimizer.zero_grad(set_to_none=True)
        for group in self.optimizer.param_groups:
            group["lr"] = self.lr(self.step)
        for _ in range(passes):
            loss = self._loss(next(self.draws))
            self.scaler.scale(loss if passes == 1 else loss / passes).backward()
            losses.append(float(loss.detach()))
        self.losses.append(losses[0] if passes == 1 else float(np.mean(losses)))
        if not math.isfinite(self.losses[-1]):
            raise self._diverged(self.losses[-1])
        self.scaler.step(self.optimizer)
        self.scaler.update()

    def _loss(self, rows: list[int]) -> torch.Tensor:
        kind, half = self.plm.device.split(":")[0], self.settings.precision
        with torch.autocast(kind, getattr(torch, half), enabled=half != "float32"):
            hidden = self.plm.answer_hidden(
                self.plm.inputs(self.values, *self.data.batch(rows, self.plm.pad_id, self.plm.device), self.insertion)
            )
            logits = self.plm.label_logits(hidden, self.data.label_ids)
        labels = torch.from_numpy(self.data.labels[rows]).to(self.plm.device)
        return functional.cross_entropy(logits.float(), labels)

    def _diverged(self, found: object) -> Diverged:
        last = f"The prompt of step {self.best_step} is kept. " if self.best_step >= 0 else ""
        return Diverged("training diverged: the loss is not a number any more", where=f"{self.task.name}, step {self.step}", found=found,
                        mend=f"{last}Use a lower learning rate than {self.settings.lr:g}.")  # fmt: skip

    def state(self) -> State:
        """A copy of everything."""
        scaler = self.scaler.state_dict() if self.scaler.is_enabled() else None
        return State(self.step, self.values.detach().float().cpu().numpy().copy(), self.best, self.best_step, tuple(self.curve), tuple(self.losses),
                     arrays_of(self.optimizer), self.draws.state, (scaler["scale"], float(scaler["_growth_tracker"])) if scaler else (),
                     self.ended if not self.losses else "")  # fmt: skip


def _check(plm: Plm, task: Task, settings: TrainingSettings) -> None:
    check_trainable(task)
    if settings.precision == "float16" and not plm.device.startswith("cuda"):
        raise PromptError(
            "float16 trains on a GPU only",
            where=f"{plm.info.id} on {plm.device}",
            expected="bfloat16 or float32",
            mend="Choose another precision.",
        )


def tune(
    plm: Plm,
    task: Task,
    *,
    length: int = 16,
    steps: int = 160,
    lr: float = 0.02,
    batch: int = 32,
    seed: int = 0,
    init: SoftPrompt | None = None,
    insertion: str | None = None,
    examples: int | None = None,
    evaluate_every: int | None = None,
    on_point: Callable[[Point], None] = lambda point: None,
) -> Tuned:
    """Trains a prompt for a task as the zoo's were; the prompt of the best validation score is kept.

    Adam on the cross-entropy over the label words; warm-up over 10 steps, then linear decay. :func:`train` offers more.

    Args:
        plm: frozen PLM; its weights are not changed.
        length: soft tokens, the inert ones included: 2 at least.
        batch: most examples a step.
        insertion: None takes that of ``init``, or the family's own.
        init: prompt to start from; None starts from Gaussian rows as wide as the word embeddings.
        examples: first rows of the training split to use; None takes all.
        evaluate_every: steps between validations; None validates four times.

    Raises:
        PromptError: settings that train nothing, or a loss that became NaN or infinite; says at which step.
        TaskError: no training or validation data.
    """
    source = {} if init is None else {"initialisation": "prompt", "sources": (init.digest,)}
    settings = TrainingSettings(length if init is None else init.length, **source, insertion=insertion or "", lr=lr, steps=steps, batch=batch,
                                evaluate_every=evaluate_every, examples=examples, seed=seed)  # fmt: skip
    for state in train(plm, task, settings, [] if init is None else [init], from_start=False):
        on_point(state.curve[-1])
    story = {"steps": steps, "step": state.best_step, "lr": lr, "batch": batch, "length": settings.length, "init": init.digest if init else "random",
             "examples": len(tokens_of(plm, task, "train", examples, insertion or (init.insertion if init else None)).ids), "validation": state.validation}  # fmt: skip
    return Tuned(prompt_of(state, plm, task, settings, [] if init is None else [init], story), list(state.curve))


def prompt_of(
    state: State, plm: Plm, task: Task, settings: TrainingSettings, sources: Sequence[SoftPrompt], meta: Mapping[str, object]
) -> SoftPrompt:
    """The best prompt of a training, with its story."""
    insertion = settings.insertion or (sources[0].insertion if sources else plm.insertions[0])
    return SoftPrompt(
        state.best, f"{task.name}-s{settings.seed}", plm.info.fingerprint, task.name, settings.seed, "trained", insertion, meta
    )
