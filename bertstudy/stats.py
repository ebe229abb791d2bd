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


def pooled_intervals(groups, confidence=0.95):
    """Means of groups with t intervals from the variance within all of them together: a list of (mean, low, high).

    It takes the spread over seeds to be the same in every group. Degrees of freedom are those of all groups; low and
    high are nan where no group has two values.
    """
    groups = [np.asarray(group, dtype=float) for group in groups]
    freedom = sum(len(group) - 1 for group in groups)
    if freedom == 0:
        return [mean_interval(group) for group in groups]
    spread = (sum(((group - group.mean()) ** 2).sum() for group in groups) / freedom) ** 0.5
    half = float(t.ppf((1 + confidence) / 2, freedom) * spread)
    means = [(float(group.mean()), half / len(group) ** 0.5) for group in groups]
    return [(mean, mean - width, mean + width) for mean, width in means]
