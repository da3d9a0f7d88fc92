"""Scores of free-text answers: one number an example, so that intervals can be given.

Exact match, token F1 (SQuAD's own normalisation) and ROUGE come from torchmetrics, sentence BLEU from nltk.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ptlib.tasks.metrics import Interval

BATCH = 64


def scores(
    metric: str, answers: Sequence[str], references: Sequence[Sequence[str]], tokens: Callable[[str], Sequence[str | int]] = str.split,
) -> np.ndarray:  # fmt: skip
    """(n,) float64 in [0, 1]: each answer against the best of its references.

    Args:
        metric: "exact_match", "f1", "rouge1", "rouge2" or "rougeL" (F-measures), or "bleu_floored" (each example's BLEU
            before :func:`bleu_floored` floors the batches).
        tokens: what BLEU counts; the released code counts the PLM's own.
    """
    if metric == "bleu_floored":
        return np.array([_bleu(tokens(answer), tokens(right[0])) for answer, right in zip(answers, references, strict=True)])
    one = _squad if metric in ("exact_match", "f1") else _rouge
    return np.array([one(metric, answer, right) for answer, right in zip(answers, references, strict=True)])


def _squad(metric: str, answer: str, right: Sequence[str]) -> float:
    from torchmetrics.functional.text import squad

    if not right:
        return float(not answer.strip())
    found = squad(
        [{"prediction_text": answer, "id": "0"}], [{"answers": {"answer_start": [0] * len(right), "text": list(right)}, "id": "0"}]
    )
    return float(found[metric]) / 100


def _rouge(metric: str, answer: str, right: Sequence[str]) -> float:
    from torchmetrics.functional.text import rouge_score

    return float(rouge_score(answer, list(right), rouge_keys=metric)[f"{metric}_fmeasure"]) if answer.strip() else 0.0


def _bleu(answer: Sequence[str | int], right: Sequence[str | int]) -> float:
    from nltk.translate.bleu_score import SmoothingFunction, sentence_bleu

    return (
        float(sentence_bleu([right], answer, weights=(0.7, 0.3, 0, 0), smoothing_function=SmoothingFunction().method1)) if answer else 0.0
    )


def bleu_floored(values: np.ndarray, batch: int = BATCH) -> float:
    """The measure that the released code of the paper calls ``acc`` for free text.

    Smoothed sentence BLEU (weights .7 and .3), summed over each batch of 64 and cut down to a whole number, over n. An
    exact zero means less than one point of BLEU in every batch, not "no overlap".

    Args:
        values: (n,) BLEU of each example, in the order they were evaluated.
    """
    return float(sum(int(values[start : start + batch].sum()) for start in range(0, len(values), batch)) / len(values))


def summary(metric: str, values: np.ndarray) -> float:
    """The score of a set of examples: their mean, or the authors' floored sum."""
    return bleu_floored(values) if metric == "bleu_floored" else float(values.mean())


def mean_interval(values: np.ndarray, *, seed: int = 0, resamples: int = 2000) -> Interval:
    """95 % percentile bootstrap interval of a mean over (n,) examples."""
    rng = np.random.default_rng(seed)
    means = [values[rng.integers(0, len(values), len(values))].mean() for _ in range(resamples)]
    return Interval(float(np.quantile(means, 0.025)), float(np.quantile(means, 0.975)))
