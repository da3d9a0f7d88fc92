"""Random prompts: the baseline every transfer score is held against."""

from __future__ import annotations

import numpy as np

from ptlib.prompts.soft_prompt import SoftPrompt


def random_prompt(length: int, hidden: int, std: float, seed: int, plm: str) -> SoftPrompt:
    """A Gaussian prompt (length, hidden) with the standard deviation of the PLM's word embeddings.

    ``plm`` is the PLM's fingerprint. It is also how prompt tuning starts, so the baseline is "before training".
    """
    values = np.random.default_rng(seed).standard_normal((length, hidden)).astype(np.float32) * np.float32(std)
    return SoftPrompt(values, f"random-s{seed}", plm, "", seed, "random", meta={"std": float(std)})
