"""Metrics against their definitions written out."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from ptlib.tasks.metrics import accuracy, confusion, macro_f1, mcnemar_p, wilson_interval

UNTIMED = settings(deadline=None)  # the cores may be busy with other work
CLASSES = 3
answers = st.integers(1, 30).flatmap(lambda n: st.tuples(*[hnp.arrays("int64", n, elements=st.integers(0, CLASSES - 1))] * 2))


@UNTIMED
@given(both=answers)
def test_accuracy_and_confusion(both):
    labels, predictions = both
    table = [[0] * CLASSES for _ in range(CLASSES)]
    for label, prediction in zip(labels, predictions, strict=True):
        table[label][prediction] += 1
    assert confusion(labels, predictions, CLASSES).tolist() == table
    assert accuracy(labels, predictions) == pytest.approx(sum(table[k][k] for k in range(CLASSES)) / len(labels))


@UNTIMED
@given(both=answers)
def test_macro_f1(both):
    labels, predictions = both
    scores = []
    for one in range(CLASSES):
        hits = sum((labels == one) & (predictions == one))
        wrong = sum((labels == one) != (predictions == one))
        scores.append(2 * hits / (2 * hits + wrong) if hits + wrong else 0.0)
    assert macro_f1(labels, predictions, CLASSES) == pytest.approx(sum(scores) / CLASSES)


@UNTIMED
@given(n=st.integers(1, 2000), data=st.data())
def test_the_wilson_interval_is_wilsons(n, data):
    correct = data.draw(st.integers(0, n))
    z, share = 1.959963984540054, correct / n
    centre = (share + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * math.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
    found = wilson_interval(correct, n)
    assert found.low == pytest.approx(max(centre - half, 0), abs=1e-9)
    assert found.high == pytest.approx(min(centre + half, 1), abs=1e-9)
    # Proportion 0 and 1 lie on the border, to rounding.
    assert found.low <= share + 1e-12
    assert share - 1e-12 <= found.high


def test_a_published_wilson_interval():
    # Newcombe (1998), table I, method 3: 81 of 263 and 0 of 20.
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)


@UNTIMED
@given(both=answers.map(lambda pair: (pair[0] > 0, pair[1] > 0)))
def test_mcnemar_is_a_two_sided_sign_test_on_the_examples_that_differ(both):
    first, second = both
    b, c = int(sum(first & ~second)), int(sum(second & ~first))
    tail = sum(math.comb(b + c, k) for k in range(min(b, c) + 1)) / 2 ** (b + c)
    assert mcnemar_p(first, second) == pytest.approx(min(1.0, 2 * tail))
    assert mcnemar_p(first, second) == pytest.approx(mcnemar_p(second, first))


def test_mcnemar_of_two_that_never_differ():
    assert mcnemar_p(np.array([True, False]), np.array([True, False])) == 1.0
