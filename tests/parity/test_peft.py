"""The insertion ``peft`` against peft's own PeftModel."""

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch

from ptlib.plms.load import load
from ptlib.prompts import SoftPrompt
from ptlib.transfer.evaluate import evaluate
from tests.families import build
from tests.parity.test_families import TEXTS, make_task

peft = pytest.importorskip("peft", reason="peft is not installed (it is a package of the checks in requirements.txt)")
TYPES = {"gpt2": "CAUSAL_LM", "llama": "CAUSAL_LM", "qwen3": "CAUSAL_LM", "t5": "SEQ_2_SEQ_LM", "t5-gated": "SEQ_2_SEQ_LM",
         "roberta": "FEATURE_EXTRACTION", "bert": "FEATURE_EXTRACTION"}  # fmt: skip


def _logits(model, plm, family, label_ids):
    """(texts, classes) logits of label words through peft's own forward, text by text."""
    tok, expected = plm.tokenizer, []
    for text in TEXTS:
        ids = tok(text, add_special_tokens=False)["input_ids"]
        at, more = -1, {}
        if family == "roberta":
            ids, at = [tok.bos_token_id, *ids, tok.mask_token_id, tok.eos_token_id], -2
        elif family == "bert":
            ids, at = [tok.cls_token_id, *ids, tok.mask_token_id, tok.sep_token_id], -2
        elif family.startswith("t5"):
            ids, more = [*ids, tok.eos_token_id], {"decoder_input_ids": torch.tensor([[0]])}
        given = torch.tensor([ids])
        out = model(input_ids=given, attention_mask=torch.ones_like(given), **more)
        expected.append(out.logits[0, at, label_ids].numpy())
    return np.array(expected)


@torch.no_grad()
@pytest.mark.parametrize(("family", "submodules"), [*((family, 1) for family in TYPES), ("t5", 2)])
def test_label_logits(tmp_path, family, submodules):
    """With two submodules, peft's default for T5, it keeps rows for the decoder too and never reads them."""
    plm = load(build(family, tmp_path / family), device="cpu")
    task = make_task(tmp_path, family)
    values = np.random.default_rng(2).normal(0, 0.7, (5, plm.hidden)).astype(np.float32)
    found = next(evaluate(plm, [SoftPrompt(values, "p", "", "", insertion="peft")], task)).logits
    config = peft.PromptTuningConfig(task_type=TYPES[family], num_virtual_tokens=5, num_transformer_submodules=submodules)
    model = peft.get_peft_model(copy.deepcopy(plm.model), config).eval()
    model.prompt_encoder["default"].embedding.weight[:5] = torch.tensor(values)
    expected = _logits(model, plm, family, [row for (row,) in plm.label_ids(task.label_words)])
    assert np.std(expected) > 0.05
    assert np.abs(found - expected).max() < 1e-4


@torch.no_grad()
@pytest.mark.parametrize("family", ["roberta", "t5", "gpt2"])
def test_a_trained_prompt_leaves_as_an_adapter_that_peft_loads_and_scores_alike(tmp_path, family):
    from ptlib.prompts import peft_format
    from ptlib.transfer.settings import TrainingSettings
    from ptlib.transfer.tuning import prompt_of, train

    plm = load(build(family, tmp_path / family), device="cpu")
    task = make_task(tmp_path, family)
    task = replace(task, splits={split: task.splits["test"] for split in ("train", "validation", "test")})
    settings = TrainingSettings(6, steps=8, lr=0.1, batch=4, insertion="peft")
    with torch.enable_grad():
        state = list(train(plm, task, settings))[-1]
    prompt = prompt_of(state, plm, task, settings, [], {})
    peft_format.write(prompt, tmp_path / "adapter", plm.info.family, str(plm.info.folder))
    model = peft.PeftModel.from_pretrained(copy.deepcopy(plm.model), tmp_path / "adapter").eval()
    found = next(evaluate(plm, [prompt], task))
    expected = _logits(model, plm, family, [row for (row,) in plm.label_ids(task.label_words)])
    assert np.abs(found.logits - expected).max() < 1e-4
    assert found.accuracy == np.mean(expected.argmax(axis=1) == found.labels)
    values, config = peft_format.read(tmp_path / "adapter")
    assert np.array_equal(values, prompt.values)
    assert config["base_model_name_or_path"] == str(plm.info.folder)


def test_a_prompt_of_another_insertion_is_not_exported(tmp_path):
    from ptlib.errors import PromptError
    from ptlib.prompts import peft_format

    prompt = SoftPrompt(np.ones((3, 4), np.float32), "p", "", "", insertion="thunlp")
    with pytest.raises(PromptError, match="Train it with the insertion peft"):
        peft_format.write(prompt, tmp_path / "adapter", "roberta", "roberta-base")
    assert not (tmp_path / "adapter").exists()
