"""How often each task gives the next batch in multi-task fine-tuning (§4.3).

A sampling takes the sizes of the tasks, (tasks) floats, and gives weights of the same shape. To add one, decorate a
function.
"""

import numpy as np

from ..registry import Registry

SAMPLINGS = sampling = Registry("multitask_sampling")


@sampling("proportional")
def proportional(sizes: np.ndarray) -> np.ndarray:
    """A task is drawn in proportion to the number of its documents."""
    return sizes


@sampling("square_root")
def square_root(sizes: np.ndarray) -> np.ndarray:
    """A task is drawn in proportion to the square root of that number: small tasks come more often."""
    return np.sqrt(sizes)


def chances(spec: str, sizes: list[int]) -> np.ndarray:
    """The probability that each task gives the next batch, from the tasks' sizes: (tasks) floats that sum to 1."""
    weights = np.asarray(SAMPLINGS.find(spec)(np.asarray(sizes, dtype=float)))
    return weights / weights.sum()
