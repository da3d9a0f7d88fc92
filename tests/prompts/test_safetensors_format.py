import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load_file

from ptlib.errors import PromptError
from ptlib.prompts import SoftPrompt, load, safetensors_format, save

VALUES = np.arange(12, dtype=np.float32).reshape(3, 4)
finite = st.floats(allow_nan=False, allow_infinity=False, width=32)
stories = st.fixed_dictionaries(
    {
        "values": hnp.arrays("float32", hnp.array_shapes(min_dims=2, max_dims=2, max_side=5), elements=finite),
        "name": st.text(max_size=20),
        "plm": st.text("0123456789abcdef", min_size=64, max_size=64),
        "task": st.text(max_size=20),
        "seed": st.none() | st.integers(-(2**40), 2**40),
        "kind": st.sampled_from(["trained", "random", "projected"]),
        "meta": st.dictionaries(st.text(max_size=8), st.none() | st.booleans() | st.integers() | st.text(max_size=8)),
    }
)


@pytest.fixture
def path(tmp_path) -> Path:
    place = tmp_path / "plm" / "laptop-s0.safetensors"
    save(SoftPrompt(VALUES, "laptop-s0", "f" * 64, "laptop", 0, meta={"steps": 160, "validation": 0.9}), place)
    return place


def rewrite(path: Path, change) -> None:
    """Puts the file's header through ``change`` and leaves its data."""
    raw = path.read_bytes()
    (length,) = struct.unpack("<Q", raw[:8])
    header = json.loads(raw[8 : 8 + length])
    change(header)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + raw[8 + length :])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=stories)
def test_what_is_saved_comes_back(tmp_path, story):
    saved = SoftPrompt(**story)
    save(saved, tmp_path / "p.safetensors")
    back = load(tmp_path / "p.safetensors")
    for name in ("name", "plm", "task", "seed", "kind", "insertion", "meta", "digest"):
        assert getattr(back, name) == getattr(saved, name), name
    np.testing.assert_array_equal(back.values, saved.values)
    head = safetensors_format.header(tmp_path / "p.safetensors")
    assert (head["digest"], head["shape"], head["meta"]) == (saved.digest, saved.values.shape, saved.meta)


def test_any_safetensors_reader_can_open_it(path):
    np.testing.assert_array_equal(load_file(path)["prompt"], VALUES)


def test_saving_again_replaces_the_file_and_leaves_no_other(path):
    save(SoftPrompt(VALUES + 1, "laptop-s0", "f" * 64, "laptop", 0), path)
    assert load(path).values[0, 0] == 1
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_the_same_prompt_gives_the_same_bytes(path):
    again = path.with_name("again.safetensors")
    save(load(path), again)
    assert again.read_bytes() == path.read_bytes()


def test_a_place_that_cannot_be_written_is_a_sentence(path):
    with pytest.raises(PromptError, match=r"cannot be saved .*Choose a folder you may write to"):
        save(load(path), path / "below-a-file" / "p.safetensors")


def test_every_shorter_file_is_refused(path):
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(PromptError, match="truncated or damaged") as caught:
            load(path)
        assert caught.value.where == path


def test_values_that_changed_after_saving_are_refused(path):
    raw = bytearray(path.read_bytes())
    raw[-1] ^= 1
    path.write_bytes(raw)
    with pytest.raises(PromptError, match="the values are not those that were saved"):
        load(path)


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_prompt_with_nan_names_its_file(path, bad):
    raw = path.read_bytes()
    path.write_bytes(raw[:-4] + struct.pack("<f", bad))
    with pytest.raises(PromptError, match=r"NaN or infinite values .found 1 of 3 rows, first row 2") as caught:
        load(path)
    assert caught.value.where == path


def test_a_missing_file(tmp_path):
    with pytest.raises(PromptError, match=r"none\.safetensors: the prompt cannot be read"):
        load(tmp_path / "none.safetensors")


def test_a_file_of_another_project(path):
    rewrite(path, lambda header: header.pop("__metadata__"))
    with pytest.raises(PromptError, match=r"not a prompt of this project's format .*no '__metadata__'"):
        load(path)


def test_a_file_too_large_is_not_opened(path, monkeypatch):
    monkeypatch.setattr(safetensors_format, "MAX_BYTES", 100)
    with pytest.raises(PromptError, match=r"too large .*expected 100 at most"):
        load(path)


def put(**story):
    return lambda header: header["__metadata__"].update(story)


def tensor(**story):
    return lambda header: header["prompt"].update(story)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (tensor(shape=[12]), r"not a matrix \(found shape \(12,\)"),
        (tensor(shape=[3, -4]), "not a matrix"),
        (tensor(shape=["3", 4]), "not a matrix"),
        (tensor(shape=[4, 4]), "truncated or damaged"),
        (tensor(dtype="I32"), "does not hold floats .found 'I32'"),
        (tensor(dtype="BF16", shape=[6, 4]), "does not hold floats .found 'BF16'"),
        (tensor(data_offsets=[0, "48"]), "truncated or damaged"),
        (put(task=3), "header's task is of no use .found 3"),
        (put(plm=["f"]), "header's plm is of no use"),
        (put(seed='"one"'), "header's seed is of no use"),
        (put(seed="one"), "truncated or damaged"),
        (put(meta="[]"), "header's meta is of no use"),
        (put(kind="stolen"), "header's kind is of no use .found 'stolen'"),
        (put(insertion={}), "header's insertion is of no use"),
        (put(insertion="magic"), "header's insertion is of no use .found 'magic'"),
        (lambda header: header["__metadata__"].pop("digest"), "no 'digest' in the header"),
        (lambda header: header.update(prompt=[1]), "truncated or damaged"),
        (lambda header: header.update(__metadata__=None), "truncated or damaged"),
    ],
)
def test_a_header_of_no_use_is_a_sentence(path, change, message):
    rewrite(path, change)
    with pytest.raises(PromptError, match=message):
        load(path)


def test_a_header_nested_without_end(path):
    path.write_bytes(struct.pack("<Q", 200_000) + b"[" * 200_000)
    with pytest.raises(PromptError, match="truncated or damaged"):
        safetensors_format.header(path)
