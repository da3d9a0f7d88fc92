"""What RoBERTa and BERT share: an encoder that reads its prompt and answers at a mask."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import torch

from ptlib.plms.plm import ALL_SHORTCUTS, Ffn, Inputs, Plm, Shortcuts, Texts, before_padding, joined, one_row_attends
from ptlib.tasks.task import MASK

if TYPE_CHECKING:
    from ptlib.tasks import Split, Task


class MaskedLm(Plm):
    """Insertions:

    * ``thunlp`` (the paper's released code): ``[P0 .. P(L-1)] <s> text </s>``; slot 0 is overwritten by the mask token's
      embedding and is where the answer is read; prompt slots have no position embedding; the text's positions are
      counted as if there were no prompt, from ``pad_token_id + 1``. Two segments: ``<s> one </s> two </s>``.
    * ``openprompt`` and ``peft``: ``[P0 .. P(L-1)] <s> text <mask> </s>`` with positions running on over all slots; the
      mask stands where the template says ``{mask}``, or at the end. The two differ in name only, for one template.

    A neuron is one value of a layer's ``intermediate`` output (after GELU, which keeps the sign).
    """

    @property
    @abstractmethod
    def encoder(self) -> Any:
        """The module that holds ``embeddings`` and ``encoder``."""

    @property
    @abstractmethod
    def ends(self) -> tuple[int, int]:
        """Token ids that open and close a text."""

    @property
    @abstractmethod
    def first_position(self) -> int:
        """Position of a sequence's first slot."""

    def longest_text(self, insertion: str, prompt_length: int) -> int:
        """Under ``thunlp`` the prompt takes no positions."""
        if insertion == "thunlp":
            return self.info.max_positions - self.model.config.pad_token_id - 1
        return self.info.max_positions - self.first_position - prompt_length

    def texts(self, task: Task, split: Split, insertion: str) -> Texts:
        first, last = self.ends
        if insertion == "thunlp":
            # This insertion has its own place for the mask.
            parts = [
                self._plain([" ".join(joined((row[place],))).strip() if MASK in row[place] else row[place] for row in split.texts])
                for place in range(len(split.texts[0]))
            ]
            ids = [[first, *(token for part in row for token in (*part, last))] for row in zip(*parts, strict=True)]
            return Texts([_cut(row, task.max_length) for row in ids], [0] * len(ids))
        halves = [joined(row) for row in split.texts]
        lefts, rights = (self._plain([row[side] and f"{' ' * side}{row[side]}" for row in halves]) for side in (0, 1))
        mask = self.tokenizer.mask_token_id
        room = None if task.max_length is None else max(task.max_length - 3, 0)
        ids, answers = [], []
        for left, right in zip(lefts, rights, strict=True):
            left = left if room is None else left[: max(room - len(right), 0)]
            ids.append([first, *left, mask, *right, last])
            answers.append(len(left) + 1)
        return Texts(ids, answers)

    def _plain(self, texts: list[str]) -> list[list[int]]:
        return self.tokenizer(texts, add_special_tokens=False)["input_ids"]

    def prompt_rows(self, prompt: torch.Tensor | None) -> torch.Tensor:
        """What the prompt slots of ``thunlp`` hold before the layer norm: (L, hidden), or (1, hidden) without a prompt.

        Slot 0 is the mask; the prompt's own row 0 never reaches the PLM.
        """
        mask = self.words.weight[self.tokenizer.mask_token_id][None]
        return mask if prompt is None else torch.cat([mask, prompt[1:].to(mask.dtype)])

    def inputs(
        self, prompt: torch.Tensor | None, ids: torch.Tensor, lengths: torch.Tensor, answers: torch.Tensor | None = None,
        insertion: str | None = None, past: Any = None,
    ) -> Inputs:  # fmt: skip
        insertion = self.check_insertion(insertion or self.insertions[0])
        module = self.encoder.embeddings
        if insertion == "thunlp":
            rows, words = self.prompt_rows(prompt), self.words(ids)
            positions = torch.arange(ids.shape[1], device=ids.device) + self.model.config.pad_token_id + 1
            words = words + module.position_embeddings(positions)
            joint = torch.cat([rows.expand(len(ids), -1, -1), words], dim=1)
            slots, length = torch.zeros_like(lengths), len(rows)
        else:
            joint, length = self.behind(prompt, ids)
            joint = joint + module.position_embeddings(torch.arange(joint.shape[1], device=ids.device) + self.first_position)
            slots = (torch.zeros_like(lengths) if answers is None else answers) + length
        embeds = module.LayerNorm(joint + module.token_type_embeddings.weight[0])
        return Inputs(embeds, before_padding(lengths, length, ids.shape[1]), slots, insertion)

    def answer_hidden(self, inputs: Inputs, shortcuts: Shortcuts = ALL_SHORTCUTS) -> torch.Tensor:
        """(B, hidden) last hidden state at the answer slot. No later layer reads the last layer's other slots."""
        hidden, blocked = inputs.embeds, None
        if inputs.there is not None:
            blocked = torch.zeros_like(inputs.there, dtype=hidden.dtype).masked_fill(~inputs.there, torch.finfo(hidden.dtype).min)
            blocked = blocked[:, None, None, :]
        layers = self.encoder.encoder.layer
        for layer in layers[:-1] if shortcuts.last_layer_answer_only else layers:
            out = layer(hidden, blocked)
            hidden = out[0] if isinstance(out, tuple) else out
        rows = hidden[torch.arange(len(hidden), device=hidden.device), inputs.answers]
        if not shortcuts.last_layer_answer_only:
            return rows
        layer, rows = layers[-1], rows[:, None]
        mixed = (_folded if shortcuts.fold_keys else _projected)(layer.attention.self, rows, hidden, inputs.there, blocked)
        attended = layer.attention.output(mixed, rows)
        return layer.output(layer.intermediate(attended), attended)[:, 0]

    def stimulus(self, insertion: str) -> tuple[list[int], int]:
        """``<s>`` under ``thunlp`` (paper, section 6.1), ``<s> <mask> </s>`` elsewhere."""
        first, last = self.ends
        return ([first], 0) if insertion == "thunlp" else ([first, self.tokenizer.mask_token_id, last], 1)

    def ffns(self) -> list[Ffn]:
        return [Ffn(layer.intermediate, "out", down=layer.output.dense) for layer in self.encoder.encoder.layer]


def _heads(attention: Any, values: torch.Tensor) -> torch.Tensor:
    return values.view(*values.shape[:2], attention.num_attention_heads, attention.attention_head_size)


def _folded(attention: Any, rows: torch.Tensor, hidden: torch.Tensor, there: torch.Tensor | None, _blocked: object) -> torch.Tensor:
    query = _heads(attention, attention.query(rows))
    return one_row_attends(query, hidden, attention.key, attention.value, attention.attention_head_size**-0.5, there)


def _projected(attention: Any, rows: torch.Tensor, hidden: torch.Tensor, _there: object, blocked: torch.Tensor | None) -> torch.Tensor:
    query, key, value = (
        _heads(attention, layer(given)).transpose(1, 2)
        for layer, given in ((attention.query, rows), (attention.key, hidden), (attention.value, hidden))
    )
    context = torch.nn.functional.scaled_dot_product_attention(query, key, value, attn_mask=blocked)
    return context.transpose(1, 2).flatten(2)


def _cut(ids: list[int], most: int | None) -> list[int]:
    # As the released code cuts: at the end of the whole, the closing token kept.
    return ids if most is None or len(ids) <= most else [*ids[: most - 1], ids[-1]]
