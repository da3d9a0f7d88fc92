"""Stimulation: a PLM's neurons at the answer position when it reads a prompt and all but nothing else."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from ptlib.errors import PromptError
from ptlib.neurons.states import States, stack
from ptlib.plms.plm import Plm
from ptlib.prompts import SoftPrompt

STIMULATE_VERSION = "1"
"""Part of every stimulation's key: raised when a change here could change a value."""


@torch.inference_mode()
def stimulate(plm: Plm, prompts: Sequence[SoftPrompt], insertion: str | None = None) -> States:
    """Neurons of every FFN at the answer (paper, section 6.1) when the PLM reads the prompt and its family's all but
    empty text: ``<s>`` on RoBERTa, ``<extra_id_0>`` on T5, the opening token on decoders.

    Args:
        insertion: None takes each prompt's own.

    Returns:
        (prompts, layers, ffn); which value is a neuron and when it is activated is said in the family's file.

    Raises:
        PromptError: a prompt of another width, an insertion the family does not offer, or neurons beyond finite numbers.
    """
    found = []
    for prompt in prompts:
        prompt.check_fits(plm.hidden, plm.info.id)
        way = plm.check_insertion(insertion or prompt.insertion)
        ids, answer = plm.stimulus(way)
        inputs = plm.inputs(
            torch.tensor(prompt.values, device=plm.device), torch.tensor([ids], device=plm.device),
            torch.tensor([len(ids)], device=plm.device), torch.tensor([answer], device=plm.device), way,
        )  # fmt: skip
        with plm.watch_neurons(inputs) as seen:
            plm.answer_hidden(inputs)
        values = seen[0].values[:, 0].float().cpu().numpy()
        if not np.isfinite(values).all():
            raise PromptError("the prompt's neurons are not finite numbers", where=f"prompt {prompt.name} on {plm.info.id}",
                              found=f"{plm.dtype}", mend="Check the prompt's values, or use float32.")  # fmt: skip
        found.append(States(values, seen[0].activated[:, 0].cpu().numpy()))
    return stack(found, plm.layers, plm.ffn)
