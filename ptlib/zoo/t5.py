"""A zoo T5 and how it reads the mixture: transformers' own encoder-decoder, the cue before the encoder's text.

The encoder reads ``cue words, text [text]`` exactly as the ``thunlp`` insertion puts a soft prompt before a text, with no
token between two texts; the decoder's first step is the answer. Hidden words, ``<extra_id_0>`` in the text, are read off
the encoder by the word embeddings, as the masked language models' are: the decoder is asked for answers alone.

T5's own initialisation does not suit this size. Words with a standard deviation of 1 take 250 steps of Adam at .004 to
change by their size: here they start small, and the decoder's last layer norm makes up for T5's scaling by hidden ** -0.5,
so that logits start as wide as the masked language models'. And T5 does not scale attention's products: its queries, which
start smaller by d_kv ** -0.5 for it, learn slower by the same factor.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional
from transformers import T5Config, T5ForConditionalGeneration

from ptlib.zoo.mixture import Document
from ptlib.zoo.shapes import Shape
from ptlib.zoo.vocabulary import EOS, MASK, PAD, Vocabulary

WORD_STD = 0.1
DENSE_FACTOR = 0.4
"""Dense layers start at this share of T5's own standard deviation: at width 64 what the masked language models have."""
CLOSED = 0.5
"""Share of documents that end in ``</s>``, as the peft insertion ends them."""


class Batch(NamedTuple):
    """B documents of at most T slots: cue slots, then text."""

    ids: torch.Tensor
    mask: torch.Tensor
    targets: torch.Tensor
    """(B, 1 + T): the answer, then the hidden words."""
    soft: torch.Tensor


class T5Learner:
    """A T5 under pre-training."""

    def __init__(self, shape: Shape, vocabulary: Vocabulary, seed: int) -> None:
        torch.manual_seed(seed)
        self.vocabulary = vocabulary
        config = T5Config(
            vocab_size=len(vocabulary), d_model=shape.hidden, d_kv=shape.hidden // shape.heads, d_ff=shape.ffn,
            num_layers=shape.encoder_layers, num_decoder_layers=shape.layers, num_heads=shape.heads, dropout_rate=0.0,
            feed_forward_proj="relu", pad_token_id=PAD, eos_token_id=EOS, decoder_start_token_id=PAD,
        )  # fmt: skip
        self.model = T5ForConditionalGeneration(config)
        self.model.set_attn_implementation("sdpa")
        with torch.no_grad():
            for name, weight in self.model.named_parameters():
                if weight.dim() == 2 and "relative_attention_bias" not in name:
                    weight.mul_(DENSE_FACTOR)
            self.model.shared.weight.normal_(std=WORD_STD)
            self.model.decoder.final_layer_norm.weight.fill_(shape.hidden**0.5)

    def groups(self) -> list[dict]:
        """Parameters and their pace: queries learn at d_kv ** -0.5, since T5 does not scale attention's products."""
        named = list(self.model.named_parameters())
        queries = [weight for name, weight in named if name.endswith("Attention.q.weight")]
        others = [weight for name, weight in named if not name.endswith("Attention.q.weight")]
        return [{"params": others, "pace": 1.0}, {"params": queries, "pace": self.model.config.d_kv**-0.5}]

    def word_std(self) -> float:
        """Standard deviation of the word embeddings."""
        return float(self.model.shared.weight.detach().std())

    def collate(self, documents: list[Document], rng: np.random.Generator, soft: float) -> Batch:
        """Hides 12 % of the text words. Targets are -100 where nothing is asked; ``soft`` marks Gaussian slots."""
        ids_of, rows = self.vocabulary.ids, []
        for document in documents:
            gaussian = rng.random() < soft
            cue = [MASK] * int(rng.choice((8, 16, 24))) if gaussian else [ids_of[word] for word in document.cue]
            text = [number for part in document.texts for number in self.vocabulary.encode(part)]
            closing = [EOS] if rng.random() < CLOSED else []
            rows.append((gaussian, cue, text, closing, ids_of[document.answer]))
        ids = np.full((len(rows), max(len(cue) + len(text) + len(closing) for _, cue, text, closing, _ in rows)), PAD)
        targets = np.full((len(rows), 1 + ids.shape[1]), -100)
        gaussian_slots = np.zeros(ids.shape, dtype=bool)
        for row, (gaussian, cue, text, closing, answer) in enumerate(rows):
            whole = [*cue, *text, *closing]
            ids[row, : len(whole)] = whole
            targets[row, 0] = answer
            gaussian_slots[row, : len(cue)] = gaussian
            hidden = len(cue) + np.flatnonzero(rng.random(len(text)) < 0.12)
            targets[row, 1 + hidden] = ids[row, hidden]
            ids[row, hidden] = MASK
        return Batch(*(torch.from_numpy(part) for part in (ids, ids != PAD, targets, gaussian_slots)))

    def loss(self, batch: Batch, noise: torch.Tensor | None) -> torch.Tensor:
        """Cross-entropy of the answers plus half that of the hidden words."""
        logits, read = self._read(batch, noise)
        answer = functional.cross_entropy(logits, batch.targets[:, 0])
        text = batch.targets[:, 1:] != -100
        if not text.any():
            return answer
        words = functional.linear(read[text], self.model.shared.weight)
        return answer + 0.5 * functional.cross_entropy(words, batch.targets[:, 1:][text])

    def answers(self, batch: Batch) -> torch.Tensor:
        """(B, vocabulary) logits of the answer."""
        return self._read(batch, None)[0]

    def _read(self, batch: Batch, noise: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits (B, vocabulary) of the decoder's first step, and the encoder's output (B, T, hidden)."""
        words = self.model.shared(batch.ids)
        if noise is not None:
            words = torch.where(batch.soft.unsqueeze(-1), noise, words)
        start = torch.full((len(batch.ids), 1), PAD)
        found = self.model(inputs_embeds=words, attention_mask=batch.mask.long(), decoder_input_ids=start, use_cache=False)
        return found.logits[:, 0], found.encoder_last_hidden_state
