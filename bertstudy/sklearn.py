"""The race of `bs.fit` as a scikit-learn estimator, for pipelines, cross-validation and grid search."""

from collections.abc import Iterable
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from .advice.documents import in_memory
from .advice.fitting import train


def _name(label):
    """A label as the classifier names it."""
    return str(label).strip()


class TextClassifier(ClassifierMixin, BaseEstimator):
    """From texts to labels by the best of words, frozen embeddings and fine-tuned encoders that the minutes allow.

    minutes: how long a fit may take. profile: "compact" or "paper" (`bs.profile`). encoder: "" is the profile's.
    metric: what recipes are chosen by, see `bs.fit`; "" is the error, or macro-F1 where a class has few documents.
    Nothing is set aside to test on: that is left to the caller.

    classes_: the labels, sorted; classifier_: the classifier, which has `predict`, `save` and a model card.

    >>> cross_val_score(TextClassifier(minutes=2), texts, labels)
    """

    def __init__(self, minutes: float = 5.0, profile: str = "compact", encoder: str = "", metric: str = ""):
        self.minutes, self.profile, self.encoder, self.metric = minutes, profile, encoder, metric

    def fit(self, X: Iterable[str], y: Iterable[Any]) -> "TextClassifier":
        """Race on n texts (or pairs of texts) and their labels; gives itself. Raises ValueError as `bs.fit` does."""
        X, y = list(X), np.asarray(list(y))
        self.classes_ = np.unique(y)
        if len(set(map(_name, self.classes_))) < len(self.classes_):
            raise ValueError("y: some labels differ in outer blanks only. Strip them first.")
        settings = {"profile": self.profile, "encoder": self.encoder, "metric": self.metric, "minutes": self.minutes}
        data = in_memory(X, [_name(label) for label in y], tested=False, progress=False, **settings)
        self.classifier_ = train(data)
        return self

    def predict_proba(self, X: Iterable[str]) -> np.ndarray:
        """Probabilities (n, classes) of n texts (or pairs of texts), in the order of `classes_`."""
        check_is_fitted(self)
        places = [self.classifier_.labels.index(_name(label)) for label in self.classes_]
        return self.classifier_.predict(list(X)).probabilities[:, places]

    def predict(self, X: Iterable[str]) -> np.ndarray:
        """The labels (n) of n texts (or pairs of texts)."""
        return self.classes_[self.predict_proba(X).argmax(1)]

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string, tags.input_tags.two_d_array = True, False
        return tags
