"""An experiment: all that is specific to one question. Each file in experiments/ declares one."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ..registry import brief, no_such
from ..runs import check_field
from .claims import Claim

MOST = 10_000_000  # numbers that a parameter takes are below it
Reader = Callable[[str, Any], Any]  # of a parameter: (name, value as given) → value; raises ValueError


@dataclass(frozen=True)
class Experiment:
    """A question with its notebook, the parameters that only it takes, its scale in each profile, and its claims.

    parameters: a Reader for each of its own papermill parameters; an empty value means the scale's. scales: for each
    profile, the values of these parameters and whatever else the plan reads; `seeds` is the number of runs per
    setting, `labelled` how many documents are trained on, dev included (without it: all), or `fraction` their share,
    `corpus` another than the profile's.
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


def numbers(kind: type, example: str, field: str = "") -> Reader:
    """A Reader of numbers separated by blanks: gives a list. Raises ValueError, with the example, for anything else.

    field: that of Run which takes them, and says what is allowed; without one they are above zero.
    """

    def read(name, value):
        is_list = isinstance(value, (str, int, float)) and not isinstance(value, bool) and str(value).split()
        try:
            return [_allowed(kind(number), field) for number in (str(value).split() if is_list else [""])]
        except (ValueError, OverflowError) as error:
            reason = f" ({error})" if field and is_list else ""
            wanted = f"give numbers separated by blanks, as in {name}={example!r}."
            raise ValueError(f"{name}={brief(value)}: {wanted}{reason}") from None

    return read


def _allowed(number, field):
    """A number that this field of Run takes; without a field, one above zero and below MOST. Else raises ValueError."""
    if field:
        return check_field(field, number)
    if not 0 < number < MOST:
        raise ValueError(number)
    return number


def words(name: str, value: str) -> list[str]:
    """Words separated by blanks, such as corpora: a list. Raises ValueError for anything else."""
    if not isinstance(value, str) or not value.split():
        raise ValueError(f"{name}={brief(value)}: give names separated by blanks, as in {name}='imdb trec'.")
    return value.split()


def text(name: str, value: str) -> str:
    """A text as it is. Raises ValueError for anything else."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError(f"{name}={brief(value)}: give a name in quotation marks, as in {name}='minilm'.")
    return value


def whole(name: str, value: int) -> int:
    """A whole number above zero, or 0 for the scale's. Raises ValueError for any other."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 0 <= value < MOST or value != int(value):
        allowed = f"allowed is a whole number from 1 to {MOST - 1:,}, as in {name}=3, or 0 for the profile's"
        raise ValueError(f"{name}={brief(value)}: {allowed}.")
    return int(value)


def one_of(registry: Any) -> Reader:
    """A Reader of the name of a registered choice. Raises ValueError for an unknown one."""

    def read(name, value):
        try:
            registry.check(value)
        except ValueError as error:
            raise ValueError(f"{name}={brief(value)}: {error}") from None
        return str(value)

    return read
