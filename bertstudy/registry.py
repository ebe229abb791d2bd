"""Named choices: a registry turns a readable string such as "head+tail:128" into the function it names."""

from difflib import get_close_matches
from functools import partial
from inspect import signature


def no_such(kind, value, allowed, error=ValueError):
    """An error that names the value, lists what there is and guesses what was meant."""
    allowed = [str(name) for name in allowed]
    guess = get_close_matches(str(value), allowed, n=1, cutoff=0.5)
    meant = f" Did you mean {guess[0]!r}?" if guess else ""
    return error(f"{kind}={value!r} is unknown.{meant} There are: {', '.join(allowed)}.")


class Registry(dict):
    """Functions by name, filled by decoration; a spec is `name` or `name:argument`.

    >>> truncation = Registry("truncation")
    >>> @truncation("tail")
    ... def tail(ids, room): ...
    """

    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def __call__(self, name):
        def register(function):
            self[name] = function
            return function

        return register

    def find(self, spec):
        """What `spec` names, with the whole number after the colon bound to its `argument`.

        Raises ValueError for an unknown name, for an argument that is not a whole number above zero, and for one
        given to a choice that takes none.
        """
        name, colon, argument = str(spec).partition(":")
        if name not in self:
            raise no_such(self.kind, spec, self)
        if not colon:
            return self[name]
        if "argument" not in signature(self[name]).parameters:
            raise ValueError(f"{self.kind}={spec!r}: {name!r} takes no number after a colon.")
        if not argument.isdecimal() or int(argument) < 1:
            raise ValueError(
                f"{self.kind}={spec!r}: after the colon comes a whole number above zero, as in {name}:128."
            )
        return partial(self[name], argument=int(argument))
