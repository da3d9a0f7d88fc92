"""What GPT-2 and the Llama-like families share: a decoder that reads its prompt first and answers at the last token."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer

from ptlib.errors import TaskError
from ptlib.plms.plm import ALL_SHORTCUTS, Inputs, Plm, Shortcuts, Texts, joined

if TYPE_CHECKING:
    from ptlib.tasks import Split, Task


class CausalLm(Plm):
    """``[P0 .. P(L-1)] text``, soft tokens before the input embeddings, positions running on; the answer is what follows
    the text's last token. ``peft`` and ``openprompt`` differ in name only: a template's ``{mask}`` must stand at its end.

    ``thunlp`` is not defined for decoders. Padding stands on the right, where no token that is read can see it.
    """

    prompt_first = True

    def texts(self, task: Task, split: Split, insertion: str) -> Texts:
        halves = [joined(row) for row in split.texts]
        if any(right for _, right in halves):
            raise TaskError("a decoder answers at the end of the text", where=f"task {task.name} on {self.info.id}",
                            found="a template with text after {mask}", mend="Put {mask} at the template's end.")  # fmt: skip
        cut = {} if task.max_length is None else {"truncation": True, "max_length": task.max_length}
        ids = self.tokenizer([left for left, _ in halves], **cut)["input_ids"]
        # Some tokenizers close every text; nothing would follow that.
        ids = [row[:-1] if len(row) > 1 and row[-1] == self.tokenizer.eos_token_id else row for row in ids]
        empty = next((place for place, row in enumerate(ids) if not row), None)
        if empty is not None:
            raise TaskError(
                "an empty text", where=f"task {task.name}, row {empty + 1}", mend="Remove the row, or add words to the template."
            )
        return Texts(ids, [len(row) - 1 for row in ids])

    def inputs(
        self, prompt: torch.Tensor | None, ids: torch.Tensor, lengths: torch.Tensor, answers: torch.Tensor | None = None,
        insertion: str | None = None, past: Any = None,
    ) -> Inputs:  # fmt: skip
        insertion = self.check_insertion(insertion or self.insertions[0])
        embeds, length = self.behind(None if past is not None else prompt, ids)
        return Inputs(embeds, None, length + (lengths - 1 if answers is None else answers), insertion, past)

    def prompt_past(self, prompt: torch.Tensor | None) -> Any:
        """The prompt's keys and values, layer by layer: its slots come first and see no text. None without a prompt."""
        if prompt is None or not len(prompt):
            return None
        past = DynamicCache()
        self.model.base_model(inputs_embeds=prompt.to(self.words.weight.dtype)[None], past_key_values=past, use_cache=True)
        return [(layer.keys, layer.values) for layer in past.layers]

    def answer_hidden(self, inputs: Inputs, shortcuts: Shortcuts = ALL_SHORTCUTS) -> torch.Tensor:
        """(B, hidden) last hidden state at the answer slot, through transformers' own decoder."""
        cache = {} if inputs.past is None else {"past_key_values": _behind(inputs.past)}
        found = self.model.base_model(inputs_embeds=inputs.embeds, use_cache=bool(cache), **cache).last_hidden_state
        return found[torch.arange(len(found), device=found.device), inputs.answers]

    def write(self, inputs: Inputs, most: int) -> torch.Tensor:
        """Greedy. Texts are moved to the right, so that each is followed by what is written after it."""
        embeds, slots = inputs.embeds, inputs.embeds.shape[1]
        move = slots - 1 - inputs.answers
        place = (torch.arange(slots, device=embeds.device)[None] - move[:, None]) % slots
        there = (torch.arange(slots, device=embeds.device)[None] >= move[:, None]).long()
        moved = embeds.gather(1, place[:, :, None].expand_as(embeds))
        return self.model.generate(inputs_embeds=moved, attention_mask=there, max_new_tokens=most, do_sample=False, num_beams=1,
                                   pad_token_id=self.pad_id, use_cache=True)  # fmt: skip

    def stimulus(self, insertion: str) -> tuple[list[int], int]:
        """The token that opens a text (or, where there is none, the one that closes it)."""
        opening = self.tokenizer.bos_token_id
        return [self.tokenizer.eos_token_id if opening is None else opening], 0

    def features(self, hidden: torch.Tensor) -> torch.Tensor:
        return hidden


class _Read(DynamicLayer):
    """One layer's keys and values of a prompt, put before those of any number of texts and not changed by them."""

    def update(self, key_states: torch.Tensor, value_states: torch.Tensor, *args: Any, **kwargs: Any) -> tuple[torch.Tensor, torch.Tensor]:
        before = (held.expand(len(key_states), -1, -1, -1) for held in (self.keys, self.values))
        return tuple(torch.cat(pair, dim=-2) for pair in zip(before, (key_states, value_states), strict=True))


def _behind(past: list[tuple[torch.Tensor, torch.Tensor]]) -> DynamicCache:
    cache = DynamicCache()
    for keys, values in past:
        layer = _Read()
        layer.lazy_initialization(keys, values)
        layer.keys, layer.values = keys, values
        cache.layers.append(layer)
    return cache
