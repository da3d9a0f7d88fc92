"""Pre-training of a zoo PLM: language modelling on the cue mixture, in gated stages.

How a document enters a PLM and what is asked of it is its family's (:mod:`ptlib.zoo.roberta`, :mod:`ptlib.zoo.t5`); the
curriculum and its gates are the same for all.

Stages: *foundations* (only the skills and what texts are about: matching two texts is the hardest thing to learn and must
not meet shortcuts), *mixture* (everything, with soft noise in some cue slots) and *settle* (learning rate down to zero). A
stage ends when every skill passes its gate on freshly made documents or at its step limit; skills that lag are read more
often. Stages that share an optimiser are a course; a T5 takes a second one. If a skill fails its gate after the last stage
the build stops with an error.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from random import Random
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch

from ptlib.zoo import mixture
from ptlib.zoo.mixture import Document, Shares
from ptlib.zoo.roberta import RobertaLearner
from ptlib.zoo.shapes import Shape
from ptlib.zoo.t5 import T5Learner
from ptlib.zoo.tasks import FAMILIES
from ptlib.zoo.vocabulary import Vocabulary

CHUNK = 24
"""Batches that are drawn together and cut by length, so that little is padded."""


@dataclass(frozen=True)
class Stage:
    """One stage of the curriculum."""

    name: str
    shares: Shares
    soft: float
    """Share of documents whose cue slots hold Gaussian vectors."""
    skills: tuple[str, ...]
    least: int
    most: int
    """Steps: at least, at most."""
    gate: float
    """Cue accuracy that every skill must reach."""
    end_lr: float
    """Learning rate at the end, as a share of the shape's; the stage starts where the last one ended."""


STAGES = (
    Stage("foundations", Shares(topical=0.45), 0.0, mixture.SKILLS, 750, 3000, 0.86, 1.0),
    Stage("mixture", Shares(0.18, 0.13, 0.06, 0.04), 0.1, mixture.SKILLS, 750, 3000, 0.88, 1.0),
    Stage("settle", Shares(0.15, 0.13, 0.06, 0.02), 0.15, mixture.SKILLS, 1250, 1250, 2.0, 0.02),
)
TURNS = (
    Stage("turns", Shares(0.1, 0.1, 0.04, 0.0, 0.5), 0.08, mixture.SKILLS, 250, 1500, 0.88, 1.0),
    Stage("settle", Shares(0.15, 0.13, 0.06, 0.02, 0.1), 0.15, mixture.SKILLS, 750, 750, 2.0, 0.02),
)


class Course(NamedTuple):
    """Stages that are learned with one optimiser, from a warm-up on."""

    stages: tuple[Stage, ...] = STAGES
    pace: float = 1.0
    """Share of the shape's learning rate."""


COURSES = {"roberta": (Course(),), "t5": (Course(), Course(TURNS, 0.5))}
"""By family. After the common course a T5 answers reviews by adding up their words: it has yet to see what "not" and "but" do."""
FINAL_GATE = 0.85
BATCH = 64
WARMUP = 100


class Progress(NamedTuple):
    """What the build prints while a PLM learns."""

    stage: str
    step: int
    loss: float
    accuracy: dict[str, float]
    seconds: float


class Learner(Protocol):
    """A PLM under pre-training, as its family reads documents."""

    model: Any
    """transformers' own."""
    vocabulary: Vocabulary

    def groups(self) -> list[dict]:
        """Parameters by ``pace``, the share of the learning rate that they learn at."""

    def word_std(self) -> float:
        """Standard deviation of the word embeddings."""

    def collate(self, documents: list[Document], rng: np.random.Generator, soft: float) -> Any:
        """A batch with ids (B, T), ``soft`` (B, T), True at Gaussian slots, and ``targets``, whose column 0 is the answer."""

    def loss(self, batch: Any, noise: torch.Tensor | None) -> torch.Tensor:
        """What is minimised; ``noise`` (B, T, hidden) replaces the words of Gaussian slots."""

    def answers(self, batch: Any) -> torch.Tensor:
        """(B, vocabulary) logits of the answer."""


LEARNERS: dict[str, Callable[[Shape, Vocabulary, int], Learner]] = {"roberta": RobertaLearner, "t5": T5Learner}


class SoftNoise:
    """Gaussian cue vectors and the fixed random answer that goes with them."""

    def __init__(self, hidden: int, vocabulary: Vocabulary, seed: int) -> None:
        self.answers = torch.tensor([vocabulary.ids[word] for family in FAMILIES.values() for word in family])
        self.map = torch.randn(hidden, len(self.answers), generator=torch.Generator().manual_seed(seed))
        self.generator = torch.Generator().manual_seed(seed + 1)

    def draw(self, batch: Any, std: float, hidden: int) -> torch.Tensor:
        """Noise (B, T, H), and the batch's targets of noisy rows set to a linear function of the mean noise vector."""
        scale = std * (0.6 + 1.4 * torch.rand(len(batch.ids), 1, 1, generator=self.generator))
        noise = torch.randn(*batch.ids.shape, hidden, generator=self.generator) * scale
        noisy = batch.soft.any(dim=1)
        total = (noise * batch.soft.unsqueeze(-1)).sum(dim=1)
        batch.targets[noisy, 0] = self.answers[(total[noisy] @ self.map).argmax(dim=1)]
        return noise


@torch.no_grad()
def cue_accuracy(learner: Learner, skill: str, examples: int = 256) -> float:
    """Accuracy of a skill asked in words, over its home family's label words, on documents of a fixed validation seed."""
    rng = Random(f"gate {skill}")
    family = mixture.HOME[skill]
    documents = [mixture.direct(rng, skill, family) for _ in range(examples)]
    batch = learner.collate(documents, np.random.default_rng(0), 0.0)
    poles = mixture.KINDS[mixture.KIND_OF[skill]].poles
    labels = torch.tensor([learner.vocabulary.ids[FAMILIES[family][pole]] for pole in poles])
    logits = learner.answers(batch)[:, labels]
    return float((labels[logits.argmax(dim=1)] == batch.targets[:, 0]).float().mean())


def _stream(rng: Random, stage: Stage, weights: dict[str, float], vocabulary: Vocabulary):
    while True:
        documents = [mixture.document(rng, stage.shares, weights, vocabulary.words) for _ in range(CHUNK * BATCH)]
        documents.sort(key=lambda document: sum(len(text.split()) for text in document.texts) + len(document.cue))
        batches = [documents[start : start + BATCH] for start in range(0, len(documents), BATCH)]
        rng.shuffle(batches)
        yield from batches


def pretrain(shape: Shape, seed: int, vocabulary: Vocabulary, report: Callable[[Progress], None], every: int = 250) -> Any:
    """A trained PLM of transformers' own class. Deterministic for a seed on one thread of one machine type.

    Raises:
        RuntimeError: a skill fails :data:`FINAL_GATE` after the last stage.
    """
    learner = LEARNERS[shape.family](shape, vocabulary, seed)
    started, steps = time.perf_counter(), 0
    for number, course in enumerate(COURSES[shape.family]):
        for last in teach(learner, course, shape, seed, number, every):
            report(last._replace(step=steps + last.step, seconds=time.perf_counter() - started))
        steps += last.step
    failing = {skill: value for skill, value in last.accuracy.items() if value < FINAL_GATE}
    if failing or not math.isfinite(last.loss):
        raise RuntimeError(f"pre-training seed {seed}: skills below the gate of {FINAL_GATE}: {failing}")
    return learner.model.eval()


def teach(learner: Learner, course: Course, shape: Shape, seed: int, number: int, every: int) -> Iterator[Progress]:
    """One course, the ``number``-th from 0; gives the progress after every ``every`` steps and at the end of a stage."""
    optimizer = torch.optim.AdamW(learner.groups(), lr=shape.lr, betas=(0.9, 0.98), weight_decay=0.01)
    noise = SoftNoise(shape.hidden, learner.vocabulary, seed)
    rng, np_rng = Random(seed + 1000 * number), np.random.default_rng(seed + 1000 * number)
    started, step = time.perf_counter(), 0
    for stage in course.stages:
        weights = {skill: 1.0 if skill in stage.skills else 0.0 for skill in mixture.SKILLS}
        batches = _stream(rng, stage, weights, learner.vocabulary)
        losses = []
        for done in range(1, stage.most + 1):
            step += 1
            share = 1 + (stage.end_lr - 1) * (done / stage.most)
            for group in optimizer.param_groups:
                group["lr"] = group["pace"] * course.pace * shape.lr * min(1.0, step / WARMUP) * share
            batch = learner.collate(next(batches), np_rng, stage.soft)
            loss = learner.loss(batch, noise.draw(batch, learner.word_std(), shape.hidden) if batch.soft.any() else None)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(learner.model.parameters(), 1.0)
            optimizer.step()
            losses.append(float(loss.detach()))
            if done % every == 0 or done == stage.most:
                accuracy = {skill: cue_accuracy(learner, skill) for skill in stage.skills}
                yield Progress(stage.name, step, float(np.mean(losses)), accuracy, time.perf_counter() - started)
                losses = []
                for skill, value in accuracy.items():
                    weights[skill] = 1.0 + 2.0 * max(0.0, 0.97 - value) / 0.5
                if done >= stage.least and min(accuracy.values()) >= stage.gate:
                    break
