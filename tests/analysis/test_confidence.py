import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from ptlib.analysis.confidence import ALPHA, PRIOR, behind, estimate, interval

CLASS = st.integers(1, 14).flatmap(
    lambda total: st.tuples(st.just(total), st.integers(0, total)).flatmap(
        lambda pair: st.tuples(st.just(pair[0]), st.just(pair[1]), st.integers(0, pair[1]))
    )
)


def ratio(total, seen, right, possible):
    """prior(K) / posterior(K) by scipy's distributions: what the closed form must equal."""
    prior = stats.betabinom.pmf(np.arange(total + 1), total, PRIOR, PRIOR)
    likelihood = np.array([stats.hypergeom.pmf(right, total, count, seen) for count in range(total + 1)])
    posterior = prior * likelihood / (prior @ likelihood)
    return prior[possible] / posterior[possible] if posterior[possible] > 0 else np.inf


@settings(deadline=None, max_examples=60)
@given(st.lists(CLASS, min_size=1, max_size=3))
def test_an_accuracy_is_kept_when_any_split_of_it_over_the_classes_is(classes):
    totals, seen, right = zip(*classes, strict=True)
    tables = [[ratio(*one, count) for count in range(one[0] + 1)] for one in classes]
    kept = [sum(counts) for counts in itertools.product(*(range(total + 1) for total in totals))
            if np.prod([table[count] for table, count in zip(tables, counts, strict=True)]) < 1 / ALPHA * (1 - 1e-9)]  # fmt: skip
    found = interval(totals, seen, right)
    assert found.low == pytest.approx(min(kept) / sum(totals))
    assert found.high == pytest.approx(max(kept) / sum(totals))


def test_nothing_seen_says_nothing_and_everything_seen_says_all():
    assert interval([30, 20], [0, 0], [0, 0]) == (0.0, 1.0)
    assert interval([30, 20], [30, 20], [12, 20]) == (32 / 50, 32 / 50)


def test_classes_that_are_each_sure_make_a_narrow_interval():
    """A prompt that always answers the first class: known by class, unknown by the mean alone."""
    by_class = interval([100, 100], [30, 30], [30, 0])
    assert by_class.width < 0.6 * interval([200], [60], [30]).width
    assert by_class.low < 0.5 < by_class.high


@pytest.mark.parametrize("kind", ["even", "by class", "constant"])
def test_it_covers_however_often_one_looks(kind):
    """2,000 finite splits, looked at after every eighth example: the truth leaves the interval in at most 5 % of them."""
    rng, missed, runs = np.random.default_rng(3), 0, 2000
    for _ in range(runs):
        classes = rng.integers(0, 2, 120)
        chance = {"even": np.full(2, rng.random()), "by class": rng.random(2), "constant": np.array([0.97, 0.03])}[kind]
        right = rng.random(120) < chance[classes]
        order, totals = rng.permutation(120), np.bincount(classes, minlength=2)
        for count in range(8, 121, 8):
            some = order[:count]
            found = interval(totals, np.bincount(classes[some], minlength=2), np.bincount(classes[some][right[some]], minlength=2))
            if not found.low - 1e-12 <= right.mean() <= found.high + 1e-12:
                missed += 1
                break
    assert missed / runs <= ALPHA


def test_the_estimate_weighs_classes_as_the_split_does():
    assert estimate([90, 10], [10, 10], [10, 0]) == pytest.approx(0.9)
    assert estimate([50, 50], [4, 0], [3, 0]) == pytest.approx(0.75), "a class not seen yet counts as the others"
    assert estimate([5], [0], [0]) == 0.0


def test_a_better_prompt_is_seldom_called_behind():
    """The other is better by one example of 200; looked at all the time, wealth 20 is reached in at most 5 % of the cases."""
    rng, wrong, runs = np.random.default_rng(5), 0, 1000
    for _ in range(runs):
        both, alone = rng.random(200) < 0.5, rng.permutation(200)
        leader, other = both.copy(), both.copy()
        leader[alone[:30]], other[alone[:30]] = True, False
        leader[alone[30:61]], other[alone[30:61]] = False, True
        order = rng.permutation(200)
        wrong += any(behind(leader[order[:seen]], other[order[:seen]][None], 200)[0] > np.log(20) for seen in range(8, 201, 8))
    assert wrong / runs <= 0.05


def test_a_worse_prompt_is_found_behind_soon_and_a_hopeless_one_for_sure():
    rng = np.random.default_rng(0)
    leader, other = rng.random(400) < 0.9, rng.random(400) < 0.5
    wealth = [behind(leader[:seen], other[None, :seen], 400)[0] for seen in (8, 40, 400)]
    assert wealth[0] < np.log(20) < wealth[1]
    assert wealth[2] == np.inf
    assert behind(leader[:4], leader[None, :4], 4)[0] == np.inf, "equal to the end: not better"
    assert behind(leader[:4], leader[None, :4], 5)[0] < np.log(20)
    mixed = behind(leader[:40], np.stack([leader[:40], other[:40]]), 400)
    assert mixed[1] > np.log(20) > mixed[0]
