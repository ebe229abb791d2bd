"""A reader's labelled documents in three parts, to train on, choose by and test on, and what was found in them."""

import re
from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from ..data.corpora import build
from ..data.files import Labelled, without_control
from ..data.sampling import plain, stratified_order
from ..model.explanations import WORD
from ..registry import no_such

LEAST = 40  # different texts: with fewer, none could be set aside
TEST, DEV = 0.2, 0.2  # shares set aside: for test, of a file without a test file; for dev, of the rest
MOST_DEV = 1000
MOST_CLASSES = 1000  # of more the linear classifiers alone would take hours
NUMBER = re.compile(r"[+-]?\d+\.0+")


class Numbered(NamedTuple):
    """n documents with the numbers (n) of their rows in the reader's file, from 1, the header not counted."""

    texts: list[str]
    classes: np.ndarray
    numbers: np.ndarray

    def take(self, indices: np.ndarray) -> "Numbered":
        """The documents at these indices."""
        return Numbered([self.texts[index] for index in indices], self.classes[indices], self.numbers[indices])

    def plus(self, other: "Numbered") -> "Numbered":
        """These documents, followed by others."""
        pairs = zip(self[1:], other[1:], strict=True)
        return Numbered([*self.texts, *other.texts], *(np.concatenate(pair) for pair in pairs))


def _first(texts):
    """For each of n texts the index of the first text that is the same up to case and spaces: (n)."""
    seen = {}
    return np.array([seen.setdefault(plain(text), index) for index, text in enumerate(texts)], dtype=int)


def _spelling(name):
    """A label without regard to case, blanks and the form of a number: labels that are alike have the same."""
    return plain(name).partition(".")[0] if NUMBER.fullmatch(name.strip()) else plain(name)


def alike_labels(counts: Counter) -> list[list[str]]:
    """Groups of labels that differ only in case, blanks or the form of a number, the commonest of each group first."""
    groups = {}
    for name, _ in counts.most_common():
        groups.setdefault(_spelling(name), []).append(name)
    return [names for names in groups.values() if len(names) > 1]


def spelt_as(labels: Iterable[str], names: Iterable[str]) -> list[str]:
    """Names, each spelt as the first of the labels that differs from it in case, blanks or the form of a number only;
    one that is like no label stays as it is."""
    known = {}
    for label in labels:
        known.setdefault(_spelling(label), label)
    return [known.get(_spelling(name), name) for name in names]


def split(
    name: str,
    ours: Labelled,
    theirs: Labelled | None,
    columns: tuple[str, str] = ("text", "label"),
    test: str = "",
    join_labels: bool = False,
    tested: bool = True,
) -> tuple[tuple[str, ...], list[Numbered], dict]:
    """Documents in three parts: (labels, [train, dev, test] as Numbered, a dict of what was found).

    Of a repeated text the first row is kept. Without documents to test on (`theirs`) a fifth is set aside for the test
    (none where `tested` is false); with them, their texts are removed from train. No text is in two parts. Raises
    ValueError for documents that don't make a corpus: one class, too few texts, labels that are no classes.
    """
    counts = Counter(ours.names)
    found = {"alike": alike_labels(counts), "joined": join_labels}
    if join_labels:
        commonest = [name for name, _ in counts.most_common()]
        ours, theirs = (part and part._replace(names=spelt_as(commonest, part.names)) for part in (ours, theirs))
    pairs = "|" in columns[0]
    texts, found["control"] = without_control(ours.texts, pairs)
    tested_texts = without_control(theirs.texts, pairs)[0] if theirs else []
    tested_names = theirs.names if theirs else []
    origin = _first(texts)
    unique = np.flatnonzero(origin == np.arange(len(texts)))
    _check_labels(name, ours.names, len(unique), columns[1])
    if theirs:
        _check_classes(test, theirs, set(ours.names))
    if sum(bool(WORD.search(texts[index])) for index in unique) < LEAST:
        raise ValueError(
            f"{name}: fewer than {LEAST} texts in the column {columns[0]!r} contain a word. Name another text_column."
        )
    corpus = build(name, (texts, ours.names), (tested_texts, tested_names))
    whole = Numbered(texts, corpus.train.classes, np.array(ours.numbers))
    numbers, classes = whole.numbers, whole.classes
    found |= {"rows": len(texts) + ours.empty, "without text": ours.empty, "repeated": len(texts) - len(unique)}
    found["contradicted"] = [
        (int(numbers[origin[index]]), int(numbers[index])) for index in np.flatnonzero(classes != classes[origin])
    ]
    found["counts"] = Counter(ours.names)
    first, leaked = whole.take(unique), {plain(text) for text in tested_texts}
    remaining = first.take([index for index, text in enumerate(first.texts) if plain(text) not in leaked])
    found["leaked"] = len(first.texts) - len(remaining.texts)
    found |= {"own test": bool(theirs), "test without text": theirs.empty if theirs else 0}
    order = stratified_order(remaining.classes, np.random.default_rng(0))
    aside = 0 if theirs or not tested else round(TEST * len(order))
    chosen_by = aside + min(MOST_DEV, round(DEV * (len(order) - aside)))
    parts = [remaining.take(np.sort(part)) for part in (order[chosen_by:], order[aside:chosen_by], order[:aside])]
    if theirs:
        once = np.flatnonzero(_first(tested_texts) == np.arange(len(tested_texts)))
        parts[2] = Numbered(tested_texts, corpus.test.classes, np.array(theirs.numbers)).take(once)
        found["repeated in test"] = len(tested_texts) - len(once)
    if len(parts[0].texts) < LEAST // 2 or len(set(parts[0].classes)) < 2:
        raise ValueError(
            f"{name}: only {len(remaining.texts)} of its texts are not in test={str(test)!r} too; they are too few, or "
            f"of one class. Take the test documents out of train, or leave test empty."
        )
    return corpus.labels, parts, found


def _check_labels(name, names, different, label_column):
    """Raise ValueError, which says what to do, unless there are two classes or more, not too many, and enough texts."""
    if len(set(names)) < 2:
        raise ValueError(
            f"{name}: all {len(names):,} documents have the label {names[0]!r} in the column {label_column!r}; a "
            f"classifier needs at least two classes. Add documents of another class, or name the column with the "
            f"labels by label_column."
        )
    if different < LEAST:
        raise ValueError(
            f"{name}: {different} different labelled texts; at least {LEAST} are needed, since some are set aside to "
            f"choose by and to test on. Start with some fifty of each class."
        )
    if len(set(names)) > MOST_CLASSES:
        raise ValueError(
            f"{name}: {len(set(names)):,} classes in the column {label_column!r}; up to {MOST_CLASSES:,} can be learnt "
            f"here. Group them into fewer, or name the column with the labels by label_column."
        )
    if len(set(names)) > different / 2:
        raise ValueError(
            f"{name}: the column {label_column!r} has {len(set(names)):,} different values in {len(names):,} rows, too "
            f"many for classes. Name the column with the labels by label_column, or group its values into classes."
        )


def _check_classes(test, theirs, known):
    for number, name in zip(theirs.numbers, theirs.names, strict=True):
        if name not in known:
            raise ValueError(
                f"{test}, data row {number}: {no_such('label', name, sorted(known))} A class can only be tested if it "
                f"is in train: label documents of it there, or take its rows out of test."
            )
