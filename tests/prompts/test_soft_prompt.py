import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ptlib.errors import PromptError
from ptlib.prompts import SoftPrompt, inert_rows, random_prompt
from ptlib.prompts.soft_prompt import digest

UNTIMED = settings(deadline=None)  # the cores may be busy with other work
finite = st.floats(-1e6, 1e6, width=32)
matrices = hnp.arrays("float32", hnp.array_shapes(min_dims=2, max_dims=2, max_side=5), elements=finite)


def prompt(values, **story) -> SoftPrompt:
    return SoftPrompt(values, "laptop-s0", "f" * 64, "laptop", **story)


def test_a_matrix_becomes_a_prompt_of_its_length_and_width():
    made = prompt(np.ones((16, 64)))
    assert (made.length, made.hidden, made.values.dtype) == (16, 64, np.float32)
    assert (made.kind, made.insertion, made.seed) == ("trained", "thunlp", None)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (np.ones(8), r"prompt laptop-s0: the prompt is not a matrix \(found shape \(8,\), expected shape \(length, hidden"),
        (np.ones((1, 2, 3)), r"not a matrix \(found shape \(1, 2, 3\)"),
        (np.ones((0, 4)), r"not a matrix \(found shape \(0, 4\)"),
        (np.float32(1), r"not a matrix \(found shape \(\)"),
        (np.ones((2, 2), dtype=int), "does not hold floats .found int64"),
        ([["a", "b"]], "does not hold floats"),
        ([[1.0, 2.0], [np.nan, 0.0]], "NaN or infinite values .found 1 of 2 rows, first row 1"),
        ([[-np.inf, 2.0]], "NaN or infinite values"),
        ([[1e300, 0.0]], "NaN or infinite values"),
    ],
    ids=["1-D", "3-D", "no rows", "scalar", "integers", "texts", "NaN", "infinite", "too large for single precision"],
)
@pytest.mark.filterwarnings("error")
def test_values_of_no_use_are_refused_in_a_sentence(values, message):
    with pytest.raises(PromptError, match=message):
        prompt(values)


def test_an_unknown_insertion_or_kind_is_refused():
    with pytest.raises(PromptError, match=r"unknown insertion \(found 'magic', expected one of \['thunlp', 'openprompt', 'peft'\]"):
        prompt(np.ones((2, 2)), insertion="magic")
    with pytest.raises(PromptError, match=r"unknown kind of prompt .*'trained', 'random', 'projected'"):
        prompt(np.ones((2, 2)), kind="tuned")


def test_the_width_is_checked_where_prompt_and_plm_meet():
    made = prompt(np.ones((16, 64)))
    made.check_fits(64, "zoo-64-s1")
    with pytest.raises(PromptError, match=r"laptop-s0 on zoo-128-s1: .*\(found width 64, expected width 128\)") as caught:
        made.check_fits(128, "zoo-128-s1")
    assert caught.value.mend


def test_a_prompt_neither_freezes_nor_follows_the_array_it_was_made_from():
    values = np.ones((2, 3), dtype=np.float32)
    made = prompt(values)
    before = made.digest
    values[0, 0] = 7
    assert made.values[0, 0] == 1
    assert made.digest == before == digest(made.values)
    with pytest.raises(ValueError, match="read-only"):
        made.values[0, 0] = 7


@UNTIMED
@given(values=matrices)
def test_the_digest_is_the_sha256_of_shape_and_bytes(values):
    expected = hashlib.sha256(str(values.shape).encode() + values.astype("<f4").tobytes()).hexdigest()
    assert prompt(values).digest == expected


@UNTIMED
@given(values=matrices)
def test_neither_name_nor_memory_layout_nor_precision_changes_the_digest(values):
    renamed = SoftPrompt(np.asfortranarray(values), "other", "0" * 64, "", seed=3, kind="random", meta={"steps": 1})
    assert renamed.digest == prompt(values).digest == prompt(values.astype("float64")).digest


@UNTIMED
@given(values=matrices, data=st.data())
def test_one_changed_value_changes_the_digest(values, data):
    place = tuple(data.draw(st.integers(0, side - 1)) for side in values.shape)
    changed = values.copy()
    changed[place] = np.nextafter(values[place], np.float32(np.inf))
    assert prompt(changed).digest != prompt(values).digest


@UNTIMED
@given(rows=st.integers(1, 6), columns=st.integers(1, 6))
def test_the_same_bytes_in_another_shape_are_another_prompt(rows, columns):
    assert (prompt(np.zeros((rows, columns))).digest == prompt(np.zeros((columns, rows))).digest) == (rows == columns)


def test_the_mask_takes_row_zero_of_encoders_alone():
    assert [inert_rows("thunlp", family) for family in ("roberta", "bert", "t5")] == [(0,), (0,), ()]
    assert inert_rows("peft", "roberta") == inert_rows("openprompt", "bert") == ()


def test_a_random_prompt_is_gaussian_reproducible_and_says_so():
    made = random_prompt(200, 100, 0.3, seed=5, plm="f" * 64)
    assert (made.kind, made.name, made.task, made.seed, made.plm) == ("random", "random-s5", "", 5, "f" * 64)
    assert made.meta == {"std": 0.3}
    assert abs(made.values.mean()) < 4 * 0.3 / np.sqrt(made.values.size)
    assert abs(made.values.std() - 0.3) < 4 * 0.3 / np.sqrt(2 * made.values.size)
    assert made.digest == random_prompt(200, 100, 0.3, seed=5, plm="0" * 64).digest
    assert made.digest != random_prompt(200, 100, 0.3, seed=6, plm="f" * 64).digest
