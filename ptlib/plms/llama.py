"""Llama and its like (Mistral, Qwen2, Qwen3): the only file that knows their insides."""

from __future__ import annotations

from ptlib.plms.causal_lm import CausalLm
from ptlib.plms.plm import Ffn


class LlamaPlm(CausalLm):
    """A frozen Llama-like decoder: RMSNorm, rotary positions, gated FFN.

    A neuron is the value that multiplies, act(gate) x up; activated means gate > 0, whatever the sign of up.
    """

    def ffns(self) -> list[Ffn]:
        return [Ffn(layer.mlp.down_proj, "in", gate=layer.mlp.gate_proj) for layer in self.model.model.layers]

    def pieces(self, word: str) -> list[int]:
        """What the word adds to a text: vocabularies of this family mark the start of a word in several ways."""
        before = self.tokenizer("a", add_special_tokens=False)["input_ids"]
        found = self.tokenizer(f"a {word}", add_special_tokens=False)["input_ids"]
        return found[len(before) :]
