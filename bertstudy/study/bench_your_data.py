"""`bs.fit` against what its user would do instead, five lines of scikit-learn, on the same labels and the same test."""

import time
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.pipeline import make_pipeline
from sklearn.svm import LinearSVC

from .. import stats
from ..advice.fitting import fit
from ..advice.result import difference
from ..data.corpora import load_corpus
from ..data.sampling import Split, stratified_order
from ..model.explanations import WORDS
from ..training.metrics import METRICS


class Contest(NamedTuple):
    """A corpus, how many of its documents are labelled and tested, and shares of its classes (None: as they are)."""

    corpus: str
    labelled: int
    tested: int = 2000
    shares: tuple[float, ...] | None = None


CONTESTS = {
    "AG News": Contest("ag_news", 4000),
    "TREC": Contest("trec", 5452),
    "IMDb": Contest("imdb", 2000),
    "Yelp full": Contest("yelp_full", 5000),
    "THUCNews titles": Contest("thucnews_titles", 4000),
    "AG News, 100:30:10:3": Contest("ag_news", 4000, 2000, (1.0, 0.3, 0.1, 0.03)),
}


def _some(split: Split, size: int, shares: tuple[float, ...] | None = None) -> Split:
    """A stratified sample of at most `size` documents, after each class has been cut to its share of itself."""
    if shares:
        members = [np.flatnonzero(split.classes == number) for number in range(len(shares))]
        cut = [own[: int(share * len(own))] for own, share in zip(members, shares, strict=True)]
        split = split.take(np.sort(np.concatenate(cut)))
    return split.take(np.sort(stratified_order(split.classes, np.random.default_rng(0))[:size]))


def five_lines(train: Split, test: Split) -> np.ndarray:
    """The classes (n) that TF-IDF of words and pairs with LinearSVC, balanced, on all labels, gives to test."""
    vectors = TfidfVectorizer(token_pattern=WORDS, ngram_range=(1, 2), sublinear_tf=True)
    model = make_pipeline(vectors, LinearSVC(class_weight="balanced"))
    return model.fit(train.texts, train.classes).predict(test.texts)


def contest(name: str, minutes: float, **settings: Any) -> dict[str, Any]:
    """One contest: corpus, minutes, what was kept, seconds, both classifiers' numbers, the gain with its interval.

    Numbers are errors in percent, of unbalanced classes macro-F1; a positive gain says that ours is better.
    """
    drawn = CONTESTS[name]
    corpus = load_corpus(drawn.corpus)
    train, test = _some(corpus.train, drawn.labelled, drawn.shares), _some(corpus.test, drawn.tested, drawn.shares)
    names, begin = np.array(corpus.labels), time.perf_counter()
    result = fit(train.texts, names[train.classes], test=(test.texts, names[test.classes]), minutes=minutes, **settings)
    seconds = time.perf_counter() - begin
    numbers = {label: number for number, label in enumerate(corpus.labels)}
    test = Split(result.data.test.texts, np.array([numbers[result.data.labels[c]] for c in result.data.test.classes]))
    ours = np.array([numbers[label] for label in result.classifier.predict(test.texts).labels])
    theirs = five_lines(train, test)
    metric = result.data.metric
    measure = METRICS.find(metric)
    effect = stats.mcnemar(theirs != test.classes, ours != test.classes)
    gain = difference(metric, test.classes, ours, theirs) if METRICS.entry(metric).balanced else effect[:3]
    return {
        "corpus": name,
        "minutes": minutes,
        "kept": result.scored["recipe"],
        "seconds": seconds,
        "metric": metric,
    } | {
        "ours": measure(test.classes, ours, 0.0),
        "five lines": measure(test.classes, theirs, 0.0),
        **dict(zip(("gain", "low", "high"), map(float, gain), strict=True)),
    }


def run(minutes: list[float], names: list[str] | None = None, **settings: Any) -> Iterator[dict[str, Any]]:
    """All contests, each with every number of minutes; yields after each."""
    for limit in minutes:
        for name in names or CONTESTS:
            yield contest(name, limit, **settings)


def table(results: list[dict[str, Any]]) -> pd.DataFrame:
    """The contests as a table."""
    return pd.DataFrame(results).round(2)
