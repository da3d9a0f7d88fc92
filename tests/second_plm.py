"""A second tiny PLM, of another width, and its prompts beside those of the first."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from ptlib.plms import describe
from ptlib.prompts import SoftPrompt, random_prompt, save

TASKS = ("films", "meals", "pairs", "doubles")


def add_second_plm(folder: Path) -> None:
    """Adds "wide-1" of hidden 48, with prompts of length 7, to a tiny library's folder."""
    import torch
    from transformers import AutoConfig, AutoModelForMaskedLM

    place = folder / "plms" / "wide-1"
    shutil.copytree(folder / "plms" / "tiny-1", place)
    config = AutoConfig.from_pretrained(place)
    config.hidden_size, config.intermediate_size = 48, 64
    torch.manual_seed(1)
    AutoModelForMaskedLM.from_config(config).save_pretrained(place)
    info = describe(place)
    for number, name in enumerate(TASKS):
        for seed in (0, 1):
            values = np.random.default_rng([number, seed, 7]).normal(0, 0.4, (7, 48)).astype(np.float32)
            save(
                SoftPrompt(values, f"{name}-s{seed}", info.fingerprint, name, seed),
                folder / "prompts" / "wide-1" / f"{name}-s{seed}.safetensors",
            )
    save(random_prompt(7, 48, 0.5, 0, info.fingerprint), folder / "prompts" / "wide-1" / "random-s0.safetensors")
