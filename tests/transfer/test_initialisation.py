import numpy as np
import pytest

from ptlib.errors import PromptError
from ptlib.prompts import SoftPrompt
from ptlib.transfer.initialisation import fitted, start
from ptlib.transfer.settings import TrainingSettings


def prompt(length=5, hidden=32, seed=0):
    return SoftPrompt(np.random.default_rng(seed).normal(0, 1, (length, hidden)).astype(np.float32), f"p{seed}", "", "films")


def test_random_rows_are_as_wide_as_word_embeddings(tiny_plm):
    found = start(tiny_plm, "films", TrainingSettings(200), [], "peft")
    assert found.std() == pytest.approx(float(tiny_plm.words.weight.std()), rel=0.05)
    assert not np.array_equal(found, start(tiny_plm, "films", TrainingSettings(200, seed=1), [], "peft"))
    assert not np.array_equal(found, start(tiny_plm, "meals", TrainingSettings(200), [], "peft"))


@pytest.mark.parametrize(("insertion", "live"), [("peft", 0), ("thunlp", 1)])
def test_vocabulary_and_text_rows_are_embeddings_of_words(tiny_plm, insertion, live):
    words = tiny_plm.words.weight.detach().numpy()
    sampled = start(tiny_plm, "films", TrainingSettings(9, "vocabulary"), [], insertion)
    ids = [int(np.flatnonzero((words == row).all(axis=1))[0]) for row in sampled[live:]]
    assert len(set(ids)) == 9 - live
    assert not set(ids) & set(tiny_plm.tokenizer.all_special_ids)
    read = start(tiny_plm, "films", TrainingSettings(5, "text", text="good plot"), [], insertion)
    good, plot = (words[tiny_plm.pieces(word)[0]] for word in ("good", "plot"))
    assert np.array_equal(read[live:], np.resize([good, plot], (5 - live, 32)))


def test_a_text_of_unknown_words(tiny_plm):
    with pytest.raises(PromptError, match="no word of the text is in the PLM's vocabulary"):
        start(tiny_plm, "films", TrainingSettings(5, "text", text="zebra"), [], "peft")


def test_one_source_and_the_mean_of_several(tiny_plm):
    one, two = prompt(seed=1), prompt(seed=2)
    assert np.array_equal(start(tiny_plm, "films", TrainingSettings(5, "prompt", sources=("a",)), [one], "thunlp"), one.values)
    found = start(tiny_plm, "films", TrainingSettings(5, "mean", sources=("a", "b")), [one, two], "thunlp")
    assert np.allclose(found, (one.values + two.values) / 2)


def test_another_width_never_and_another_length_only_by_choice(tiny_plm):
    settings = TrainingSettings(5, "prompt", sources=("a",))
    with pytest.raises(PromptError, match="not as wide as the PLM"):
        start(tiny_plm, "films", settings, [prompt(hidden=16)], "thunlp")
    with pytest.raises(PromptError, match=r"another length.*found 9, expected 5.*choose to truncate"):
        start(tiny_plm, "films", settings, [prompt(9)], "thunlp")
    with pytest.raises(PromptError, match="choose to repeat"):
        fitted(prompt(3), 5, "truncate")
    assert np.array_equal(fitted(prompt(9), 5, "truncate"), prompt(9).values[:5])
    assert np.array_equal(fitted(prompt(3), 7, "repeat"), prompt(3).values[[0, 1, 2, 0, 1, 2, 0]])
    assert np.array_equal(fitted(prompt(3), 7, "repeat", inert=(0,)), prompt(3).values[[0, 1, 2, 1, 2, 1, 2]])


def test_only_inert_rows(tiny_plm):
    with pytest.raises(PromptError, match=r"length is too small.*2 at least under thunlp"):
        start(tiny_plm, "films", TrainingSettings(1), [], "thunlp")
