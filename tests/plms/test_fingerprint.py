"""The fingerprint of a PLM's weights: same tensors, same fingerprint; anything else, another one."""

import hashlib
import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import save, save_file

from ptlib.errors import PlmError
from ptlib.plms.fingerprint import tensor_table, weights_fingerprint

SAME_FOLDER = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
DTYPES = {"float32": "F32", "float16": "F16", "int64": "I64"}

arrays = st.sampled_from(sorted(DTYPES)).flatmap(lambda dtype: hnp.arrays(dtype, hnp.array_shapes(min_dims=1, max_dims=3, max_side=4)))
weights = st.dictionaries(st.sampled_from(["a", "b", "b.c", "layer.10", "layer.9"]), arrays, min_size=1)
_number = iter(range(10**9))


def written(folder: Path, tensors: dict[str, np.ndarray], metadata: dict[str, str] | None = None) -> Path:
    # Every file has a name of its own, since fingerprints are remembered by path, time and size.
    path = folder / f"{next(_number)}.safetensors"
    save_file(tensors, path, metadata)
    return path


def by_hand(tensors: dict[str, np.ndarray]) -> str:
    total = hashlib.sha256()
    for name in sorted(tensors):
        value = tensors[name]
        total.update(json.dumps([name, DTYPES[str(value.dtype)], list(value.shape)]).encode())
        total.update(value.tobytes())
    return total.hexdigest()


@SAME_FOLDER
@given(tensors=weights)
def test_it_is_the_sha256_of_name_dtype_shape_and_bytes_in_order_of_name(tmp_path, tensors):
    assert weights_fingerprint(written(tmp_path, tensors)) == by_hand(tensors)


@SAME_FOLDER
@given(tensors=weights)
def test_neither_order_nor_metadata_counts(tmp_path, tensors):
    turned = dict(reversed(tensors.items()))
    first, second = written(tmp_path, tensors), written(tmp_path, turned, {"format": "pt"})
    assert weights_fingerprint(first) == weights_fingerprint(second)


@SAME_FOLDER
@given(tensors=weights, data=st.data())
def test_one_changed_bit_counts(tmp_path, tensors, data):
    name = data.draw(st.sampled_from(sorted(tensors)))
    raw = bytearray(tensors[name].tobytes())
    raw[data.draw(st.integers(0, len(raw) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    changed = np.frombuffer(bytes(raw), tensors[name].dtype).reshape(tensors[name].shape)
    first, second = written(tmp_path, tensors), written(tmp_path, {**tensors, name: changed})
    assert weights_fingerprint(first) != weights_fingerprint(second)


@pytest.mark.parametrize(
    "other",
    [{"v": np.zeros((2, 6), "f4")}, {"w": np.zeros((6, 2), "f4")}, {"w": np.zeros((2, 6), "i4")},
     {"w": np.zeros((2, 6), "f4"), "v": np.zeros(1, "f4")}],
    ids=["name", "shape", "dtype", "one tensor more"],
)  # fmt: skip
def test_name_shape_dtype_and_number_count_even_where_all_bytes_are_zero(tmp_path, other):
    first, second = written(tmp_path, {"w": np.zeros((2, 6), "f4")}), written(tmp_path, other)
    assert weights_fingerprint(first) != weights_fingerprint(second)


def test_every_shorter_file_is_refused(tmp_path):
    whole = save({"a": np.arange(6, dtype="f4"), "b": np.ones((2, 2), "f2")})
    path = tmp_path / "cut.safetensors"
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(PlmError, match="truncated or damaged"):
            tensor_table(path)
    path.write_bytes(whole)
    assert set(tensor_table(path)[0]) == {"a", "b"}


def with_header(header: object, data: bytes = b"") -> bytes:
    text = header if isinstance(header, str) else json.dumps(header)
    return struct.pack("<Q", len(text)) + text.encode() + data


@pytest.mark.parametrize(
    "content",
    [
        with_header({}),
        with_header({"__metadata__": {"format": "pt"}}),
        with_header([]),
        with_header("[" * 100_000),
        with_header({"w": {"shape": [1], "data_offsets": [0, 4]}}, b"0000"),
        with_header({"w": {"dtype": "F32", "data_offsets": [0, 4]}}, b"0000"),
        with_header({"w": {"dtype": "F32", "shape": ["1"], "data_offsets": [0, 4]}}, b"0000"),
        with_header({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0]}}, b"0000"),
        with_header({"w": {"dtype": "F32", "shape": [1], "data_offsets": [0, 8]}}, b"0000"),
        struct.pack("<Q", 2**63) + b"{}",
    ],
    ids=["empty", "metadata only", "list", "nested", "no dtype", "no shape", "text shape", "one offset", "beyond", "huge"],
)
def test_a_damaged_header_is_a_sentence(tmp_path, content):
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    with pytest.raises(PlmError, match="truncated or damaged"):
        weights_fingerprint(path)


def test_a_missing_file_is_a_sentence(tmp_path):
    with pytest.raises(PlmError, match="cannot be read"):
        weights_fingerprint(tmp_path / "none.safetensors")
