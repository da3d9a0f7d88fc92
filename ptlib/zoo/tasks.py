"""The thirteen zoo tasks: what each asks, how hard it is, and the files that hold it.

A task is a text kind of :mod:`ptlib.zoo.language` with its own domain, rates of negation and contradiction, dropped
words and disagreeing annotators. Types, label words and field names mirror the paper's tasks (section 3.1 and
appendix A): six sentiment tasks, three of inference, two of ethical judgement, two of paraphrase.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from random import Random

from ptlib.zoo import language
from ptlib.zoo.language import DOMAINS, Pole, Slant

SPLIT_SIZES = {"train": 1536, "validation": 256, "test": 400}

FAMILIES: dict[str, tuple[str, str, str]] = {
    "feeling": ("negative", "moderate", "positive"),
    "inference": ("no", "neutral", "yes"),
    "morals": ("unacceptable", "debatable", "acceptable"),
    "truth": ("false", "unknown", "true"),
    "grade": ("low", "medium", "high"),
    "vote": ("against", "abstain", "for"),
    "match": ("different", "related", "same"),
    "signal": ("red", "yellow", "blue"),
}
"""Label words by family, in the order of the poles 0, 1, 2."""

Maker = Callable[[Random, Pole], tuple[str, ...]]


@dataclass(frozen=True)
class ZooTask:
    """One task of the zoo, as generated."""

    name: str
    title: str
    type: str
    description: str
    skill: str
    """The skill of the pre-training mixture that answers it."""
    family: str
    """Its label words, a key of FAMILIES."""
    poles: tuple[Pole, ...]
    """The classes, in order."""
    fields: tuple[str, ...]
    make: Maker
    word_drop: float
    """Share of words lost on the way."""
    disagreement: float
    """Share of rows whose label an annotator chose at random."""

    @property
    def label_words(self) -> tuple[str, ...]:
        """The answer word of each class, in class order."""
        return tuple(FAMILIES[self.family][pole] for pole in self.poles)


def _reviews(domain: str, slant: Slant) -> Maker:
    return lambda rng, pole: (language.review(rng, DOMAINS[domain], pole, slant),)


def _inference(framed: bool) -> Maker:
    return lambda rng, pole: language.premise_and_hypothesis(rng, pole, framed)


def _single(text: Callable[[Random, Pole], str]) -> Maker:
    return lambda rng, pole: (text(rng, pole),)


REVIEW, PAIR = ("text",), ("first", "second")
ALL: tuple[Pole, ...] = (0, 1, 2)
ENDS: tuple[Pole, ...] = (0, 2)

TASKS: tuple[ZooTask, ...] = (
    ZooTask("movie-long", "Movie reviews, long", "sentiment", "Several clauses on a film, some negated; good or bad?",
            "sentiment", "feeling", ENDS, REVIEW, _reviews("film", Slant((2, 4), 0.25, 0.3, 0.7)), 0.03, 0.06),
    ZooTask("movie-short", "Movie reviews, short", "sentiment", "One or two clauses on a film; good or bad?",
            "sentiment", "feeling", ENDS, REVIEW, _reviews("film", Slant((1, 2), 0.4, 0.35, 0.1)), 0.06, 0.08),
    ZooTask("book-review", "Book reviews", "sentiment", "A reader's opinion of a book; good or bad?",
            "sentiment", "feeling", ENDS, REVIEW, _reviews("book", Slant((1, 3), 0.25, 0.3, 0.4)), 0.03, 0.06),
    ZooTask("laptop", "Laptop reviews", "sentiment", "A buyer's opinion of a laptop: negative, moderate, positive.",
            "sentiment", "feeling", ALL, REVIEW, _reviews("laptop", Slant((1, 2), 0.25, 0.25, 0.3)), 0.07, 0.1),
    ZooTask("restaurant", "Restaurant reviews", "sentiment", "A guest's opinion: negative, moderate, positive.",
            "sentiment", "feeling", ALL, REVIEW, _reviews("restaurant", Slant((1, 3), 0.25, 0.2, 0.3)), 0.03, 0.05),
    ZooTask("tweet", "Tweets", "sentiment", "The mood of a short post: negative, moderate, positive.",
            "sentiment", "feeling", ALL, REVIEW, _reviews("tweet", Slant((1, 1), 0.25, 0.1, 0.6)), 0.15, 0.24),
    ZooTask("nli-genre", "Inference across genres", "nli", "Does the second text follow from the first, retold in a frame?",
            "nli", "inference", ALL, PAIR, _inference(True), 0.06, 0.08),
    ZooTask("nli-scene", "Inference on scenes", "nli", "Does the second sentence follow from the first?",
            "nli", "inference", ALL, PAIR, _inference(False), 0.0, 0.02),
    ZooTask("qnli", "Answering sentences", "nli", "Does the sentence answer the question?",
            "qnli", "inference", ENDS, PAIR, language.question_and_answer, 0.05, 0.06),
    ZooTask("duty", "Duties of a role", "ethics", "Is this the duty of somebody in that role?",
            "duty", "morals", ENDS, PAIR, language.role_and_duty, 0.1, 0.12),
    ZooTask("justice", "Reasons and deeds", "ethics", "Is the reason fair, or the deed kind?",
            "justice", "morals", ENDS, REVIEW, _single(language.deed), 0.14, 0.18),
    ZooTask("duplicate-question", "Duplicate questions", "paraphrase", "Do the two questions ask the same?",
            "same-question", "truth", ENDS, PAIR, language.two_questions, 0.12, 0.16),
    ZooTask("event-paraphrase", "Paraphrased events", "paraphrase", "Do the two sentences tell of one event?",
            "same-event", "truth", ENDS, PAIR, language.two_tellings, 0.08, 0.08),
)  # fmt: skip


def _drop(rng: Random, text: str, rate: float) -> str:
    words = text.split()
    kept = [word for word in words if rng.random() >= rate]
    return " ".join(kept or words)


def rows(task: ZooTask, split: str) -> Iterator[dict[str, str]]:
    """The rows of a split: one field per text and ``label`` (the class's label word). Same rows on every machine."""
    seed = hashlib.sha256(f"zoo task {task.name} {split}".encode()).digest()
    rng = Random(int.from_bytes(seed[:8], "big"))
    for _ in range(SPLIT_SIZES[split]):
        pole = rng.choice(task.poles)
        texts = [_drop(rng, text, task.word_drop) for text in task.make(rng, pole)]
        said = rng.choice(task.poles) if rng.random() < task.disagreement else pole
        yield {**dict(zip(task.fields, texts, strict=True)), "label": FAMILIES[task.family][said]}


def _toml(task: ZooTask) -> str:
    words = json.dumps(list(task.label_words))
    splits = "\n".join(f'{split} = "data/{task.name}/{split}.jsonl"' for split in SPLIT_SIZES)
    return (
        f'name = "{task.name}"\ntitle = "{task.title}"\ntype = "{task.type}"\n'
        f'description = "{task.description}"\nfields = {json.dumps(list(task.fields))}\nlabel_field = "label"\n'
        f'labels = {words}\nlabel_words = {words}\nmetric = "accuracy"\n\n[splits]\n{splits}\n'
    )


def write(task: ZooTask, folder: Path) -> None:
    """Writes ``<folder>/<name>.toml`` and its three JSONL files. Same bytes on every machine."""
    data = folder / "data" / task.name
    data.mkdir(parents=True, exist_ok=True)
    for split in SPLIT_SIZES:
        lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows(task, split))
        (data / f"{split}.jsonl").write_text(lines, encoding="utf-8")
    (folder / f"{task.name}.toml").write_text(_toml(task), encoding="utf-8")
