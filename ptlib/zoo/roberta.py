"""A zoo RoBERTa and how it reads the mixture: transformers' own class, slot 0 the mask, then the cue, then the text.

The document enters exactly as the ``thunlp`` insertion puts a soft prompt before a text: slot 0 holds the mask and is where
the answer is read, cue slots have no position embedding, text positions start at ``pad_token_id + 1``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional
from transformers import RobertaConfig, RobertaForMaskedLM

from ptlib.zoo.mixture import Document
from ptlib.zoo.shapes import Shape
from ptlib.zoo.vocabulary import BOS, EOS, MASK, PAD, Vocabulary

MAX_POSITIONS = 98


class Batch(NamedTuple):
    """B documents of at most T slots: slot 0, then cue slots, then text."""

    ids: torch.Tensor
    positions: torch.Tensor
    mask: torch.Tensor
    targets: torch.Tensor
    soft: torch.Tensor


class RobertaLearner:
    """A RoBERTa under pre-training; no dropout, since the mixture never repeats a document."""

    def __init__(self, shape: Shape, vocabulary: Vocabulary, seed: int) -> None:
        torch.manual_seed(seed)
        self.vocabulary = vocabulary
        config = RobertaConfig(
            vocab_size=len(vocabulary), hidden_size=shape.hidden, num_hidden_layers=shape.layers, num_attention_heads=shape.heads,
            intermediate_size=shape.ffn, max_position_embeddings=MAX_POSITIONS, type_vocab_size=1, hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0, bos_token_id=BOS, pad_token_id=PAD, eos_token_id=EOS, initializer_range=0.05,
            attn_implementation="sdpa",
        )  # fmt: skip
        self.model = RobertaForMaskedLM(config)

    def groups(self) -> list[dict]:
        """Parameters and their pace: all learn alike."""
        return [{"params": list(self.model.parameters()), "pace": 1.0}]

    def word_std(self) -> float:
        """Standard deviation of the word embeddings."""
        return float(self.model.roberta.embeddings.word_embeddings.weight.detach().std())

    def collate(self, documents: list[Document], rng: np.random.Generator, soft: float) -> Batch:
        """Masks the answer and 12 % of the text words. Targets are -100 where nothing is asked; ``soft`` marks Gaussian slots."""
        ids_of, rows = self.vocabulary.ids, []
        for document in documents:
            gaussian = rng.random() < soft
            cue = [MASK] * int(rng.choice((8, 16, 24))) if gaussian else [ids_of[word] for word in document.cue]
            text = [BOS]
            for part in document.texts:
                text += [*self.vocabulary.encode(part), EOS]
            rows.append((gaussian, cue, text, ids_of[document.answer]))
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

    def loss(self, batch: Batch, noise: torch.Tensor | None) -> torch.Tensor:
        """Cross-entropy of the answers plus half that of the masked words."""
        head, hidden = self.model.lm_head, self._encode(batch, noise)
        answer = functional.cross_entropy(head(hidden[:, 0]), batch.targets[:, 0])
        text = batch.targets[:, 1:] != -100
        if not text.any():
            return answer
        return answer + 0.5 * functional.cross_entropy(head(hidden[:, 1:][text]), batch.targets[:, 1:][text])

    def answers(self, batch: Batch) -> torch.Tensor:
        """(B, vocabulary) logits of the answer."""
        return self.model.lm_head(self._encode(batch, None)[:, 0])

    def _encode(self, batch: Batch, noise: torch.Tensor | None) -> torch.Tensor:
        hidden = self._embed(batch, noise)
        blocked = torch.zeros(batch.mask.shape).masked_fill(~batch.mask, torch.finfo(torch.float32).min)
        for layer in self.model.roberta.encoder.layer:
            out = layer(hidden, blocked[:, None, None, :])
            hidden = out[0] if isinstance(out, tuple) else out
        return hidden

    def _embed(self, batch: Batch, noise: torch.Tensor | None) -> torch.Tensor:
        embeddings = self.model.roberta.embeddings
        words = embeddings.word_embeddings(batch.ids)
        if noise is not None:
            words = torch.where(batch.soft.unsqueeze(-1), noise, words)
        # Position ids of slots without a position are the padding row, which stays zero: it is nn.Embedding's padding_idx.
        return embeddings.LayerNorm(words + embeddings.position_embeddings(batch.positions) + embeddings.token_type_embeddings.weight[0])
