"""The choices, encoders, corpora, claims and notebooks there are: names with a line each, for `bertstudy list`."""

import inspect
import json
from collections.abc import Callable

from ..choices.methods import METHODS
from ..choices.metrics import METRICS
from ..choices.pooling import LAYER_POOLINGS, PIECE_POOLINGS, SEGMENT_POOLINGS
from ..choices.schedules import SCHEDULES
from ..choices.truncation import TRUNCATIONS
from ..data.catalogue import CORPORA
from ..data.control.corpora import COMPOSED
from ..experiments import all_claims
from ..model.locations import CONTROL, NAMED, PACKAGED
from ..paths import notebooks
from ..registry import Registry, no_such

Lines = list[tuple[str, str]]


def _choices(*registries: Registry) -> Callable[[], Lines]:
    def lines():
        specs = [(registry, registry.example_of(name)) for registry in registries for name in registry]
        docs = [(inspect.getdoc(registry.load(spec)) or "").partition("\n")[0] for registry, spec in specs]
        names = [f"{registry.kind}={spec}" if len(registries) > 1 else spec for registry, spec in specs]
        return list(zip(names, docs, strict=True))

    return lines


def _encoders() -> Lines:
    embedded = [(name, "embedded: a small BERT, pretrained on composed texts") for name in CONTROL]
    packaged = [
        (name, f"{hub_id}, brought by the package {package}") for name, (package, _, hub_id) in PACKAGED.items()
    ]
    return embedded + packaged + [(name, f"{hub_id}, from the hub or a folder") for name, hub_id in NAMED.items()]


def _corpora() -> Lines:
    composed = [(name, f"composed, {corpus.kind}, {len(corpus.labels)} classes") for name, corpus in COMPOSED.items()]
    return composed + [
        (name, f"{corpus.title}, {corpus.kind}, {corpus.train:,} + {corpus.test:,}") for name, corpus in CORPORA.items()
    ]


def _claims() -> Lines:
    return [(claim.name, f"{claim.statement} ({claim.section})") for claim in all_claims()]


def _notebooks() -> Lines:
    books = {path.stem: json.loads(path.read_text(encoding="utf-8")) for path in sorted(notebooks().glob("*.ipynb"))}
    return [(name, "".join(book["cells"][0]["source"]).partition("\n")[0].lstrip("# ")) for name, book in books.items()]


KINDS: dict[str, Callable[[], Lines]] = {
    "truncations": _choices(TRUNCATIONS),
    "poolings": _choices(PIECE_POOLINGS, LAYER_POOLINGS, SEGMENT_POOLINGS),
    "schedules": _choices(SCHEDULES),
    "methods": _choices(METHODS),
    "metrics": _choices(METRICS),
    "encoders": _encoders,
    "corpora": _corpora,
    "claims": _claims,
    "notebooks": _notebooks,
}


def listing(kind: str) -> Lines:
    """The entries of a kind (a key of KINDS): pairs (name, a line about it). Raises ValueError for an unknown kind."""
    if kind not in KINDS:
        raise no_such("kind", kind, KINDS)
    return KINDS[kind]()
