"""Paired differences: against scipy's permutation test, McNemar's exact test, and by what is true of many draws."""

import itertools

import numpy as np
import pytest
from scipy import stats

from ptlib.analysis import paired
from ptlib.tasks import metrics


@pytest.mark.parametrize("n", [6, 9, 13])
def test_p_is_that_of_scipy_where_all_signs_are_tried(n):
    values = np.random.default_rng(n).normal(0.4, 1, n)
    expected = stats.permutation_test((values,), np.mean, permutation_type="samples", n_resamples=np.inf).pvalue
    assert paired.sign_flip(values)[2] == pytest.approx(expected)


@pytest.mark.parametrize("n", [8, 40])
def test_the_interval_holds_the_shifts_that_the_test_does_not_reject(n):
    values = np.random.default_rng(n).normal(0.2, 1, n)
    low, high, _ = paired.sign_flip(values)
    assert low < values.mean() < high
    for end, outwards in ((low, -1), (high, 1)):
        assert paired.sign_flip(values - (end - outwards * 1e-6))[2] > paired.ALPHA
        assert paired.sign_flip(values - (end + outwards * 1e-6))[2] <= paired.ALPHA


def test_intervals_cover_as_often_as_they_say():
    rng, covered = np.random.default_rng(0), 0
    for _ in range(400):
        low, high, _ = paired.sign_flip(rng.exponential(1, 10) - rng.exponential(1, 10) + 0.3)
        covered += low <= 0.3 <= high
    # Three standard errors below 95 %.
    assert covered / 400 > 0.95 - 3 * np.sqrt(0.05 * 0.95 / 400)


def test_five_targets_cannot_reject_anything():
    low, high, p = paired.sign_flip(np.full(5, 0.3))
    assert (low, high) == (-np.inf, np.inf)
    assert p == 2 / 2**5


def test_a_target_counts_once_however_many_cells_it_has():
    one, other = np.full((4, 2), np.nan), np.zeros((4, 2))
    one[:, 0], one[0, 1] = 1.0, 0.0
    found = paired.paired_difference(one, other)
    assert (found.value, found.n, found.pairs) == (0.5, 2, 5)
    assert paired.paired_difference(one * np.nan, other).pairs == 0


def test_equal_sides_have_p_one():
    assert paired.sign_flip(np.zeros(9)) == (0.0, 0.0, 1.0)


def test_one_seed_is_mcnemars_exact_test():
    rng = np.random.default_rng(1)
    for _ in range(20):
        one, other = rng.random(60) < 0.8, rng.random(60) < 0.6
        assert paired.right_answers_p(one[None], other[None]) == pytest.approx(metrics.mcnemar_p(one, other), rel=1e-9)
    assert paired.right_answers_p(one[None], one[None]) == 1.0


@pytest.mark.parametrize(("left", "right"), [(3, 3), (2, 3), (1, 2)])
def test_several_seeds_against_all_signs_tried_one_by_one(left, right):
    rng = np.random.default_rng(left + right)
    one, other = rng.random((left, 9)) < 0.8, rng.random((right, 9)) < 0.5
    gap = one.mean(axis=0) - other.mean(axis=0)
    sums = np.array([abs(np.dot(signs, gap)) for signs in itertools.product((-1, 1), repeat=9)])
    assert paired.right_answers_p(one, other) == pytest.approx(np.mean(sums >= abs(gap.sum()) - 1e-9))


def test_holm_by_hand():
    found = paired.holm(np.array([[0.01, 0.04], [np.nan, 0.03]]))
    assert np.allclose(found, [[0.03, 0.06], [np.nan, 0.06]], equal_nan=True)
    assert paired.holm(np.array([0.9, 0.8])).max() == 1.0
    assert np.isnan(paired.holm(np.array([np.nan]))).all()
