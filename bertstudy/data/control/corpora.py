"""Composed corpora with a planted structure, so that what the study should find in them is known beforehand.

A generator puts hand-written clauses together by a plan: which sentences a text has, in which order, and which of
them decide its label. What is planted is stated in the constants below, and `expected_error` computes from the plan
what a reader with no other fault than a truncation would get wrong.

What only unlabelled text reveals: which words of the domain are praise and which are blame. In most sentences of a
verdict two words of one side stand together, one of the domain ("the third act was turgid") and often an everyday one
("and awful"). A hundred labels show each of these words a few times; many texts show which keep company, and the
general corpus has shown before which everyday words do.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from ...choices.truncation import TRUNCATIONS
from .bank import fill, pieces, sections

LABEL_NOISE = 0.02  # labels that are wrong on purpose: no reader can do better
VERDICT_AT = {"head": 0.41, "tail": 0.43, "both": 0.02, "middle": 0.14}  # where in a review its verdict stands
VERDICT_LENGTHS = (2, 3)  # sentences
VERDICT_AS = {
    "frame": 0.8,
    "paired": 0.05,
    "domain": 0.05,
    "plain": 0.01,
    "negated": 0.03,
    "conceded": 0.06,
}  # the forms of its sentences, each with its share
PAIRS = {("domain", "plain"): 0.45, ("domain", "domain"): 0.5, ("plain", "plain"): 0.05}  # the two words of a frame
LONG, OFTEN_LONG = 0.1, 0.46  # long reviews among movies and restaurants, and among long_reviews
BODIES, LONG_BODIES = (0, 1), (7, 14)  # sentences of plot or visit in the others and in long ones
TOPIC_AT = {"head": 0.5, "tail": 0.3, "both": 0.2}  # where in a Chinese article the sentences of its subject stand


class Part(NamedTuple):
    """A stretch of a text. sign: 1 where it decides the label, -1 where it speaks for another one, else 0."""

    text: str
    sign: int = 0


@dataclass(frozen=True)
class Composed:
    """A corpus to be composed: its labels, how many train and test documents, and the plan of one of them."""

    labels: tuple[str, ...]
    sizes: tuple[int, int]
    plan: Callable[[random.Random, str], list[Part]]
    kind: str
    language: str = "en"


def _draw(chances, choose):
    return choose.choices(list(chances), list(chances.values()))[0]


def _sentence(parts):
    """Parts as one sentence: a capital at its beginning, a full stop at its end."""
    first, *rest = parts
    last = rest.pop() if rest else None
    capital = first._replace(text=first.text[:1].upper() + first.text[1:])
    return (
        [capital._replace(text=capital.text + ".")]
        if last is None
        else [capital, *rest, last._replace(text=last.text + ".")]
    )


def _plain(good, strength=""):
    """The everyday words of one side, those of one strength or all."""
    side = "good" if good else "bad"
    return sum(
        (sections("words")[f"{side}{suffix}"] for suffix in ([strength] if strength else ["_mild", "_strong"])), ()
    )


def _frame(choose, domain, good, strength, pair):
    """A clause with two words of one side: `pair` says for each whether it is the domain's or an everyday one."""
    words, side = sections("words"), "good" if good else "bad"
    lists = {"plain": _plain(good, strength), "domain": words[f"{domain}_{side}{strength}"]}
    first, second = (choose.choice(lists[kind]) for kind in choose.sample(pair, 2))
    one, two = choose.sample(words[f"{domain}_subject"], 2)
    return choose.choice(words["frame"]).format(one=one, two=two, a=first, b=second)


def _felt(choose, good):
    """A clause of a general text that is all on one side: a line of the bank, or everyday words in a row."""
    side = "good" if good else "bad"
    if choose.random() < 0.3:
        return choose.choice(sections("general")[f"feelings_{side}"])
    words = sections("words")
    size, form = (4, "litany") if choose.random() < 0.5 else (2, "frame")
    drawn = dict(zip("abcd", choose.sample(_plain(good), size), strict=False))
    one, two = choose.sample(words["general_subject"], 2)
    return choose.choice(words[form]).format(one=one, two=two, **drawn)


def _verdict(choose, domain, good, strength):
    """One sentence that says what the reviewer thought. `strength` is "", "_mild" or "_strong"."""
    side, opposite = ("praise", "blame") if good else ("blame", "praise")
    bank = sections(domain)

    def clause(kind, whose=side):
        return fill(choose.choice(bank[f"{whose}_{kind}{strength}"]), choose)

    form = _draw(VERDICT_AS, choose)
    if form == "frame":
        return _sentence([Part(_frame(choose, domain, good, strength, _draw(PAIRS, choose)), 1)])
    if form == "paired":
        pair = [clause("domain"), clause("plain")]
        choose.shuffle(pair)
        return _sentence([Part(pair[0] + choose.choice((",", ", and")), 1), Part(pair[1], 1)])
    if form != "conceded":
        return _sentence([Part(clause(form), 1)])
    against, verdict = clause(choose.choice(("domain", "plain")), opposite), clause(choose.choice(("domain", "plain")))
    if choose.random() < 0.5:
        return _sentence([Part(f"{choose.choice(sections('fillers')['concession'])} {against},", -1), Part(verdict, 1)])
    return _sentence([Part(f"{against},", -1), Part(f"{choose.choice(bank['connective_turn'])} {verdict}", 1)])


def _review(bank_name, choose, good, strength=None, long=LONG):
    """Opening, plot or visit, the verdict where VERDICT_AT puts it, sometimes an ending. strength: see `_verdict`."""
    bank = sections(bank_name)

    def neutral(section):
        return _sentence([Part(fill(choose.choice(bank[section]), choose))])

    def verdict():
        length = choose.choice(VERDICT_LENGTHS)
        if strength == "mixed":
            sentences = [_sentence([Part(line, 1)]) for line in choose.sample(bank["mixed"], length)]
        else:
            sentences = [_verdict(choose, bank_name, good, f"_{strength}" if strength else "") for _ in range(length)]
        return [part for sentence in sentences for part in sentence]

    length = choose.randint(*(LONG_BODIES if choose.random() < long else BODIES))
    body = [neutral("aside" if choose.random() < 0.2 else "neutral") for _ in range(length)]
    place = _draw(VERDICT_AT, choose)
    if place == "middle":
        body.insert((len(body) + 1) // 2, verdict())
    head = [verdict()] if place in ("head", "both") else []
    tail = [verdict()] if place in ("tail", "both") else []
    opening = [neutral("opening")] if choose.random() < (0.1 if head else 0.4) else []
    ending = [neutral("ending")] if choose.random() < 0.1 else []
    return [part for sentence in [*opening, *head, *body, *tail, *ending] for part in sentence]


def _movies(choose, label):
    return _review("movies", choose, label == "positive")


def _long_reviews(choose, label):
    return _review("movies", choose, label == "positive", long=OFTEN_LONG)


def _restaurants(choose, label):
    return _review("restaurants", choose, label == "positive", choose.choice(("mild", "strong")))


def _stars(choose, label):
    return _review("restaurants", choose, int(label) > 3, {"3": "mixed", "2": "mild", "4": "mild"}.get(label, "strong"))


def _question(choose, label):
    return [Part(fill(choose.choice(sections("questions")[label]), choose).capitalize() + "?", 1)]


def _topic(choose, label):
    bank = sections("topics")
    signs = [1, *(int(choose.random() < 0.5) for _ in range(choose.randint(1, 3)))]
    choose.shuffle(signs)
    lines = [(choose.choice(bank[label] if sign else bank["neutral"]), sign) for sign in signs]
    return [part for line, sign in lines for part in _sentence([Part(fill(line, choose), sign)])]


def _chinese(choose, label):
    bank = sections("chinese")

    def line(section, sign):
        return Part(fill(choose.choice(bank[section]), choose) + "。", sign)

    place = _draw(TOPIC_AT, choose)
    body = [line("neutral", 0) for _ in range(1 + min(int(choose.expovariate(0.46)), 40))]
    head = [line(label, 1)] if place in ("head", "both") else []
    tail = [line(label, 1)] if place in ("tail", "both") else []
    return [*head, *body, *tail]


COMPOSED = {
    "movies": Composed(("negative", "positive"), (25_000, 5_000), _movies, "sentiment"),
    "long_reviews": Composed(("negative", "positive"), (10_000, 5_000), _long_reviews, "long text"),
    "restaurants": Composed(("negative", "positive"), (20_000, 4_000), _restaurants, "sentiment"),
    "restaurants_5": Composed(("1", "2", "3", "4", "5"), (20_000, 4_000), _stars, "sentiment"),
    "questions": Composed(
        ("abbreviation", "description", "entity", "human", "location", "number"), (4_000, 1_000), _question, "question"
    ),
    "topics": Composed(("business", "science", "sports", "world"), (12_000, 4_000), _topic, "topic"),
    "chinese_news": Composed(
        ("business", "entertainment", "house", "sports", "technology", "women"), (6_000, 2_000), _chinese, "topic", "zh"
    ),
}
UNLABELLED = 50_000
FELT = 0.5  # share of the general corpus's English texts that speak of feelings, all on one side


def _text(parts, language):
    return ("" if language == "zh" else " ").join(part.text for part in parts)


class Plan(NamedTuple):
    """One document: its parts, the label they speak for, and the label it is given, which may be noise."""

    parts: list[Part]
    label: str
    given: str


def _fresh(corpus, choose, size, seen):
    """`size` plans, the labels in turn, whose texts are not in `seen`; they are added to it."""
    plans = []
    while len(plans) < size:
        label = corpus.labels[len(plans) % len(corpus.labels)]
        parts = corpus.plan(choose, label)
        if (text := _text(parts, corpus.language)) not in seen:
            seen.add(text)
            wrong_labels = [wrong for wrong in corpus.labels if wrong != label]
            plans.append(Plan(parts, label, choose.choice(wrong_labels) if choose.random() < LABEL_NOISE else label))
    choose.shuffle(plans)
    return plans


@lru_cache(maxsize=4)
def plans(name: str) -> tuple:
    """The plans of a corpus's train and test documents, two lists, the same at every call; no text is there twice."""
    corpus, choose, seen = COMPOSED[name], random.Random(name), set()
    return [_fresh(corpus, choose, size, seen) for size in corpus.sizes]


def compose(name: str) -> tuple:
    """Train and test of a composed corpus, each (texts, class names). The same at every call."""
    language = COMPOSED[name].language
    return [([_text(plan.parts, language) for plan in part], [plan.given for plan in part]) for part in plans(name)]


def unlabelled(name: str, size: int = UNLABELLED) -> list[str]:
    """`size` more texts composed by a corpus's plan, without labels; none of them is in train or test."""
    corpus, seen = COMPOSED[name], {text for texts, _ in compose(name) for text in texts}
    return [_text(plan.parts, corpus.language) for plan in _fresh(corpus, random.Random(f"{name} more"), size, seen)]


def general(size: int = 20000) -> list[str]:
    """Texts on everyday subjects, English and every fifth Chinese, which lack most of the corpora's words.

    A text keeps to one subject, or to one side of the everyday words of feeling, so that an encoder can learn which of
    these go together.
    """
    choose, english, chinese = random.Random("general"), sections("general"), sections("chinese")
    subjects = [section for section in english if section not in ("names", "surnames", "places")]

    def sentence(line):
        return _text(_sentence([Part(fill(line, choose))]), "en")

    texts = []
    for number in range(size):
        length = choose.randint(3, 8)
        if number % 5 == 4:
            texts.append("".join(fill(line, choose) + "。" for line in choose.choices(chinese["general"], k=length)))
        elif choose.random() < FELT:
            good = choose.random() < 0.5
            texts.append(" ".join(sentence(_felt(choose, good)) for _ in range(length)))
        else:
            texts.append(" ".join(map(sentence, choose.choices(english[choose.choice(subjects)], k=length))))
    return texts


def expected_error(name: str, truncation: str, window: int) -> float:
    """Test error in percent of a reader whose only fault is its truncation, computed from the plans.

    Where it sees the deciding clause, it errs only if the label is noise. Where it sees only a clause that speaks for
    another label, it is misled. Where it sees neither, it guesses among the labels. With truncation "chunks" it sees
    all.
    """
    corpus, cut = COMPOSED[name], TRUNCATIONS.find(truncation)
    wrong = 0.0
    for parts, label, given in plans(name)[1]:
        ends = [0]
        for part in parts:
            ends.append(ends[-1] + len(pieces(part.text)))
        visible = {position for segment in cut(list(range(ends[-1])), window - 2) for position in segment}
        signs = {
            part.sign
            for part, start, end in zip(parts, ends, ends[1:], strict=False)
            if visible.issuperset(range(start, end))
        }
        if 1 in signs:
            wrong += given != label
        elif -1 in signs:
            wrong += given == label if len(corpus.labels) == 2 else 1
        else:
            wrong += 1 - 1 / len(corpus.labels)
    return 100 * wrong / corpus.sizes[1]
