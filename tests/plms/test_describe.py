"""PLM folders as describe sees them: config.json and a safetensors file, no torch."""

import json
import os
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from ptlib.errors import PlmError
from ptlib.plms import describe

CONFIG = {"model_type": "roberta", "hidden_size": 8, "num_hidden_layers": 2, "intermediate_size": 32,
          "max_position_embeddings": 40, "vocab_size": 12}  # fmt: skip
CARD = {"default": True, "group": "tiny", "pretraining_seed": 5}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    home = tmp_path / "tiny-s5"
    home.mkdir()
    (home / "config.json").write_text(json.dumps(CONFIG))
    rng = np.random.default_rng(0)
    words, layer = rng.standard_normal((12, 8)).astype("f4"), rng.standard_normal((32, 8)).astype("f2")
    save_file({"words": words, "layer": layer}, home / "model.safetensors")
    return home


def reconfigure(folder: Path, **changes: object) -> None:
    config = {key: value for key, value in {**CONFIG, **changes}.items() if value is not None}
    (folder / "config.json").write_text(json.dumps(config))


def test_what_a_folder_says_of_its_plm(folder):
    info = describe(folder)
    assert (info.id, info.family, info.model_type) == ("tiny-s5", "roberta", "roberta")
    assert (info.hidden, info.layers, info.ffn, info.max_positions, info.vocab) == (8, 2, 32, 40, 12)
    assert info.parameters == 12 * 8 + 32 * 8
    assert info.bytes == (folder / "model.safetensors").stat().st_size
    assert (info.default, info.group) == (False, "tiny-s5")


def test_the_card_beside_the_weights_is_read(folder):
    (folder / "zoo.json").write_text(json.dumps(CARD))
    info = describe(folder)
    assert (info.default, info.group) == (True, "tiny")


def test_a_renamed_folder_is_the_same_plm_under_another_id(folder):
    before = describe(folder)
    after = describe(folder.rename(folder.with_name("other")))
    assert (after.id, after.fingerprint) == ("other", before.fingerprint)


def test_a_link_is_known_by_its_own_name(folder, tmp_path):
    (tmp_path / "linked").symlink_to(folder)
    assert describe(tmp_path / "linked").id == "linked"


def test_the_current_folder_has_a_name(folder, monkeypatch):
    monkeypatch.chdir(folder)
    assert describe(".").id == "tiny-s5"


def test_new_weights_in_the_same_place_are_noticed(folder):
    before = describe(folder).fingerprint
    save_file({"words": np.ones((12, 8), "f4"), "layer": np.ones((32, 8), "f2")}, folder / "model.safetensors")
    os.utime(folder / "model.safetensors", ns=(1, 1))
    assert describe(folder).fingerprint != before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "xlnet"}, r"unsupported model_type \(found 'xlnet', expected one of \['bert', 'gpt2', .*'t5'\]\)"),
        ({"model_type": None}, r"unsupported model_type \(found None"),
        ({"auto_map": {"AutoModel": "evil.Model"}}, "brings its own code, which is never run"),
        ({"hidden_size": None}, r"field hidden_size is not a positive whole number \(found None\)"),
        ({"num_hidden_layers": 0}, "field num_hidden_layers"),
        ({"intermediate_size": "32"}, "field intermediate_size"),
        ({"vocab_size": True}, "field vocab_size"),
        ({"max_position_embeddings": 1.5}, "field max_position_embeddings"),
    ],
)
def test_a_config_of_no_use_says_which_field(folder, changes, message):
    reconfigure(folder, **changes)
    with pytest.raises(PlmError, match=message) as caught:
        describe(folder)
    assert str(folder / "config.json") in str(caught.value)
    assert caught.value.mend


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "not valid JSON"), ("[1]", "not a JSON object"), ("[" * 200_000, "not valid JSON"), ("", "not valid JSON")],
)
def test_a_config_that_is_no_json_object(folder, text, message):
    (folder / "config.json").write_text(text)
    with pytest.raises(PlmError, match=message):
        describe(folder)


def test_config_bytes_that_are_no_text(folder):
    (folder / "config.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(PlmError, match="not valid JSON"):
        describe(folder)


def test_no_config(folder):
    (folder / "config.json").unlink()
    with pytest.raises(PlmError, match=r"config\.json: no readable file here .*save_pretrained"):
        describe(folder)


def test_a_broken_card(folder):
    (folder / "zoo.json").write_text("{")
    with pytest.raises(PlmError, match=r"zoo\.json: not valid JSON"):
        describe(folder)


def test_no_weights(folder):
    (folder / "model.safetensors").unlink()
    with pytest.raises(PlmError, match=r"no model\.safetensors\. Copy the folder again"):
        describe(folder)


def test_pickled_weights_are_named_and_left_alone(folder):
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(PlmError, match=r"found only pytorch_model\.bin.*never opened"):
        describe(folder)


def test_truncated_weights_say_what_is_there_and_what_was_promised(folder):
    weights = folder / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-100])
    with pytest.raises(PlmError, match=rf"truncated or damaged .*{len(whole) - 100} bytes.*{len(whole)}") as caught:
        describe(folder)
    assert str(weights) in str(caught.value)
    assert "Copy the folder again" in str(caught.value)
