"""RoBERTa: the only file that knows its insides.

A prompt enters as the paper's released code does it (insertion ``thunlp``): ``[P0 .. P(L-1)] <s> text </s>``, slot 0
overwritten by the mask token's embedding, no position embedding on the prompt slots, the text's positions counted as if
there were no prompt. The answer is read at slot 0. A neuron is one value of a layer's ``intermediate`` output (after
GELU, which keeps the sign, so that > 0 means activated).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import torch

from ptlib.errors import TaskError
from ptlib.plms.describe import PlmInfo

if TYPE_CHECKING:
    from ptlib.tasks import Split, Task


class Inputs(NamedTuple):
    """What the encoder reads: B sequences of T slots."""

    embeds: torch.Tensor
    """(B, T, hidden)"""
    blocked: torch.Tensor | None
    """(B, 1, 1, T) added to attention scores; None where nothing is padded."""


class RobertaPlm:
    """A frozen RoBERTa masked language model."""

    def __init__(self, info: PlmInfo, model: Any, tokenizer: Any, device: str, dtype: str) -> None:
        self.info, self.model, self.tokenizer, self.device, self.dtype = info, model, tokenizer, device, dtype
        self.hidden, self.layers, self.ffn = info.hidden, info.layers, info.ffn
        self._embeddings = model.roberta.embeddings
        self._pad = model.config.pad_token_id

    @property
    def text_positions(self) -> int:
        """Longest text in tokens, specials included: the prompt takes no positions."""
        return self.info.max_positions - self._pad - 1

    def label_ids(self, words: Sequence[str]) -> list[int]:
        """Rows of the output layer for the label words.

        Raises:
            TaskError: a word that is unknown or of several tokens, or two words that are one token.
        """
        ids = []
        for word in words:
            # A byte-level vocabulary marks the start of a word by a space before it; a word-level one ignores it.
            pieces = self.tokenizer(f" {word}", add_special_tokens=False)["input_ids"]
            if len(pieces) != 1 or pieces[0] == self.tokenizer.unk_token_id:
                why = "of several tokens" if len(pieces) > 1 else "not in the vocabulary"
                raise TaskError(f"the label word {word!r} is {why}", where=self.info.id, found=f"token ids {pieces}",
                                expected="one token", mend="Choose another word in label_words of the task's TOML.")  # fmt: skip
            ids += pieces
        if len(set(ids)) != len(ids):
            raise TaskError("two label words are the same token", where=self.info.id, found=f"{list(words)} -> {ids}")
        return ids

    def tokenize(self, task: Task, split: Split) -> list[list[int]]:
        """Token ids of every row, ``<s> text </s>`` (``<s> first </s> second </s>`` as the tokenizer joins pairs).

        Raises:
            TaskError: a text longer than the PLM's positions, unless the task's ``max_length`` cuts it.
        """
        pairs = [list(segments) for segments in zip(*split.texts, strict=True)]
        cut = {} if task.max_length is None else {"truncation": True, "max_length": task.max_length}
        ids = self.tokenizer(*pairs, add_special_tokens=True, **cut)["input_ids"]
        longest = max(range(len(ids)), key=lambda row: len(ids[row]))
        if len(ids[longest]) > self.text_positions:
            raise TaskError("a text is longer than the PLM's positions", where=f"task {task.name}, row {longest + 1}",
                            found=f"{len(ids[longest])} tokens", expected=f"{self.text_positions} at most on {self.info.id}",
                            mend=f"Set max_length = {self.text_positions} in {task.source} to cut texts, or choose a PLM "
                            "with more positions.")  # fmt: skip
        return ids

    def prompt_rows(self, prompt: torch.Tensor | None) -> torch.Tensor:
        """What the prompt slots hold before the embedding layer norm: (L, hidden), or (1, hidden) without a prompt.

        Slot 0 is the mask; the prompt's own row 0 never reaches the PLM.
        """
        mask = self._embeddings.word_embeddings.weight[self.tokenizer.mask_token_id][None]
        return mask if prompt is None else torch.cat([mask, prompt[1:].to(mask.dtype)])

    def inputs(self, prompt: torch.Tensor | None, ids: torch.Tensor, lengths: torch.Tensor) -> Inputs:
        """Embeddings and mask for B texts behind one prompt.

        Args:
            prompt: (L, hidden), or None for the mask slot alone.
            ids: (B, T) token ids, padded on the right.
            lengths: (B,) real tokens of each.
        """
        rows = self.prompt_rows(prompt)
        words = self._embeddings.word_embeddings(ids)
        positions = torch.arange(ids.shape[1], device=ids.device) + self._pad + 1
        words = words + self._embeddings.position_embeddings(positions)
        joined = torch.cat([rows.expand(len(ids), -1, -1), words], dim=1)
        embeds = self._embeddings.LayerNorm(joined + self._embeddings.token_type_embeddings.weight[0])
        if int(lengths.min()) == ids.shape[1]:
            return Inputs(embeds, None)
        there = torch.arange(ids.shape[1], device=ids.device)[None] < lengths[:, None]
        there = torch.cat([there.new_ones(len(ids), len(rows)), there], dim=1)
        blocked = torch.zeros_like(there, dtype=embeds.dtype).masked_fill(~there, torch.finfo(embeds.dtype).min)
        return Inputs(embeds, blocked[:, None, None, :])

    def answer_hidden(self, inputs: Inputs, *, last_layer_answer_only: bool = True) -> torch.Tensor:
        """(B, hidden) last hidden state at the answer slot.

        ``last_layer_answer_only`` computes the last layer for slot 0 alone, which changes nothing: no later layer
        reads the other slots.
        """
        hidden = inputs.embeds
        layers = self.model.roberta.encoder.layer
        for layer in layers[:-1] if last_layer_answer_only else layers:
            out = layer(hidden, inputs.blocked)
            hidden = out[0] if isinstance(out, tuple) else out
        return self._answer_row(layers[-1], hidden, inputs.blocked) if last_layer_answer_only else hidden[:, 0]

    @staticmethod
    def _answer_row(layer: Any, hidden: torch.Tensor, blocked: torch.Tensor | None) -> torch.Tensor:
        attention = layer.attention.self
        heads, size = attention.num_attention_heads, attention.attention_head_size

        def split(values: torch.Tensor) -> torch.Tensor:
            return values.view(len(values), -1, heads, size).transpose(1, 2)

        query = split(attention.query(hidden[:, :1]))
        context = torch.nn.functional.scaled_dot_product_attention(
            query, split(attention.key(hidden)), split(attention.value(hidden)), attn_mask=blocked
        )
        mixed = context.transpose(1, 2).reshape(len(hidden), 1, -1)
        attended = layer.attention.output(mixed, hidden[:, :1])
        return layer.output(layer.intermediate(attended), attended)[:, 0]

    def label_logits(self, hidden: torch.Tensor, label_ids: Sequence[int], *, label_rows_only: bool = True) -> torch.Tensor:
        """(B, classes) logits of the label words from (B, hidden) answers."""
        head = self.model.lm_head
        if not label_rows_only:
            return head(hidden)[:, list(label_ids)]
        features = head.layer_norm(torch.nn.functional.gelu(head.dense(hidden)))
        rows = list(label_ids)
        return torch.nn.functional.linear(features, head.decoder.weight[rows], head.decoder.bias[rows])

    @contextmanager
    def watch_neurons(self) -> Iterator[list[torch.Tensor]]:
        """Inside the block, each pass appends its (layers, B, ffn) neurons at the answer slot to the list it gives.

        The hooks are gone when the block ends, also after an error.
        """
        seen: list[torch.Tensor] = []
        rows: list[torch.Tensor] = []

        def keep(_module: Any, _inputs: Any, output: torch.Tensor) -> None:
            rows.append(output[:, 0].detach())
            if len(rows) == self.layers:
                seen.append(torch.stack(rows))
                rows.clear()

        hooks = [layer.intermediate.register_forward_hook(keep) for layer in self.model.roberta.encoder.layer]
        try:
            yield seen
        finally:
            for hook in hooks:
                hook.remove()
