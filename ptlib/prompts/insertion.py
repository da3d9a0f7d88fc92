"""How a prompt meets the input. The name is part of every cell's key."""

from typing import Literal

Insertion = Literal["thunlp"]
"""``thunlp``: ``[P0 .. P(L-1)] <s> text </s>``; slot 0 is overwritten by the mask token's embedding and is where the
answer is read; prompt slots have no position embedding; the text's positions are counted as if there were no prompt,
from ``pad_token_id + 1`` (the paper's released code, 1.0)."""

INERT_ROWS: dict[str, tuple[int, ...]] = {"thunlp": (0,)}
"""Rows of a prompt that an insertion overwrites, so that they never reach the PLM."""
