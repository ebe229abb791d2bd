"""Which texts to label next: those that a classifier is least sure of, spread over what they are about."""

import warnings
from typing import Any, NamedTuple

import numpy as np
from sklearn.cluster import KMeans
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LogisticRegression
from threadpoolctl import threadpool_limits

from ..data.sampling import stratified_order

POOL = 10  # times as many of the least sure texts are spread over clusters as are chosen
STRENGTH = 10.0  # of the simulation's logistic regression


def margins(probabilities: np.ndarray) -> np.ndarray:
    """How far the two highest of each row of probabilities (n, classes) lie apart: (n), small where it is unsure."""
    highest = np.sort(probabilities, axis=1)[:, -2:]
    return highest[:, 1] - highest[:, 0]


def choose(probabilities: np.ndarray, vectors: Any, count: int, seed: int = 0) -> np.ndarray:
    """The indices of `count` of n texts to label next, the least sure first.

    probabilities: (n, classes). vectors: (n, width), an array or a sparse matrix. Of the POOL * count texts with the
    smallest margins the least sure one of each of `count` clusters (k-means), so that no kind of text is asked for
    again and again.
    """
    pool = np.argsort(margins(probabilities), kind="stable")[: POOL * count]
    if len(pool) <= count:
        return pool
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # of fewer different texts than clusters
        clusters = KMeans(count, n_init=1, random_state=seed).fit_predict(vectors[pool])
    _, first = np.unique(clusters, return_index=True)
    others = np.setdiff1d(np.arange(len(pool)), first)[: count - len(first)]
    return pool[np.sort(np.concatenate([first, others]))]


class Simulated(NamedTuple):
    """Errors in percent on test with `sizes` labels, of texts chosen and of texts drawn by chance: (rounds) each."""

    sizes: np.ndarray
    chosen: np.ndarray
    by_chance: np.ndarray


def simulate(train: tuple, test: tuple, sizes: list[int], seed: int = 0) -> Simulated:
    """What choosing would have saved: texts whose labels are known are asked for in rounds, chosen and by chance.

    train, test: (vectors, classes). sizes: how many are labelled in each round, ascending; the first are drawn by
    chance for both.
    """
    (vectors, classes), random = train, np.random.default_rng(seed)
    length = _length(vectors)
    vectors, test = vectors / length, (test[0] / length, test[1])
    order = stratified_order(classes, random)
    labelled, errors, chance = order[: sizes[0]], [], []
    for number, size in enumerate(sizes):
        model = _fitted(vectors, classes, labelled)
        errors.append(_error(model, test))
        chance.append(errors[0] if not number else _error(_fitted(vectors, classes, order[:size]), test))
        if number + 1 < len(sizes):
            rest = np.setdiff1d(np.arange(len(classes)), labelled)
            asked = choose(model.predict_proba(vectors[rest]), vectors[rest], sizes[number + 1] - size, seed)
            labelled = np.concatenate([labelled, rest[asked]])
    return Simulated(np.array(sizes), np.array(errors), np.array(chance))


def _length(vectors):
    """The typical length of vectors (n, width), an array or a sparse matrix: the root of the mean square."""
    squares = vectors.multiply(vectors).sum() if hasattr(vectors, "multiply") else (vectors**2).sum()
    return float((squares / vectors.shape[0]) ** 0.5)


def _fitted(vectors, classes, chosen):
    with threadpool_limits(1), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        return LogisticRegression(C=STRENGTH, max_iter=300).fit(vectors[chosen], classes[chosen])


def _error(model, test):
    vectors, classes = test
    return 100 * float((model.predict(vectors) != classes).mean())
