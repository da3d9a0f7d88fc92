"""What a start saves: transfer as initialisation against random initialisation (paper, transfer as initialisation).

* *Comparable-result*: steps until a training first scores at least what random initialisation of the same target and seed ends
  with. *Steps saved* are those of random initialisation, which may get there before its end, minus these; the *speed-up* is the
  quotient of the means.
* *Convergence*: steps until a training first scores at least 95 % of its own best.
* *Final difference*: last score minus that of random initialisation.

All on the validation split. A training that never gets there within its steps is censored: it counts with all its steps, so
that what it saves is at most what is said; how many there are is always said beside it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

SHARE = 0.95
RANDOM = "random"
RESAMPLES = 4000
LEVEL = 0.95
CURVES = ["target", "target_type", "seed", "group", "source", "step", "validation"]
"""Columns of a table of curves: one row a point. ``group`` is :data:`RANDOM` for random initialisation."""


class Mean(NamedTuple):
    """A mean with its 95 % interval, NaN where there is but one value."""

    value: float
    low: float
    high: float
    n: int

    def words(self, unit: str = "", digits: int = 1) -> str:
        """For a sentence."""
        span = f"{self.low:.{digits}f} to {self.high:.{digits}f}" if np.isfinite(self.low) else "no interval from one value"
        return f"{self.value:.{digits}f}{unit} ({span})"


def mean_of(values: Sequence[float]) -> Mean:
    """Student's interval of a mean; values that are not there are left out."""
    found = np.asarray(values, dtype=float)
    found = found[np.isfinite(found)]
    if not len(found):
        return Mean(np.nan, np.nan, np.nan, 0)
    if len(found) == 1:
        return Mean(float(found[0]), np.nan, np.nan, 1)
    half = stats.t.ppf((1 + LEVEL) / 2, len(found) - 1) * found.std(ddof=1) / np.sqrt(len(found))
    return Mean(float(found.mean()), float(found.mean() - half), float(found.mean() + half), len(found))


def first_at(steps: np.ndarray, scores: np.ndarray, threshold: float) -> float:
    """The first step whose score is at least the threshold; NaN where none is."""
    there = np.flatnonzero(scores >= threshold)
    return float(steps[there[0]]) if len(there) else np.nan


def trainings(curves: pd.DataFrame) -> pd.DataFrame:
    """One row a training that has its random counterpart.

    Columns: target, target_type, group, source, seed; start, final, best (scores); steps (length of its curve); reached,
    converged (steps, NaN: never); random_reached, random_converged, random_final; saved, saved_converged (steps, censored
    ones with all their steps), difference (of final scores).
    """
    rows = []
    for (target, seed), both in curves.groupby(["target", "seed"], sort=False):
        alone = both[both["group"] == RANDOM].sort_values("step")
        if alone.empty:
            continue
        goal = float(alone["validation"].iloc[-1])
        base = _marks(alone, goal)
        for (group, source), part in both.groupby(["group", "source"], sort=False):
            found = _marks(part.sort_values("step"), goal)
            reached = found["steps"] if np.isnan(found["reached"]) else found["reached"]
            rows.append({"target": target, "target_type": part["target_type"].iloc[0], "group": group, "source": source, "seed": seed, **found,
                         "random_reached": base["reached"], "random_converged": base["converged"], "random_final": goal,
                         "saved": base["reached"] - reached, "saved_converged": base["converged"] - found["converged"],
                         "difference": found["final"] - goal})  # fmt: skip
    return pd.DataFrame(rows)


def _marks(curve: pd.DataFrame, goal: float) -> dict[str, float]:
    steps, scores = curve["step"].to_numpy(float), curve["validation"].to_numpy(float)
    return {"start": scores[0], "final": scores[-1], "best": scores.max(), "steps": steps[-1],
            "reached": first_at(steps, scores, goal), "converged": first_at(steps, scores, SHARE * scores.max())}  # fmt: skip


def summary(table: pd.DataFrame, by: Sequence[str] = ("group",)) -> pd.DataFrame:
    """Means over trainings, one row a group of ``by``.

    Intervals are over targets, each the mean of its seeds, or over seeds where there is one target. Columns: those of ``by``,
    targets, trainings, never (censored), and each with _low and _high: reached, random_reached, saved, speed_up, saved_converged,
    convergence_speed_up, difference, start. A speed-up is infinite where nothing had to be trained.
    """
    rows = []
    for name, part in table.groupby(list(by), sort=False):
        whole = part.assign(reached=part["reached"].fillna(part["steps"]))
        unit = "target" if part["target"].nunique() > 1 else "seed"
        means = whole.groupby(unit, sort=False)[["reached", "random_reached", "saved", "converged", "random_converged", "saved_converged", "difference", "start"]].mean()  # fmt: skip
        row = dict(zip(by, name, strict=True)) | {
            "targets": part["target"].nunique(),
            "trainings": len(part),
            "never": int(part["reached"].isna().sum()),
        }
        for column in ("reached", "random_reached", "saved", "saved_converged", "difference", "start"):
            found = mean_of(means[column])
            row |= {column: found.value, f"{column}_low": found.low, f"{column}_high": found.high}
        for column, one, other in (("speed_up", "random_reached", "reached"), ("convergence_speed_up", "random_converged", "converged")):
            value, low, high = _ratio(means[one].to_numpy(), means[other].to_numpy())
            row |= {column: value, f"{column}_low": low, f"{column}_high": high}
        rows.append(row)
    return pd.DataFrame(rows)


class Contrast(NamedTuple):
    """What one start saves beyond another, target by target."""

    one: str
    other: str
    difference: Mean
    """Of steps saved, paired over targets that have both."""
    p: float
    """Wilcoxon's signed ranks, two-sided; NaN where no target tells the two apart."""

    def words(self) -> str:
        """As a sentence."""
        low, high, n = self.difference.low, self.difference.high, self.difference.n
        more = "more" if self.difference.value >= 0 else "fewer"
        ends = sorted([abs(low), abs(high)]) if low * high > 0 else (low, high) if self.difference.value >= 0 else (-high, -low)
        clear = "" if low > 0 or high < 0 else ", not clearly different"
        return (f"Target by target, starting from {self.one} saves {abs(self.difference.value):.1f} steps {more} than starting from {self.other} "
                f"(95 % interval {ends[0]:.1f} to {ends[1]:.1f}, {n} targets, Wilcoxon p = {self.p:.2g}){clear}.")  # fmt: skip


def contrast(table: pd.DataFrame, one: str, other: str) -> Contrast | None:
    """Steps saved by two starts, paired over targets; None where fewer than two targets have both.

    Args:
        table: from :func:`trainings`.
        one, other: groups.
    """
    means = table.groupby(["target", "group"])["saved"].mean().unstack()
    if not {one, other} <= set(means):
        return None
    gaps = (means[one] - means[other]).dropna().to_numpy()
    if len(gaps) < 2:
        return None
    return Contrast(one, other, mean_of(gaps), float(stats.wilcoxon(gaps).pvalue) if gaps.any() else float("nan"))


def _ratio(one: np.ndarray, other: np.ndarray) -> tuple[float, float, float]:
    """Quotient of two means and its percentile bootstrap interval."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(one), (RESAMPLES, len(one)))
    with np.errstate(divide="ignore", invalid="ignore"):
        many = one[drawn].mean(axis=1) / other[drawn].mean(axis=1)
        value = float(one.mean() / other.mean())
    if len(one) < 2:
        return value, np.nan, np.nan
    # Infinities have their place in the order; 0/0 (both at once) has none.
    low, high = (
        np.quantile(many[~np.isnan(many)], [(1 - LEVEL) / 2, (1 + LEVEL) / 2], method="nearest")
        if (~np.isnan(many)).any()
        else (np.nan, np.nan)
    )
    return value, float(low), float(high)


def bands(curves: pd.DataFrame) -> pd.DataFrame:
    """Mean score over seeds at each step: target, group, source, step, value, low, high (Student's 95 % interval), n."""
    rows = []
    for (target, group, source, step), part in curves.groupby(["target", "group", "source", "step"], sort=False):
        found = mean_of(part["validation"])
        rows.append({"target": target, "group": group, "source": source, "step": step, "value": found.value, "low": found.low, "high": found.high, "n": found.n})  # fmt: skip
    return pd.DataFrame(rows, columns=["target", "group", "source", "step", "value", "low", "high", "n"])


def sentence(row: pd.Series | NamedTuple, steps: int) -> str:
    """One row of :func:`summary` in words."""
    verb = "saves" if row.saved >= 0 else "costs"
    clear = "" if row.saved_low > 0 or row.saved_high < 0 else ", not clearly different from none"
    never = f"; {row.never} of {row.trainings} never got there in {steps} steps and count with all of them" if row.never else ""
    low, high = sorted([abs(row.saved_low), abs(row.saved_high)]) if row.saved_low * row.saved_high > 0 else (row.saved_low, row.saved_high)
    return (f"Starting from {row.group} {verb} {abs(row.saved):.1f} steps of the {row.random_reached:.1f} that random initialisation takes "
            f"(95 % interval {low:.1f} to {high:.1f}, {row.targets} targets, {row.trainings} trainings{never}){clear}.")  # fmt: skip
