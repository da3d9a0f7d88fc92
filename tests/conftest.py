"""Shared fixtures: a tiny real PLM and tasks that are made in a second, for tests that need no trained zoo."""

from __future__ import annotations

import json
import os
from pathlib import Path
from random import Random

import numpy as np
import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
# Numba, which UMAP brings, sets the number of threads of the whole process, torch's too; sums then end in other digits.
os.environ.setdefault("NUMBA_NUM_THREADS", os.environ["OMP_NUM_THREADS"])
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ["HF_HUB_OFFLINE"] = "1"
for name in ("PTLIB_LIBRARY", "PTLIB_CACHE"):
    os.environ.pop(name, None)
# What the user of this machine has in her library is no part of the tests.
os.environ["XDG_DATA_HOME"] = os.devnull

WORDS = [
    "the",
    "a",
    "plot",
    "food",
    "was",
    "is",
    "good",
    "bad",
    "dull",
    "great",
    "not",
    "it",
    "i",
    "we",
    "saw",
    "ate",
    "negative",
    "positive",
    "no",
    "yes",
    "maybe",
]


@pytest.fixture(scope="session")
def tiny_plm_folder(tmp_path_factory) -> Path:
    """The tiny PLM in a library's folder."""
    return make_tiny_plm(tmp_path_factory.mktemp("library") / "plms" / "tiny-1")


def make_tiny_plm(folder: Path) -> Path:
    """A RoBERTa of 3 layers, hidden 32, random weights, with a word-level tokenizer, saved as transformers saves it."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast, RobertaConfig, RobertaForMaskedLM

    torch.set_num_threads(1)
    torch.manual_seed(0)
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    vocabulary = {word: number for number, word in enumerate([*special, *WORDS])}
    core = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    core.post_processor = processors.TemplateProcessing(
        single="<s> $A </s>", pair="<s> $A </s> $B </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="<pad>", mask_token="<mask>"
    ).save_pretrained(folder)
    config = RobertaConfig(
        vocab_size=len(vocabulary), hidden_size=32, num_hidden_layers=3, num_attention_heads=4, intermediate_size=48,
        max_position_embeddings=40, type_vocab_size=1, bos_token_id=0, pad_token_id=1, eos_token_id=2, initializer_range=0.4,
    )  # fmt: skip
    RobertaForMaskedLM(config).save_pretrained(folder)
    return folder


def write_task(folder: Path, name: str, kind: str, words: list[str], pair: bool = False, rows: int = 60) -> Path:
    """A small task in a library's ``tasks`` folder; texts are drawn from the tiny vocabulary."""
    data = folder / "data" / name
    data.mkdir(parents=True, exist_ok=True)
    rng = Random(name)
    fields = ["first", "second"] if pair else ["text"]
    for split in ("train", "validation", "test"):
        lines = []
        for _ in range(rows):
            texts = {field: " ".join(rng.choice(WORDS[:16]) for _ in range(rng.randint(1, 9))) for field in fields}
            lines.append(json.dumps({**texts, "label": rng.choice(words)}))
        (data / f"{split}.jsonl").write_text("\n".join(lines) + "\n")
    toml = folder / f"{name}.toml"
    splits = "\n".join(f'{split} = "data/{name}/{split}.jsonl"' for split in ("train", "validation", "test"))
    toml.write_text(
        f'name = "{name}"\ntype = "{kind}"\nfields = {json.dumps(fields)}\nlabel_field = "label"\n'
        f"labels = {json.dumps(words)}\nlabel_words = {json.dumps(words)}\n\n[splits]\n{splits}\n"
    )
    return toml


@pytest.fixture(scope="session")
def tiny_library(tiny_plm_folder) -> Path:
    """A library folder around the tiny PLM."""
    return fill_tiny_library(tiny_plm_folder)


def fill_tiny_library(plm: Path) -> Path:
    """A library folder: the tiny PLM in it, four tasks of two types, two prompt seeds a task and two random prompts."""
    from ptlib.plms import describe
    from ptlib.prompts import SoftPrompt, random_prompt, save

    folder = plm.parents[1]
    info = describe(plm)
    for name, kind, words, pair in (
        ("films", "sentiment", ["negative", "positive"], False),
        ("meals", "sentiment", ["negative", "positive"], False),
        ("pairs", "nli", ["no", "maybe", "yes"], True),
        ("doubles", "nli", ["no", "yes"], True),
    ):
        write_task(folder / "tasks", name, kind, words, pair)
        for seed in (0, 1):
            values = np.random.default_rng([seed, len(name), ord(name[0])]).normal(0, 0.5, (5, 32)).astype(np.float32)
            prompt = SoftPrompt(values, f"{name}-s{seed}", info.fingerprint, name, seed, "trained")
            save(prompt, folder / "prompts" / "tiny-1" / f"{name}-s{seed}.safetensors")
    for seed in (0, 1):
        save(random_prompt(5, 32, 0.5, seed, info.fingerprint), folder / "prompts" / "tiny-1" / f"random-s{seed}.safetensors")
    return folder


@pytest.fixture
def tiny_plm(tiny_plm_folder):
    """The tiny PLM, loaded on the CPU."""
    from ptlib.plms.load import load

    return load(tiny_plm_folder, device="cpu")


@pytest.fixture
def library(tiny_library):
    """The tiny library, without the zoo."""
    from ptlib.library import Library

    return Library.open([tiny_library])


@pytest.fixture
def store(tmp_path):
    """An empty cache."""
    from ptlib.store import Store

    return Store(tmp_path / "cache")


@pytest.fixture(scope="session")
def published() -> Path:
    """The authors' real prompts and results, where they lie beside the checkout."""
    named = os.environ.get("PTLIB_TEST_SHARED")
    folder = (Path(named) if named else Path(__file__).parents[2] / "shared") / "published"
    if not folder.is_dir():
        pytest.skip("the published data is not beside this checkout (or in PTLIB_TEST_SHARED)")
    return folder
