"""Probabilities to act on: a temperature, how well they are calibrated, and what to leave to a person."""

from typing import NamedTuple

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax
from scipy.stats import binom, chi2

from .. import stats

DOUBT, STEPS = 0.1, 20  # that what is kept errs more than is accepted; parts in which documents are added to it
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

    By tests in a fixed sequence, from the surest documents on, a part more each time: as long as the binomial test says
    that those kept err less than is accepted, with a p of DOUBT or less. The first that doesn't ends it, so that what
    is kept errs more than is accepted once in ten times at most, whatever number of tests there was. inf where even the
    surest are wrong too often, or are too few to tell.
    """
    order = np.argsort(-confidence, kind="stable")
    sorted_ones, errors, accepted = confidence[order], np.cumsum(wrong[order]), min(accept_error / 100, 1.0)
    none, one = (
        chi2.ppf(1 - DOUBT, (2, 4)) / 2 / accepted
    )  # documents that can tell where none, or one, of them is wrong
    first = np.clip(min(one, max(none, len(order) / 2)), 1, len(order))
    found = float("inf")
    for place in np.linspace(first, len(order), STEPS):
        number = int((sorted_ones >= sorted_ones[int(place) - 1]).sum())  # as sure ones are kept together
        if binom.cdf(errors[number - 1], number, accepted) > DOUBT:
            break
        found = float(sorted_ones[number - 1])
    return found


def kept(confidence: np.ndarray, wrong: np.ndarray, threshold: float) -> Kept:
    """What a threshold keeps of n documents; the error is nan where it keeps none."""
    sure = confidence >= threshold
    number, errors = int(sure.sum()), int(wrong[sure].sum())
    interval = stats.wilson(errors, number) if number else (float("nan"),) * 2
    return Kept(100 * (1 - number / len(sure)), 100 * errors / number if number else float("nan"), *interval, number)
