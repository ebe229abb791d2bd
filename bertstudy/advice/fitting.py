"""`bs.fit`: from texts and labels to the best classifier within a number of minutes, in one call."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from ..data.files import PAIR, labelled_of
from ..model.classifier import Classifier
from ..model.predictions import Predictions
from ..model.words import WordsClassifier
from . import checks, race, result
from .documents import YourData, in_memory
from .findings import Finding


@dataclass
class Fitted:
    """What `fit` gives: the classifier to keep, what was tried, and the result on the test documents.

    table: recipe, labelled, wrong, of, error in percent with its 95 % interval, macro-F1, on the test documents; a line
    for words and one for the recipe that was best on the documents set aside. classes: precision, recall and F1 by
    class (`advice.by_class`). verdict: which of the two is better, in words and numbers (`advice.verdict`). data: the
    documents and what was tried on them. scored: the test's row (`advice.score`).
    """

    classifier: Classifier | WordsClassifier
    table: pd.DataFrame
    classes: pd.DataFrame
    verdict: Finding
    data: YourData
    scored: dict

    def predict(self, texts: list[str] | str) -> Predictions:
        """Labels (n) and probabilities (n, classes) of n texts, by the classifier."""
        return self.classifier.predict(texts)

    def save(self, folder: Path | str) -> None:
        """Save the classifier with its model card into a folder; `bs.Classifier.load` reads it."""
        self.classifier.save(folder, result.keep(self.data, self.scored)[1])

    def report(self) -> str:
        """All of it in Markdown: the verdict, the test, what was tried, the classes, checks of the documents."""
        from tabulate import tabulate

        def told(table):
            return tabulate(table, headers="keys", tablefmt="github", floatfmt=".1f", showindex=False)

        parts = ["# Result", self.verdict.words, "## Test", told(self.table)]
        sure = result.sure(self.scored, self.data.accept_error)
        parts += ["## How sure it may be", sure.words, told(sure.table)]
        parts += ["## What was tried, on the documents set aside", told(race.tried(self.data))]
        parts += ["## Classes, on test", told(self.classes), "## The documents", told(checks.check(self.data))]
        left = result.left_out(self.data)
        parts += ["## Left out", left.words, told(left.table)] if left.table is not None else []
        return "\n\n".join(filter(None, parts)) + "\n"


def _race(data):
    race.words(data)
    race.embeddings(data)
    race.plan(data)
    race.run_all(data)


def train(data: YourData) -> Classifier | WordsClassifier:
    """The classifier of the best recipe in a race on YourData; nothing is tested."""
    _race(data)
    return result.final(race.best(data), data).classifier


def run(data: YourData) -> Fitted:
    """A whole race on YourData: words, embeddings, fine-tuned recipes, then one test."""
    _race(data)
    scored = result.score(data)
    classifier = result.keep(data, scored)[0]
    verdict = result.verdict(scored)
    return Fitted(classifier, verdict.table, result.by_class(scored), verdict, data, scored)


def _columns(table, text, label):
    """The texts (or pairs of texts) and labels of a DataFrame."""
    found = labelled_of(table, text, label, "the DataFrame")
    return [one.split(PAIR) if "|" in text else one for one in found.texts], found.names


def fit(
    texts: Sequence[Any] | pd.DataFrame,
    labels: Sequence[Any] | None = None,
    *,
    test: tuple[Sequence[Any], Sequence[Any]] | pd.DataFrame | None = None,
    text: str = "text",
    label: str = "label",
    minutes: float = 5.0,
    profile: str = "compact",
    unlabelled: Sequence[str] = (),
    progress: bool = True,
    **settings: Any,
) -> Fitted:
    """The best classifier of some texts within some minutes: words, frozen embeddings, or a fine-tuned encoder.

    texts, labels: n texts (or pairs of texts) and their labels, words or numbers; or a DataFrame, of which `text` and
    `label` name the columns ("title+body" joins columns, "premise|hypothesis" are pairs). test: the same to test on;
    None: a fifth of the documents is set aside. minutes: for all of it. profile: the scale, "compact" or "paper".
    unlabelled: texts for further pretraining. progress: whether bars are shown of what takes long. settings: encoder,
    metric ("error", "macro_f1", "balanced_error", "mcc", "log_loss"), join_labels, accept_error (in percent,
    by which a threshold is chosen below which texts are left to a person).

    Raises ValueError, which says what to do, for texts and labels that can't be used.

    >>> result = fit(["good film", "bad film", ...], ["pos", "neg", ...], minutes=2)
    >>> result.classifier.predict(["fine"]).labels
    """
    if isinstance(texts, pd.DataFrame):
        texts, labels = _columns(texts, text, label)
    elif labels is None:
        raise ValueError("labels is missing: give a label for each text, or a DataFrame with both.")
    if isinstance(test, pd.DataFrame):
        test = _columns(test, text, label)
    options = {"test": test, "unlabelled": unlabelled, "profile": profile, "minutes": minutes, "progress": progress}
    return run(in_memory(texts, labels, **options, **settings))
