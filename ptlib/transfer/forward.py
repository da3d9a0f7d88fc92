"""Rows of a task through the PLM, in batches that fit; where memory runs out, the batches are halved."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from ptlib.errors import RunError
from ptlib.plms.plm import ALL_SHORTCUTS, Inputs, Plm, Shortcuts, Stimulation, stacked
from ptlib.prompts import SoftPrompt
from ptlib.tasks import Task
from ptlib.transfer.batching import batches, budget, overhead
from ptlib.transfer.tokens import Tokens


class Stopped(Exception):
    """The caller asked to stop; nothing of the unfinished pass is returned."""


OUT_OF_MEMORY = (torch.cuda.OutOfMemoryError, MemoryError)
# On a CPU torch reports exhausted memory as a plain RuntimeError; its allocator's words differ by operating system.
OUT_OF_MEMORY_WORDS = ("can't allocate memory", "not enough memory", "out of memory")


def _ran_out(error: BaseException) -> bool:
    return isinstance(error, OUT_OF_MEMORY) or any(words in str(error) for words in OUT_OF_MEMORY_WORDS)


@dataclass
class Forward:
    """One PLM reading one task in one way."""

    plm: Plm
    task: Task
    data: Tokens
    insertion: str
    shortcuts: Shortcuts = ALL_SHORTCUTS
    should_stop: Callable[[], bool] = lambda: False
    tokens_per_batch: int | None = None
    on_neurons: Callable[[Stimulation], None] | None = None
    """Hears of the neurons at the answers of each batch."""
    halvings: int = 0
    """How often a batch was halved because memory ran out."""

    def run(self, prompt: SoftPrompt | None, rows: Sequence[int]) -> np.ndarray:
        """(rows, classes) logits, or (rows,) texts where the answer is free text.

        Raises:
            RunError: memory ran out on a single text. Stopped: ``should_stop`` said so.
        """
        values = None if prompt is None else torch.tensor(prompt.values, device=self.plm.device)
        shape = () if self.task.generates else (len(self.data.label_ids),)
        found = np.empty((len(rows), *shape), dtype=object if self.task.generates else np.float32)
        past = self.plm.prompt_past(values) if self.shortcuts.prompt_once and not self.task.generates else None
        todo = self._cut(rows, 1 if prompt is None else prompt.length, past)[::-1]
        while todo:
            if self.should_stop():
                raise Stopped
            places = todo.pop()
            batch = [rows[place] for place in places]
            try:
                found[places] = self._forward(values, past, batch)
                continue
            except (RuntimeError, MemoryError) as error:
                if not _ran_out(error):
                    raise
                if len(batch) == 1:
                    raise RunError("memory ran out on a single text", where=f"{self.plm.info.id} on {self.plm.device}",
                                   found=f"{len(self.data.ids[batch[0]])} tokens", mend="Free memory on the device, "
                                   "choose a smaller PLM or dtype, or set max_length in the task's TOML.") from error  # fmt: skip
            # Only here, after the error, are the failed pass's tensors free.
            self.halvings += 1
            self._remember(batch, 1 if prompt is None else prompt.length)
            todo = [half for other in todo for half in _halves(other)] + _halves(places)[::-1]
            if self.plm.device.startswith("cuda"):
                torch.cuda.empty_cache()
        return found

    def run_together(self, prompts: Sequence[SoftPrompt], rows: Sequence[int]) -> list[np.ndarray]:
        """As :meth:`run` for each prompt, all of one length, on a few texts that fill no batch for themselves.

        Decoders read each prompt once for its texts instead.
        """
        if len(prompts) == 1 or self.plm.prompt_first or self.task.generates:
            return [self.run(prompt, rows) for prompt in prompts]
        texts = self.data.batch(list(rows), self.plm.pad_id, self.plm.device)
        slots = len(rows) * (prompts[0].length + texts[0].shape[1])
        most = max(1, (self.tokens_per_batch or budget(self.plm.info, self.plm.device, self.plm.dtype)) // slots)
        found = []
        for first in range(0, len(prompts), most):
            if self.should_stop():
                raise Stopped
            values = [torch.tensor(prompt.values, device=self.plm.device) for prompt in prompts[first : first + most]]
            answers = self._answers(stacked([self.plm.inputs(one, *texts, self.insertion) for one in values]))
            found += list(answers.reshape(len(values), len(rows), -1))
        return found

    def _cut(self, rows: Sequence[int], slots: int, past: Any) -> list[list[int]]:
        lengths = [len(self.data.ids[row]) for row in rows]
        tokens = self.tokens_per_batch or budget(self.plm.info, self.plm.device, self.plm.dtype)
        extra, held = (slots, 0) if past is None else (0, slots)
        cut = batches(lengths, extra, tokens, overhead(self.plm.info, self.plm.device), held)
        return [part for places in cut for part in self._fitting(places, slots + max(lengths[place] for place in places))]

    def _fitting(self, places: list[int], length: int) -> list[list[int]]:
        """A batch in as many parts as memory was found to need for texts of its length."""
        most = max(1, self.plm.slots.get(width_of(length), len(places) * length) // length)
        return [places[first : first + most] for first in range(0, len(places), most)]

    def _remember(self, batch: Sequence[int], slots: int) -> None:
        length = slots + max(len(self.data.ids[row]) for row in batch)
        width, half = width_of(length), (len(batch) + 1) // 2 * length
        self.plm.slots[width] = min(half, self.plm.slots.get(width, half))

    def _forward(self, values: torch.Tensor | None, past: Any, rows: list[int]) -> np.ndarray:
        inputs = self.plm.inputs(values, *self.data.batch(rows, self.plm.pad_id, self.plm.device), self.insertion, past)
        if self.task.generates:
            written = self.plm.write(inputs, self.task.max_new_tokens)
            return np.array([text.strip() for text in self.plm.tokenizer.batch_decode(written, skip_special_tokens=True)], dtype=object)
        return self._answers(inputs)

    def _answers(self, inputs: Inputs) -> np.ndarray:
        with nullcontext() if self.on_neurons is None else self.plm.watch_neurons(inputs) as seen:
            hidden = self.plm.answer_hidden(inputs, self.shortcuts)
        if self.on_neurons is not None:
            self.on_neurons(seen[0])
        answers = self.plm.label_logits(hidden, self.data.label_ids, label_rows_only=self.shortcuts.label_rows_only)
        return answers.float().cpu().numpy()


def width_of(length: int) -> int:
    """The power of two that a length counts as where batch sizes are remembered."""
    return 1 << max(0, length - 1).bit_length()


def _halves(rows: list[int]) -> list[list[int]]:
    middle = (len(rows) + 1) // 2
    return [half for half in (rows[:middle], rows[middle:]) if half]
