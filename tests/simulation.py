"""Runs drawn at random, whose true effect is known: what the statistics are tested on."""

import numpy as np
from numpy.polynomial.hermite_e import hermegauss
from scipy.special import expit, logit
from scipy.stats import beta

SHAPE = (0.1, 0.9)  # of the beta distribution of difficulties: most documents are easy for all, some hard for all
NODES, WEIGHTS = hermegauss(40)
DIFFICULTIES = logit(np.clip(beta.ppf((np.arange(4000) + 0.5) / 4000, *SHAPE), 1e-9, 1 - 1e-9))


def make_runs(random, seeds, n, shift, over_seeds, taste):
    """Whether documents are wrong, (2 settings, seeds, n), as in real runs: documents differ in how hard they are, a
    setting finds some harder than the other does (`taste`), and each seed of a setting has luck of its own. `shift`
    lies between the settings, and the three are on the scale of log odds."""
    hard = logit(np.clip(random.beta(*SHAPE, n), 1e-9, 1 - 1e-9))
    own = taste * random.standard_normal((2, 1, n)) + over_seeds * random.standard_normal((2, seeds, 1))
    settings = np.array([shift / 2, -shift / 2])[:, None, None]
    return random.random((2, seeds, n)) < expit(hard + own + settings)


def true_error(shift, over_seeds, taste):
    """The error in percent, over all documents and seeds, of a setting in `make_runs`, by quadrature."""
    spread = (over_seeds**2 + taste**2) ** 0.5
    return 100 * (expit(DIFFICULTIES[:, None] + shift + spread * NODES) @ WEIGHTS / WEIGHTS.sum()).mean()


def true_effect(shift, *spreads):
    return true_error(shift / 2, *spreads) - true_error(-shift / 2, *spreads)


def near(hits, share, errors=2):
    """Whether the mean of `hits`, one a round, lies within so many standard errors of `share`."""
    return abs(np.mean(hits) - share) <= errors * (share * (1 - share) / len(hits)) ** 0.5


def covers(truth, low, high):
    return low <= truth <= high
