"""Neurons at the answers of many texts, summed up as they come: what is kept does not grow with the texts."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch

from ptlib.plms.plm import Stimulation


class Neurons(NamedTuple):
    """Neurons at the answers of n texts."""

    mean: np.ndarray
    """(layers, ffn) float32, mean value"""
    share: np.ndarray
    """(layers, ffn) float32, share of the texts that activate the neuron"""
    texts: int


class Activity:
    """Running sums over texts."""

    def __init__(self) -> None:
        self._values: torch.Tensor | None = None
        self._activated: torch.Tensor | None = None
        self.texts = 0

    def add(self, seen: Stimulation) -> None:
        """Adds one batch."""
        values, activated = seen.values.sum(dim=1, dtype=torch.float32), seen.activated.sum(dim=1, dtype=torch.float32)
        self._values = values if self._values is None else self._values + values
        self._activated = activated if self._activated is None else self._activated + activated
        self.texts += seen.values.shape[1]

    def neurons(self) -> Neurons:
        """Means over everything that was added; at least one batch."""
        return Neurons((self._values / self.texts).cpu().numpy(), (self._activated / self.texts).cpu().numpy(), self.texts)
