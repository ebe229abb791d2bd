"""Learning curves: where one reaches a target, and from how many labels on one is below another, with an interval."""

from typing import NamedTuple

import numpy as np
from scipy.special import ndtri, stdtrit

RESAMPLES, DRAWS = 2000, 5  # with fewer draws the bootstrap's interval is too narrow


class Crossing(NamedTuple):
    """From `labels` on the second way is better than the first, with a 95 % interval; inf: nowhere up to the largest
    size. decided: the share of the resamples with a crossing inside the curve's range."""

    labels: float
    low: float
    high: float
    decided: float


def crossing_of(sizes: np.ndarray, first: np.ndarray, second: np.ndarray) -> float:
    """From how many labels on the second curve stays below the first: read off straight lines over log labels.

    sizes: (n) labels, ascending. first, second: (n) errors. The smallest size where the second is below from the
    beginning, inf where it isn't at the largest size.
    """
    gain = first - second
    above = np.flatnonzero(gain <= 0)
    if not len(above):
        return float(sizes[0])
    last = above[-1]
    if last == len(sizes) - 1:
        return float("inf")
    share = -gain[last] / (gain[last + 1] - gain[last])
    ends = np.log(sizes[last : last + 2])
    return float(np.exp(ends[0] + share * (ends[1] - ends[0])))


def crossing(sizes: np.ndarray, first: np.ndarray, second: np.ndarray, seed: int = 0) -> Crossing:
    """The crossing of two curves of several draws, with an interval by the bootstrap over draws.

    sizes: (n) labels, ascending. first, second: (draws, n) errors of the two ways on the same samples, whose rows are
    drawn again together. The resampled means of few draws vary too little: they are pushed apart by sqrt(d / (d - 1))
    for d draws, and by as much as Student's t is wider than the normal distribution.

    Raises ValueError for fewer than DRAWS draws.
    """
    first, second = np.asarray(first, float), np.asarray(second, float)
    draws = len(first)
    if draws < DRAWS or first.shape != second.shape:
        raise ValueError(f"A crossing needs {DRAWS} draws or more of both ways, not {draws} and {len(second)}.")
    random, means = np.random.default_rng(seed), np.stack([first.mean(0), second.mean(0)])
    chosen = random.integers(draws, size=(RESAMPLES, draws))
    wider = (draws / (draws - 1)) ** 0.5 * stdtrit(draws - 1, 0.975) / ndtri(0.975)
    found = [
        crossing_of(sizes, *(means + wider * (np.stack([first[one].mean(0), second[one].mean(0)]) - means)))
        for one in chosen
    ]
    low, high = np.quantile(found, [0.025, 0.975], method="nearest")
    inside = np.isfinite(found) & (np.array(found) > sizes[0])
    return Crossing(crossing_of(sizes, *means), float(low), float(high), float(inside.mean()))


def labels_for(sizes: np.ndarray, errors: np.ndarray, target: float) -> float:
    """With how many labels a curve of errors first reaches a target, on straight lines over log labels; inf: never."""
    reached = np.flatnonzero(errors <= target)
    if not len(reached):
        return float("inf")
    first = int(reached[0])
    if not first:
        return float(sizes[0])
    share = (errors[first - 1] - target) / (errors[first - 1] - errors[first])
    ends = np.log(sizes[first - 1 : first + 1])
    return float(np.exp(ends[0] + share * (ends[1] - ends[0])))
