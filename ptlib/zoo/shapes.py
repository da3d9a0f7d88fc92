"""Shapes of the zoo's PLMs, by name."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Shape:
    """Architecture, size and the pace a PLM learns at."""

    family: Literal["roberta", "t5"]
    hidden: int
    layers: int
    """Layers whose neurons are read: all, or the decoder's."""
    heads: int
    ffn: int
    lr: float
    encoder_layers: int = 0
    """T5 only."""


SHAPES = {
    "64": Shape("roberta", 64, 4, 4, 256, 2e-3),
    "128": Shape("roberta", 128, 4, 4, 512, 1.5e-3),
    "t5-64": Shape("t5", 64, 4, 4, 256, 4e-3, encoder_layers=3),
}
