import numpy as np
import pytest

from ptlib.plms.load import load
from ptlib.transfer.evaluate import evaluate
from ptlib.transfer.precision import SAMPLE, checked, probe


@pytest.fixture
def half(tiny_plm_folder):
    return load(tiny_plm_folder, device="cpu", dtype="bfloat16")


def test_doubtful_answers_are_taken_from_single_precision(tiny_plm, half, library):
    task, changed = library.task("pairs"), 0
    for entry in library.prompts("tiny-1"):
        prompt = entry.load()
        exact, rough = (next(evaluate(plm, [prompt], task)) for plm in (tiny_plm, half))
        better, check = checked(tiny_plm, rough, prompt, task)
        assert np.array_equal(better.predictions, exact.predictions)
        assert better.value == exact.value
        assert better.dtype == "bfloat16"
        assert SAMPLE <= check.checked < 60
        assert 0 < check.error < 1
        assert check.agreement > 0.8
        kept = np.isclose(better.logits, rough.logits, atol=0).all(axis=1)
        assert kept.sum() >= 60 - check.checked, "the others stay as they were"
        changed += int((rough.predictions != exact.predictions).sum())
    assert changed > 0, "half precision changes answers here; otherwise this test shows nothing"


def test_a_probe_says_how_fast_and_how_alike(tiny_plm, half, library):
    found = probe(tiny_plm, half, library.prompt("tiny-1/films-s0").load(), library.task("films"), rounds=2)
    assert found.dtype == "bfloat16"
    assert found.speed > 0
    assert found.n == 60
    assert 0.8 < found.agreement <= 1
    same = probe(tiny_plm, tiny_plm, library.prompt("tiny-1/films-s0").load(), library.task("films"), rounds=1)
    assert (same.agreement, same.error) == (1, 0)
