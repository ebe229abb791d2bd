"""An experiment: all that is specific to one question. Each file in experiments/ declares one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..registry import no_such
from .claims import Claim

Reader = Callable[[str, Any], Any]  # of a parameter: (name, value as given) → value; raises ValueError


@dataclass(frozen=True)
class Experiment:
    """A question with its notebook, the parameters that only it takes, its scale in each profile, and its claims.

    parameters: a Reader for each of its own papermill parameters; an empty value means the scale's. scales: for each
    profile, the values of these parameters and whatever else the plan reads; `seeds` is the number of runs per
    setting, `labelled` how many documents are trained on, dev included (without it: all), or `fraction` their share.
    """

    name: str
    notebook: str
    question: str
    parameters: Mapping[str, Reader] = field(default_factory=dict)
    scales: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    claims: tuple[Claim, ...] = ()

    def scale(self, profile: str, **given: Any) -> dict[str, Any]:
        """What the plan reads in a profile, with the values given in place of the scale's.

        Raises ValueError for a value that a parameter's Reader refuses.
        """
        values = {**dict.fromkeys(self.parameters), **self.scales.get(profile, {})}
        return values | {name: self.parameters[name](name, value) for name, value in given.items() if value}


EXPERIMENTS: dict[str, Experiment] = {}


def declare(**parts: Any) -> Experiment:
    """Declare an experiment, whose fields the parts are (see `Experiment`), and give it."""
    declared = Experiment(**parts)
    EXPERIMENTS[declared.name] = declared
    return declared


def experiment(name: str) -> Experiment:
    """The experiment of this name. Raises ValueError for an unknown one."""
    if name not in EXPERIMENTS:
        raise no_such("experiment", name, EXPERIMENTS)
    return EXPERIMENTS[name]


def numbers(kind: type, example: str) -> Reader:
    """A Reader of numbers separated by blanks: gives a list. Raises ValueError, with the example, for anything else."""

    def read(name, value):
        try:
            return [kind(number) for number in str(value).split()]
        except ValueError:
            raise ValueError(f"{name}={value!r}: give numbers separated by blanks, as in {name}={example!r}.") from None

    return read


def words(name: str, value: str) -> list[str]:
    """Words separated by blanks, such as corpora: a list."""
    return str(value).split()


def text(name: str, value: str) -> str:
    """A text as it is."""
    return str(value)


def whole(name: str, value: int) -> int:
    """A whole number above zero, or 0 for the scale's. Raises ValueError for any other."""
    if value < 0 or value != int(value):
        raise ValueError(f"{name}={value!r}: allowed is 0 (the profile's) or a whole number above it.")
    return int(value)


def one_of(registry: Any) -> Reader:
    """A Reader of the name of a registered choice. Raises ValueError for an unknown one."""

    def read(name, value):
        registry.check(value)
        return str(value)

    return read
