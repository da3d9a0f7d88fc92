"""Neurons switched off: every family and insertion against transformers' own public forward under hooks of the test's own, which
zero the neurons where the engine does not: before the activation function, or one side of a gated FFN."""

from contextlib import contextmanager
from dataclasses import fields, replace

import numpy as np
import pytest
import torch

from ptlib.neurons.stimulate import stimulate
from ptlib.plms.plm import Shortcuts
from ptlib.transfer.evaluate import evaluate
from tests.families import FAMILIES
from tests.parity.test_families import CASES, NONE, TEXTS, make_task, plms, prompt_for, slow  # noqa: F401

ENDS = {"roberta": "intermediate", "bert": "intermediate", "t5": "DenseReluDense.wi", "t5-gated": "DenseReluDense.wi_1", "gpt2": "mlp.c_fc"}
MASK = np.random.default_rng(3).random((3, 48)) < 0.3


@contextmanager
def zeroed(plm, family, off):
    """As the authors' released code does it, by modules' names."""

    def kept(row):
        keep = torch.tensor(~row)
        return lambda _module, _given, out: out * keep

    end = ENDS.get(family, "mlp.up_proj")
    modules = [module for name, module in plm.model.named_modules() if name.endswith(end) and not name.startswith("encoder.")]
    assert len(modules) == len(off)
    hooks = [module.register_forward_hook(kept(row)) for module, row in zip(modules, off, strict=True)]
    yield
    for hook in hooks:
        hook.remove()


@pytest.mark.parametrize(("family", "insertion"), CASES)
def test_label_logits(plms, tmp_path, family, insertion):  # noqa: F811
    plm = plms(family)
    task, prompt = make_task(tmp_path, family), prompt_for(plm, insertion)
    label_ids = [row for (row,) in plm.label_ids(task.label_words)]
    with zeroed(plm, family, MASK):
        expected = np.array([slow(plm, family, insertion, prompt, text)[label_ids].numpy() for text in TEXTS])
    intact = next(evaluate(plm, [prompt], task)).logits
    assert np.abs(expected - intact).max() > 0.01
    for shortcuts in (Shortcuts(), NONE, *(replace(NONE, **{field.name: True}) for field in fields(NONE))):
        with plm.mask_neurons(MASK):
            found = next(evaluate(plm, [prompt], task, shortcuts=shortcuts)).logits
        assert np.abs(found - expected).max() < 1e-5 * max(1, np.abs(expected).max())
    assert np.array_equal(next(evaluate(plm, [prompt], task)).logits, intact)


@pytest.mark.parametrize("layer", [0, 1, 2])
@pytest.mark.parametrize("family", ["roberta", "t5", "llama"])
def test_a_single_layer(plms, tmp_path, family, layer):  # noqa: F811
    """Of the last layer the engine evaluates the answer's row alone."""
    plm, off = plms(family), np.zeros((3, 48), bool)
    off[layer, ::2] = True
    task, prompt = make_task(tmp_path, family), prompt_for(plm, plm.insertions[0])
    label_ids = [row for (row,) in plm.label_ids(task.label_words)]
    with zeroed(plm, family, off):
        expected = np.array([slow(plm, family, plm.insertions[0], prompt, text)[label_ids].numpy() for text in TEXTS])
    with plm.mask_neurons(off):
        found = next(evaluate(plm, [prompt], task)).logits
    assert np.abs(found - expected).max() < 1e-5 * max(1, np.abs(expected).max())


@pytest.mark.parametrize("family", FAMILIES)
def test_stimulation_is_seen_before_it_is_masked(plms, family):  # noqa: F811
    """The first layer's neurons are as they were; behind it all else changes."""
    plm = plms(family)
    prompt, off = prompt_for(plm, plm.insertions[0]), np.zeros((3, 48), bool)
    off[0] = True
    intact = stimulate(plm, [prompt])
    with plm.mask_neurons(off):
        found = stimulate(plm, [prompt])
    assert np.array_equal(found.values[0, 0], intact.values[0, 0])
    assert not np.array_equal(found.values[0, 1], intact.values[0, 1])
