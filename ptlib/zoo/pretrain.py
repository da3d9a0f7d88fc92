"""Pre-training of a zoo PLM: masked language modelling on the cue mixture, in gated stages.

Model: transformers' own RoBERTa with a word-level vocabulary. The document enters exactly as the ``thunlp`` insertion
puts a soft prompt before a text: slot 0 holds the mask and is where the answer is read, cue slots have no position
embedding, text positions start at ``pad_token_id + 1``.

Stages: *relations* (only pair texts: matching two texts is the hardest thing to learn and must not meet shortcuts),
*mixture* (everything, with soft noise in some cue slots) and *settle* (learning rate down to zero). A stage ends when
every skill passes its gate on freshly made documents or at its step limit; skills that lag are read more often. If a
skill fails its gate after the last stage the build stops with an error.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional
from transformers import RobertaConfig, RobertaForMaskedLM

from ptlib.zoo import mixture
from ptlib.zoo.mixture import Document, Shares
from ptlib.zoo.tasks import FAMILIES

SPECIAL = ("<s>", "<pad>", "</s>", "<unk>", "<mask>")
BOS, PAD, EOS, UNK, MASK = range(5)
MAX_POSITIONS = 98
CHUNK = 24
"""Batches that are drawn together and cut by length, so that little is padded."""


@dataclass(frozen=True)
class Size:
    """Shape of a PLM and the pace it learns at."""

    hidden: int
    layers: int
    heads: int
    ffn: int
    lr: float


SIZES = {"64": Size(64, 4, 4, 256, 2e-3), "128": Size(128, 4, 4, 512, 1.5e-3)}


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
    """Learning rate at the end, as a share of the size's; the stage starts where the last one ended."""


STAGES = (
    Stage("foundations", Shares(topical=0.45), 0.0, mixture.SKILLS, 750, 3000, 0.86, 1.0),
    Stage("mixture", Shares(0.18, 0.13, 0.06, 0.04), 0.1, mixture.SKILLS, 750, 3000, 0.88, 1.0),
    Stage("settle", Shares(0.15, 0.13, 0.06, 0.02), 0.15, mixture.SKILLS, 1250, 1250, 2.0, 0.02),
)
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


@dataclass
class Vocabulary:
    """Word-level vocabulary: special tokens first, then the words of the mixture."""

    words: list[str] = field(default_factory=mixture.vocabulary)

    def __post_init__(self) -> None:
        self.ids = {word: index for index, word in enumerate((*SPECIAL, *self.words))}

    def __len__(self) -> int:
        return len(self.ids)

    def encode(self, text: str) -> list[int]:
        """Ids of the words of a text."""
        return [self.ids.get(word, UNK) for word in text.split()]


def new_model(size: Size, vocabulary: int, seed: int) -> RobertaForMaskedLM:
    """An untrained RoBERTa of this size; no dropout, since the mixture never repeats a document."""
    torch.manual_seed(seed)
    config = RobertaConfig(
        vocab_size=vocabulary, hidden_size=size.hidden, num_hidden_layers=size.layers, num_attention_heads=size.heads,
        intermediate_size=size.ffn, max_position_embeddings=MAX_POSITIONS, type_vocab_size=1, hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0, bos_token_id=BOS, pad_token_id=PAD, eos_token_id=EOS, initializer_range=0.05,
        attn_implementation="sdpa",
    )  # fmt: skip
    return RobertaForMaskedLM(config)


class Batch(NamedTuple):
    """B documents of at most T slots: slot 0, then cue slots, then text."""

    ids: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    targets: torch.Tensor
    soft: torch.Tensor


def collate(documents: list[Document], vocabulary: Vocabulary, rng: np.random.Generator, soft: float) -> Batch:
    """Masks the answer and 12 % of the text words. Targets are -100 where nothing is asked; ``soft`` marks Gaussian slots."""
    rows = []
    for document in documents:
        gaussian = rng.random() < soft
        cue = [MASK] * int(rng.choice((8, 16, 24))) if gaussian else [vocabulary.ids[word] for word in document.cue]
        text = [BOS]
        for part in document.texts:
            text += [*vocabulary.encode(part), EOS]
        rows.append((gaussian, cue, text, vocabulary.ids[document.answer]))
    width = max(1 + len(cue) + len(text) for _, cue, text, _ in rows)
    ids = np.full((len(rows), width), PAD)
    positions = np.full_like(ids, PAD)
    targets = np.full_like(ids, -100)
    gaussian_slots = np.zeros(ids.shape, dtype=bool)
    for row, (gaussian, cue, text, answer) in enumerate(rows):
        start = 1 + len(cue)
        ids[row, : start + len(text)] = [MASK, *cue, *text]
        positions[row, start : start + len(text)] = np.arange(len(text)) + PAD + 1
        targets[row, 0] = answer
        gaussian_slots[row, 1:start] = gaussian
        hidden = start + np.flatnonzero((rng.random(len(text)) < 0.12) & (np.array(text) > MASK))
        targets[row, hidden] = ids[row, hidden]
        ids[row, hidden] = MASK
    return Batch(*(torch.from_numpy(part) for part in (ids, positions, ids != PAD, targets, gaussian_slots)))


def embed(model: RobertaForMaskedLM, batch: Batch, noise: torch.Tensor | None = None) -> torch.Tensor:
    """Input embeddings (B, T, H); ``noise`` (B, T, H) replaces the words of Gaussian slots."""
    embeddings = model.roberta.embeddings
    words = embeddings.word_embeddings(batch.ids)
    if noise is not None:
        words = torch.where(batch.soft.unsqueeze(-1), noise, words)
    # Position ids of slots without a position are the padding row, which stays zero: it is nn.Embedding's padding_idx.
    return embeddings.LayerNorm(words + embeddings.position_embeddings(batch.positions) + embeddings.token_type_embeddings.weight[0])


def encode(model: RobertaForMaskedLM, batch: Batch, inputs: torch.Tensor) -> torch.Tensor:
    """Last hidden states (B, T, H)."""
    blocked = torch.zeros(batch.mask.shape).masked_fill(~batch.mask, torch.finfo(torch.float32).min)
    hidden = inputs
    for layer in model.roberta.encoder.layer:
        out = layer(hidden, blocked[:, None, None, :])
        hidden = out[0] if isinstance(out, tuple) else out
    return hidden


class SoftNoise:
    """Gaussian cue vectors and the fixed random answer that goes with them."""

    def __init__(self, hidden: int, vocabulary: Vocabulary, seed: int) -> None:
        self.answers = torch.tensor([vocabulary.ids[word] for family in FAMILIES.values() for word in family])
        self.map = torch.randn(hidden, len(self.answers), generator=torch.Generator().manual_seed(seed))
        self.generator = torch.Generator().manual_seed(seed + 1)

    def draw(self, batch: Batch, std: float, hidden: int) -> torch.Tensor:
        """Noise (B, T, H), and the batch's targets of noisy rows set to a linear function of the mean noise vector."""
        scale = std * (0.6 + 1.4 * torch.rand(len(batch.ids), 1, 1, generator=self.generator))
        noise = torch.randn(*batch.ids.shape, hidden, generator=self.generator) * scale
        noisy = batch.soft.any(dim=1)
        total = (noise * batch.soft.unsqueeze(-1)).sum(dim=1)
        batch.targets[noisy, 0] = self.answers[(total[noisy] @ self.map).argmax(dim=1)]
        return noise


def loss_of(model: RobertaForMaskedLM, batch: Batch, noise: torch.Tensor | None) -> torch.Tensor:
    """Cross-entropy of the answers plus half that of the masked words."""
    hidden = encode(model, batch, embed(model, batch, noise))
    answer = functional.cross_entropy(model.lm_head(hidden[:, 0]), batch.targets[:, 0])
    text = batch.targets[:, 1:] != -100
    if not text.any():
        return answer
    return answer + 0.5 * functional.cross_entropy(model.lm_head(hidden[:, 1:][text]), batch.targets[:, 1:][text])


@torch.no_grad()
def cue_accuracy(model: RobertaForMaskedLM, vocabulary: Vocabulary, skill: str, examples: int = 256) -> float:
    """Accuracy of a skill asked in words, over its home family's label words, on documents of a fixed validation seed."""
    rng = Random(f"gate {skill}")
    family = mixture.HOME[skill]
    documents = [mixture.direct(rng, skill, family) for _ in range(examples)]
    batch = collate(documents, vocabulary, np.random.default_rng(0), 0.0)
    poles = mixture.KINDS[mixture.KIND_OF[skill]].poles
    labels = torch.tensor([vocabulary.ids[FAMILIES[family][pole]] for pole in poles])
    logits = model.lm_head(encode(model, batch, embed(model, batch))[:, 0])[:, labels]
    return float((labels[logits.argmax(dim=1)] == batch.targets[:, 0]).float().mean())


def _stream(rng: Random, stage: Stage, weights: dict[str, float], vocabulary: Vocabulary):
    while True:
        documents = [mixture.document(rng, stage.shares, weights, vocabulary.words) for _ in range(CHUNK * BATCH)]
        documents.sort(key=lambda document: sum(len(text.split()) for text in document.texts) + len(document.cue))
        batches = [documents[start : start + BATCH] for start in range(0, len(documents), BATCH)]
        rng.shuffle(batches)
        yield from batches


def pretrain(size: Size, seed: int, vocabulary: Vocabulary, report: Callable[[Progress], None], every: int = 250) -> RobertaForMaskedLM:
    """A trained PLM. Deterministic for a seed on one thread of one machine type.

    Raises:
        RuntimeError: a skill fails :data:`FINAL_GATE` after the last stage.
    """
    model = new_model(size, len(vocabulary), seed)
    optimizer = torch.optim.AdamW(model.parameters(), lr=size.lr, betas=(0.9, 0.98), weight_decay=0.01)
    noise = SoftNoise(size.hidden, vocabulary, seed)
    rng, np_rng = Random(seed), np.random.default_rng(seed)
    started, step = time.perf_counter(), 0
    for stage in STAGES:
        weights = {skill: 1.0 if skill in stage.skills else 0.0 for skill in mixture.SKILLS}
        batches = _stream(rng, stage, weights, vocabulary)
        losses = []
        for done in range(1, stage.most + 1):
            step += 1
            share = 1 + (stage.end_lr - 1) * (done / stage.most)
            for group in optimizer.param_groups:
                group["lr"] = size.lr * min(1.0, step / WARMUP) * share
            batch = collate(next(batches), vocabulary, np_rng, stage.soft)
            std = float(model.roberta.embeddings.word_embeddings.weight.detach().std())
            loss = loss_of(model, batch, noise.draw(batch, std, size.hidden) if batch.soft.any() else None)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            losses.append(float(loss.detach()))
            if done % every == 0 or done == stage.most:
                accuracy = {skill: cue_accuracy(model, vocabulary, skill) for skill in stage.skills}
                report(Progress(stage.name, step, float(np.mean(losses)), accuracy, time.perf_counter() - started))
                losses = []
                for skill, value in accuracy.items():
                    weights[skill] = 1.0 + 2.0 * max(0.0, 0.97 - value) / 0.5
                if done >= stage.least and min(accuracy.values()) >= stage.gate:
                    break
    failing = {skill: value for skill, value in accuracy.items() if value < FINAL_GATE}
    if failing or not math.isfinite(float(loss.detach())):
        raise RuntimeError(f"pre-training seed {seed}: skills below the gate of {FINAL_GATE}: {failing}")
    return model.eval()
