"""Label logits and neurons against transformers' own public forward, computed slowly and independently."""

import numpy as np
import pytest
import torch

from ptlib.neurons.stimulate import stimulate
from ptlib.plms.plm import Shortcuts
from ptlib.transfer.evaluate import evaluate


def slow_logits(plm, prompt, ids: list[int], label_ids: list[int]) -> np.ndarray:
    """One text at a time through ``RobertaForMaskedLM.forward``: explicit inputs_embeds and position_ids. Position id
    ``pad_token_id`` is the padding row of the position embeddings, which is zero: no position."""
    table = plm.model.get_input_embeddings().weight
    mask = table[plm.tokenizer.mask_token_id][None]
    rows = mask if prompt is None else torch.cat([mask, torch.tensor(prompt.values[1:])])
    embeds = torch.cat([rows, table[ids]])[None]
    positions = [plm.model.config.pad_token_id] * len(rows) + [plm.model.config.pad_token_id + 1 + i for i in range(len(ids))]
    with torch.no_grad():
        out = plm.model(inputs_embeds=embeds, position_ids=torch.tensor([positions]), attention_mask=torch.ones(1, len(positions)))
    return out.logits[0, 0, label_ids].numpy()


@pytest.mark.parametrize("task", ["films", "pairs"])
@pytest.mark.parametrize("shortcuts", [Shortcuts(), Shortcuts(False, False, False, False), Shortcuts(fold_keys=False)])
def test_label_logits(tiny_plm, library, task, shortcuts):
    task = library.task(task)
    prompts = [library.prompt("tiny-1/films-s0").load(), None]
    label_ids = [row for (row,) in tiny_plm.label_ids(task.label_words)]
    ids = tiny_plm.texts(task, task.read("test"), "thunlp").ids
    for prompt, result in zip(prompts, evaluate(tiny_plm, prompts, task, shortcuts=shortcuts, tokens_per_batch=200), strict=True):
        expected = np.array([slow_logits(tiny_plm, prompt, row, label_ids) for row in ids])
        assert np.abs(result.logits - expected).max() < 1e-4
        assert expected.std() > 0.01


def test_padding_row_is_zero(tiny_plm):
    assert not tiny_plm.model.roberta.embeddings.position_embeddings.weight[tiny_plm.model.config.pad_token_id].any()


def test_neurons(tiny_plm, library):
    prompt = library.prompt("tiny-1/meals-s1").load()
    seen = {}
    hooks = [
        layer.intermediate.register_forward_hook(lambda _m, _i, out, n=number: seen.__setitem__(n, out[0, 0].clone()))
        for number, layer in enumerate(tiny_plm.model.roberta.encoder.layer)
    ]
    slow_logits(tiny_plm, prompt, [tiny_plm.tokenizer.bos_token_id], [0])
    for hook in hooks:
        hook.remove()
    expected = np.stack([seen[number].numpy() for number in range(tiny_plm.layers)])
    assert np.abs(stimulate(tiny_plm, [prompt]).values[0] - expected).max() < 1e-5
