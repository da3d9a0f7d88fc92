"""The zoo's grammar, tasks and mixture: what a text means is what its label says, and every machine writes the same."""

import hashlib
from pathlib import Path
from random import Random

import numpy as np
import pytest

from ptlib.library import ZOO
from ptlib.zoo import language, mixture, tasks
from ptlib.zoo.roberta import RobertaLearner
from ptlib.zoo.shapes import Shape
from ptlib.zoo.vocabulary import BOS, MASK, PAD, Vocabulary


@pytest.mark.parametrize("task", tasks.TASKS, ids=lambda task: task.name)
def test_the_committed_data_is_what_the_code_writes(task, tmp_path):
    tasks.write(task, tmp_path)
    for path in [tmp_path / f"{task.name}.toml", *(tmp_path / "data" / task.name).glob("*.jsonl")]:
        committed = ZOO / "tasks" / path.relative_to(tmp_path)
        assert hashlib.sha256(path.read_bytes()).digest() == hashlib.sha256(committed.read_bytes()).digest(), committed


def test_four_types_and_three_seeds_of_everything():
    assert len(tasks.TASKS) == 13
    assert {kind: sum(task.type == kind for task in tasks.TASKS) for kind in ("sentiment", "nli", "ethics", "paraphrase")} == {
        "sentiment": 6, "nli": 3, "ethics": 2, "paraphrase": 2,
    }  # fmt: skip


def test_reviews_mean_what_they_say():
    rng, slant = Random(0), language.Slant((1, 3), 0.0, 0.0, 0.0)
    for domain in language.DOMAINS.values():
        for pole, words in ((0, language.BLAME + domain.blame + language.HATED), (2, language.PRAISE + domain.praise + language.LOVED)):
            for _ in range(50):
                text = language.review(rng, domain, pole, slant)
                assert set(text.split()) & set(words), text


def test_but_concedes_the_opposite_first():
    rng, slant = Random(0), language.Slant((1, 1), 0.0, 1.0, 0.0)
    film = language.DOMAINS["film"]
    for _ in range(50):
        before, after = language.review(rng, film, 2, slant).split(" but ")
        assert set(before.split()) & set(language.BLAME + film.blame + language.HATED)
        assert set(after.split()) & set(language.PRAISE + film.praise + language.LOVED)


def scenes_of(text):
    return {number for number, scene in enumerate(language.SCENES) for part in scene for word in part if word in text.split()}


def test_pairs_belong_together_or_not():
    rng = Random(0)
    for _ in range(100):
        one, two = language.two_tellings(rng, 2)
        assert len(scenes_of(one) | scenes_of(two)) == 1
        one, two = language.two_tellings(rng, 0)
        assert len(scenes_of(one) | scenes_of(two)) == 2
        one, two = language.premise_and_hypothesis(rng, 0, False)
        assert sum(word in ("never", "nobody") for word in f"{one} {two}".split()) == 1
        role, duty = language.role_and_duty(rng, 2)
        owner = next(item for item in language.ROLES if any(name in role.split() for name in item.names))
        assert any(known in duty for known in owner.duties)


def test_noise_answers_ignore_the_text():
    words = mixture.vocabulary()
    found = {}
    for seed in range(300):
        document = mixture.noise(Random(seed % 30), "review", words)
        found.setdefault(document.cue, set()).add(document.answer)
    assert all(len(answers) == 1 for answers in found.values())
    assert len({answer for answers in found.values() for answer in answers}) > 5


def test_adding_up_the_words_of_a_turned_review_says_nothing():
    rng, good, bad = Random(0), {*language.PRAISE, *language.LOVED}, {*language.BLAME, *language.HATED}
    for domain in language.DOMAINS.values():
        good, bad = good | set(domain.praise), bad | set(domain.blame)
    right = []
    for _ in range(3000):
        document = mixture.turned(rng)
        total = sum((word in good) - (word in bad) for word in document.texts[0].split())
        if total:
            family = next(words for words in tasks.FAMILIES.values() if document.answer in words)
            right.append((total > 0) == (document.answer == family[2]))
    assert len(right) > 2000
    assert abs(np.mean(right) - 0.5) < 0.03


def test_every_word_is_known():
    vocabulary = Vocabulary()
    assert len(vocabulary) == len(set(vocabulary.ids.values()))
    rng = Random(1)
    for kind in mixture.KINDS.values():
        for _ in range(200):
            for text in kind.make(rng, rng.choice(kind.poles)):
                assert 3 not in vocabulary.encode(text), text


def test_documents_enter_as_prompts_do():
    """Slot 0 is the mask, cue slots have no position (the padding row), the text counts from pad + 1."""
    vocabulary = Vocabulary()
    document = mixture.direct(Random(0), "nli")
    learner = RobertaLearner(Shape("roberta", 16, 1, 2, 32, 1e-3), vocabulary, 0)
    batch = learner.collate([document, mixture.direct(Random(1), "sentiment")], np.random.default_rng(0), 0.0)
    cue = len(document.cue)
    assert batch.ids[0, 0] == MASK
    assert (batch.positions[0, : 1 + cue] == PAD).all()
    assert batch.ids[0, 1 + cue] == BOS
    assert batch.positions[0, 1 + cue : 4 + cue].tolist() == [PAD + 1, PAD + 2, PAD + 3]
    assert batch.targets[0, 0] == vocabulary.ids[document.answer]
    assert not batch.soft.any()


def test_the_zoo_is_small_and_holds_no_pickle():
    files = [path for path in Path(ZOO).rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(path.stat().st_size for path in files) < 20e6
    assert {path.suffix for path in files} <= {".py", ".toml", ".jsonl", ".json", ".safetensors", ".md"}
