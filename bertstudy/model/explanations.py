"""Why a classifier says so: a weight for each word of a text, and a test of whether the weights are honest."""

import re
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

WORDS = r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+"  # a word, or one Chinese character
WORD = re.compile(WORDS)
SHARES = tuple(share / 10 for share in range(6))  # of a text's words that are deleted


class Word(NamedTuple):
    """A word of a text, text[start:end], and what it adds to the margin of the label over the mean of all labels."""

    text: str
    start: int
    end: int
    weight: float


class Explanation(NamedTuple):
    """A text's label with its probability, what each word adds to it, and what all else adds (`rest`): marks between
    words, and what is there without any text."""

    label: str
    probability: float
    words: list[Word]
    rest: float

    @property
    def margin(self) -> float:
        """The label's logit less the mean of all logits, about: the sum of what words and rest add."""
        return sum(word.weight for word in self.words) + self.rest


def spans_of(text: str) -> list[tuple[int, int]]:
    """Where the words of a text stand: (start, end) of each."""
    return [match.span() for match in WORD.finditer(text)]


def shared_out(spans: list[tuple[int, int]], places: Sequence[tuple[int, int]], weights: np.ndarray) -> np.ndarray:
    """The weights of pieces at `places` (start, end) of a text, each given to the word of `spans` that it begins in.

    Gives (words + 1): the last is what belongs to no word.
    """
    starts, found = [start for start, _ in spans], np.zeros(len(spans) + 1)
    for (start, end), weight in zip(places, weights, strict=True):
        word = int(np.searchsorted(starts, start, side="right")) - 1
        inside = word >= 0 and start < spans[word][1] and end > start
        found[word if inside else len(spans)] += weight
    return found


def without(text: str, words: Sequence[Word]) -> str:
    """A text without some of its words."""
    kept, at = [], 0
    for word in sorted(words, key=lambda one: one.start):
        kept.append(text[at : word.start])
        at = word.end
    return "".join([*kept, text[at:]])


def deletion(
    classifier: Any, texts: Sequence[str], order: Callable[[Explanation], Sequence[Word]] | None = None
) -> np.ndarray:
    """How the probability of a text's label falls as its words are deleted: (texts, len(SHARES)).

    order: an explanation's words, those to be deleted first in front; None: the largest weights first. An order that
    knows what matters makes it fall faster than one by chance does (Samek et al. 2017; DeYoung et al. 2020).
    """
    order = order or (lambda told: sorted(told.words, key=lambda word: -word.weight))
    curves = []
    for text in texts:
        told = classifier.explain(text)
        words, label = order(told), classifier.labels.index(told.label)
        shorter = [without(text, words[: round(share * len(words))]) for share in SHARES]
        curves.append(classifier.predict(shorter).probabilities[:, label])
    return np.array(curves)
