"""Scores and what is known of their precision."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Interval(NamedTuple):
    """A confidence interval."""

    low: float
    high: float


def accuracy(labels: np.ndarray, predictions: np.ndarray) -> float:
    """Share of (n,) predictions that equal the labels."""
    return float(np.mean(labels == predictions))


def macro_f1(labels: np.ndarray, predictions: np.ndarray, classes: int) -> float:
    """Mean F1 over the classes; a class that is neither there nor predicted counts as 0 (as in scikit-learn)."""
    from sklearn.metrics import f1_score

    return float(f1_score(labels, predictions, labels=range(classes), average="macro", zero_division=0.0))


def wilson_interval(correct: int, n: int, level: float = 0.95) -> Interval:
    """Wilson score interval of a share of ``n`` (Wilson 1927), as scipy computes it."""
    from scipy import stats

    found = stats.binomtest(int(correct), int(n)).proportion_ci(level, method="wilson")
    return Interval(float(found.low), float(found.high))


def confusion(labels: np.ndarray, predictions: np.ndarray, classes: int) -> np.ndarray:
    """Counts (classes, classes): rows are labels, columns predictions."""
    table = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(table, (labels, predictions), 1)
    return table


def mcnemar_p(correct_a: np.ndarray, correct_b: np.ndarray) -> float:
    """Exact two-sided McNemar p of two (n,) boolean vectors over the same examples; 1 when they never differ."""
    from scipy import stats

    only_a, only_b = int(np.sum(correct_a & ~correct_b)), int(np.sum(correct_b & ~correct_a))
    return float(stats.binomtest(only_a, only_a + only_b).pvalue) if only_a + only_b else 1.0
