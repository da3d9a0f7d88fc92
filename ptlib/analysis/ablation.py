"""What switching neurons off costs: means with intervals, and whether the drop is specific to a prompt's type.

Tables have a row a masked score, as :func:`ptlib.runs.masking.results` gives them: prompt, source, source_type, target, target_type,
rule, like, share, layers, draw, value, ci_low, ci_high, intact.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy.special import gammaln

GROUPS = ("own task", "same type", "other types")
LINES = {("most", ""): "most activated", ("distinctive", ""): "distinctive", ("random", "most"): "random (as most activated)",
         ("random", "distinctive"): "random (as distinctive)", ("least", ""): "least activated"}  # fmt: skip
RESAMPLES = 2000
PERMUTATIONS = 5000
CHUNK = 500
"""Orders of the tasks that are looked at together."""
ALIKE = 1e-12


def drops(table: pd.DataFrame) -> pd.DataFrame:
    """The scores that are there, with ``group`` (whose task it is), ``line`` (which neurons) and ``drop``: the relative drop, 1 minus the
    score with the neurons off over the score with all neurons. Where the latter is 0 there is no drop to speak of; such rows go."""
    found = table[table["value"].notna() & (table["intact"] > 0)].copy()
    own, same = found["source"] == found["target"], found["source_type"] == found["target_type"]
    found["group"] = np.select([own, same], GROUPS[:2], GROUPS[2])
    found["line"] = [LINES[rule, like] for rule, like in zip(found["rule"], found["like"], strict=True)]
    found["drop"] = 1 - found["value"] / found["intact"]
    return found


def curves(table: pd.DataFrame, *, seed: int = 0, resamples: int = RESAMPLES) -> pd.DataFrame:
    """One row for every choice of neurons, layers, share and group of tasks.

    Columns: line, layers, share, group, masked (neurons off, mean), score and drop with _low and _high, scores (how many), tasks,
    masks (prompts times draws), over (what the interval ranges over).

    Intervals: 95 % bootstrap that draws tasks and masks, each where there are several (both weights multiplied: Owen, The
    pigeonhole bootstrap, Annals of Applied Statistics 2007). With one task and one mask, the score's own interval over its examples.
    """
    rows = []
    keys = ["line", "layers", "share", "group"]
    for place, (names, part) in enumerate(drops(table).groupby(keys, sort=False)):
        rng = np.random.default_rng([seed, place])
        mask = part["prompt"] + " " + part["draw"].astype(str)
        tasks, masks = part["target"].nunique(), mask.nunique()
        if len(part) > 1:
            weights = _weights(part["target"], tasks, rng, resamples) * _weights(mask, masks, rng, resamples)
            ends = {name: _ends(part[column].to_numpy(float), weights) for name, column in (("score", "value"), ("drop", "drop"))}
        else:
            row = part.iloc[0]
            ends = {"score": (row.ci_low, row.ci_high), "drop": (1 - row.ci_high / row.intact, 1 - row.ci_low / row.intact)}
        over = [what for what, count in (("tasks", tasks), ("masks", masks)) if count > 1]
        rows.append({**dict(zip(keys, names, strict=True)), "masked": part["masked"].mean(), "score": part["value"].mean(), "score_low": ends["score"][0],
                     "score_high": ends["score"][1], "drop": part["drop"].mean(), "drop_low": ends["drop"][0], "drop_high": ends["drop"][1],
                     "scores": len(part), "tasks": tasks, "masks": masks, "over": " and ".join(over) or "examples"})  # fmt: skip
    return pd.DataFrame(rows, columns=[*keys, "masked", "score", "score_low", "score_high", "drop", "drop_low", "drop_high", "scores",
                                       "tasks", "masks", "over"])  # fmt: skip


def _weights(names: pd.Series, count: int, rng: np.random.Generator, resamples: int) -> np.ndarray:
    """(resamples, rows): how often a row's task or mask was drawn; ones where there is nothing to draw from."""
    if count == 1:
        return np.ones((1, len(names)))
    return rng.multinomial(count, np.full(count, 1 / count), size=resamples)[:, pd.factorize(names)[0]]


def _ends(values: np.ndarray, weights: np.ndarray) -> tuple[float, float]:
    total = weights.sum(axis=1)
    found = (weights @ values)[total > 0] / total[total > 0]
    return tuple(np.quantile(found, (0.025, 0.975))) if len(found) else (np.nan, np.nan)


class Specificity(NamedTuple):
    """How much more of their score tasks of a prompt's type lose than tasks of other types, beyond what random neurons cost them."""

    value: float
    """Mean over prompts of (excess drop on own and same-type tasks) - (on tasks of other types); the excess of a task is its relative
    drop with the chosen neurons off, minus its mean drop with as many random ones off, drawn from the same layers."""
    ci_low: float
    ci_high: float
    """95 % bootstrap over tasks and over source tasks."""
    p: float
    """One-sided: how often it is as large when tasks are dealt to the columns at random, for all prompts alike."""
    least_p: float
    """What p cannot fall below: one over the ways in which so few tasks can be dealt to the prompts' types."""
    near: float
    """Mean excess on own and same-type tasks."""
    far: float
    """Mean excess on tasks of other types."""
    prompts: int
    tasks: int
    scores: int
    """Pairs of prompt and task."""
    draws: int


def specificity(
    table: pd.DataFrame, rule: str, share: float, *, layers: str = "all", seed: int = 0, resamples: int = RESAMPLES,
    permutations: int = PERMUTATIONS,
) -> Specificity | None:  # fmt: skip
    """Whether a drop is specific to the type of the prompt whose neurons are off; None where it cannot be said: no random neurons, or
    no tasks on one of the two sides.

    Args:
        rule: "distinctive" or "most". layers: as in the table.
    """
    found = drops(table)
    found = found[(found["share"] == share) & (found["layers"] == layers)]
    chosen, random = found[found["rule"] == rule], found[found["rule"] == "random"]
    # In a single layer one draw serves all rules.
    random = random[random["like"] == rule] if (random["like"] == rule).any() else random
    if chosen.empty or random.empty:
        return None
    cut, at_random = (part.pivot_table(index="prompt", columns="target", values="drop") for part in (chosen, random))
    excess = (cut - at_random).reindex(index=cut.index, columns=cut.columns)
    about = chosen.drop_duplicates("prompt").set_index("prompt").loc[excess.index]
    kinds = chosen.drop_duplicates("target").set_index("target").loc[excess.columns, "target_type"]
    values, near = excess.to_numpy(float), np.equal.outer(about["source_type"].to_numpy(), kinds.to_numpy())
    value = _difference(values, near)
    if not np.isfinite(value):
        return None
    rng = np.random.default_rng(seed)
    low, high = _interval(values, near, about["source"], rng, resamples)
    there = np.isfinite(values)
    p, least = _p(values, near, value, rng, permutations), _least_p(set(about["source_type"]), list(kinds))
    return Specificity(value, low, high, p, least, float(values[there & near].mean()), float(values[there & ~near].mean()), len(excess),
                       excess.shape[1], int(there.sum()), random["draw"].nunique())  # fmt: skip


WHAT = {"distinctive": "most distinctive", "most": "most activated"}
CLEAR = 0.05


def in_words(found: Specificity | None, rule: str, share: float) -> str:
    """Is the drop specific? One sentence with its p, and what it rests on."""
    which = f"the {share:.0%} {WHAT[rule]} neurons"
    if found is None:
        return f"Whether the drop is specific cannot be said for {which}: it takes random neurons, and tasks of the prompt's type and of others."
    clear = found.p < CLEAR and found.ci_low > 0
    verdict = ("The drop is specific to the type" if clear else "The drop is larger on other types" if found.ci_high < 0 else
               "The drop is not clearly specific to the type")  # fmt: skip
    few = "s" if found.prompts > 1 else ""
    floor = f", with so few tasks at least {found.least_p:.2g}" if found.least_p > CLEAR / 5 else ""
    return (f"{verdict}: with {which} of {found.prompts} prompt{few} off, beyond what as many random neurons of the same layers cost, own and "
            f"same-type tasks lose {found.near:.1%} of their score and tasks of other types {found.far:.1%}; difference {found.value:.1%} "
            f"(95 % interval {found.ci_low:.1%} to {found.ci_high:.1%}, permutation p = {found.p:.2g}{floor}, {found.scores} pairs of prompt and "
            f"task, {found.draws} draws).")  # fmt: skip


class Findings(NamedTuple):
    """Everything that is said of one table."""

    curves: pd.DataFrame
    specific: dict[tuple[str, float], Specificity | None]
    """(rule, share) -> whether the drop is specific."""


def findings(table: pd.DataFrame, layers: str = "all") -> Findings:
    """:func:`curves`, and :func:`specificity` of every rule and share of a table. ``layers``: as in the table."""
    pairs = [(rule, share) for rule in WHAT if rule in set(table["rule"]) for share in sorted(set(table["share"]))]
    return Findings(curves(table), {(rule, share): specificity(table, rule, share, layers=layers) for rule, share in pairs})


def _sides(values: np.ndarray, near: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """(B, prompts) mean of the near tasks minus mean of the far ones, under (B, tasks) weights; NaN where a side is empty."""
    there, filled = np.isfinite(values), np.nan_to_num(values)
    with np.errstate(invalid="ignore", divide="ignore"):
        one, two = (((weights @ (filled * side).T) / (weights @ side.T)) for side in (there & near, there & ~near))
    return one - two


def _difference(values: np.ndarray, near: np.ndarray) -> float:
    found = _sides(values, near, np.ones((1, values.shape[1])))[0]
    return float(np.nanmean(found)) if np.isfinite(found).any() else np.nan


def _interval(values: np.ndarray, near: np.ndarray, sources: pd.Series, rng: np.random.Generator, resamples: int) -> tuple[float, float]:
    tasks = values.shape[1]
    by_prompt = _sides(values, near, rng.multinomial(tasks, np.full(tasks, 1 / tasks), size=resamples).astype(float))
    weights = _weights(sources, sources.nunique(), rng, resamples) * np.isfinite(by_prompt)
    total = weights.sum(axis=1)
    found = (weights * np.nan_to_num(by_prompt)).sum(axis=1)[total > 0] / total[total > 0]
    return tuple(float(end) for end in np.quantile(found, (0.025, 0.975))) if len(found) else (np.nan, np.nan)


def _p(values: np.ndarray, near: np.ndarray, value: float, rng: np.random.Generator, permutations: int) -> float:
    orders = rng.permuted(np.tile(np.arange(values.shape[1]), (permutations, 1)), axis=1)
    there, filled, hits = np.isfinite(values), np.nan_to_num(values), 0
    for first in range(0, permutations, CHUNK):
        some = orders[first : first + CHUNK]
        sides = []
        for side in (near, ~near):
            total, count = (np.einsum("pnt,pt->np", part[:, some], side.astype(float)) for part in (filled, there.astype(float)))
            with np.errstate(invalid="ignore", divide="ignore"):
                sides.append(total / count)
        gap = sides[0] - sides[1]
        defined = np.isfinite(gap)
        means = np.where(defined, gap, 0).sum(axis=1) / np.maximum(defined.sum(axis=1), 1)
        hits += int((means >= value - ALIKE).sum())
    return (1 + hits) / (1 + permutations)


def _least_p(of: set[str], kinds: list[str]) -> float:
    # Tasks of types that no prompt has are all alike to it.
    counts = pd.Series([kind if kind in of else None for kind in kinds]).value_counts(dropna=False)
    return float(np.exp(gammaln(counts + 1).sum() - gammaln(len(kinds) + 1)))


def by_layer(table: pd.DataFrame, line: str, group: str) -> pd.DataFrame:
    """Mean relative drop when one layer is masked at a time: layers in rows (numbers from 1), shares in columns.

    In a single layer the random neurons of every rule are the same.
    """
    found = drops(table)
    found = found[found["layers"].str.fullmatch(r"\d+") & (found["group"] == group)]
    chosen = found["line"].str.startswith("random") if line.startswith("random") else found["line"] == line
    found = found[chosen]
    return found.assign(layer=found["layers"].astype(int)).pivot_table(index="layer", columns="share", values="drop")
