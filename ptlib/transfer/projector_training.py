"""Training a cross-model projector (paper, section 5): Distance Minimizing and Task Tuning. Only the projector learns."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from ptlib.errors import PromptError, TaskError
from ptlib.plms.describe import PlmInfo
from ptlib.plms.plm import Plm
from ptlib.prompts import SoftPrompt
from ptlib.tasks import Task
from ptlib.transfer.draws import Draws, seed_of
from ptlib.transfer.forward import Stopped
from ptlib.transfer.projector import EPSILON, LEAK, SPREAD, Projector, ProjectorSettings, Side, spread, target_side
from ptlib.transfer.tokens import Tokens, tokens_of

WARMUP = 10
FINAL_LR = 0.05
"""The learning rate falls linearly to this share of itself."""


class Pair(NamedTuple):
    """What a projector learns from."""

    source: SoftPrompt
    """Of the source PLM."""
    task: Task
    """What it was trained on."""
    own: SoftPrompt | None = None
    """The target PLM's own prompt of this task, which Distance Minimizing aims at; Task Tuning does not look at it."""


class Trained(NamedTuple):
    """A projector and how it got there."""

    projector: Projector
    losses: np.ndarray
    """(steps,) float32: mean squared distance in units of the target's own prompts, or cross-entropy in nats."""


class _Network(nn.Module):
    """The same arithmetic as :meth:`Projector.rows`, to be trained."""

    def __init__(self, settings: ProjectorSettings, source: Side, target: Side, input_unit: float, output_unit: float) -> None:
        super().__init__()
        self.flat, self.hidden = settings.form == "flat", target.hidden
        width_in = source.hidden * (len(source.live) if self.flat else 1)
        width_out = target.hidden * (len(target.live) if self.flat else 1)
        self.first, self.second = nn.Linear(width_in, settings.hidden), nn.Linear(settings.hidden, width_out)
        self.activation = nn.Tanh() if settings.activation == "tanh" else nn.LeakyReLU(LEAK)
        self.norm = nn.LayerNorm(target.hidden, eps=EPSILON) if settings.layer_norm else nn.Identity()
        self.input_unit, self.output_unit = input_unit, output_unit

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """(n, live rows, hidden) of the target's, from the source's."""
        values = rows / self.input_unit
        values = self.second(self.activation(self.first(values.flatten(1) if self.flat else values)))
        return self.norm(values.view(len(values), -1, self.hidden)) * self.output_unit


class State(NamedTuple):
    """A training after some steps."""

    arrays: dict[str, np.ndarray]
    """Weights, what Adam remembers of each, and the losses so far: everything that going on from there needs."""
    trained: Trained | None
    """Set after the last step."""


def train_projector(source: PlmInfo, target: Plm, pairs: Sequence[Pair], settings: ProjectorSettings, **options) -> Trained:
    """Trains a projector to its end; ``options`` as :func:`training`."""
    return list(training(source, target, pairs, settings, **options))[-1].trained


def training(
    source: PlmInfo,
    target: Plm,
    pairs: Sequence[Pair],
    settings: ProjectorSettings,
    *,
    insertion: str | None = None,
    length: int | None = None,
    begun: Mapping[str, np.ndarray] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    state_every: int = 200,
) -> Iterator[State]:
    """Trains a projector; gives its state every ``state_every`` steps and at the end. Adam with warm-up, then linear decay.

    Distance Minimizing: the mean squared distance of all projected prompts to the own prompts of their pairs (squared, so that
    it is smooth where they meet). Task Tuning: every step takes one task after the other, one of its source prompts by chance,
    and a batch of its training split through the frozen target PLM.

    Args:
        source: description of the PLM that the source prompts were trained for; its weights are not needed.
        target: frozen PLM; its weights are not changed.
        insertion: how projected prompts meet the target; None takes that of the own prompts (Distance Minimizing), or the
            family's own.
        length: of projected prompts; None takes that of the own prompts (Distance Minimizing), or of the source's.
        begun: arrays of a state, to go on from there; the result is the same as without a stop.
        should_stop: asked at every step; then the state so far is given and Stopped raised.

    Raises:
        PromptError: settings or prompts that do not fit each other, or a loss that is no number any more; says at which step.
        TaskError: a task without training data, or whose answer is free text (Task Tuning).
        Stopped: ``should_stop`` said so.
    """
    settings.check()
    one, other = _sides(source, target, pairs, settings, insertion, length)
    rows = torch.from_numpy(np.stack([one.rows(pair.source) for pair in pairs])).to(target.device)
    aims = np.stack([other.rows(pair.own) for pair in pairs]) if settings.way == "distance" else None
    units = spread(rows.cpu().numpy()), SPREAD * float(target.words.weight.float().std()) if aims is None else spread(aims)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = _Network(settings, one, other, *units).to(target.device)
    losses = (_distances(network, rows, torch.from_numpy(aims).to(target.device), settings) if aims is not None
              else _task_losses(network, rows, target, pairs, other, settings))  # fmt: skip
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.lr)
    seen = _restore(network, optimizer, begun) if begun else []
    for step, loss_of in enumerate(itertools.islice(losses, len(seen), settings.steps), len(seen) + 1):
        if should_stop():
            yield State(_arrays(network, optimizer, seen), None)
            raise Stopped
        for group in optimizer.param_groups:
            group["lr"] = settings.lr * min(1.0, step / WARMUP) * (1 - (1 - FINAL_LR) * step / settings.steps)
        loss = loss_of()
        seen.append(float(loss.detach()))
        if not math.isfinite(seen[-1]):
            raise PromptError("training diverged: the loss is not a number any more", where=f"projector to {target.info.id}, step {step}",
                              found=seen[-1], mend=f"Use a lower learning rate than {settings.lr}.")  # fmt: skip
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        if step % state_every == 0 and step < settings.steps:
            yield State(_arrays(network, optimizer, seen), None)
    projector = Projector(settings, one, other, *units, _weights(network), tuple(dict.fromkeys(pair.task.name for pair in pairs)))
    yield State(_arrays(network, optimizer, seen), Trained(projector, np.array(seen, dtype=np.float32)))


def _sides(
    source: PlmInfo, target: Plm, pairs: Sequence[Pair], settings: ProjectorSettings, insertion: str | None, length: int | None
) -> tuple[Side, Side]:
    if not pairs:
        raise PromptError("no prompt to train a projector on", where=f"{source.id} to {target.info.id}",
                          mend="Choose tasks that the source PLM has prompts of.")  # fmt: skip
    first = pairs[0]
    for pair in pairs:
        pair.source.check_fits(source.hidden, source.id)
        if pair.source.insertion != first.source.insertion:
            raise PromptError("source prompts are inserted in different ways", where=pair.source.name, found=pair.source.insertion,
                              expected=f"{first.source.insertion} as {first.source.name}", mend="Choose prompts that are trained alike.")  # fmt: skip
    one = Side.of(source, first.source.length, first.source.insertion)
    if settings.way == "distance":
        lacking = next((pair.task.name for pair in pairs if pair.own is None), None)
        if lacking is not None:
            raise PromptError("Distance Minimizing needs the target PLM's own prompt", where=f"{lacking} on {target.info.id}", found="none",
                              mend="Train one, choose tasks that both PLMs have prompts of, or take Task Tuning.")  # fmt: skip
        length, insertion = first.own.length if length is None else length, insertion or first.own.insertion
    return one, target_side(settings, one, target.info, target.check_insertion(insertion or target.insertions[0]), length)


def _distances(
    network: _Network, rows: torch.Tensor, aims: torch.Tensor, settings: ProjectorSettings
) -> Iterator[Callable[[], torch.Tensor]]:
    def loss() -> torch.Tensor:
        return functional.mse_loss(network(rows) / network.output_unit, aims / network.output_unit)

    return itertools.repeat(loss, settings.steps)


def _task_losses(
    network: _Network, rows: torch.Tensor, target: Plm, pairs: Sequence[Pair], side: Side, settings: ProjectorSettings
) -> Iterator[Callable[[], torch.Tensor]]:
    """One a step; which examples and which prompt is decided by the seed alone, so that training can go on in the middle."""
    tasks = {pair.task.name: pair.task.for_family(target.info.family) for pair in pairs}
    data = {name: _training_tokens(target, task, side) for name, task in tasks.items()}
    places = {name: [place for place, pair in enumerate(pairs) if pair.task.name == name] for name in tasks}
    rounds = math.ceil(settings.steps / len(tasks))
    batches = {name: Draws([len(ids) for ids in found.ids], settings.batch, seed_of(name, settings.seed)) for name, found in data.items()}
    rng = np.random.default_rng(settings.seed)
    live = torch.tensor(side.live, device=target.device)

    def loss(name: str, place: int, batch: list[int]) -> torch.Tensor:
        found = network(rows[place : place + 1])[0]
        values = found.new_zeros(side.length, side.hidden).index_copy(0, live, found)
        return _cross_entropy(target, values, data[name], batch, side.insertion)

    for _ in range(rounds):
        for name in tasks:
            place, batch = int(rng.choice(places[name])), next(batches[name])
            yield lambda name=name, place=place, batch=batch: loss(name, place, batch)


def _cross_entropy(target: Plm, values: torch.Tensor, data: Tokens, rows: list[int], insertion: str) -> torch.Tensor:
    hidden = target.answer_hidden(target.inputs(values, *data.batch(rows, target.pad_id, target.device), insertion))
    return functional.cross_entropy(
        target.label_logits(hidden, data.label_ids).float(), torch.from_numpy(data.labels[rows]).to(target.device)
    )


def _training_tokens(target: Plm, task: Task, side: Side) -> Tokens:
    if task.generates:
        raise TaskError("Task Tuning cannot learn from a task whose answer is free text", where=task.name, mend="Take Distance Minimizing.")
    if "train" not in task.splits:
        raise TaskError("Task Tuning needs a train split", where=task.source, found=f"{sorted(task.splits)}",
                        mend="Take Distance Minimizing, or name the split's file under [splits].")  # fmt: skip
    return tokens_of(target, task, "train", None, side.insertion, side.length)


def _weights(network: _Network) -> dict[str, np.ndarray]:
    return {name: values.detach().float().cpu().numpy().copy() for name, values in network.named_parameters()}


def _arrays(network: _Network, optimizer: torch.optim.Adam, losses: Sequence[float]) -> dict[str, np.ndarray]:
    found = {**_weights(network), "losses": np.array(losses, dtype=np.float32)}
    for name, values in network.named_parameters():
        for what, moment in optimizer.state[values].items():
            found[f"{what}/{name}"] = moment.detach().cpu().numpy().copy()
    return found


def _restore(network: _Network, optimizer: torch.optim.Adam, begun: Mapping[str, np.ndarray]) -> list[float]:
    """The losses so far."""
    with torch.no_grad():
        for name, values in network.named_parameters():
            if begun[name].shape != tuple(values.shape):
                raise PromptError("the checkpoint is of another projector", where=name, found=f"shape {begun[name].shape}", expected=f"shape {tuple(values.shape)}",
                                  mend="Start the training anew.")  # fmt: skip
            values.copy_(torch.from_numpy(begun[name]))
            for what in ("step", "exp_avg", "exp_avg_sq"):
                if f"{what}/{name}" in begun:
                    # Adam keeps its count of steps on the CPU.
                    moment = torch.from_numpy(begun[f"{what}/{name}"])
                    optimizer.state[values][what] = moment if what == "step" else moment.to(values.device)
    return [float(loss) for loss in begun["losses"]]
