from itertools import permutations

import numpy as np
import pandas as pd
import pytest

from ptlib.analysis import ablation

TYPES = {"a1": "a", "a2": "a", "a3": "a", "b1": "b", "b2": "b", "b3": "b", "b4": "b"}


def made(effect=0.3, seeds=2, draws=5, noise=0.01, sources=tuple(TYPES)):
    """Distinctive neurons cost tasks of the source's type ``effect`` of their score; random ones 5 % everywhere."""
    rng, rows = np.random.default_rng(0), []
    for source in sources:
        for seed in range(seeds):
            for target, kind in TYPES.items():
                near = kind == TYPES[source]
                for rule, like, drawn, drop in (("distinctive", "", 1, 0.05 + effect * near), ("random", "distinctive", draws, 0.05)):
                    for draw in range(drawn):
                        value = 0.8 * (1 - drop) + rng.normal(0, noise)
                        rows.append([f"{source}-s{seed}", source, TYPES[source], target, kind, rule, like, 0.1, "all", draw, 7, value,
                                     value - 0.05, value + 0.05, 0.8])  # fmt: skip
    return pd.DataFrame(rows, columns=["prompt", "source", "source_type", "target", "target_type", "rule", "like", "share", "layers",
                                       "draw", "masked", "value", "ci_low", "ci_high", "intact"])  # fmt: skip


def test_a_specific_drop_is_found():
    found = ablation.specificity(made(), "distinctive", 0.1)
    assert found.value == pytest.approx(0.3, abs=0.02)
    assert found.near == pytest.approx(0.3, abs=0.02)
    assert found.far == pytest.approx(0, abs=0.02)
    assert found.ci_low < found.value < found.ci_high
    assert found.ci_low > 0.25
    # Seven tasks can be dealt to a type of three in 35 ways; one of them, or its twin, is the true one.
    assert found.p == pytest.approx(1 / 35, abs=0.01)
    assert found.least_p == pytest.approx(1 / 35)
    assert (found.prompts, found.tasks, found.scores, found.draws) == (14, 7, 98, 5)


def test_a_drop_that_hits_all_alike_is_not_specific():
    found = ablation.specificity(made(effect=0), "distinctive", 0.1)
    assert found.ci_low < 0 < found.ci_high
    assert found.p > 0.05


def test_p_is_uniform_where_there_is_nothing():
    """Tasks that are hurt more than others by everything must not look like a type."""
    rng, hits = np.random.default_rng(1), []
    for _ in range(40):
        table = made(effect=0, seeds=1, draws=1)
        hurt = dict(zip(TYPES, rng.normal(0, 0.2, len(TYPES)), strict=True))
        table.loc[table.rule == "distinctive", "value"] += table["target"].map(hurt)
        hits.append(ablation.specificity(table, "distinctive", 0.1, permutations=99, resamples=10).p)
    assert 0.3 < np.mean(hits) < 0.7
    assert np.mean(np.array(hits) <= 0.1) < 0.25


def test_one_prompt_is_enough_for_a_p():
    found = ablation.specificity(made(seeds=1, sources=("a1",)), "distinctive", 0.1)
    assert found.prompts == 1
    assert 0.01 < found.p < 0.06


def test_p_by_hand():
    """Every order of four tasks, one by one."""
    table = made(seeds=1, draws=1, noise=0.05, sources=("a1", "b1"))
    table = table[table.target.isin(["a1", "a2", "b1", "b2"])]
    found = ablation.specificity(table, "distinctive", 0.1, permutations=4000)
    drops = ablation.drops(table)
    excess = {}
    for source in ("a1", "b1"):
        part = drops[drops.source == source].pivot(index="target", columns="rule", values="drop")
        excess[source] = (part["distinctive"] - part["random"]).to_numpy()

    def value(order):
        one, two = (excess[source][list(order)] for source in ("a1", "b1"))
        return np.mean([one[:2].mean() - one[2:].mean(), two[2:].mean() - two[:2].mean()])

    everything = [value(order) for order in permutations(range(4))]
    assert found.value == pytest.approx(value(range(4)))
    assert found.p == pytest.approx(np.mean(np.array(everything) >= found.value - 1e-12), abs=0.03)


def test_where_it_cannot_be_said():
    table = made()
    assert ablation.specificity(table, "most", 0.1) is None
    assert ablation.specificity(table, "distinctive", 0.2) is None
    assert ablation.specificity(table[table.rule == "distinctive"], "distinctive", 0.1) is None
    assert ablation.specificity(table[(table.source_type == "a") & (table.target_type == "a")], "distinctive", 0.1) is None
    assert ablation.specificity(table.assign(value=np.nan), "distinctive", 0.1) is None


def test_the_sentence_says_what_was_found():
    clear, unclear = (ablation.specificity(made(effect=effect), "distinctive", 0.1) for effect in (0.3, 0))
    said = ablation.in_words(clear, "distinctive", 0.1)
    assert said.startswith("The drop is specific to the type: with the 10% most distinctive neurons of 14 prompts off")
    assert "with so few tasks at least 0.029, 98 pairs of prompt and task, 5 draws)" in said
    assert "not clearly specific" in ablation.in_words(unclear, "distinctive", 0.1)
    assert "larger on other types" in ablation.in_words(unclear._replace(ci_low=-0.2, ci_high=-0.1), "distinctive", 0.1)
    assert "cannot be said" in ablation.in_words(None, "most", 0.1)


def test_curves_have_means_intervals_and_say_what_over():
    found = ablation.curves(made(sources=("a1",), seeds=1)).set_index(["line", "group"])
    own = found.loc[("distinctive", "own task")]
    assert (own.tasks, own.masks, own.scores, own.over) == (1, 1, 1, "examples")
    assert (own.drop_low, own.drop_high) == pytest.approx((1 - (own.score + 0.05) / 0.8, 1 - (own.score - 0.05) / 0.8))
    drawn = found.loc[("random (as distinctive)", "own task")]
    assert (drawn.tasks, drawn.masks, drawn.over) == (1, 5, "masks")
    same = found.loc[("distinctive", "same type")]
    assert (same.tasks, same.masks, same.over) == (2, 1, "tasks")
    assert found.loc[("random (as distinctive)", "other types"), "over"] == "tasks and masks"
    assert ((found.drop_low <= found["drop"]) & (found["drop"] <= found.drop_high)).all()
    table = made(sources=("a1",), seeds=1)
    chosen = table[(table.rule == "distinctive") & (table.target_type == "b")]
    assert found.loc[("distinctive", "other types"), "score"] == pytest.approx(chosen.value.mean())


def test_the_interval_covers_the_mean_it_is_of():
    """Tasks and masks both vary; the true drop is 0.1."""
    rng, inside = np.random.default_rng(5), 0
    for trial in range(40):
        by_task, by_mask = rng.normal(0, 0.05, 12), rng.normal(0, 0.05, 12)
        rows = [{"prompt": f"p{mask}", "source": "s", "source_type": "x", "target": f"t{task}", "target_type": "y", "rule": "most", "like": "",
                 "share": 0.1, "layers": "all", "draw": 0, "masked": 1, "value": 0.9 + by_task[task] + by_mask[mask], "ci_low": 0, "ci_high": 1,
                 "intact": 1.0} for task in range(12) for mask in range(12)]  # fmt: skip
        found = ablation.curves(pd.DataFrame(rows), seed=trial, resamples=300).iloc[0]
        inside += found.drop_low <= 0.1 <= found.drop_high
    assert inside >= 33


def test_missing_and_zero_scores_are_left_out():
    table = made()
    table.loc[table.target == "b1", "value"] = np.nan
    table.loc[table.target == "b2", "intact"] = 0
    assert set(ablation.drops(table).target) == {"a1", "a2", "a3", "b3", "b4"}
    assert ablation.curves(table.assign(value=np.nan)).empty


def test_one_layer_at_a_time():
    layers = [made(effect=effect, seeds=1).assign(layers=name) for name, effect in (("1", 0.1), ("2", 0.4), ("all", 0.9), ("1, 2", 0.9))]
    found = ablation.by_layer(pd.concat(layers), "distinctive", "same type")
    assert list(found.index) == [1, 2]
    assert found[0.1].tolist() == pytest.approx([0.15, 0.45], abs=0.01)
    assert ablation.by_layer(pd.concat(layers), "random (as most activated)", "other types")[0.1].tolist() == pytest.approx([0.05, 0.05], abs=0.01)  # fmt: skip
