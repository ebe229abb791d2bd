"""Words with a linear classifier, at its best: what a practitioner would do instead, in seconds."""

import time
from collections.abc import Callable

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression

from ...choices.methods import method
from ...data.sampling import Documents
from ...model.words import SETTINGS, WordsClassifier
from ...runs import Run
from ..job import Job, Outcome
from ..linear import LARGEST, SVM, fit_linear
from ..metrics import cross_entropy

MOST_WEIGHTS = 20_000_000  # features times classes: of more features the commonest are kept
LOGISTIC = [LogisticRegression(C=100.0), LogisticRegression(C=10.0, class_weight="balanced")]


def _vectors(texts, classes):
    """A TF-IDF vectorizer fitted to n texts and their vectors (n, features), sparse."""
    vectorizer = TfidfVectorizer(**SETTINGS)
    vectors = vectorizer.fit_transform(texts)
    most = MOST_WEIGHTS // classes
    if vectors.shape[1] > most:
        vectorizer = TfidfVectorizer(**SETTINGS, max_features=most)
        vectors = vectorizer.fit_transform(texts)
    return vectorizer, vectors


def fit_words(
    documents: Documents, labels: tuple[str, ...], run: Run, stop: Callable[[], None] | None = None
) -> tuple[WordsClassifier, list[dict]]:
    """A WordsClassifier fitted to train and dev of Documents, chosen as `fit_linear` does; and its history."""
    train, dev = documents.train, documents.dev
    classes = np.concatenate([train.classes, dev.classes])
    vectorizer, vectors = _vectors([*train.texts, *dev.texts], len(labels))
    candidates = SVM + (LOGISTIC if vectors.shape[1] * len(labels) <= LARGEST else [])
    options = {"dev_size": len(dev.texts), "metric": run.metric, "seed": run.seed, "stop": stop}
    model, history = fit_linear(vectors, classes, len(labels), candidates, **options)
    vocabulary = vectorizer.get_feature_names_out().tolist()
    return WordsClassifier(run, labels, vocabulary, vectorizer.idf_, *model), history


@method("words", reads=("documents",), stages=(), number="1.0")
class Words:
    """TF-IDF of words and pairs with a linear SVM or logistic regression, the best on dev, fitted to train and dev."""

    def carry_out(self, job: Job) -> Outcome:
        """Fit to the job's documents and score its test documents."""
        begin, test = time.perf_counter(), job.documents.test
        model, history = fit_words(job.documents, job.corpus.labels, job.run, job.stop)
        seconds = {"train": time.perf_counter() - begin}
        begin = time.perf_counter()
        probabilities = model.predict(test.texts).probabilities
        predicted = probabilities.argmax(1)
        loss = cross_entropy(probabilities, test.classes)
        error = 100 * float((predicted != test.classes).mean())
        return Outcome(model, history, error, loss, predicted, seconds | {"test": time.perf_counter() - begin})
