"""The neurons of a PLM: where they are seen, and how they are switched off. The PLM is left as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal, NamedTuple

import numpy as np
import torch


class Ffn(NamedTuple):
    """Where the neurons of one layer are seen."""

    neurons: torch.nn.Module
    side: Literal["in", "out"]
    """Whether the neurons are the module's input or its output."""
    gate: torch.nn.Module | None = None
    """Its output says which neurons are activated (> 0); None: the neurons' own sign does."""
    down: torch.nn.Module | None = None
    """Its input is what the activation function makes of the neurons; None: ``neurons`` itself."""


class Stimulation(NamedTuple):
    """Neurons at the answer slot in one pass."""

    values: torch.Tensor
    """(layers, B, ffn)"""
    activated: torch.Tensor
    """(layers, B, ffn) bool"""


@contextmanager
def watched(ffns: Sequence[Ffn], at_answer: Callable[[torch.Tensor], torch.Tensor]) -> Iterator[list[Stimulation]]:
    """Inside the block, each pass appends its neurons to the list it gives. The hooks are gone when it ends, also after an error.

    What :func:`masked` switches off is seen as it would have been.

    Args:
        at_answer: (B, slots, ffn) -> (B, ffn).
    """
    seen: list[Stimulation] = []
    layers: list[tuple[torch.Tensor, torch.Tensor]] = []
    gates: list[torch.Tensor] = []

    def keep(values: torch.Tensor) -> None:
        found = at_answer(values.detach())
        layers.append((found, (gates.pop() if gates else found) > 0))
        if len(layers) == len(ffns):
            seen.append(Stimulation(*(torch.stack(part) for part in zip(*layers, strict=True))))
            layers.clear()

    hooks = []
    try:
        for ffn in ffns:
            if ffn.gate is not None:
                hooks.append(ffn.gate.register_forward_hook(lambda _m, _i, out: gates.append(at_answer(out.detach()))))
            if ffn.side == "in":
                hooks.append(ffn.neurons.register_forward_pre_hook(lambda _m, given: keep(given[0]), prepend=True))
            else:
                hooks.append(ffn.neurons.register_forward_hook(lambda _m, _i, out: keep(out)))
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


@contextmanager
def masked(ffns: Sequence[Ffn], off: np.ndarray) -> Iterator[None]:
    """Inside the block, chosen neurons are zero after the activation function, at every position of every pass.

    So does the authors' released code 2.0 (``mask_activated_neuron``), which zeroes T5's and GPT-2's before the activation
    function: ReLU and GELU of zero are zero. Weights are not touched; the hooks are gone when the block ends, also after an error.

    Args:
        off: (layers, ffn) bool, True where a neuron is switched off.
    """
    hooks = []
    try:
        for ffn, row in zip(ffns, off, strict=True):
            if row.any():
                hooks.append((ffn.down or ffn.neurons).register_forward_pre_hook(_zeroing(row)))
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _zeroing(row: np.ndarray) -> Callable:
    held: dict[torch.device, torch.Tensor] = {}

    def zero(_module: torch.nn.Module, given: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        values = given[0]
        if values.device not in held:
            held[values.device] = torch.tensor(row, device=values.device)
        # Filled, not multiplied: zero times infinity is no number.
        return (values.masked_fill(held[values.device], 0), *given[1:])

    return zero
