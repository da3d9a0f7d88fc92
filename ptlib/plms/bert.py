"""BERT: the only file that knows its insides."""

from __future__ import annotations

from typing import Any

import torch

from ptlib.plms.masked_lm import MaskedLm


class BertPlm(MaskedLm):
    """A frozen BERT masked language model. Every slot has token type 0, as in the released code, also in pairs.

    Under ``thunlp`` the text starts at position 1 (``pad_token_id`` is 0), although BERT's own first position is 0: it is
    how the published prompts were trained.
    """

    @property
    def encoder(self) -> Any:
        return self.model.bert

    @property
    def ends(self) -> tuple[int, int]:
        return self.tokenizer.cls_token_id, self.tokenizer.sep_token_id

    @property
    def first_position(self) -> int:
        return 0

    def features(self, hidden: torch.Tensor) -> torch.Tensor:
        return self.model.cls.predictions.transform(hidden)
