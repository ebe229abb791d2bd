"""Labelled texts of letters."""

import numpy as np

WORDS = {"az": "abcdef", "za": "uvwxyz"}


def texts_of(size, seed=0):
    """So many different texts of letters and their labels; a label has more of its own letters."""
    random, made = np.random.default_rng(seed), {}
    while len(made) < size:
        label = ("az", "za")[len(made) % 2]
        made[" ".join(random.choice(list(WORDS[label] * 3 + "ghijklmnop"), random.integers(4, 30)))] = label
    return list(made), list(made.values())
