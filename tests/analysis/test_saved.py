import numpy as np
import pandas as pd
import pytest
from scipy import stats

from ptlib.analysis import saved


def curve(target, seed, group, scores, source=""):
    return pd.DataFrame({"target": target, "target_type": "t", "seed": seed, "group": group, "source": source, "step": range(len(scores)), "validation": scores})  # fmt: skip


CURVES = pd.concat([
    curve("a", 0, saved.RANDOM, [0.2, 0.5, 0.9, 0.8]), curve("a", 0, "same", [0.8, 0.7, 0.9, 1.0], "b"), curve("a", 0, "other", [0.1, 0.2, 0.3, 0.4], "c"),
    curve("a", 1, saved.RANDOM, [0.2, 0.4, 0.6, 0.8]), curve("a", 1, "same", [0.5, 0.8, 0.8, 0.8], "b"),
    curve("a", 2, "same", [0.5, 0.8, 0.8, 0.8], "b"),
], ignore_index=True)  # fmt: skip


def one(table, group, seed=0):
    return table[(table["group"] == group) & (table["seed"] == seed)].iloc[0]


def test_steps_to_what_random_ends_with_not_to_its_best():
    table = saved.trainings(CURVES)
    first = one(table, "same")
    # Random ends with .8 and is there at step 2 already.
    assert (first.reached, first.random_reached, first.saved, first.random_final) == (0, 2, 2, 0.8)
    assert first.difference == pytest.approx(0.2)
    assert (first.converged, first.random_converged, first.saved_converged) == (3, 2, -1)
    assert one(table, "same", 1).saved == 2
    assert len(table[table["seed"] == 2]) == 0, "without its random counterpart nothing can be said"


def test_never_is_censored_and_counts_with_all_steps():
    table = saved.trainings(CURVES)
    lost = one(table, "other")
    assert np.isnan(lost.reached)
    assert lost.saved == 2 - 3
    row = saved.summary(table[table["group"] == "other"]).iloc[0]
    assert (row.never, row.trainings, row.saved) == (1, 1, -1)
    assert "1 of 1 never got there in 3 steps" in saved.sentence(row, 3)


def test_intervals_are_over_seeds_of_one_target_and_over_targets_of_several():
    table = saved.trainings(CURVES)
    seeds = saved.summary(table[table["group"] == "same"]).iloc[0]
    assert seeds.targets == 1
    assert (seeds.saved, seeds.saved_low, seeds.saved_high) == (2, 2, 2)
    two = pd.concat([CURVES, curve("z", 0, saved.RANDOM, [0, 0, 0, 0, 0, 1.0]), curve("z", 0, "same", [0, 1.0, 1, 1, 1, 1], "b")])
    row = saved.summary(saved.trainings(two).query("group == 'same'")).iloc[0]
    assert row.targets == 2
    half = stats.t.ppf(0.975, 1) * np.std([2, 4], ddof=1) / np.sqrt(2)
    assert (row.saved, row.saved_low, row.saved_high) == pytest.approx((3, 3 - half, 3 + half))


def test_speed_up_is_a_quotient_of_means_and_infinite_at_once():
    twice = pd.concat(
        [curve("a", seed, saved.RANDOM, [0, 0, 0, 0, 1.0]) for seed in range(3)]
        + [curve("a", seed, "same", [0, 0, 1.0, 1, 1], "b") for seed in range(3)]
    )
    row = saved.summary(saved.trainings(twice).query("group == 'same'")).iloc[0]
    assert (row.speed_up, row.speed_up_low, row.speed_up_high) == (2, 2, 2)
    atonce = pd.concat(
        [curve("a", seed, saved.RANDOM, [0, 1.0]) for seed in range(3)] + [curve("a", seed, "same", [1.0, 1], "b") for seed in range(3)]
    )
    assert np.isinf(saved.summary(saved.trainings(atonce).query("group == 'same'")).iloc[0].speed_up)


def test_intervals_cover():
    rng = np.random.default_rng(0)
    inside = [low <= 5 <= high for _, low, high, _ in (saved.mean_of(rng.normal(5, 2, 6)) for _ in range(2000))]
    assert np.mean(inside) == pytest.approx(0.95, abs=0.015)
    assert np.isnan(saved.mean_of([3.0]).low)
    assert saved.mean_of([]).n == 0


def test_bands_are_over_seeds():
    found = saved.bands(CURVES[CURVES["group"] == "same"])
    at = found[found["step"] == 0].iloc[0]
    assert at.n == 3
    assert at.value == pytest.approx(0.6)
    assert at.low < 0.6 < at.high


def test_the_sentence_says_whether_it_is_clear():
    row = saved.summary(saved.trainings(CURVES).query("group == 'same'")).iloc[0]
    assert "saves 2.0 steps of the 2.5 that random initialisation takes" in saved.sentence(row, 3)
    assert "not clearly" in saved.sentence(
        row._replace(saved_low=-1) if hasattr(row, "_replace") else row.where(row.index != "saved_low", -1), 3
    )


def made(gaps):
    """Trainings of two starts for as many targets, which differ by these steps."""
    return pd.DataFrame([{"target": f"t{number}", "group": group, "saved": 10.0 + (gap if group == "same type" else 0.0)}
                         for number, gap in enumerate(gaps) for group in ("same type", "other type")])  # fmt: skip


def test_two_starts_are_told_apart_target_by_target():
    found = saved.contrast(made([4.0, 6.0, 5.0, 7.0, 3.0, 5.5]), "same type", "other type")
    assert found.difference.value == pytest.approx(30.5 / 6)
    assert found.p == pytest.approx(0.03125)
    assert "saves 5.1 steps more than starting from other type" in found.words()
    assert "not clearly" not in found.words()
    assert "fewer" in saved.contrast(made([-4.0, -6.0]), "same type", "other type").words()
    assert "not clearly different" in saved.contrast(made([-4.0, 6.0]), "same type", "other type").words()


def test_one_target_tells_nothing_apart():
    assert saved.contrast(made([4.0]), "same type", "other type") is None
    assert saved.contrast(made([4.0, 5.0]), "same type", "mean of same type") is None
    assert np.isnan(saved.contrast(made([0.0, 0.0]), "same type", "other type").p)
