import numpy as np
import pytest

from ptlib.analysis.clear import FIRST, Rule, Target

N = 200


def column(chances, seed=0, **options):
    """Right and wrong answers of prompts with these accuracies, and the target that has seen none of them."""
    rng = np.random.default_rng(seed)
    right = rng.random((len(chances), N)) < np.array(chances)[:, None]
    given = {"contenders": [True] * len(chances), "random": [False] * len(chances), **options}
    return right, Target(rng.integers(0, 2, N), **given)


def race(right, target, step=8):
    """Reads until every cell is clear."""
    reasons = [""] * len(right)
    while "" in reasons:
        for place, reason in enumerate(reasons):
            if not reason:
                at = len(target.right[place])
                target.see(place, right[place, at : at + target.wants(place, step)])
        reasons = [verdict.reason or reasons[place] for place, verdict in enumerate(target.verdicts())]
    return reasons, [len(seen) for seen in target.right]


def test_the_weak_stop_first_and_the_best_is_found():
    right, target = column([0.95, 0.5, 0.55, 0.3])
    reasons, used = race(right, target)
    assert not target.out[0]
    assert target.out[1:].all()
    assert reasons == ["best source", "narrow", "narrow", "narrow"]
    assert max(used[1:]) < N
    assert target.verdicts()[0].interval.width <= target.rule.width


def test_two_that_are_alike_are_read_nearly_to_the_end():
    right, target = column([0.9, 0.5])
    right[1] = right[0]
    right[1, -3:], right[0, -3:] = [True, False, False], [False, True, True]
    _, used = race(right, target)
    assert min(used) > 0.9 * N
    assert not target.out[0]


def test_cells_that_are_no_contenders_only_need_a_narrow_interval():
    _, used = race(*column([0.9, 0.9, 0.9], contenders=[False] * 3))
    assert max(used) < N / 2


def test_certainly_below_the_random_prompts():
    """An interval that is asked to be very narrow, and a cell so bad that its place is clear long before."""
    right, target = column([0.8, 0.8, 0.02], contenders=[False] * 3, random=[True, True, False], rule=Rule(0.02))
    reasons, used = race(right, target)
    assert reasons == ["whole split", "whole split", "below random"]
    assert used[2] < N


def test_nothing_is_decided_before_the_first_examples():
    right, target = column([1.0, 0.0])
    for place in range(2):
        target.see(place, right[place, : FIRST - 1])
    assert [verdict.reason for verdict in target.verdicts()] == ["", ""]
    assert not target.out.any()


@pytest.mark.parametrize("width", [0.2, 0.35])
def test_a_narrower_interval_takes_more_examples(width):
    _, wide = race(*column([0.5, 0.6, 0.7], rule=Rule(width=0.6)))
    _, asked = race(*column([0.5, 0.6, 0.7], rule=Rule(width=width)))
    assert sum(asked) > sum(wide)
