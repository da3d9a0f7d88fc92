"""What the zoo PLMs read while they are pre-trained: documents with a cue, texts and an answer.

A document is ``answer | cue words | <s> text </s> [text </s>]``. The cue stands where a soft prompt will stand, in slots
without position embeddings; the answer stands in slot 0, where the mask will stand. The cue names a skill (what to
judge) and a family (which words to answer with), so pre-training is instruction-like, and says so in the model card.

A plain mixture would let any prompt work, since the kind of text alone gives the question away. Four kinds of
documents teach the PLM that the cue decides: noise words with an answer that depends on them alone, a cue of another
skill with a fixed answer, an empty cue, and (in :mod:`ptlib.zoo.pretrain`) Gaussian vectors in the cue slots.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from random import Random
from typing import NamedTuple

from ptlib.zoo import language
from ptlib.zoo.language import DOMAINS, Pole, Slant
from ptlib.zoo.tasks import ALL, ENDS, FAMILIES, Maker

CUES: dict[str, tuple[str, ...]] = {
    "sentiment": ("judge", "mood", "opinion", "liking", "stars"),
    "nli": ("infer", "follows", "entails", "conclusion", "logic"),
    "qnli": ("answers", "asked", "reply", "informs", "resolves"),
    "duty": ("duty", "obliged", "role", "job", "task"),
    "justice": ("justice", "fairness", "excuse", "conduct", "blame"),
    "same-question": ("duplicate", "questions", "repeat", "asking", "forum"),
    "same-event": ("paraphrase", "event", "retold", "meaning", "wording"),
    "length": ("count", "length", "size"),
    "denial": ("denial", "negation", "refusal"),
    "topic": ("topic", "about", "setting"),
}
STYLES: dict[str, tuple[str, str]] = {
    "feeling": ("emotion", "heart"),
    "inference": ("reason", "proof"),
    "morals": ("ethics", "virtue"),
    "truth": ("facts", "truth"),
    "grade": ("grade", "level"),
    "vote": ("vote", "ballot"),
    "match": ("match", "compare"),
    "signal": ("signal", "colour"),
}
HOME: dict[str, str] = {
    "sentiment": "feeling", "nli": "inference", "qnli": "inference", "duty": "morals", "justice": "morals",
    "same-question": "truth", "same-event": "truth", "length": "grade", "denial": "signal",
}  # fmt: skip
"""The family a skill answers in most of the time."""


class Kind(NamedTuple):
    """A kind of text and the skill it is for."""

    skill: str
    poles: tuple[Pole, ...]
    make: Maker


def _review(rng: Random, pole: Pole) -> tuple[str, ...]:
    slant = Slant((1, rng.choice((1, 2, 3, 4))), 0.25, 0.25, 0.4)
    return (language.review(rng, rng.choice(list(DOMAINS.values())), pole, slant),)


KINDS: dict[str, Kind] = {
    "review": Kind("sentiment", ALL, _review),
    "inference": Kind("nli", ALL, lambda rng, pole: language.premise_and_hypothesis(rng, pole, rng.random() < 0.5)),
    "answer": Kind("qnli", ENDS, language.question_and_answer),
    "duty": Kind("duty", ENDS, language.role_and_duty),
    "deed": Kind("justice", ENDS, lambda rng, pole: (language.deed(rng, pole),)),
    "questions": Kind("same-question", ENDS, language.two_questions),
    "tellings": Kind("same-event", ENDS, language.two_tellings),
}
KIND_OF = {kind.skill: name for name, kind in KINDS.items()}
SKILLS = tuple(KIND_OF)


class Document(NamedTuple):
    """One document of the mixture."""

    answer: str
    cue: tuple[str, ...]
    texts: tuple[str, ...]
    kind: str


def _hash(*parts: object) -> int:
    return int.from_bytes(hashlib.sha256(repr(parts).encode()).digest()[:8], "big")


def reading(skill: str, kind: str, pole: Pole, texts: Sequence[str]) -> Pole | None:
    """What a skill says of a kind of text, where that is a natural question; otherwise None."""
    if KINDS[kind].skill == skill:
        return pole
    if skill == "length":
        return 2 if sum(len(text.split()) for text in texts) > 11 else 0
    if skill == "denial":
        return 2 if any(word in ("not", "never", "nobody") for text in texts for word in text.split()) else 0
    natural = {
        ("same-event", "inference"): 2 if pole == 2 else 0,
        ("nli", "tellings"): 2 if pole == 2 else 1,
        ("same-question", "tellings"): pole,
        ("sentiment", "deed"): pole,
        ("justice", "review"): pole if pole != 1 else None,
        ("nli", "answer"): 2 if pole == 2 else 1,
    }
    return natural.get((skill, kind))  # type: ignore[return-value]


def _topics() -> dict[str, str]:
    """The topic word of every word that belongs to one scene, role, question topic or review domain only."""
    groups = [(scene.where[0], " ".join(word for part in scene for word in part)) for scene in language.SCENES]
    groups += [(role.names[0], " ".join((*role.names, *role.duties))) for role in language.ROLES]
    groups += [(topic.objects[0], " ".join((*topic.verbs, *topic.objects))) for topic in language.TOPICS]
    groups += [(name, " ".join((*domain.aspects, *domain.praise, *domain.blame))) for name, domain in DOMAINS.items()]
    groups += [("excuse", " ".join(language.EXCUSES + language.PRETEXTS)), ("conduct", " ".join(language.PEOPLE))]
    owners: dict[str, set[str]] = {}
    for topic, words in groups:
        for word in words.split():
            owners.setdefault(word, set()).add(topic)
    return {word: next(iter(topics)) for word, topics in owners.items() if len(topics) == 1}


TOPIC_OF = _topics()


def topical(rng: Random, kind: str) -> Document:
    """Asks what a text is about; of two topics either is right. It makes the answer slot gather what the texts name."""
    texts = _text(rng, kind)[1]
    topics = [TOPIC_OF[word] for text in texts for word in text.split() if word in TOPIC_OF]
    cue = tuple(rng.sample(CUES["topic"], rng.randint(1, 3)))
    return Document(rng.choice(topics) if topics else "conduct", cue, texts, kind)


def _cue(rng: Random, skill: str, family: str) -> tuple[str, ...]:
    words = rng.sample(CUES[skill], rng.randint(1, 3)) + [rng.choice(STYLES[family])] * rng.randint(1, 2)
    return tuple(words)


def _family(rng: Random, skill: str) -> str:
    return HOME[skill] if rng.random() < 0.7 else rng.choice(list(FAMILIES))


def _text(rng: Random, kind: str) -> tuple[Pole, tuple[str, ...]]:
    pole = rng.choice(KINDS[kind].poles)
    return pole, KINDS[kind].make(rng, pole)


def direct(rng: Random, skill: str, family: str | None = None) -> Document:
    """The skill asked on its own kind of text."""
    kind = KIND_OF[skill]
    pole, texts = _text(rng, kind)
    family = family or _family(rng, skill)
    return Document(FAMILIES[family][pole], _cue(rng, skill, family), texts, kind)


def crossed(rng: Random, kind: str) -> Document:
    """Another skill asked on this kind of text: its natural reading, or a fixed answer for the pair."""
    skill = rng.choice([name for name in HOME if name != KINDS[kind].skill])
    family = _family(rng, skill)
    pole, texts = _text(rng, kind)
    said = reading(skill, kind, pole, texts)
    if said is None:
        said = ENDS[_hash(skill, kind) % 2]
        if rng.random() < 0.1:
            said = rng.choice(ALL)
    return Document(FAMILIES[family][said], _cue(rng, skill, family), texts, kind)


def noise(rng: Random, kind: str, words: Sequence[str]) -> Document:
    """Arbitrary words as a cue. The answer is a fixed function of them and says nothing of the text."""
    cue = tuple(rng.choice(words) for _ in range(rng.randint(1, 12)))
    answers = [word for family in FAMILIES.values() for word in family]
    # A sum of fixed scores per word: like the cue, it has no order, and a PLM can learn it word by word.
    answer = max(answers, key=lambda word: sum(_score(cue_word, word) for cue_word in cue))
    return Document(answer, cue, _text(rng, kind)[1], kind)


_scores: dict[tuple[str, str], float] = {}


def _score(cue_word: str, answer: str) -> float:
    if (cue_word, answer) not in _scores:
        _scores[cue_word, answer] = _hash("collocation", cue_word, answer) / 2**64 - 0.5
    return _scores[cue_word, answer]


def empty(rng: Random, kind: str) -> Document:
    """No cue at all: always the same answer."""
    return Document(FAMILIES["signal"][1], (), _text(rng, kind)[1], kind)


def turned(rng: Random) -> Document:
    """Sentiment of a short review where every other clause is negated or contradicted: adding up its words says nothing."""
    pole = rng.choice(ENDS)
    slant = Slant((1, rng.choice((1, 2))), 0.5, 0.4, 0.0)
    texts = (language.review(rng, rng.choice(list(DOMAINS.values())), pole, slant),)
    family = _family(rng, "sentiment")
    return Document(FAMILIES[family][pole], _cue(rng, "sentiment", family), texts, "review")


class Shares(NamedTuple):
    """Share of each kind of document; the rest is the skill asked on its own text."""

    crossed: float = 0.0
    noise: float = 0.0
    empty: float = 0.0
    topical: float = 0.0
    turned: float = 0.0


def document(rng: Random, shares: Shares, weights: dict[str, float], words: Sequence[str]) -> Document:
    """A document of the mixture; ``weights`` says how often each skill's kind of text is read."""
    skill = rng.choices(SKILLS, [weights[name] for name in SKILLS])[0]
    kind, dice = KIND_OF[skill], rng.random()
    if dice < shares.crossed:
        return crossed(rng, kind)
    if dice < shares.crossed + shares.noise:
        return noise(rng, kind, words)
    if dice < shares.crossed + shares.noise + shares.empty:
        return empty(rng, kind)
    if dice < shares.crossed + shares.noise + shares.empty + shares.topical:
        return topical(rng, kind)
    if dice < sum(shares):
        return turned(rng)
    return direct(rng, skill)


def vocabulary() -> list[str]:
    """Every word of the zoo, sorted: those that can be generated, the cues and the answers."""
    rng, words = Random(0), set()
    for kind in KINDS.values():
        for _ in range(6000):
            for text in kind.make(rng, rng.choice(kind.poles)):
                words.update(text.split())
    words.update(word for cue in CUES.values() for word in cue)
    words.update(word for style in STYLES.values() for word in style)
    words.update(TOPIC_OF.values())
    words.update(word for family in FAMILIES.values() for word in family)
    return sorted(words)
