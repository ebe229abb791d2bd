"""What fits into a number of minutes, by the speed that was measured."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

SPARE = 1.25  # an estimate is taken so many times: machines are shared, and runs differ
HALVINGS = (8, 4, 2, 1)  # of the largest sample, for a learning curve


class TimeIsUp(Exception):
    """A run was stopped because it had become much slower than it was measured to be."""


@dataclass
class Clock:
    """Seconds that may pass, `reserve` of them kept for the end; `now` gives seconds from any beginning."""

    seconds: float
    reserve: float = 0.0
    now: Callable[[], float] = time.monotonic
    begun: float = field(init=False)

    def __post_init__(self):
        self.begun = self.now()

    @property
    def left(self) -> float:
        """Seconds for further runs."""
        return self.seconds - self.reserve - (self.now() - self.begun)

    def fits(self, seconds: float) -> bool:
        """Whether a run of so many seconds can begin."""
        return SPARE * seconds <= self.left

    def stop(self, *_: Any) -> None:
        """Raise TimeIsUp once a tenth more than the time for runs has passed. Takes the arguments of a torch hook."""
        if self.left < -0.1 * self.seconds:
            raise TimeIsUp


@dataclass
class Speed:
    """Seconds a word piece, of training and of prediction."""

    training: float
    prediction: float

    def of(self, training: float, prediction: float) -> float:
        """Seconds for so many word pieces trained on, and predicted from."""
        return self.training * training + self.prediction * prediction


def largest(
    cost: Callable[[int], float], seconds: float, most: int, least: float, parts: tuple[int, ...] = (1,)
) -> list[int]:
    """The sizes most // part, or of the largest smaller number of which the runs fit; [] where there is none."""
    top = most
    while top // parts[0] >= least:
        sizes = [top // part for part in parts]
        if SPARE * sum(map(cost, sizes)) <= seconds:
            return sizes
        top = min(top - 1, int(0.95 * top))
    return []


def curve(cost: Callable[[int], float], seconds: float, most: int, least: int) -> list[int]:
    """The sizes of a learning curve, in rising order: each half of the next, none below `least`.

    cost(size) gives the seconds of a run; all runs together take `seconds` at most. There are as many points as leave
    the largest at least half as large as it could be alone. [] where not even one run of `least` fits.
    """
    alone = largest(cost, seconds, most, least) or largest(cost, seconds, least, least)
    for first in range(len(HALVINGS) - 1):
        sizes = largest(cost, seconds, most, least, HALVINGS[first:])
        if sizes and sizes[-1] >= alone[0] / 2:
            return sizes
    return alone
