"""RoBERTa: the only file that knows its insides."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from ptlib.plms.masked_lm import MaskedLm


class RobertaPlm(MaskedLm):
    """A frozen RoBERTa masked language model."""

    @property
    def encoder(self) -> Any:
        return self.model.roberta

    @property
    def ends(self) -> tuple[int, int]:
        return self.tokenizer.bos_token_id, self.tokenizer.eos_token_id

    @property
    def first_position(self) -> int:
        """Positions up to the padding token's id are never used."""
        return self.model.config.pad_token_id + 1

    def features(self, hidden: torch.Tensor) -> torch.Tensor:
        head = self.model.lm_head
        return head.layer_norm(functional.gelu(head.dense(hidden)))
