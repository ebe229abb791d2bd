"""Probabilities to act on: a temperature, how well they are calibrated, and what to leave to a person."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from .. import stats

SURE = 0.8  # of an interval with two sides, whose upper bound is exceeded once in ten times
BINS, LEAST = 15, 20  # of equally many documents, and how many each has at the least


class Kept(NamedTuple):
    """What a threshold keeps: the share of documents left to a person, and the error of the rest with Wilson's 95 %
    interval, all in percent. documents: that are kept."""

    to_a_person: float
    error: float
    low: float
    high: float
    documents: int


def scale_of(logits: np.ndarray, truth: np.ndarray) -> float:
    """The factor on logits (n, classes) whose probabilities fit the truth (n) best: one over the temperature.

    Guo et al. 2017. As in Platt's method one document in n is taken to be of another class, so that no error among few
    is no certainty.
    """
    doubt = 1 / (len(truth) + 2)

    def loss(log):
        shares = log_softmax(np.exp(log) * logits, axis=1)
        own = shares[np.arange(len(truth)), truth]
        return -((1 - doubt) * own + doubt * shares.mean(1)).mean()

    return float(np.exp(minimize_scalar(loss, bounds=(-3, 4), method="bounded").x))


def _bins(confidence):
    """The indices (n) of documents in up to BINS parts of nearly equal size, the least sure first."""
    return np.array_split(np.argsort(confidence, kind="stable"), min(BINS, max(1, len(confidence) // LEAST)))


def reliability(confidence: np.ndarray, wrong: np.ndarray) -> list[dict]:
    """How sure and how right: a dict for each bin of documents that are about as sure, with confidence, accuracy, its
    Wilson interval low and high (all in percent) and documents.

    confidence: (n) the probability of the class predicted. wrong: (n) whether it isn't the right one.
    """
    lines = []
    for part in _bins(confidence):
        low, high = stats.wilson(int(wrong[part].sum()), len(part))
        accuracy = 100 * (1 - wrong[part].mean())
        line = {"confidence": 100 * confidence[part].mean(), "accuracy": accuracy, "low": 100 - high, "high": 100 - low}
        lines.append({**{name: float(value) for name, value in line.items()}, "documents": len(part)})
    return lines


def calibration_error(confidence: np.ndarray, wrong: np.ndarray) -> float:
    """The expected calibration error in points: how far, in the mean over documents, a bin's mean confidence lies from
    its accuracy (Naeini et al. 2015), in up to BINS bins of equally many documents."""
    apart = [len(part) * abs(confidence[part].mean() - (1 - wrong[part].mean())) for part in _bins(confidence)]
    return 100 * float(sum(apart)) / len(confidence)


def threshold_for(confidence: np.ndarray, wrong: np.ndarray, accept_error: float) -> float:
    """The lowest confidence to act on, so that the error from it on is at most `accept_error` percent, surely enough.

    Of the documents from it on so few are wrong that Wilson's bound of their error, one-sided and exceeded once in ten
    times, is within what is accepted: the share that is wrong among them would be exceeded on others about half of
    the time. As many documents are kept as can be; inf where even the surest are wrong too often, or are too few.
    """
    order = np.argsort(-confidence, kind="stable")
    errors = np.cumsum(wrong[order]).tolist()
    most = np.array([stats.wilson(error, place, SURE)[1] for place, error in enumerate(errors, 1)])
    last = np.append(np.diff(confidence[order]) < 0, True)  # of documents that are as sure all are kept or none
    good = np.flatnonzero((most <= accept_error) & last)
    return float(confidence[order][good[-1]]) if len(good) else float("inf")


def kept(confidence: np.ndarray, wrong: np.ndarray, threshold: float) -> Kept:
    """What a threshold keeps of n documents; the error is nan where it keeps none."""
    sure = confidence >= threshold
    number, errors = int(sure.sum()), int(wrong[sure].sum())
    interval = stats.wilson(errors, number) if number else (float("nan"),) * 2
    return Kept(100 * (1 - number / len(sure)), 100 * errors / number if number else float("nan"), *interval, number)
