"""Linear classifiers on vectors of documents: their strength and class weights chosen on documents held out.

What heads on words and on frozen embeddings share. The classifiers are scikit-learn's.
"""

import time
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from scipy.special import log_softmax
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import LinearSVC
from threadpoolctl import threadpool_limits

from ..data.sampling import stratified_order
from .calibration import scale_of
from .metrics import rank

FOLDS = 3  # where there is no dev part
WORK = 3_000_000  # filled cells times classes of what strengths are chosen on: a fit takes under a second
LARGEST = 250_000  # weights of a logistic regression on words: above it takes long, and SVMs alone are tried
SVM = [LinearSVC(C=strength, class_weight=weight) for strength in (1.0, 0.3, 3.0) for weight in ("balanced", None)]


class Linear(NamedTuple):
    """Logits are vectors @ weights.T + bias: weights (classes, width), bias (classes)."""

    weights: np.ndarray
    bias: np.ndarray

    def logits(self, vectors: Any) -> np.ndarray:
        """Logits (n, classes) of n vectors, an array or a sparse matrix (n, width)."""
        return np.asarray(vectors @ self.weights.T) + self.bias


def _fitted(estimator, vectors, classes, count):
    """A fitted estimator as Linear over all `count` classes: those that it was not shown are never predicted."""
    with warnings.catch_warnings(), threadpool_limits(1):  # more threads wait for each other longer than they compute
        warnings.simplefilter("ignore", ConvergenceWarning)  # what is not settled is judged as it is
        model = clone(estimator).fit(vectors, classes)
    weights, bias = np.asarray(model.coef_, dtype=np.float32), np.asarray(model.intercept_, dtype=np.float32)
    if len(weights) == 1:  # two classes
        weights, bias = np.concatenate([-weights, weights]), np.concatenate([-bias, bias])
    whole = Linear(np.zeros((count, weights.shape[1]), np.float32), np.full(count, -1e4, np.float32))
    whole.weights[model.classes_], whole.bias[model.classes_] = weights, bias
    return whole


def cross_entropy(logits: np.ndarray, truth: np.ndarray) -> float:
    """Mean cross-entropy of logits (n, classes) against the truth (n)."""
    return -float(log_softmax(logits, axis=1)[np.arange(len(truth)), truth].mean())


def _held_out(classes, dev_size, most, seed):
    """Pairs of indices, those to fit and those to judge by: the dev part at the end, or folds of at most `most`.

    Documents so few that no fit would see two classes are judged by the fit to all of them.
    """
    everything = np.arange(len(classes))
    if dev_size:
        return [(everything[:-dev_size], everything[-dev_size:])]
    chosen = np.sort(stratified_order(classes, np.random.default_rng(seed))[:most])
    number = min(FOLDS, int(np.bincount(classes[chosen]).max()))
    if number < 2:
        return [(everything, everything)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # that a class has fewer documents than there are folds
        folds = StratifiedKFold(number, shuffle=True, random_state=seed)
        pairs = [(chosen[train], chosen[dev]) for train, dev in folds.split(chosen, classes[chosen])]
    return [pair for pair in pairs if len(set(classes[pair[0]])) > 1] or [(everything, everything)]


def fit_linear(
    vectors: Any,
    classes: np.ndarray,
    count: int,
    candidates: list,
    *,
    dev_size: int = 0,
    metric: str = "error",
    seed: int = 0,
    stop: Callable[[], None] | None = None,
) -> tuple[Linear, list[dict]]:
    """Fit the best of some scikit-learn candidates to all of n vectors (n, width) and their classes (n) of `count`.

    Best by the metric on the last `dev_size` of them; with 0 over FOLDS folds of as many of them as take seconds. The
    factor that makes probabilities of its margins is fitted on the same documents. Gives (Linear, history): a dict a
    candidate, with epoch (its number), candidate, dev_error (percent), dev_loss, dev_rank and seconds since the start.
    """
    begin, history, best = time.perf_counter(), [], None
    cells = vectors.nnz if hasattr(vectors, "nnz") else vectors.size
    splits = _held_out(classes, dev_size, max(300, int(WORK * len(classes) / (cells * count))), seed)
    judged = np.concatenate([dev for _, dev in splits])
    truth = classes[judged]
    for number, estimator in enumerate(candidates, 1):
        if stop:
            stop()
        parts = [
            _fitted(estimator, vectors[train], classes[train], count).logits(vectors[dev]) for train, dev in splits
        ]
        logits = np.concatenate(parts)
        scale = scale_of(logits, truth)
        predicted, loss = logits.argmax(1), cross_entropy(scale * logits, truth)
        entry = {"epoch": number, "candidate": str(estimator), "dev_error": 100 * float((predicted != truth).mean())}
        entry |= {"dev_loss": loss, "dev_rank": rank(metric, truth, predicted, loss)}
        history.append(entry | {"seconds": time.perf_counter() - begin})
        if best is None or (entry["dev_rank"], loss) < best[0]:
            best = (entry["dev_rank"], loss), estimator, scale
    _, estimator, scale = best
    model = _fitted(estimator, vectors, classes, count)
    history[-1]["seconds"] = time.perf_counter() - begin
    return Linear(scale * model.weights, scale * model.bias), history
