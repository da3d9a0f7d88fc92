"""A PLM that would load with anything made up is refused."""

import json
import shutil

import pytest
import torch
from transformers import RobertaConfig, RobertaForMaskedLM, RobertaModel

from ptlib.errors import PlmError
from ptlib.plms.load import load


@pytest.fixture
def copied(tiny_plm_folder, tmp_path):
    """The tiny PLM's folder, to be damaged."""
    return shutil.copytree(tiny_plm_folder, tmp_path / "damaged")


def test_frozen_and_in_evaluation_mode(tiny_plm):
    assert not tiny_plm.model.training
    assert not any(parameter.requires_grad for parameter in tiny_plm.model.parameters())
    assert tiny_plm.model.config._attn_implementation == "sdpa"
    assert {parameter.dtype for parameter in tiny_plm.model.parameters()} == {torch.float32}


@pytest.mark.parametrize("dtype", ["bfloat16", "float16"])
def test_dtype_asked_for(tiny_plm_folder, dtype):
    plm = load(tiny_plm_folder, device="cpu", dtype=dtype)
    assert plm.dtype == dtype
    assert {parameter.dtype for parameter in plm.model.parameters()} == {getattr(torch, dtype)}


def test_output_layer_missing_from_the_file(copied):
    """An encoder-only checkpoint: transformers would make up the output layer, and every score with it."""
    RobertaModel(RobertaConfig.from_pretrained(copied), add_pooling_layer=False).save_pretrained(copied)
    with pytest.raises(PlmError, match=r"weights are missing.*lm_head"):
        load(copied, device="cpu")


@pytest.mark.parametrize("token", ["mask_token", "bos_token"])
def test_tokenizer_without_a_token_the_insertion_needs(copied, token):
    path = copied / "tokenizer_config.json"
    settings = json.loads(path.read_text())
    del settings[token]
    path.write_text(json.dumps(settings))
    with pytest.raises(PlmError, match=f"the tokenizer has no {token}"):
        load(copied, device="cpu")


def test_tokenizer_of_another_plm(copied):
    RobertaForMaskedLM(RobertaConfig.from_pretrained(copied, vocab_size=12)).save_pretrained(copied)
    with pytest.raises(PlmError, match=r"does not belong to the PLM \(found token id 25, expected at most 11"):
        load(copied, device="cpu")


def test_no_tokenizer(copied):
    (copied / "tokenizer.json").unlink()
    with pytest.raises(PlmError, match="does not load"):
        load(copied, device="cpu")
