"""T5 (1.0 with ReLU; 1.1 and flan with a gated FFN): the only file that knows its insides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from ptlib.plms.plm import ALL_SHORTCUTS, Ffn, Inputs, Plm, Shortcuts, Texts, before_padding, joined, one_row_attends

if TYPE_CHECKING:
    from ptlib.tasks import Split, Task

SENTINEL = "<extra_id_0>"


class T5Plm(Plm):
    """A frozen T5. The prompt stands before the encoder's input; the answer is a decoder step's.

    * ``thunlp`` (the paper's released code): ``[P0 .. P(L-1)] text``, nothing added to the text (a template says ``</s>``
      where the authors did); the answer is the first decoder step. The released code pads to a fixed length and attends to
      the padding; here padding is masked.
    * ``openprompt``: ``[P0 .. P(L-1)] text <extra_id_0> </s>``, the sentinel where the template says ``{mask}``; the
      decoder reads its start token and the sentinel, the answer is the step after it.
    * ``peft``: ``[P0 .. P(L-1)] text </s>``; the answer is the first decoder step.

    Neurons are the decoder's, at the step of the answer. With ReLU: the output of ``wi``, before ReLU (as in the released
    code). Gated: the value that multiplies, act(gate) x up, and activated means gate > 0.
    """

    def texts(self, task: Task, split: Split, insertion: str) -> Texts:
        most = task.max_length
        if insertion == "openprompt":
            halves = [joined(row) for row in split.texts]
            lefts, rights = (self._plain([row[side] for row in halves]) for side in (0, 1))
            sentinel, eos = self.tokenizer.convert_tokens_to_ids(SENTINEL), self.tokenizer.eos_token_id
            ids = []
            for left, right in zip(lefts, rights, strict=True):
                kept = left if most is None else left[: max(most - len(right) - 2, 0)]
                ids.append([*kept, sentinel, *right, eos])
        else:
            ids = self._plain([" ".join(joined(row)).strip() for row in split.texts])
            if insertion == "peft":
                ids = [[*(row if most is None else row[: most - 1]), self.tokenizer.eos_token_id] for row in ids]
            elif most is not None:
                ids = [row[:most] for row in ids]
        return Texts(ids, [0] * len(ids))

    def longest_text(self, insertion: str, prompt_length: int) -> None:
        """Positions are relative: no text is too long."""

    def _plain(self, texts: list[str]) -> list[list[int]]:
        return self.tokenizer(texts, add_special_tokens=False)["input_ids"]

    def pieces(self, word: str) -> list[int]:
        """The vocabulary marks the start of a word by itself."""
        return self.tokenizer(word, add_special_tokens=False)["input_ids"]

    def inputs(
        self, prompt: torch.Tensor | None, ids: torch.Tensor, lengths: torch.Tensor, answers: torch.Tensor | None = None,
        insertion: str | None = None, past: Any = None,
    ) -> Inputs:  # fmt: skip
        insertion = self.check_insertion(insertion or self.insertions[0])
        embeds, length = self.behind(prompt, ids)
        return Inputs(embeds, before_padding(lengths, length, ids.shape[1]), torch.zeros_like(lengths), insertion)

    def decoder_start(self, insertion: str) -> list[int]:
        """What the decoder reads before it answers."""
        start = [self.model.config.decoder_start_token_id]
        return [*start, self.tokenizer.convert_tokens_to_ids(SENTINEL)] if insertion == "openprompt" else start

    def answer_hidden(self, inputs: Inputs, shortcuts: Shortcuts = ALL_SHORTCUTS) -> torch.Tensor:
        """(B, hidden) last hidden state of the answering decoder step; no step is computed that is not read."""
        there = None if inputs.there is None else inputs.there.long()
        read = self.model.encoder(inputs_embeds=inputs.embeds, attention_mask=there).last_hidden_state
        start = torch.tensor([self.decoder_start(inputs.insertion)], device=read.device).expand(len(read), -1)
        # In half precision transformers keeps hidden states from overflowing between a block's parts.
        if shortcuts.fold_keys and read.dtype != torch.float16:
            return self._decode(start, read, inputs.there)[:, -1]
        found = self.model.decoder(input_ids=start, encoder_hidden_states=read, encoder_attention_mask=there, use_cache=False)
        return found.last_hidden_state[:, -1]

    def _decode(self, start: torch.Tensor, read: torch.Tensor, there: torch.Tensor | None) -> torch.Tensor:
        """(B, steps, hidden) of the decoder's few first steps, whose cross-attention projects no slot of the encoder's.

        Keys and values of every slot for every layer would be a seventh of T5's work, to be read once.
        """
        decoder, steps = self.model.decoder, start.shape[1]
        hidden = decoder.embed_tokens(start)
        bias = decoder.block[0].layer[0].SelfAttention.compute_bias(steps, steps, device=hidden.device)
        future = torch.ones(steps, steps, dtype=torch.bool, device=hidden.device).triu(1)
        bias = bias.masked_fill(future, torch.finfo(bias.dtype).min)
        for own, cross, ffn in (block.layer for block in decoder.block):
            attention, rows = own.SelfAttention, own.layer_norm(hidden)
            query, key, value = (self._heads(attention, part(rows)).transpose(1, 2) for part in (attention.q, attention.k, attention.v))
            weights = torch.softmax(query @ key.transpose(2, 3) + bias, dim=-1, dtype=torch.float32).to(value.dtype)
            hidden = hidden + attention.o((weights @ value).transpose(1, 2).flatten(2))
            attention = cross.EncDecAttention
            query = self._heads(attention, attention.q(cross.layer_norm(hidden)))
            # T5 does not scale its products.
            hidden = hidden + attention.o(one_row_attends(query, read, attention.k, attention.v, 1.0, there))
            hidden = ffn(hidden)
        return decoder.final_layer_norm(hidden)

    @staticmethod
    def _heads(attention: Any, values: torch.Tensor) -> torch.Tensor:
        return values.view(*values.shape[:2], attention.n_heads, attention.key_value_proj_dim)

    def write(self, inputs: Inputs, most: int) -> torch.Tensor:
        """Greedy; the decoder's start is left out."""
        start = torch.tensor([self.decoder_start(inputs.insertion)], device=inputs.embeds.device).expand(len(inputs.embeds), -1)
        there = torch.ones(inputs.embeds.shape[:2], dtype=torch.long, device=start.device) if inputs.there is None else inputs.there.long()
        found = self.model.generate(inputs_embeds=inputs.embeds, attention_mask=there, decoder_input_ids=start, max_new_tokens=most,
                                    do_sample=False, num_beams=1, use_cache=True)  # fmt: skip
        return found[:, start.shape[1] :]

    def stimulus(self, insertion: str) -> tuple[list[int], int]:
        """``<extra_id_0>`` for the encoder (paper's released code); the answer is the decoder's."""
        return [self.tokenizer.convert_tokens_to_ids(SENTINEL)], 0

    def answer_row(self, values: torch.Tensor, inputs: Inputs) -> torch.Tensor:
        """The decoder's last step answers."""
        return values[:, -1]

    def ffns(self) -> list[Ffn]:
        dense = [block.layer[-1].DenseReluDense for block in self.model.decoder.block]
        return [Ffn(ffn.wo, "in", gate=ffn.wi_0) if hasattr(ffn, "wi_0") else Ffn(ffn.wi, "out", down=ffn.wo) for ffn in dense]

    def features(self, hidden: torch.Tensor) -> torch.Tensor:
        """T5 1.0 shares its output layer with the word embeddings and scales what goes into it."""
        config = self.model.config
        return hidden * self.hidden**-0.5 if getattr(config, "scale_decoder_outputs", config.tie_word_embeddings) else hidden
