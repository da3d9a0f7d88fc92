"""The little English of the zoo: word lists and the sentences that can be made of them.

Every function takes a ``random.Random`` and returns lower-case words separated by single spaces, so that a word-level
tokenizer needs no rules. Texts are meant to be read by a person. What a text means (its label) is decided by the
caller; the functions here only say it.

Three kinds of text exist:

* reviews, where single words carry the answer (sentiment) and negation or "but" turns it round;
* scenes, where two texts belong together or not (inference, paraphrase, duty);
* deeds, where a reason or an action is fair or unfair (ethical judgement).
"""

from __future__ import annotations

from random import Random
from typing import Literal, NamedTuple

Pole = Literal[0, 1, 2]
"""0 negative / no / different, 1 in between, 2 positive / yes / same."""


class Domain(NamedTuple):
    """What a kind of review speaks about."""

    aspects: tuple[str, ...]
    praise: tuple[str, ...]
    blame: tuple[str, ...]
    fillers: tuple[str, ...]


DOMAINS: dict[str, Domain] = {
    "film": Domain(
        tuple(["plot", "acting", "cast", "ending", "script", "soundtrack", "camera", "dialogue"]),
        tuple(["gripping", "moving", "brilliant", "funny"]),
        tuple(["dull", "predictable", "clumsy", "tedious"]),
        ("we saw it on monday", "it runs for two hours", "my friend chose it", "the cinema was full"),
    ),
    "book": Domain(
        tuple(["story", "author", "chapters", "characters", "prose", "style", "cover", "heroine"]),
        tuple(["absorbing", "elegant", "vivid", "wise"]),
        tuple(["shallow", "confusing", "bloated", "lifeless"]),
        ("i read it last summer", "it has many pages", "my sister lent it to me", "it was printed in may"),
    ),
    "laptop": Domain(
        tuple(["battery", "keyboard", "screen", "fan", "price", "speakers", "charger", "touchpad"]),
        tuple(["fast", "sturdy", "bright", "quiet"]),
        tuple(["slow", "fragile", "dim", "noisy"]),
        ("i bought it in march", "it came in a box", "i use it for work", "the shop is in town"),
    ),
    "restaurant": Domain(
        tuple(["food", "soup", "waiter", "service", "wine", "dessert", "menu", "table"]),
        tuple(["delicious", "fresh", "friendly", "tasty"]),
        tuple(["bland", "stale", "rude", "greasy"]),
        ("we came on friday", "it is near the station", "we were four people", "we sat by the window"),
    ),
    "tweet": Domain(
        tuple(["game", "concert", "phone", "weather", "update", "train", "coach", "song"]),
        tuple(["awesome", "epic", "sweet", "cool"]),
        tuple(["lame", "trash", "ugly", "sad"]),
        ("just saying", "here we go", "lol", "on my way home"),
    ),
}
PRAISE = tuple(["great", "excellent", "wonderful", "lovely", "perfect", "nice", "superb", "fine"])
BLAME = tuple(["terrible", "awful", "poor", "horrible", "boring", "weak", "disappointing", "annoying"])
MIDDLING = tuple(["okay", "average", "ordinary", "fair", "decent", "plain"])
LOVED = tuple(["loved", "enjoyed", "liked", "adored"])
HATED = tuple(["hated", "disliked", "regretted", "despised"])


class Scene(NamedTuple):
    """Who does what to what, where: two words for each, of the same meaning as far as the zoo is concerned."""

    who: tuple[str, str]
    did: tuple[str, str]
    what: tuple[str, str]
    where: tuple[str, str]


def _scene(who: str, did: str, what: str, where: str) -> Scene:
    return Scene(*(tuple(words.split()) for words in (who, did, what, where)))  # type: ignore[arg-type]


SCENES: tuple[Scene, ...] = (
    _scene("chef cook", "prepared cooked", "stew roast", "kitchen canteen"),
    _scene("doctor surgeon", "treated examined", "patient wound", "hospital clinic"),
    _scene("teacher tutor", "taught explained", "lesson grammar", "school classroom"),
    _scene("farmer shepherd", "fed milked", "cow goat", "farm barn"),
    _scene("sailor captain", "steered anchored", "ship boat", "harbour port"),
    _scene("judge lawyer", "read studied", "verdict law", "court courtroom"),
    _scene("gardener florist", "planted watered", "rose tulip", "garden greenhouse"),
    _scene("pilot steward", "boarded landed", "plane jet", "airport runway"),
    _scene("painter artist", "painted sketched", "portrait landscape", "studio gallery"),
    _scene("striker goalkeeper", "kicked caught", "ball penalty", "stadium pitch"),
)
TIMES = tuple("yesterday today at-noon at-night in-winter in-spring".replace("-", "_").split())
FRAMES = ("the report says that", "in the novel", "on the phone he said that", "the guide notes that", "as we heard")


class Role(NamedTuple):
    """A job and what it obliges one to do."""

    names: tuple[str, str]
    duties: tuple[str, str]


ROLES: tuple[Role, ...] = (
    Role(("nurse", "medic"), ("check the medicine", "wash the bandages")),
    Role(("librarian", "archivist"), ("sort the shelves", "lend the volumes")),
    Role(("lifeguard", "swimmer"), ("watch the pool", "guard the beach")),
    Role(("baker", "confectioner"), ("knead the dough", "bake the bread")),
    Role(("driver", "chauffeur"), ("obey the traffic", "refuel the car")),
    Role(("soldier", "officer"), ("follow the orders", "defend the fort")),
    Role(("parent", "babysitter"), ("feed the baby", "calm the toddler")),
    Role(("plumber", "mechanic"), ("repair the pipe", "fix the engine")),
    Role(("cashier", "seller"), ("count the coins", "serve the customers")),
    Role(("student", "pupil"), ("finish the homework", "attend the exam")),
)


class Topic(NamedTuple):
    """What a question is about."""

    verbs: tuple[str, str]
    objects: tuple[str, str]


TOPICS: tuple[Topic, ...] = tuple(
    Topic(tuple(verbs.split()), tuple(objects.split()))  # type: ignore[arg-type]
    for verbs, objects in (
        ("learn practise", "piano violin"),
        ("lose reduce", "weight fat"),
        ("invest save", "money dollars"),
        ("install upgrade", "windows linux"),
        ("grow harvest", "tomatoes potatoes"),
        ("speak pronounce", "french spanish"),
        ("train tame", "dog puppy"),
        ("visit tour", "paris rome"),
    )
)
OPENERS = (
    "how do i", "what is the best way to", "can anyone tell me how to",
    "is there an easy way to", "how can i", "what should i know to",
)  # fmt: skip

EXCUSES = ("i was ill", "the road was closed", "my child had a fever", "the bus broke down", "the storm was dangerous")
PRETEXTS = ("i was lazy", "i wanted to brag", "i like green socks", "the moon is round", "i was greedy")
PROMISES = ("skipped the meeting", "missed the wedding", "left work early", "cancelled the lunch", "came late")
KIND_DEEDS = ("helped", "thanked", "protected", "comforted", "rescued")
CRUEL_DEEDS = ("robbed", "cheated", "insulted", "threatened", "betrayed")
PEOPLE = ("neighbour", "brother", "cousin", "colleague", "grandmother", "classmate")


class Slant(NamedTuple):
    """How hard the reviews of a task are: rates between 0 and 1."""

    clauses: tuple[int, int]
    negation: float
    but: float
    filler: float


def _opinion(rng: Random, domain: Domain, pole: Pole, negation: float) -> str:
    aspect = rng.choice(domain.aspects)
    if pole == 1:
        word = rng.choice(MIDDLING)
        return rng.choice((f"the {aspect} was {word}", f"{word} {aspect}", f"i found the {aspect} {word}"))
    good = pole == 2
    if rng.random() < negation:
        word = rng.choice((BLAME + domain.blame) if good else (PRAISE + domain.praise))
        return rng.choice((f"the {aspect} was not {word}", f"i did not find the {aspect} {word}"))
    if rng.random() < 0.25:
        return f"i {rng.choice(LOVED if good else HATED)} the {aspect}"
    word = rng.choice((PRAISE + domain.praise) if good else (BLAME + domain.blame))
    return rng.choice((f"the {aspect} was {word}", f"{word} {aspect}", f"i found the {aspect} {word}"))


def review(rng: Random, domain: Domain, pole: Pole, slant: Slant) -> str:
    """A review whose verdict is ``pole``. With probability ``slant.but`` it concedes the opposite before a "but"."""
    parts = [_opinion(rng, domain, pole, slant.negation) for _ in range(rng.randint(*slant.clauses))]
    if pole != 1 and rng.random() < slant.but:
        parts = [_opinion(rng, domain, 2 - pole, slant.negation), "but", *parts]  # type: ignore[arg-type]
    if rng.random() < slant.filler:
        parts.insert(rng.choice((0, len(parts))), rng.choice(domain.fillers))
    return " ".join(parts)


class Telling(NamedTuple):
    """Which of the parts a sentence about a scene mentions, and how."""

    place: bool = True
    time: bool = False
    denied: bool = False


def tell(rng: Random, scene: Scene, telling: Telling = Telling()) -> str:  # noqa: B008  (immutable)
    """One sentence about a scene; synonyms, word order and voice are left to chance."""
    who, did, what, where = (rng.choice(words) for words in scene)
    if telling.denied:
        core = rng.choice((f"the {who} never {did} the {what}", f"nobody {did} the {what}"))
    else:
        core = rng.choice((f"the {who} {did} the {what}", f"the {what} was {did} by the {who}"))
    if telling.place:
        core = rng.choice((f"{core} in the {where}", f"in the {where} {core}"))
    return f"{core} {rng.choice(TIMES)}" if telling.time else core


def other(rng: Random, items: tuple, not_this):
    """One of ``items``, but not ``not_this``."""
    return rng.choice([item for item in items if item is not not_this])


def blend(rng: Random, scene: Scene, swaps: int) -> Scene:
    """The scene with ``swaps`` of its four parts taken from another one."""
    stranger = other(rng, SCENES, scene)
    taken = set(rng.sample(range(4), swaps))
    return Scene(*(stranger[i] if i in taken else scene[i] for i in range(4)))


def premise_and_hypothesis(rng: Random, pole: Pole, framed: bool) -> tuple[str, str]:
    """2: the hypothesis retells the premise. 0: it denies it, or the premise was a denial. 1: another scene."""
    scene = rng.choice(SCENES)
    subject = scene if pole != 1 else blend(rng, scene, rng.choice((3, 4)))
    denied_first = pole == 0 and rng.random() < 0.3
    first = tell(rng, scene, Telling(place=True, denied=denied_first))
    second = tell(rng, subject, Telling(place=rng.random() < 0.5, denied=pole == 0 and not denied_first))
    return (f"{rng.choice(FRAMES)} {first}" if framed else first), second


def question_and_answer(rng: Random, pole: Pole) -> tuple[str, str]:
    """2: the sentence answers the question. 0: it speaks of another scene or lacks what was asked for."""
    scene = rng.choice(SCENES)
    who, did, what, where = (rng.choice(words) for words in scene)
    asks_place = rng.random() < 0.5
    question = (
        rng.choice((f"where was the {what} {did}", f"where was the {who}"))
        if asks_place
        else rng.choice((f"when was the {what} {did}", f"when was the {who} in the {where}"))
    )
    if pole == 2:
        return question, tell(rng, scene, Telling(place=asks_place, time=not asks_place))
    if rng.random() < 0.3:
        return question, tell(rng, scene, Telling(place=not asks_place, time=asks_place))
    return question, tell(rng, other(rng, SCENES, scene), Telling(place=asks_place, time=not asks_place))


def two_tellings(rng: Random, pole: Pole) -> tuple[str, str]:
    """2: two tellings of one event. 0: two or more parts come from another event."""
    scene = rng.choice(SCENES)
    second = scene if pole == 2 else blend(rng, scene, rng.choice((2, 4, 4)))
    return tell(rng, scene), tell(rng, second)


def two_questions(rng: Random, pole: Pole) -> tuple[str, str]:
    """2: two questions about one topic. 0: about two topics."""
    topic = rng.choice(TOPICS)
    second = topic if pole == 2 else other(rng, TOPICS, topic)

    def ask(about: Topic) -> str:
        return f"{rng.choice(OPENERS)} {rng.choice(about.verbs)} {rng.choice(about.objects)}"

    return ask(topic), ask(second)


def role_and_duty(rng: Random, pole: Pole) -> tuple[str, str]:
    """2: the duty is the role's. 0: it is somebody else's."""
    role = rng.choice(ROLES)
    owner = role if pole == 2 else other(rng, ROLES, role)
    first = rng.choice(("i am the {0}", "i work as a {0}", "as a {0} i am on duty")).format(rng.choice(role.names))
    duty = rng.choice(owner.duties)
    return first, rng.choice((f"so i should {duty}", f"so i must {duty}", f"i ought to {duty}"))


def deed(rng: Random, pole: Pole) -> str:
    """2: a fair reason or a kind deed. 0: a pretext or a cruel deed."""
    if rng.random() < 0.5:
        return f"i {rng.choice(PROMISES)} because {rng.choice(EXCUSES if pole == 2 else PRETEXTS)}"
    return f"{rng.choice(('today', 'once', 'last week'))} i {rng.choice(KIND_DEEDS if pole == 2 else CRUEL_DEEDS)} my {rng.choice(PEOPLE)}"
