"""Real sizes on a GPU: random weights, bf16, 100-token prompts, synthetic token ids. Skipped where there is no GPU.

``PTLIB_SCALE_OUT=FILE`` writes examples/s and peak memory of each PLM as JSON lines.
"""

import json
import os
import time

import numpy as np
import pytest
import torch

from ptlib.neurons.stimulate import stimulate
from ptlib.plms.describe import NO_LIMIT, PlmInfo
from ptlib.plms.load import CLASSES
from ptlib.prompts import SoftPrompt
from ptlib.tasks import load_task
from ptlib.transfer.evaluate import evaluate

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no GPU here: real sizes are tried where one is")

EXAMPLES, LENGTH = 1024, 32


class Words:
    """Token ids without a vocabulary file: a text is its numbers."""

    def __init__(self, size):
        self.size = size
        self.bos_token_id, self.pad_token_id, self.eos_token_id, self.unk_token_id, self.mask_token_id = 0, 1, 2, 3, 4
        self.cls_token_id, self.sep_token_id = 0, 2

    def __call__(self, texts, **_):
        if isinstance(texts, str):
            return {"input_ids": [int(part) for part in texts.split()]}
        return {"input_ids": [[int(part) for part in text.split()] for text in texts]}

    def convert_tokens_to_ids(self, _):
        return 5


def config_of(name):
    import transformers as hf

    match name:
        case "roberta-large":
            return "roberta", hf.RobertaConfig(vocab_size=50265, hidden_size=1024, num_hidden_layers=24, num_attention_heads=16,
                                               intermediate_size=4096, max_position_embeddings=514, type_vocab_size=1, pad_token_id=1)  # fmt: skip
        case "t5-large":
            return "t5", hf.T5Config(vocab_size=32128, d_model=1024, d_kv=64, d_ff=4096, num_layers=24, num_heads=16, decoder_start_token_id=1,
                                     pad_token_id=1)  # fmt: skip
        case _:
            return "llama", hf.LlamaConfig(vocab_size=32000, hidden_size=4096, intermediate_size=11008, num_hidden_layers=32,
                                           num_attention_heads=32, max_position_embeddings=4096, pad_token_id=1)  # fmt: skip


def plm_of(name):
    import importlib

    import transformers

    family, config = config_of(name)
    auto, room, cls, _ = CLASSES[family]
    default = torch.get_default_dtype()
    torch.set_default_dtype(torch.bfloat16)
    try:
        with torch.device("cuda"):
            model = getattr(transformers, auto).from_config(config, attn_implementation="sdpa")
    finally:
        torch.set_default_dtype(default)
    model = model.requires_grad_(False).eval().to("cuda", torch.bfloat16)
    hidden = getattr(config, "d_model", None) or config.hidden_size
    ffn = getattr(config, "d_ff", None) or config.intermediate_size
    layers = getattr(config, "num_decoder_layers", None) or config.num_hidden_layers
    info = PlmInfo(name, None, family, family, hidden, layers, ffn, getattr(config, "max_position_embeddings", NO_LIMIT), config.vocab_size,
                   sum(values.numel() for values in model.parameters()), "f" * 64, 0, {}, "relu" if family == "t5" else "gelu")  # fmt: skip
    return getattr(importlib.import_module(room), cls)(info, model, Words(config.vocab_size), "cuda", "bfloat16")


@pytest.mark.parametrize("name", ["roberta-large", "t5-large", "llama-7b"])
def test_evaluation_and_stimulation(name, tmp_path):
    plm = plm_of(name)
    rng = np.random.default_rng(0)
    rows = [
        {"text": " ".join(map(str, rng.integers(10, 30000, rng.integers(LENGTH // 2, LENGTH)))), "label": str(rng.integers(2))}
        for _ in range(EXAMPLES)
    ]
    (tmp_path / "test.jsonl").write_text("\n".join(json.dumps(row) for row in rows))
    (tmp_path / "t.toml").write_text('name = "t"\ntype = "x"\nfields = ["text"]\nlabel_field = "label"\nlabels = ["0", "1"]\n'
                                     'label_words = ["17", "19"]\nlabel_ids = [17, 19]\n[splits]\ntest = "test.jsonl"\n')  # fmt: skip
    task = load_task(tmp_path / "t.toml")
    scale = 0.02 if name == "llama-7b" else 0.5
    prompts = [
        SoftPrompt(rng.normal(0, scale, (100, plm.hidden)).astype(np.float32), f"p{number}", "", "t", insertion=plm.insertions[0])
        for number in range(2)
    ]
    torch.cuda.reset_peak_memory_stats()
    first, second = evaluate(plm, prompts, task, tokens_per_batch=65536)
    states = stimulate(plm, prompts)
    assert first.n == second.n == EXAMPLES
    assert np.isfinite(second.logits).all()
    assert states.values.shape == states.activated.shape == (2, plm.layers, plm.ffn)
    assert states.activated.any()
    assert first.halvings == 0
    started = time.perf_counter()
    next(evaluate(plm, prompts[:1], task, tokens_per_batch=65536))
    seconds = time.perf_counter() - started
    found = {"model": name, "dtype": "bfloat16", "parameters": plm.info.parameters, "examples_per_s": round(EXAMPLES / seconds, 1),
             "peak_GiB": round(torch.cuda.max_memory_allocated() / 2**30, 2), "torch": torch.__version__}  # fmt: skip
    if out := os.environ.get("PTLIB_SCALE_OUT"):
        with open(out, "a", encoding="utf-8") as file:
            file.write(json.dumps(found) + "\n")
