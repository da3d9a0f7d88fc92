"""What a prompt is held against besides random prompts: the majority class and full fine-tuning."""

from __future__ import annotations

import copy
from itertools import islice

import numpy as np
import torch
from torch.nn import functional

from ptlib.plms.plm import Plm
from ptlib.tasks import Task
from ptlib.transfer.draws import Draws, seed_of
from ptlib.transfer.evaluate import Evaluation, evaluate
from ptlib.transfer.tokens import tokens_of

FINE_TUNE_VERSION = "1"
"""Part of the key of a stored result: raised when a change here could change a score."""


def majority(task: Task, split: str = "test") -> float:
    """Accuracy of always answering the training split's most frequent class."""
    train = np.bincount(task.read("train").labels, minlength=len(task.labels))
    return float(np.mean(task.read(split).labels == train.argmax()))


def fine_tune(plm: Plm, task: Task, *, steps: int = 150, lr: float = 5e-4, batch: int = 32, seed: int = 0) -> Evaluation:
    """Trains a copy of the whole PLM without a prompt and evaluates it on the test split: what the task allows.

    AdamW with linear decay on the cross-entropy over the label words, read at the mask slot. The seed decides the
    order of the examples and what dropout drops.
    """
    tuned = copy.copy(plm)
    tuned.model = copy.deepcopy(plm.model).train().requires_grad_(True)
    data = tokens_of(plm, task, "train")
    draws = Draws([len(ids) for ids in data.ids], batch, seed_of(task.name, seed))
    optimizer = torch.optim.AdamW(tuned.model.parameters(), lr=lr, weight_decay=0.01)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for step, rows in enumerate(islice(draws, steps)):
            for group in optimizer.param_groups:
                group["lr"] = lr * min(1.0, (step + 1) / 10) * (1 - step / steps)
            hidden = tuned.answer_hidden(tuned.inputs(None, *data.batch(rows, tuned.pad_id, tuned.device)))
            labels = torch.from_numpy(data.labels[rows]).to(tuned.device)
            loss = functional.cross_entropy(tuned.label_logits(hidden, data.label_ids).float(), labels)
            optimizer.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
    tuned.model.eval()
    return next(evaluate(tuned, [None], task))
