"""GPT-2: the only file that knows its insides."""

from __future__ import annotations

from ptlib.plms.causal_lm import CausalLm
from ptlib.plms.plm import Ffn


class Gpt2Plm(CausalLm):
    """A frozen GPT-2. A neuron is one value between ``c_fc`` and ``c_proj``, after GELU, which keeps the sign."""

    def ffns(self) -> list[Ffn]:
        return [Ffn(block.mlp.c_proj, "in") for block in self.model.transformer.h]
