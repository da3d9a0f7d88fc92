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
from ptlib.transfer.forward import Stopped
from ptlib.transfer.projector import EPSILON, LEAK, SPREAD, Projector, ProjectorSettings, Side, spread, target_side
from ptlib.transfer.tokens import Tokens, tokens_of
from ptlib.transfer.tuning import FINAL_LR, WARMUP, _batches, _loss


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


def train_projector(
    source: PlmInfo,
    target: Plm,
    pairs: Sequence[Pair],
    settings: ProjectorSettings,
    *,
    insertion: str | None = None,
    length: int | None = None,
    begun: Mapping[str, np.ndarray] | None = None,
    should_stop: Callable[[], bool] = lambda: False,
    on_checkpoint: Callable[[dict[str, np.ndarray]], None] = lambda arrays: None,
    checkpoint_every: int = 200,
    on_step: Callable[[int, float], None] = lambda step, loss: None,
) -> Trained:
    """Trains a projector; Adam with warm-up over 10 steps, then linear decay.

    Distance Minimizing: the mean squared distance of all projected prompts to the own prompts of their pairs (squared, so that
    it is smooth where they meet). Task Tuning: every step takes one task after the other, one of its source prompts by chance,
    and a batch of its training split through the frozen target PLM.

    Args:
        source: description of the PLM that the source prompts were trained for; its weights are not needed.
        target: frozen PLM; its weights are not changed.
        insertion: how projected prompts meet the target; None takes that of the own prompts, or the family's own.
        length: of projected prompts; None takes that of the own prompts (Distance Minimizing), or of the source's.
        begun: what ``on_checkpoint`` heard last, to go on from there; the result is the same as without a stop.
        should_stop: asked at every step.

    Raises:
        PromptError: settings or prompts that do not fit each other, or a loss that is no number any more; says at which step.
        TaskError: a task without training data, or whose answer is free text (Task Tuning).
        Stopped: ``should_stop`` said so; ``on_checkpoint`` has heard of the state.
    """
    settings.check()
    one, other = _sides(source, target, pairs, settings, insertion, length)
    rows = torch.from_numpy(np.stack([one.rows(pair.source) for pair in pairs])).to(target.device)
    aims = np.stack([other.rows(pair.own) for pair in pairs]) if settings.way == "distance" else None
    input_unit = spread(rows.cpu().numpy())
    output_unit = SPREAD * float(target.words.weight.float().std()) if aims is None else spread(aims)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        network = _Network(settings, one, other, input_unit, output_unit).to(target.device)
    losses = (_distances(network, rows, torch.from_numpy(aims).to(target.device), settings) if aims is not None
              else _task_losses(network, rows, target, pairs, other, settings))  # fmt: skip
    optimizer = torch.optim.Adam(network.parameters(), lr=settings.lr)
    seen = _restore(network, optimizer, begun) if begun else []
    for step, loss_of in enumerate(itertools.islice(losses, len(seen), settings.steps), len(seen) + 1):
        if should_stop():
            on_checkpoint(_checkpoint(network, optimizer, seen))
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
        on_step(step, seen[-1])
        if step % checkpoint_every == 0 and step < settings.steps:
            on_checkpoint(_checkpoint(network, optimizer, seen))
    trained_on = tuple(dict.fromkeys(pair.task.name for pair in pairs))
    return Trained(Projector(settings, one, other, input_unit, output_unit, _weights(network), trained_on), np.array(seen, dtype=np.float32))


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


def _distances(network: _Network, rows: torch.Tensor, aims: torch.Tensor, settings: ProjectorSettings) -> Iterator[Callable[[], torch.Tensor]]:
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
    batches = {name: _batches(found, settings.batch, rounds, settings.seed, name) for name, found in data.items()}
    rng = np.random.default_rng(settings.seed)
    live = torch.tensor(side.live, device=target.device)

    def loss(name: str, place: int, batch: list[int]) -> torch.Tensor:
        found = network(rows[place : place + 1])[0]
        values = found.new_zeros(side.length, side.hidden).index_copy(0, live, found)
        return _loss(target, values, data[name], batch, side.insertion)

    for _ in range(rounds):
        for name in tasks:
            place, batch = int(rng.choice(places[name])), next(batches[name])
            yield lambda name=name, place=place, batch=batch: loss(name, place, batch)


def _training_tokens(target: Plm, task: Task, side: Side) -> Tokens:
    if task.generates:
        raise TaskError("Task Tuning cannot learn from a task whose answer is free text", where=task.name, mend="Take Distance Minimizing.")
    if "train" not in task.splits:
        raise TaskError("Task Tuning needs a train split", where=task.source, found=f"{sorted(task.splits)}",
                        mend="Take Distance Minimizing, or name the split's file under [splits].")  # fmt: skip
    return tokens_of(target, task, "train", None, side.insertion, side.length)


def _weights(network: _Network) -> dict[str, np.ndarray]:
    return {name: values.detach().float().cpu().numpy().copy() for name, values in network.named_parameters()}


def _checkpoint(network: _Network, optimizer: torch.optim.Adam, losses: Sequence[float]) -> dict[str, np.ndarray]:
    """Weights, what Adam remembers of each, and the losses so far."""
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


