"""Which documents a run works on: samples in the classes' proportions, dev parts, test documents."""

import logging
from typing import Any, NamedTuple

import numpy as np

from ..runs import Run

LOG = logging.getLogger(__name__)


class Split(NamedTuple):
    """texts: n strings; classes: n ints into the corpus's labels."""

    texts: list[str]
    classes: np.ndarray

    def take(self, indices: np.ndarray) -> "Split":
        """The documents at these indices, as a Split."""
        return Split([self.texts[index] for index in indices], self.classes[indices])


def stratified_order(classes: np.ndarray, random: np.random.Generator) -> np.ndarray:
    """All indices (n) in an order whose every beginning has the classes in their proportions, to within one document.

    A larger sample therefore contains every smaller one of the same `random`.
    """
    place, shuffled = np.empty(len(classes)), random.permutation(len(classes))
    for class_number in np.unique(classes):
        members = shuffled[classes[shuffled] == class_number]
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
    return shuffled[np.argsort(place[shuffled], kind="stable")]


def plain(text: str) -> str:
    """A text in the form in which duplicates are equal: case folded, each run of white space one space."""
    return " ".join(text.split()).casefold()


def without(split: Split, *others: list[str]) -> Split:
    """A Split less the documents whose text is among `others`, lists of texts; case and white space do not count."""
    taken = {plain(text) for texts in others for text in texts}
    return split.take([index for index, text in enumerate(split.texts) if plain(text) not in taken])


class Documents(NamedTuple):
    """What one run works on: three Splits. dev shares no text with train or test; it may be empty."""

    train: Split
    dev: Split
    test: Split


def draw(corpus: Any, run: Run) -> Documents:
    """The documents of a run: a stratified sample of train, its dev part, and the test documents.

    Another seed draws another sample, unless `sample_seed` says which; a larger fraction contains the smaller one. The
    test documents depend on test_size alone. Raises ValueError where the sample has fewer than two classes to train on.
    """
    seed = run.seed if run.sample_seed < 0 else run.sample_seed
    order = stratified_order(corpus.train.classes, np.random.default_rng([seed, 0]))
    sample = corpus.train.take(order[: round(run.fraction * len(order))])
    inner = stratified_order(sample.classes, np.random.default_rng([seed, 1])) if sample.texts else order[:0]
    size = max(1, round(run.dev_fraction * len(inner))) if run.dev_fraction else 0
    train, dev = sample.take(np.sort(inner[size:])), sample.take(np.sort(inner[:size]))
    if len(set(train.classes)) < 2:
        raise ValueError(
            f"fraction={run.fraction}: {len(sample.texts)} of {len(order):,} documents of {corpus.name!r}, less a dev "
            f"part of {size}, leave fewer than two classes to train on. Use a larger fraction."
        )
    there = len(corpus.test.texts)
    if run.test_size > there:
        LOG.info("test_size=%d: %r has %d test documents, and all are scored.", run.test_size, corpus.name, there)
    test = stratified_order(corpus.test.classes, np.random.default_rng(0))[: run.test_size or None]
    return Documents(train, without(dev, train.texts, corpus.test.texts), corpus.test.take(np.sort(test)))
