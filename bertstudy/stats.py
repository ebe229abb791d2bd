"""What can be known from a few runs: intervals."""

import numpy as np
from scipy.stats import binomtest, t


def wilson(wrong, n, confidence=0.95):
    """Wilson's interval of one run's error, in percent: (low, high) for `wrong` of `n` test documents."""
    interval = binomtest(int(wrong), int(n)).proportion_ci(confidence, method="wilson")
    return 100 * interval.low, 100 * interval.high


def mean_interval(values, confidence=0.95):
    """Mean and t interval over seeds: (mean, low, high); low and high are nan for a single value."""
    values = np.asarray(values, dtype=float)
    mean, n = float(values.mean()), len(values)
    if n < 2:
        return mean, float("nan"), float("nan")
    half = t.ppf((1 + confidence) / 2, n - 1) * values.std(ddof=1) / n**0.5
    return mean, mean - float(half), mean + float(half)
