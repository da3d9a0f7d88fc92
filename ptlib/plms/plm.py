"""What every family of PLMs answers to. The insides of a model are known to its family's file alone."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import torch
from torch.nn import functional

from ptlib.errors import PlmError, PromptError, TaskError
from ptlib.plms.describe import PlmInfo
from ptlib.plms.ffn import Ffn, Stimulation, masked, watched
from ptlib.prompts.insertion import family_insertions
from ptlib.tasks.task import MASK

if TYPE_CHECKING:
    from ptlib.tasks import Split, Task
    from ptlib.tasks.task import LabelRule


class Texts(NamedTuple):
    """A split as token ids."""

    ids: list[list[int]]
    answers: list[int]
    """Slot of each text that is read; 0 where the answer is not read in the text."""


@dataclass(frozen=True)
class Shortcuts:
    """Work that is left out because the answer does not depend on it. Each is exact and can be switched off."""

    last_layer_answer_only: bool = True
    """Encoders: of the last layer, only the answer's row."""
    fold_keys: bool = True
    """Where one row attends to many (an encoder's last layer, T5's decoder), key and value projections are folded into that
    row's query and output, q . (W h) = (q W) . h, instead of projecting every slot."""
    prompt_once: bool = True
    """Decoders: the prompt's keys and values are computed once for all texts."""
    label_rows_only: bool = True
    """Of the output layer, only the rows of the label words."""


ALL_SHORTCUTS = Shortcuts()


class Inputs(NamedTuple):
    """What the PLM reads: B sequences of T slots, prompt first."""

    embeds: torch.Tensor
    """(B, T, hidden)"""
    there: torch.Tensor | None
    """(B, T) bool, False where padded; None where nothing is."""
    answers: torch.Tensor
    """(B,) slot the answer is read at."""
    insertion: str
    past: Any = None
    """The prompt's keys and values, where they were computed before: then the slots are the texts' alone."""


class Plm(ABC):
    """A frozen PLM with its tokenizer."""

    def __init__(self, info: PlmInfo, model: Any, tokenizer: Any, device: str, dtype: str) -> None:
        self.info, self.model, self.tokenizer, self.device, self.dtype = info, model, tokenizer, device, dtype
        self.hidden, self.layers, self.ffn = info.hidden, info.layers, info.ffn
        self.insertions = family_insertions(info.family)
        """How a prompt can meet its input; the first is the family's own."""
        self.slots: dict[int, int] = {}
        """Length of texts, rounded up to a power of two -> most slots a batch may have, where memory ran out before."""

    prompt_first = False
    """Whether a prompt's slots see none of the text behind them, so that :meth:`prompt_past` can be."""

    @abstractmethod
    def texts(self, task: Task, split: Split, insertion: str) -> Texts:
        """Token ids of every row as the insertion wants them.

        Raises:
            TaskError: a template or a text that the family cannot read.
        """

    def longest_text(self, insertion: str, prompt_length: int) -> int | None:
        """Tokens that fit behind a prompt of this length, specials included; None: no limit."""
        return self.info.max_positions - prompt_length

    @abstractmethod
    def inputs(
        self, prompt: torch.Tensor | None, ids: torch.Tensor, lengths: torch.Tensor, answers: torch.Tensor | None = None,
        insertion: str | None = None, past: Any = None,
    ) -> Inputs:  # fmt: skip
        """Embeddings, mask and answer slots for B texts behind one prompt.

        Args:
            prompt: (L, hidden), or None for no prompt.
            ids: (B, T) token ids, padded on the right.
            lengths: (B,) real tokens of each.
            answers: (B,) slots of the texts, from :meth:`texts`; None for all 0.
            insertion: None takes the family's own.
            past: from :meth:`prompt_past`; the prompt itself is then not read again.
        """

    def prompt_past(self, prompt: torch.Tensor | None) -> Any:
        """What of a prompt can be computed once for all texts; None where its slots see the text."""
        return None

    def behind(self, prompt: torch.Tensor | None, ids: torch.Tensor) -> tuple[torch.Tensor, int]:
        """(B, L + T, hidden) word embeddings of the texts behind the prompt's rows, as they are; and L."""
        words = self.words(ids)
        rows = words[0, :0] if prompt is None else prompt.to(words.dtype)
        return torch.cat([rows.expand(len(ids), -1, -1), words], dim=1), len(rows)

    @abstractmethod
    def answer_hidden(self, inputs: Inputs, shortcuts: Shortcuts = ALL_SHORTCUTS) -> torch.Tensor:
        """(B, hidden) last hidden state at the answer, before the output layer."""

    def write(self, inputs: Inputs, most: int) -> torch.Tensor:
        """(B, up to most) token ids that the PLM writes after its inputs, by greedy decoding.

        Raises:
            TaskError: a family that cannot write.
        """
        raise TaskError("this family of PLMs does not write text", where=f"{self.info.id} ({self.info.family})",
                        expected="T5 or a decoder", mend="Choose such a PLM for question answering and summaries.")  # fmt: skip

    @abstractmethod
    def stimulus(self, insertion: str) -> tuple[list[int], int]:
        """The all but empty text that a stimulation reads behind the prompt, and its answer slot."""

    @abstractmethod
    def ffns(self) -> list[Ffn]:
        """The feed-forward networks that are read, first layer first."""

    @abstractmethod
    def features(self, hidden: torch.Tensor) -> torch.Tensor:
        """What the output layer reads, from (B, hidden) answers."""

    @property
    def output_layer(self) -> torch.nn.Linear:
        """Its rows are the vocabulary."""
        return self.model.get_output_embeddings()

    @property
    def words(self) -> torch.nn.Embedding:
        """The input embeddings."""
        return self.model.get_input_embeddings()

    @property
    def pad_id(self) -> int:
        """What fills texts up; it is never read."""
        found = self.tokenizer.pad_token_id
        return 0 if found is None else int(found)

    def check_insertion(self, insertion: str) -> str:
        """The insertion, where this family offers it. Raises PromptError elsewhere."""
        if insertion not in self.insertions:
            raise PromptError("this insertion is not defined for the PLM's family", where=f"{self.info.id} ({self.info.family})",
                              found=repr(insertion), expected=f"one of {list(self.insertions)}",
                              mend="Choose another insertion.")  # fmt: skip
        return insertion

    def pieces(self, word: str) -> list[int]:
        """Token ids of a word inside a text."""
        # A byte-level vocabulary marks the start of a word by a space before it; a word-level one ignores it.
        return self.tokenizer(f" {word}", add_special_tokens=False)["input_ids"]

    def label_ids(self, words: Sequence[str], rule: LabelRule = "one", ids: Sequence[int] | None = None) -> list[tuple[int, ...]]:
        """Rows of the output layer for each label word; ``ids`` names them outright.

        Raises:
            TaskError: a word that is unknown or, under the rule "one", of several tokens; two words that are one token.
        """
        found = [(int(number),) for number in ids] if ids else [self._label_pieces(word, rule) for word in words]
        rows = self.output_layer.weight.shape[0]
        if ids and max(ids) >= rows:
            raise TaskError("label_ids name tokens that the PLM does not have", where=self.info.id, found=max(ids),
                            expected=f"below {rows}", mend="Correct them in the task's TOML.")  # fmt: skip
        if len(set(found)) != len(found):
            raise TaskError("two label words are the same token", where=self.info.id, found=f"{list(words)} -> {found}",
                            mend="Choose other words, or the rule \"mean\", in the task's TOML.")  # fmt: skip
        return found

    def _label_pieces(self, word: str, rule: LabelRule) -> tuple[int, ...]:
        pieces = self.pieces(word)
        if not pieces or self.tokenizer.unk_token_id in pieces:
            raise TaskError(f"the label word {word!r} is not in the vocabulary", where=self.info.id, found=f"token ids {pieces}",
                            expected="one token", mend="Choose another word in label_words of the task's TOML.")  # fmt: skip
        if rule == "one" and len(pieces) > 1:
            raise TaskError(f"the label word {word!r} is of several tokens", where=self.info.id, found=f"token ids {pieces}", expected="one token",
                            mend='Choose another word in label_words of the task\'s TOML, or set label_rule = "first" or "mean".')  # fmt: skip
        return tuple(pieces[:1] if rule == "first" else pieces)

    def label_logits(self, hidden: torch.Tensor, label_ids: Sequence[Sequence[int]], *, label_rows_only: bool = True) -> torch.Tensor:
        """(B, classes) logits of the label words from (B, hidden) answers; of several pieces, their mean.

        Means of logits rank as means of log-probabilities do: the two differ by one number for all classes.
        """
        features, out = self.features(hidden), self.output_layer
        rows = [row for group in label_ids for row in group]
        if label_rows_only:
            found = functional.linear(features, out.weight[rows], None if out.bias is None else out.bias[rows])
        else:
            found = out(features)[:, rows]
        sizes = [len(group) for group in label_ids]
        return found if max(sizes) == 1 else torch.stack([part.mean(dim=1) for part in found.split(sizes, dim=1)], dim=1)

    def check_fits(self, ids: Sequence[Sequence[int]], most: int | None, task: Task) -> None:
        """Raises TaskError when a text has more than ``most`` tokens."""
        longest = max(range(len(ids)), key=lambda row: len(ids[row]))
        if most is not None and len(ids[longest]) > most:
            raise TaskError("a text is longer than the PLM's positions", where=f"task {task.name}, row {longest + 1}",
                            found=f"{len(ids[longest])} tokens", expected=f"{most} at most on {self.info.id}",
                            mend=f"Set max_length = {most} in {task.source} to cut texts, or choose a PLM with more positions.")  # fmt: skip

    def answer_row(self, values: torch.Tensor, inputs: Inputs) -> torch.Tensor:
        """(B, width) of (B, slots, width) values, at the answer."""
        # The shortcut for the last layer leaves the answer's row alone.
        return values[:, 0] if values.shape[1] == 1 else values[torch.arange(len(values), device=values.device), inputs.answers]

    def watch_neurons(self, inputs: Inputs) -> AbstractContextManager[list[Stimulation]]:
        """Inside the block, each pass appends its neurons at the answer slots of ``inputs`` to the list it gives.

        The hooks are gone when the block ends, also after an error.
        """
        return watched(self.ffns(), lambda values: self.answer_row(values, inputs))

    def mask_neurons(self, off: np.ndarray) -> AbstractContextManager[None]:
        """Inside the block the neurons that ``off`` (layers, ffn) bool names are zero: see :func:`ptlib.plms.ffn.masked`.

        The PLM is what it was when the block ends. Of a gated FFN the value that multiplies, act(gate) x up, is zero. Of T5 these
        are the decoder's neurons, as everywhere; its encoder is untouched.

        Raises:
            PlmError: another number of layers or neurons.
        """
        if off.dtype != bool or off.shape != (self.layers, self.ffn):
            raise PlmError("this mask does not fit the PLM's neurons", where=self.info.id, found=f"{off.dtype} of shape {off.shape}",
                           expected=f"bool of shape ({self.layers}, {self.ffn})", mend="Make it from a stimulation of this PLM.")  # fmt: skip
        return masked(self.ffns(), off)


def one_row_attends(
    query: torch.Tensor, hidden: torch.Tensor, key: torch.nn.Linear, value: torch.nn.Linear, scale: float, there: torch.Tensor | None
) -> torch.Tensor:
    """Attention of R rows over T slots without projecting the slots: (B, R, heads, size) queries, (B, T, hidden) slots.

    q . (W h + b) = (q W) . h + q . b, where q . b is alike for all slots and drops out of the softmax; likewise the values'
    projection is applied to the weighted mean of the slots. Costs heads instead of hidden products a slot.

    Returns:
        (B, R, heads * size)
    """
    heads, size = query.shape[2:]
    to_hidden = key.weight.view(heads, size, -1)
    scores = torch.einsum("brnd,ndi->brni", query, to_hidden).flatten(1, 2) @ hidden.transpose(1, 2) * scale
    if there is not None:
        scores = scores.masked_fill(~there[:, None], torch.finfo(scores.dtype).min)
    weights = torch.softmax(scores, dim=-1, dtype=torch.float32).to(hidden.dtype)
    mean = (weights @ hidden).view(*query.shape[:3], -1)
    found = torch.einsum("brni,ndi->brnd", mean, value.weight.view(heads, size, -1)).flatten(2)
    return found if value.bias is None else found + value.bias


def stacked(inputs: Sequence[Inputs]) -> Inputs:
    """The same texts behind several prompts of one length as one batch, the first prompt's texts first."""
    there = None if inputs[0].there is None else torch.cat([one.there for one in inputs])
    return Inputs(torch.cat([one.embeds for one in inputs]), there, torch.cat([one.answers for one in inputs]), inputs[0].insertion)


def joined(segments: Sequence[str]) -> tuple[str, str]:
    """A row's segments as one text, split where the answer stands: at ``{mask}``, or at the end."""
    left, found, right = " ".join(segments).partition(MASK)
    return (left.rstrip(), right.strip()) if found else (left, "")


def before_padding(lengths: torch.Tensor, prompt_length: int, width: int) -> torch.Tensor | None:
    """(B, prompt_length + width) bool, False where padded; None where nothing is."""
    if int(lengths.min()) == width:
        return None
    there = torch.arange(width, device=lengths.device)[None] < lengths[:, None]
    return torch.cat([there.new_ones(len(lengths), prompt_length), there], dim=1)
