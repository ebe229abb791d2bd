"""Why a classifier says so: a weight for each word of a text."""

import re
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

WORDS = r"[\u3400-\u9fff]|[^\W\u3400-\u9fff]+"  # a word, or one Chinese character
WORD = re.compile(WORDS)


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
