"""The learning rate at each step, and the optimisers: torch's, and transformers' Adafactor and schedules."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from ptlib.transfer.settings import TrainingSettings

FINAL_LR = 0.05
"""Under ``decay`` the learning rate falls linearly to this share of itself."""


def optimizer_of(settings: TrainingSettings, values: torch.Tensor) -> torch.optim.Optimizer:
    """The optimiser of one prompt."""
    how = {"lr": settings.lr, "weight_decay": settings.weight_decay}
    if settings.optimizer == "adafactor":
        from transformers.optimization import Adafactor

        # With a learning rate of one's own, as its documentation asks for.
        return Adafactor([values], scale_parameter=False, relative_step=False, warmup_init=False, **how)
    return {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}[settings.optimizer]([values], **how)


def learning_rate(settings: TrainingSettings) -> Callable[[int], float]:
    """Step (from 1) -> learning rate: a function of the step alone, so that a training can be gone on with anywhere.

    transformers' schedules count the first step as 0, as its Trainer does.
    """
    lr, steps, warmup = settings.lr, settings.steps, settings.warmup
    if settings.schedule == "decay":
        return lambda step: lr * min(1.0, step / max(1, warmup)) * (1 - (1 - FINAL_LR) * step / steps)
    from transformers import get_scheduler

    unused = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=lr)
    factor = get_scheduler(settings.schedule, unused, num_warmup_steps=warmup, num_training_steps=steps).lr_lambdas[0]
    return lambda step: lr * float(factor(step - 1))


def arrays_of(optimizer: torch.optim.Optimizer) -> dict[str, np.ndarray]:
    """The optimiser's state of its one tensor as plain arrays, none of them without an axis."""
    found = {}
    for state in optimizer.state.values():
        for name, value in state.items():
            if isinstance(value, torch.Tensor):
                array = value.detach().cpu().numpy().copy()
                found[f"{'scalar' if array.ndim == 0 else 'tensor'}/{name}"] = np.atleast_1d(array)
            elif value is not None:
                found[f"number/{name}"] = np.array([value])
    return found


def restore(optimizer: torch.optim.Optimizer, arrays: dict[str, np.ndarray]) -> None:
    """Puts a state from :func:`arrays_of` back."""
    state = {}
    for name, array in arrays.items():
        form, _, own = name.partition("/")
        state[own] = (
            array[0].item() if form == "number" else torch.from_numpy(array[0:1].reshape(()).copy() if form == "scalar" else array.copy())
        )
    if state:
        optimizer.load_state_dict({"state": {0: state}, "param_groups": optimizer.state_dict()["param_groups"]})
