import numpy as np
import pytest
from scipy import stats

from ptlib.analysis import correlation, statistics


def noisy(seed=0, tasks=8, seeds=2, strength=1.0):
    """Transfer that follows similarity to some degree."""
    rng = np.random.default_rng(seed)
    similarity = rng.random((seeds, tasks, tasks))
    return strength * similarity + rng.random((seeds, tasks, tasks)), similarity


@pytest.mark.parametrize("diagonal", [False, True])
def test_per_target_is_scipys_spearman(diagonal):
    transfer, similarity = noisy()
    transfer = transfer.round(1)
    found = correlation.per_target(transfer, similarity, diagonal=diagonal)
    for seed in range(2):
        for target in range(8):
            one, two = transfer[seed, :, target], similarity[seed, :, target]
            if not diagonal:
                one, two = np.delete(one, target), np.delete(two, target)
            assert found[seed, target] == pytest.approx(stats.spearmanr(one, two).statistic)


def test_constant_columns_are_undefined_and_counted():
    transfer, similarity = noisy()
    transfer[:, :, 3] = 0.5
    found = correlation.mean_spearman(transfer, similarity, permutations=50)
    assert np.isnan(correlation.per_target(transfer, similarity)[:, 3]).all()
    assert (found.n, found.undefined) == (7, 1)


def test_missing_cells_are_left_out():
    transfer, similarity = noisy()
    transfer[0, 2, 5] = np.nan
    kept = [row for row in range(8) if row not in (2, 5)]
    expected = stats.spearmanr(transfer[0, kept, 5], similarity[0, kept, 5]).statistic
    assert correlation.per_target(transfer, similarity)[0, 5] == pytest.approx(expected)


def test_a_monotone_relation_is_one_and_its_p_the_smallest_possible():
    _, similarity = noisy()
    found = correlation.mean_spearman(np.exp(similarity), similarity, permutations=400)
    assert found.value == pytest.approx(1)
    assert found.p == pytest.approx(1 / 401)
    assert found.ci_low == found.ci_high == pytest.approx(1)
    assert correlation.mean_spearman(-similarity, similarity, permutations=100).p == 1


def test_shuffling_ranks_is_ranking_the_shuffled():
    transfer, similarity = noisy(strength=0.4)
    similarity[1, :, 4] = 0.3
    rng = np.random.default_rng(0)
    orders = np.array([rng.permutation(8) for _ in range(30)])
    mask = correlation.usable(transfer, similarity)
    ranks = (correlation._unit(correlation._ranks(values, mask)) for values in (transfer, similarity))
    slow = [np.nanmean(correlation.per_target(transfer, similarity[:, order][:, :, order])) for order in orders]
    assert np.allclose(correlation._shuffled_means(*ranks, orders), slow)


def test_permutations_with_holes():
    transfer, similarity = noisy(strength=3)
    transfer[0, 1, 2] = np.nan
    assert correlation.mean_spearman(transfer, similarity, permutations=300).p < 0.05


def test_p_is_uniform_without_a_relation():
    """Under the null hypothesis p falls below .2 in a fifth of cases (200 matrices, four standard errors)."""
    below = 0
    for number in range(200):
        rng = np.random.default_rng(number)
        transfer, similarity = rng.random((1, 7, 7)), rng.random((1, 7, 7))
        below += correlation.mean_spearman(transfer, similarity, permutations=99, resamples=10, seed=number).p <= 0.2
    assert abs(below / 200 - 0.2) < 4 * np.sqrt(0.2 * 0.8 / 200)


def test_pooled_is_scipys_over_all_pairs():
    transfer, similarity = noisy()
    off = np.broadcast_to(~np.eye(8, dtype=bool), transfer.shape)
    found = correlation.pooled_spearman(transfer, similarity, permutations=50, resamples=50)
    assert found.value == pytest.approx(stats.spearmanr(transfer[off], similarity[off]).statistic)
    assert found.ci_low <= found.value <= found.ci_high
    assert found.n == 2 * 8 * 7


@pytest.mark.parametrize("correlate", [correlation.mean_spearman, correlation.pooled_spearman])
def test_without_permutations_there_is_no_p(correlate):
    found = correlate(*noisy(), permutations=0, resamples=50)
    assert np.isfinite(found.value)
    assert np.isnan(found.p)


def test_the_better_indicator_is_named():
    transfer, similarity = noisy(strength=5)
    weak = np.random.default_rng(9).random(similarity.shape)
    table = statistics.indicator_table(transfer, {"ON": weak, "C_concat": similarity}, permutations=100)
    assert list(table.name) == ["C_concat", "ON"]
    assert len(statistics.better_than_on(table)) == 1
    assert "clearly" in statistics.better_than_on(table)[0]
    table = statistics.indicator_table(transfer, {"ON": similarity, "C_concat": weak}, permutations=100)
    assert statistics.better_than_on(table) == []


def test_layers():
    transfer, similarity = noisy(strength=5)
    table = statistics.layer_table(transfer, [similarity, 1 - similarity], permutations=50)
    assert table.value[0] > 0 > table.value[1]


def test_group_means_by_hand():
    tasks = np.array(["a", "a", "b", "c"])
    types = np.array(["x", "x", "x", "y"])
    similarity = np.array([[1, 0.9, 0.5, 0.1], [0.9, 1, 0.7, 0.2], [0.5, 0.7, 1, 0.3], [0.1, 0.2, 0.3, 1]])
    found = correlation.group_means(similarity, tasks, types, permutations=200)
    assert found.same_task == pytest.approx(0.9)
    assert found.same_type == pytest.approx(0.6)
    assert found.other_type == pytest.approx(0.2)
    assert found.p > 0.2


def test_group_means_see_a_real_structure():
    rng = np.random.default_rng(0)
    types = np.repeat(["x", "y", "z"], 4)
    tasks = np.array([f"t{number}" for number in range(12)])
    similarity = 0.5 * np.equal.outer(types, types) + 0.1 * rng.random((12, 12))
    assert correlation.group_means(similarity, tasks, types).p < 0.01


def missing_some(seed=0):
    transfer, similarity = noisy(seed, tasks=7, strength=0.7)
    transfer[0, 1, 3] = np.nan
    similarity[1, 4, 2] = np.nan
    return transfer.round(1), similarity


@pytest.mark.parametrize("which", [{}, {"diagonal": True}, {"pairs": np.triu(np.ones((7, 7), dtype=bool)) | (np.arange(7) % 2 == 0)}])
@pytest.mark.parametrize("gaps", [False, True])
def test_the_permutation_p_is_that_of_a_plain_loop(which, gaps):
    transfer, similarity = missing_some() if gaps else noisy(tasks=7, strength=0.7)
    found = correlation.mean_spearman(transfer, similarity, permutations=300, resamples=20, **which)
    rng = np.random.default_rng(0)
    rng.integers(found.n, size=(20, found.n))
    orders = rng.permuted(np.tile(np.arange(7), (300, 1)), axis=1)
    hits = sum(
        np.nanmean(correlation.per_target(transfer, similarity[:, order][:, :, order], **which)) >= found.value - 1e-9 for order in orders
    )
    assert found.p == pytest.approx((1 + hits) / 301)


@pytest.mark.parametrize("gaps", [False, True])
def test_the_pooled_correlation_is_scipys_also_on_resampled_targets(gaps):
    transfer, similarity = missing_some(2) if gaps else noisy(2, tasks=7)
    transfer = transfer.round(1)
    mask = correlation.usable(transfer, similarity)
    found = correlation.pooled_spearman(transfer, similarity, resamples=50, permutations=50)
    assert found.value == pytest.approx(stats.spearmanr(transfer[mask], similarity[mask]).statistic)
    drawn = np.random.default_rng(1).integers(7, size=7)
    there = mask[..., drawn]
    expected = stats.spearmanr(transfer[..., drawn][there], similarity[..., drawn][there]).statistic
    weights = np.bincount(drawn, minlength=7)[np.broadcast_to(np.arange(7), mask.shape)[mask]].astype(float)
    assert correlation._pooled(transfer[mask], similarity[mask], weights[None])[0] == pytest.approx(expected)
    hits, rng = 0, np.random.default_rng(0)
    rng.multinomial(7, np.full(7, 1 / 7), size=50)
    for order in rng.permuted(np.tile(np.arange(7), (50, 1)), axis=1):
        shuffled = similarity[:, order][:, :, order]
        both = correlation.usable(transfer, shuffled)
        hits += stats.spearmanr(transfer[both], shuffled[both]).statistic >= found.value - 1e-12
    assert found.p == pytest.approx((1 + hits) / 51)
