"""What fits into a number of minutes, by the speed that was measured."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

SPARE = 1.25  # factor on every estimate: machines are shared, and runs differ
FEW = 600  # with fewer documents, all recipes are tried on all of them


class TimeIsUp(Exception):
    """A run was stopped because the machine had become much slower than when its speed was measured."""


@dataclass
class Clock:
    """Seconds that may pass from now on, `reserve` of them kept for the end; `now` is a clock that gives seconds."""

    seconds: float
    reserve: float = 0.0
    now: Callable[[], float] = time.monotonic
    begun: float = field(init=False)

    def __post_init__(self):
        self.begun = self.now()

    @property
    def left(self) -> float:
        """Seconds that are left for further runs; negative once these are used up."""
        return self.seconds - self.reserve - (self.now() - self.begun)

    def fits(self, seconds: float) -> bool:
        """Whether a run estimated to take this many seconds can begin."""
        return SPARE * seconds <= self.left

    def stop(self, *_: Any) -> None:
        """Raise TimeIsUp once runs have overrun their time by a tenth of `seconds`. Takes a torch hook's arguments."""
        if self.left < -0.1 * self.seconds:
            raise TimeIsUp


@dataclass
class Speed:
    """Seconds per word piece, in training and in prediction."""

    training: float
    prediction: float

    def of(self, training: float, prediction: float) -> float:
        """Seconds for training on, and predicting from, these numbers of word pieces."""
        return self.training * training + self.prediction * prediction


class Rung(NamedTuple):
    """One step of successive halving: how many recipes, the best so far, are tried on how many labelled documents."""

    recipes: int
    labelled: int


def rungs(cost: Callable[[int, int], float], seconds: float, recipes: int, labelled: int) -> list[Rung]:
    """Successive halving (Jamieson and Talwalkar, 2016): many recipes on few documents, the best of them on more.

    cost(recipe, labelled): the seconds that a recipe, by its number from 0, takes on this many documents. The last rung
    is one recipe on all documents; with fewer than FEW documents there is one rung, all recipes on all of them. As many
    recipes are taken as fit into `seconds`; [] where not even the first fits on all documents.
    """
    for number in range(recipes, 0, -1):
        ladder = _ladder(number, labelled)
        dearest = [max(cost(recipe, rung.labelled) for recipe in range(number)) * rung.recipes for rung in ladder]
        if SPARE * sum(dearest) <= seconds:
            return ladder
    return []


def _ladder(recipes, labelled):
    if recipes == 1 or labelled < FEW:
        return [Rung(recipes, labelled)]
    if recipes < 4:
        return [Rung(recipes, labelled // 4), Rung(1, labelled)]
    return [Rung(recipes, labelled // 4), Rung(recipes // 2, labelled // 2), Rung(1, labelled)]
