"""What a mask leaves behind: nothing, also after an error inside."""

import numpy as np
import pytest
import torch

from ptlib.errors import PlmError
from ptlib.plms.load import load
from ptlib.plms.plm import Plm
from tests.families import FAMILIES, build

IDS = torch.tensor([[5, 6, 7, 8]])


@torch.no_grad()
def logits(plm: Plm) -> torch.Tensor:
    """Of the whole public forward."""
    more = {"decoder_input_ids": IDS[:, :2]} if plm.info.family == "t5" else {}
    return plm.model(input_ids=IDS, **more).logits


def hooks(plm: Plm) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in plm.model.modules())


@pytest.mark.parametrize("family", FAMILIES)
def test_the_plm_is_as_it_was(tmp_path, family):
    plm = load(build(family, tmp_path / family), device="cpu")
    off = np.random.default_rng(0).random((3, 48)) < 0.5
    before, there = logits(plm), hooks(plm)
    weights = {name: values.clone() for name, values in plm.model.state_dict().items()}
    with plm.mask_neurons(off):
        assert hooks(plm) > there
        inside = logits(plm)
    assert not torch.equal(inside, before)
    assert torch.equal(logits(plm), before)

    def broken() -> None:
        with plm.mask_neurons(off):
            logits(plm)
            raise ValueError("inside")

    with pytest.raises(ValueError, match="inside"):
        broken()
    assert torch.equal(logits(plm), before)
    assert hooks(plm) == there
    assert all(torch.equal(values, weights[name]) for name, values in plm.model.state_dict().items())


def test_masks_in_one_another(tiny_plm):
    one, other = np.zeros((2, 3, 48), bool)
    one[:, :20], other[:, 10:30] = True, True
    with tiny_plm.mask_neurons(one | other):
        both = logits(tiny_plm)
    with tiny_plm.mask_neurons(one), tiny_plm.mask_neurons(other):
        assert torch.equal(logits(tiny_plm), both)


def test_infinite_neurons_become_zero(tiny_plm):
    off = np.zeros((3, 48), bool)
    off[0, 7] = True
    intermediate = tiny_plm.model.roberta.encoder.layer[0].intermediate.dense
    with torch.no_grad():
        intermediate.bias[7] = float("inf")
    assert not logits(tiny_plm).isfinite().all()
    with tiny_plm.mask_neurons(off):
        assert logits(tiny_plm).isfinite().all()


@pytest.mark.parametrize("off", [np.zeros((2, 48), bool), np.zeros((3, 47), bool), np.zeros((3, 48)), np.zeros(48, bool)])
def test_a_mask_of_another_shape_is_refused(tiny_plm, off):
    with pytest.raises(PlmError, match=r"tiny-1: this mask does not fit.*expected bool of shape \(3, 48\)"):
        tiny_plm.mask_neurons(off)
