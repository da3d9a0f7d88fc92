"""How a prompt meets the input. The name is part of every cell's key; what each means for a family is in its file."""

from typing import Literal

Insertion = Literal["thunlp", "openprompt", "peft"]
"""
* ``thunlp``: the paper's released code, 1.0. RoBERTa and BERT: ``[P0 .. P(L-1)] <s> text </s>``, slot 0 overwritten by
  the mask token's embedding, where the answer is read; prompt slots have no position embedding; the text's positions are
  counted as if there were no prompt, from ``pad_token_id + 1``. T5: the prompt before the encoder's input, the answer at
  the first decoder step.
* ``openprompt``: soft tokens, then the template with its own mask, positions running on (released code, 2.0).
* ``peft``: soft tokens before the input embeddings, positions running on (the library peft's prompt tuning).
"""

INSERTIONS: tuple[str, ...] = ("thunlp", "openprompt", "peft")
UNKNOWN = "unknown"
"""Insertion of prompts that were trained in a way this program does not offer: they can be looked at, not evaluated."""


def inert_rows(insertion: str, family: str) -> tuple[int, ...]:
    """Rows of a prompt that never reach the PLM: row 0 under ``thunlp`` on RoBERTa and BERT, overwritten by the mask."""
    return (0,) if insertion == "thunlp" and family in ("roberta", "bert") else ()


def family_insertions(family: str) -> tuple[str, ...]:
    """Insertions that a family of PLMs offers, its own first. Decoders have no mask slot that ``thunlp`` could read."""
    return ("peft", "openprompt") if family in ("gpt2", "llama") else INSERTIONS
