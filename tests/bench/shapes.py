"""PLMs of real sizes with random weights, and texts of known lengths: what is timed needs no download."""

from __future__ import annotations

import json
import random
from pathlib import Path

import numpy as np

VOCABULARY = {"roberta": 50265, "t5": 32128, "gpt2": 50257, "llama": 32000}
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>", "<extra_id_0>"]
LENGTHS = {"short": (26, 0.82, 5, 128), "pair": (44, 0.5, 12, 192), "long": (190, 0.5, 60, 384)}
"""Median, sigma of the logarithm, least and most tokens. "short" has the quantiles of the paper's shortest tasks
(5 % 7, 50 % 26, 95 % 105 tokens; mean 37)."""
PROMPT_LENGTH = 100


def config_of(shape: str):
    """(family, transformers' configuration)."""
    import transformers as hf

    tokens = {"bos_token_id": 0, "pad_token_id": 1, "eos_token_id": 2}
    match shape:
        case "roberta-base" | "roberta-large":
            hidden, layers = (768, 12) if shape.endswith("base") else (1024, 24)
            return "roberta", hf.RobertaConfig(vocab_size=50265, hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=hidden // 64,
                                               intermediate_size=4 * hidden, max_position_embeddings=514, type_vocab_size=1,
                                               initializer_range=0.04, layer_norm_eps=1e-5, **tokens)  # fmt: skip
        case "t5-small" | "t5-large":
            hidden, layers, heads, ffn = (512, 6, 8, 2048) if shape.endswith("small") else (1024, 24, 16, 4096)
            return "t5", hf.T5Config(vocab_size=32128, d_model=hidden, d_kv=64, d_ff=ffn, num_layers=layers, num_heads=heads,
                                     decoder_start_token_id=1, pad_token_id=1, eos_token_id=2)  # fmt: skip
        case "gpt2":
            return "gpt2", hf.GPT2Config(vocab_size=50257, initializer_range=0.04, **tokens)
        case "llama-7b":
            return "llama", hf.LlamaConfig(vocab_size=32000, hidden_size=4096, intermediate_size=11008, num_hidden_layers=32,
                                           num_attention_heads=32, max_position_embeddings=4096, **tokens)  # fmt: skip
    raise SystemExit(f"no shape {shape!r}; there are roberta-base, roberta-large, t5-small, t5-large, gpt2, llama-7b")


def words(count: int, seed: int) -> list[str]:
    """Made-up words, the frequent ones first."""
    rng = random.Random(seed)
    parts = [a + b for a in "bdfgklmnprstvz" for b in ("a", "e", "i", "o", "u", "ar", "en", "is")]
    return list(dict.fromkeys("".join(rng.choice(parts) for _ in range(rng.randint(2, 4))) for _ in range(count)))


def sentence(rng: np.random.Generator, known: list[str], count: int) -> str:
    """Words drawn by Zipf's law."""
    return " ".join(known[min(int(place), len(known)) - 1] for place in rng.zipf(1.15, count))


def make(shape: str, folder: Path) -> Path:
    """A PLM folder as transformers saves it, with a byte-level BPE tokenizer; kept between calls."""
    import torch
    import transformers
    from tokenizers import ByteLevelBPETokenizer

    home = folder / shape
    if (home / "model.safetensors").exists():
        return home
    family, config = config_of(shape)
    known, rng = words(30_000, 0), np.random.default_rng(0)
    core = ByteLevelBPETokenizer()
    core.train_from_iterator((sentence(rng, known, 200) for _ in range(2000)), vocab_size=VOCABULARY[family], min_frequency=1,
                             special_tokens=SPECIAL, show_progress=False)  # fmt: skip
    home.mkdir(parents=True, exist_ok=True)
    core.save_model(str(home))
    names = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>", "mask_token": "<mask>"}
    transformers.PreTrainedTokenizerFast(tokenizer_object=core._tokenizer, **names).save_pretrained(home)
    torch.manual_seed(0)
    kind = {"roberta": "MaskedLM", "t5": "Seq2SeqLM", "gpt2": "CausalLM", "llama": "CausalLM"}[family]
    getattr(transformers, f"AutoModelFor{kind}").from_config(config).save_pretrained(home)
    return home


def job(home: Path, lengths: str, count: int, seed: int = 0) -> dict:
    """Texts, label words and a prompt for every peer: written once, so that all read the same.

    Returns:
        What a peer's ``load`` wants: folder, texts, label_ids, label_words, prompt (path of a .npy file).
    """
    from tokenizers import Tokenizer

    core, rng, known = Tokenizer.from_file(str(home / "tokenizer.json")), np.random.default_rng(seed), words(30_000, 0)
    median, sigma, least, most = LENGTHS[lengths]
    texts = []
    for wanted in np.clip(rng.lognormal(np.log(median), sigma, count).astype(int), least, most):
        drawn = sentence(rng, known, int(wanted)).split()
        while len(core.encode(" ".join(drawn)).ids) > wanted and len(drawn) > 1:
            drawn.pop()
        texts.append(" ".join(drawn))
    found = [(word, ids[0]) for word in known[:400] if len(ids := core.encode(f" {word}").ids) == 1][:2]
    config = json.loads((home / "config.json").read_text())
    hidden = config.get("d_model") or config.get("n_embd") or config["hidden_size"]
    prompt = home / f"prompt-{seed}.npy"
    np.save(prompt, rng.normal(0, 0.5, (PROMPT_LENGTH, hidden)).astype(np.float32))
    return {"folder": str(home), "texts": texts, "label_words": [word for word, _ in found], "label_ids": [number for _, number in found],
            "prompt": str(prompt), "max_tokens": most + 3}  # fmt: skip
