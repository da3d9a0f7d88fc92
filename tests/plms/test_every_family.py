"""What is read of every family's folder before anything is loaded, and how a PLM comes into the library."""

import json
import shutil

import pytest

from ptlib.errors import PlmError
from ptlib.library import Library
from ptlib.plms import device
from ptlib.plms.describe import describe
from ptlib.plms.hub import add
from ptlib.plms.load import load
from tests.families import FAMILIES, build


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    home = tmp_path_factory.mktemp("plms")
    return {family: build(family, home / family) for family in ("bert", "t5", "t5-gated", "gpt2", "llama", "qwen3")}


@pytest.mark.parametrize(
    ("family", "known_as", "gated"),
    [
        ("bert", "bert", False),
        ("t5", "t5", False),
        ("t5-gated", "t5", True),
        ("gpt2", "gpt2", False),
        ("llama", "llama", True),
        ("qwen3", "llama", True),
    ],
)
def test_described_by_its_config(folders, family, known_as, gated):
    info = describe(folders[family])
    assert (info.family, info.hidden, info.layers, info.ffn, info.gated, info.here) == (known_as, 32, 3, 48, gated, True)
    assert ("gate > 0" in info.activated_means) == gated
    assert set(FAMILIES) >= set(folders)


def test_weights_in_parts_are_the_same_plm(folders, tmp_path):
    from transformers import AutoModelForCausalLM

    parts = tmp_path / "parts"
    shutil.copytree(folders["llama"], parts)
    (parts / "model.safetensors").unlink()
    AutoModelForCausalLM.from_pretrained(folders["llama"]).save_pretrained(parts, max_shard_size="20KB")
    assert len(list(parts.glob("model-*.safetensors"))) > 1
    assert describe(parts).fingerprint == describe(folders["llama"]).fingerprint
    assert load(parts, device="cpu").layers == 3
    index = json.loads((parts / "model.safetensors.index.json").read_text())
    name = next(iter(index["weight_map"]))
    for value, message in (("../../secret.safetensors", "outside the folder"), ("model-9.safetensors", "a part of the weights is missing")):
        index["weight_map"][name] = value
        (parts / "model.safetensors.index.json").write_text(json.dumps(index))
        with pytest.raises(PlmError, match=message):
            describe(parts)


def test_weights_that_do_not_fit_are_refused_before_they_are_loaded(folders, monkeypatch):
    monkeypatch.setattr(device, "free_memory", lambda name: 1000)
    with pytest.raises(
        PlmError, match=r"do not fit into the memory of cpu \(found 0.0 GiB free, expected .* GiB for [\d,]+ parameters in float32\)"
    ):
        load(folders["gpt2"], device="cpu")


def test_a_folder_is_linked_into_the_library(folders, tmp_path, monkeypatch):
    info = add(str(folders["qwen3"]), tmp_path / "mine")
    assert (info.id, info.family) == ("qwen3", "llama")
    monkeypatch.setenv("PTLIB_LIBRARY", str(tmp_path / "mine"))
    assert Library.open().plm("qwen3").fingerprint == describe(folders["qwen3"]).fingerprint
    assert add(str(folders["qwen3"]), tmp_path / "mine").id == "qwen3"


@pytest.mark.parametrize(
    ("name", "message"),
    [("nobody/no-such-model", "hub is not asked"), ("/no/such/folder", "neither a folder nor a hub id"), ("a b", "neither")],
)
def test_what_is_not_here_is_a_sentence(tmp_path, name, message):
    with pytest.raises(PlmError, match=message):
        add(name, tmp_path)


def test_a_snapshot_of_the_hub_is_used_without_asking(folders, tmp_path, monkeypatch):
    """As the hub's own cache keeps it."""
    from huggingface_hub import constants

    snapshot = tmp_path / "hub" / "models--me--My-GPT2" / "snapshots" / "abc"
    shutil.copytree(folders["gpt2"], snapshot)
    (snapshot.parents[1] / "refs").mkdir()
    (snapshot.parents[1] / "refs" / "main").write_text("abc")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    found = add("me/My-GPT2", tmp_path / "mine")
    assert (found.id, found.family) == ("my-gpt2", "gpt2")


def test_code_of_the_folders_own_is_refused(folders, tmp_path):
    copy = tmp_path / "evil"
    shutil.copytree(folders["llama"], copy)
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps({**config, "auto_map": {"AutoModelForCausalLM": "evil.Evil"}}))
    with pytest.raises(PlmError, match="brings its own code, which is never run"):
        add(str(copy), tmp_path / "mine")
    assert not (tmp_path / "mine").exists()
