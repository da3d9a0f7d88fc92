"""Stimulation: a PLM's neurons at the answer position when it reads a prompt and all but nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from ptlib.errors import PromptError
from ptlib.prompts import SoftPrompt

STIMULATE_VERSION = "1"
"""Part of every stimulation's key: raised when a change here could change a value."""


@torch.inference_mode()
def stimulate(plm: Any, prompts: Sequence[SoftPrompt]) -> np.ndarray:
    """Values between the two layers of every FFN at the answer slot for ``[P0 .. P(L-1)] <s>`` (paper, section 6.1).

    Returns:
        (prompts, layers, ffn) float32; > 0 means activated.

    Raises:
        PromptError: a prompt of another width, or one that drives neurons beyond finite numbers.
    """
    found = np.empty((len(prompts), plm.layers, plm.ffn), dtype=np.float32)
    ids = torch.tensor([[plm.tokenizer.bos_token_id]], device=plm.device)
    one = torch.ones(1, dtype=torch.long, device=plm.device)
    for number, prompt in enumerate(prompts):
        prompt.check_fits(plm.hidden, plm.info.id)
        with plm.watch_neurons() as seen:
            plm.answer_hidden(plm.inputs(torch.tensor(prompt.values, device=plm.device), ids, one))
        found[number] = seen[0][:, 0].float().cpu().numpy()
        if not np.isfinite(found[number]).all():
            raise PromptError("the prompt's neurons are not finite numbers", where=f"prompt {prompt.name} on {plm.info.id}",
                              found=f"{plm.dtype}", mend="Check the prompt's values, or use float32.")  # fmt: skip
    return found
