"""PLMs of the paper as they are known by name, for prompts and results that came without the weights."""

from __future__ import annotations

from pathlib import Path

from ptlib.plms.describe import HUB, NO_LIMIT, PlmInfo

KNOWN: dict[str, tuple[str, int, int, int, int, int, int, str]] = {
    "roberta-base": ("roberta", 768, 12, 3072, 514, 50265, 124_697_433, "gelu"),
    "roberta-large": ("roberta", 1024, 24, 4096, 514, 50265, 355_412_057, "gelu"),
    "bert-base-uncased": ("bert", 768, 12, 3072, 512, 30522, 109_514_298, "gelu"),
    "t5-base": ("t5", 768, 12, 3072, NO_LIMIT, 32128, 222_903_552, "relu"),
    "t5-small": ("t5", 512, 6, 2048, NO_LIMIT, 32128, 60_506_624, "relu"),
    "t5-large": ("t5", 1024, 24, 4096, NO_LIMIT, 32128, 737_668_096, "relu"),
}
"""Hub id -> family, hidden, layers, FFN width, positions, vocabulary, parameters, activation."""


def without_weights(name: str, folder: Path) -> PlmInfo:
    """A PLM that can be looked up and compared, and not run; ``folder`` is where its prompts came from."""
    family, hidden, layers, ffn, positions, vocabulary, parameters, activation = KNOWN[name]
    return PlmInfo(name, folder, family, family, hidden, layers, ffn, positions, vocabulary, parameters, HUB + name, 0, {}, activation)
