"""Numbers that say how good a classifier is. To add one, decorate a function here, or anywhere else.

Each is given the truth (n), the predicted classes (n) and the mean cross-entropy of the probabilities. `higher` says
that a higher number is better, `unit` what it is in, `balanced` that a small class counts as much as a large one.
Classes without a document in the truth do not count.
"""

import numpy as np
from sklearn.metrics import f1_score, matthews_corrcoef, recall_score

from ..choices.metrics import METRICS
from ..choices.metrics import METRICS as metric


@metric("error")
def error(truth: np.ndarray, predicted: np.ndarray, loss: float) -> float:
    """The share of documents that are given another class than their own, in percent."""
    return 100 * float((truth != predicted).mean())


@metric("macro_f1", higher=True, balanced=True)
def macro_f1(truth: np.ndarray, predicted: np.ndarray, loss: float) -> float:
    """The mean over classes of F1, in percent: a small class counts as much as a large one."""
    return 100 * float(f1_score(truth, predicted, labels=np.unique(truth), average="macro", zero_division=0))


@metric("balanced_error", balanced=True)
def balanced_error(truth: np.ndarray, predicted: np.ndarray, loss: float) -> float:
    """The mean over classes of the share of a class's documents that are given another class, in percent."""
    return 100 - 100 * float(recall_score(truth, predicted, labels=np.unique(truth), average="macro"))


@metric("mcc", unit="", higher=True, balanced=True)
def mcc(truth: np.ndarray, predicted: np.ndarray, loss: float) -> float:
    """Matthews' correlation coefficient, -1 to 1; 0 is what always giving one class reaches."""
    return float(matthews_corrcoef(truth, predicted))


@metric("log_loss", unit="nats")
def log_loss(truth: np.ndarray, predicted: np.ndarray, loss: float) -> float:
    """The mean cross-entropy: what the probabilities are worth, in nats."""
    return loss


def cross_entropy(probabilities: np.ndarray, truth: np.ndarray) -> float:
    """The mean cross-entropy, in nats, of probabilities (n, classes) against the truth (n)."""
    return -float(np.log(probabilities[np.arange(len(truth)), truth] + 1e-12).mean())


def rank(name: str, truth: np.ndarray, predicted: np.ndarray, loss: float) -> float:
    """A metric's number, negated where higher is better: the lowest rank is the best."""
    value = METRICS.find(name)(truth, predicted, loss)
    return -value if METRICS.entry(name).higher else value
