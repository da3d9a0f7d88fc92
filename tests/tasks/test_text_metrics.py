"""Free-text scores by hand-made examples, and the authors' floored BLEU under its true name."""

import numpy as np
import pytest

from ptlib.tasks import text_metrics


@pytest.mark.parametrize(
    ("metric", "answer", "right", "value"),
    [
        ("exact_match", "The Cat!", ["cat"], 1.0), ("exact_match", "a dog", ["cat"], 0.0), ("f1", "black cat", ["the cat", "dog"], 2 / 3),
        ("f1", "", ["cat"], 0.0), ("rouge1", "a cat sat", ["the cat sat"], 2 / 3), ("rouge2", "a cat sat", ["the cat sat"], 0.5),
        ("rougeL", "sat cat", ["the cat sat"], 0.4), ("rougeL", " ", ["cat"], 0.0), ("bleu_floored", "", ["cat"], 0.0),
        ("bleu_floored", "the cat sat", ["the cat sat"], 1.0),
    ],
)  # fmt: skip
def test_one_example(metric, answer, right, value):
    assert text_metrics.scores(metric, [answer], [right]).tolist() == pytest.approx([value])


def test_the_best_reference_counts():
    assert text_metrics.scores("f1", ["dog"], [["cat", "dog"]]).tolist() == [1.0]


def test_floored_by_batch():
    """63 answers of .99 lose almost a point of their sum, a batch that sums to less than one is zero."""
    values = np.array([0.99] * 64 + [0.015] * 64)
    assert text_metrics.bleu_floored(values) == 63 / 128
    assert text_metrics.summary("bleu_floored", values) < text_metrics.summary("rouge1", values)


def test_interval_holds_the_mean_and_narrows():
    rng = np.random.default_rng(0)
    few, many = (text_metrics.mean_interval(rng.random(size)) for size in (20, 2000))
    assert few.low < 0.5 < few.high
    assert many.high - many.low < (few.high - few.low) / 3
