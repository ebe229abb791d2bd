"""Named choices: a registry turns a readable string such as "head+tail:128" into the function that it names.

A choice is declared where it is defined, by a decorator, together with its traits: what other code needs to know about
it without calling it. Choices whose code needs torch have a home, a file or folder of the package: their declarations
are read from its source, and it is imported when one of them is used.
"""

import ast
import hashlib
import inspect
import re
import reprlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).parent
NAME = re.compile(r"[a-z0-9_]+(\+[a-z0-9_]+)*")
# What comes after a colon, by the type of the example: one way to write a number, so that equal runs have equal names
NUMBERS = {
    int: (re.compile(r"[1-9][0-9]*"), "a whole number above zero"),
    float: (re.compile(r"[1-9][0-9]*(\.[0-9]*[1-9])?|0\.[0-9]*[1-9]"), "a number above zero"),
}
REGISTRIES: dict[str, "Registry"] = {}  # by kind
PLAIN = (str, int, float, bool, tuple, type(None))


def unique(items: Iterable) -> list:
    """The items, each once, in the order in which they first appear."""
    seen, kept = set(), []
    for item in items:
        if item not in seen:
            seen.add(item)
            kept.append(item)
    return kept


def brief(value: Any) -> str:
    """A value as errors show it: its repr in one line, of at most some sixty letters."""
    shortener = reprlib.Repr()
    shortener.maxstring = shortener.maxother = 60
    return " ".join(shortener.repr(value).split())


def no_such(kind: str, value: Any, allowed: Any, error: type[Exception] = ValueError) -> Exception:
    """An error that names the value, lists what is allowed and guesses what was meant."""
    allowed = [str(name) for name in allowed]
    lowered = {name.lower(): name for name in allowed}
    guess = get_close_matches(str(value)[:100].lower(), lowered, n=1, cutoff=0.5)
    meant = f" Did you mean {lowered[guess[0]]!r}?" if guess else ""
    return error(f"{kind}={brief(value)} is unknown.{meant} Choose from: {', '.join(allowed)}.")


@dataclass(frozen=True)
class Entry:
    """A choice: its function or class, its traits, and, if it is from outside the package, the digest of its source."""

    name: str
    traits: dict = field(hash=False)
    module: str
    call: Callable | None = None  # None: declared in the registry's home, which is not imported yet
    digest: str = ""  # of a source that was read in another process

    def __getattr__(self, trait):
        try:
            return self.__dict__["traits"][trait]
        except KeyError:
            raise AttributeError(f"{self.__dict__.get('name')!r} has no trait {trait!r}") from None

    @property
    def is_ours(self) -> bool:
        """Whether the package defines it."""
        return self.module.partition(".")[0] == __package__

    def source_digest(self) -> str:
        """Sixteen hex digits of the source of a choice from outside the package; "" for one of the package."""
        return "" if self.is_ours else self.digest or source_digest(self.call)


class Registry(dict):
    """Entries by name, filled by decoration; a spec is `name` or `name:argument`.

    kind: the field of Run that takes a spec. home: "module:decorator", where choices that need torch are declared.
    traits: the traits that an entry may state, each with its default. Where `example` is one, it says whether the entry
    takes an argument, which then has to be given; else a parameter `argument` says so, which may be left out.

    >>> truncation = Registry("truncation", many=False)
    >>> @truncation("tail")
    ... def tail(ids, room): ...
    """

    def __init__(self, kind: str, home: str = "", **traits: Any):
        super().__init__()
        self.kind, self.traits = kind, traits
        REGISTRIES[kind] = self
        if home:
            module, _, decorator = home.partition(":")
            self.update(_declared(module, decorator, traits))

    def __call__(self, name: str, **traits: Any) -> Callable:
        """A decorator that registers a function or class under this name.

        Raises ValueError for an invalid name and for an unknown trait.
        """
        if not NAME.fullmatch(name):
            raise ValueError(f"{self.kind}={name!r}: use lower-case letters, digits and _ only, as in 'my_choice'.")
        for trait in traits.keys() - self.traits.keys():
            raise no_such(f"{self.kind}={name!r}: trait", trait, self.traits)

        def register(call):
            self[name] = Entry(name, {**self.traits, **traits}, call.__module__, call)
            return call

        return register

    def known(self, spec: str) -> Entry | None:
        """The entry that `spec` names; None for an unknown name."""
        return self.get(str(spec).partition(":")[0])

    def entry(self, spec: str) -> Entry:
        """The entry that `spec` names. Raises ValueError for an unknown name."""
        if (entry := self.known(spec)) is None:
            raise no_such(self.kind, spec, self)
        return entry

    def find(self, spec: str) -> Callable:
        """The function or class that `spec` names, with the number after the colon, if any, bound to its `argument`.

        Raises ValueError for an unknown name, for an argument that is not a number above zero, for one given to a
        choice that takes none, and for one that is missing.
        """
        call, entry = self.load(spec), self.entry(spec)
        takes = "argument" in inspect.signature(call).parameters
        argument = self._argument(spec, entry, entry.traits.get("example", 128 if takes else None))
        return call if argument is None else partial(call, argument=argument)

    def load(self, spec: str) -> Callable:
        """The function or class that `spec` names, without an argument. Raises ValueError for an unknown name."""
        entry = self.entry(spec)
        if entry.call is None:
            import_module(entry.module)  # which registers it
        return self[entry.name].call

    def example_of(self, name: str) -> str:
        """A spec of an entry: its name, and where an argument has to be given, an example of it."""
        example = self[name].traits.get("example")
        return name if example is None else f"{name}:{example:g}"

    def _argument(self, spec, entry, example):
        """The number after the colon, of the example's type; None where there is none to be."""
        _, colon, argument = str(spec).partition(":")
        if example is None and colon:
            raise ValueError(f"{self.kind}={spec!r}: {entry.name!r} takes no number after a colon.")
        if not colon and "example" not in entry.traits or example is None:
            return None
        pattern, allowed = NUMBERS[type(example)]
        if not pattern.fullmatch(argument):
            shown = self.example_of(entry.name) if "example" in entry.traits else f"{entry.name}:{example}"
            raise ValueError(f"{self.kind}={spec!r}: after the colon comes {allowed}, as in {shown}.")
        return type(example)(argument)

    def check(self, spec: str) -> None:
        """Raise ValueError unless `spec` names a choice, with an argument that it takes.

        Imports its module only to check an argument of one that states no example.
        """
        entry = self.entry(spec)
        if "example" in entry.traits:
            self._argument(spec, entry, entry.example)
        elif entry.call is not None or ":" in str(spec):
            self.find(spec)


def _declared(module: str, decorator: str, traits: dict) -> Iterator[tuple[str, Entry]]:
    """The entries that a module, or each module of a package, declares by this decorator, read from source."""
    place = PACKAGE.joinpath(*module.split(".")[1:])
    files = sorted(place.glob("*.py")) if place.is_dir() else [place.with_suffix(".py")]
    for file in files:
        where = f"{module}.{file.stem}" if place.is_dir() else module
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == decorator:
                name = ast.literal_eval(node.args[0])
                own = {keyword.arg: ast.literal_eval(keyword.value) for keyword in node.keywords}
                yield name, Entry(name, {**traits, **own}, where)


def source_digest(call: Callable) -> str:
    """Sixteen hex digits of the source of a function or class, and of what it uses of its own module.

    Raises ValueError where the source can't be read, as for code typed into `python -c`.
    """
    return hashlib.sha256("\n".join(_sources(call, set())).encode()).hexdigest()[:16]


def _sources(call, seen):
    """The sources of a function or class and of those of its module that it names, and the constants that they use."""
    if call in seen:
        return
    seen.add(call)
    if inspect.isclass(call):
        parts = [getattr(value, "__func__", value) for _, value in sorted(vars(call).items())]
        yield from (f"{name}={value!r}" for name, value in sorted(vars(call).items()) if _is_constant(name, value))
        parts = [*(base for base in call.__bases__ if base.__module__ == call.__module__), *parts]
        for part in parts:
            if inspect.isfunction(part) or inspect.isclass(part):
                yield from _sources(part, seen)
        return
    function = inspect.unwrap(call)
    try:
        yield inspect.getsource(function)
    except (OSError, TypeError):
        raise ValueError(
            f"{function.__qualname__}: its source can't be read, and a row's id depends on it. Define it in a file or "
            f"in a cell of a notebook."
        ) from None
    for name, value in sorted(_used(function).items()):
        if _is_constant(name, value):
            yield f"{name}={value!r}"
        elif getattr(value, "__module__", None) == function.__module__ and callable(value):
            yield from _sources(value if inspect.isclass(value) else inspect.unwrap(value), seen)


def _used(function):
    """What a function uses by name of its module and of the functions around it, in comprehensions and lambdas too."""
    names, codes = set(), [function.__code__]
    while codes:
        code = codes.pop()
        names.update(code.co_names)
        codes += [one for one in code.co_consts if inspect.iscode(one)]
    around = inspect.getclosurevars(function).nonlocals
    return {name: function.__globals__[name] for name in names & function.__globals__.keys()} | around


def _is_constant(name, value):
    return isinstance(value, PLAIN) and not name.startswith("__")


def outside() -> list[tuple[str, Entry]]:
    """(kind, entry) of every choice that was registered outside the package, with the digest of its source."""
    return [
        (kind, replace(entry, digest=entry.source_digest()))
        for kind, registry in REGISTRIES.items()
        for entry in registry.values()
        if not entry.is_ours
    ]
