"""A result is a row: one JSON file a run, named by a hash of all that it was made from; made once. Needs no torch."""

import base64
import hashlib
import json
import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd

from .. import versions
from ..choices.methods import METHODS
from ..data.corpora import LIBRARY, Library, is_known
from ..data.sources import source_texts, sources
from ..model.locations import depth_of, folder_hash, is_folder
from ..paths import reports
from ..runs import DEFAULTS, Run, identity, is_path, outside_functions, with_corpora
from ..whole import write_text

# Entries that rows lack which were made before these were recorded.
TOLD = (
    "pretraining",
    "multitasked",
    "retention",
    "lengths",
    "depth",
    "parameters",
    "pieces_per_second",
    "stages",
    "code",
)


class Store:
    """Rows in a folder, a JSON file each, named by id.

    >>> Store("results")  # or Store.of("compact"), the rows of a profile
    """

    def __init__(self, folder: Path | str):
        self.folder = Path(folder)

    @classmethod
    def of(cls, profile: "str | Store", kind: str = "rows") -> "Store":
        """The store of a profile's rows, or with kind "corpora" of its surveys; a Store is given back as it is."""
        return profile if isinstance(profile, Store) else cls(reports() / profile / kind)

    def path(self, row_id: str) -> Path:
        """Where the row of this id is, or will be."""
        return self.folder / f"{row_id}.json"

    def __contains__(self, row_id):
        return self.path(row_id).is_file()

    def ids(self) -> list[str]:
        """All ids, sorted."""
        return sorted(path.stem for path in self.folder.glob("*.json"))

    def read(self, row_id: str) -> dict:
        """The row of this id. Raises FileNotFoundError where there is none."""
        return json.loads(self.path(row_id).read_text(encoding="utf-8"))

    def write(self, row: dict) -> None:
        """Write a row whole or not at all."""
        write_json(self.path(row["id"]), row)

    def all(self, ids: Iterable[str] | None = None) -> Iterator[dict]:
        """The rows of these ids, in that order; without ids, all."""
        return map(self.read, self.ids() if ids is None else ids)

    def table(self, ids: Iterable[str] | None = None) -> pd.DataFrame:
        """Rows as a table: a column for each field of the run, then id, error, documents, history and the rest."""
        return as_table(self.all(ids))

    def __repr__(self):
        return f"Store({str(self.folder)!r})"


def as_table(rows: Iterable[dict]) -> pd.DataFrame:
    """Rows as a table: see `Store.table`. Fields of Run that a row is too old to have get their defaults; stale: the
    `stale_stages`, "" where there are none."""
    lines = [
        {**DEFAULTS, **row["run"], **dict.fromkeys(TOLD), **_but_run(row), "stale": ", ".join(stale_stages(row))}
        for row in rows
    ]
    return pd.DataFrame(lines, columns=None if lines else list(dict.fromkeys([*DEFAULTS, *TOLD, "stale"])))


def _but_run(row):
    return {name: value for name, value in row.items() if name != "run"}


def rows(profile: str | Store, ids: Iterable[str] | None = None, kind: str = "rows") -> pd.DataFrame:
    """The stored rows of a profile as a table (see `Store.table`); with kind="corpora" its surveys.

    ids: read these, in that order; None: all. Reads files only: neither torch nor a corpus is needed.
    """
    store = Store.of(profile, kind)
    return store.table(ids) if kind == "rows" else pd.DataFrame(store.all(ids))


def digest(value: Any) -> str:
    """Sixteen hex digits that name a value of JSON; the order of keys does not matter."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def run_id(run: Run, fingerprint: str, made_from: dict[str, Any] | None = None) -> str:
    """Sixteen hex digits that name a run on a corpus with this fingerprint; made_from: what else it was made from."""
    return digest({**identity(run), "fingerprint": fingerprint, **(made_from or {})})


@dataclass(frozen=True)
class Name:
    """What names a row: the run with absolute paths, the fingerprint of its corpus, and what else it is made from."""

    run: Run
    fingerprint: str
    made_from: dict[str, Any]

    @property
    def id(self) -> str:
        """The row's id, a hash of all three."""
        return run_id(self.run, self.fingerprint, self.made_from)


def name_of(run: Run, library: Library = LIBRARY) -> Name:
    """What names the row of a run: all that decides its result.

    made_from has hashes of, where they apply: "weights", of an encoder in a folder; "pretraining_texts", where a source
    of further pretraining is the reader's own; "tasks" and "retention_texts", likewise; "functions", the sources of
    choices that were registered outside the package. Raises ValueError where such a source can't be read.
    """
    made_from = {
        "weights": folder_hash(run.encoder) if is_folder(run.encoder) else None,
        "pretraining_texts": _pretraining_texts(run, library),
        "tasks": _contents([name for name in run.multitask.split("+") if name != run.corpus], library),
        "retention_texts": _contents([run.retention] if run.retention != "general" else [], library),
        "functions": outside_functions(run) or None,
    }
    there = {key: value for key, value in made_from.items() if value is not None}
    return Name(resolved(run), library.of(run).fingerprint, there)


def _pretraining_texts(run, library):
    if run.further_pretraining == "none" or all(map(is_known, sources(run))):
        return None
    return digest(source_texts(run, library))


def _contents(names, library):
    """The fingerprints of corpora that are the reader's own; None where there are none."""
    own = [name for name in names if name != "none" and not is_known(name)]
    return [library.load(name).fingerprint for name in own] or None


def resolved(run: Run) -> Run:
    """The run as rows name it: absolute paths for the reader's own files and folders; the last layer is "last"."""
    encoder = os.path.abspath(os.path.expanduser(run.encoder)) if is_folder(run.encoder) else run.encoder
    layers = "last" if run.layers.isdecimal() and int(run.layers) + 1 == depth_of(run.encoder) else run.layers
    return with_corpora(replace(run, encoder=encoder, layers=layers), _absolute)


def _absolute(corpus):
    return os.path.abspath(os.path.expanduser(corpus)) if is_path(corpus) else corpus


def stages_of(run: Any) -> tuple[str, ...]:
    """The stages of computation (`versions.STAGES`) that a run passes, in their order."""
    entry = METHODS.known(run.method)
    passed = {"documents", *((*entry.stages, entry.name) if entry else ())}
    passed |= {"pretraining"} if run.further_pretraining != "none" or run.retention != "none" else set()
    passed |= {"multitask"} if run.multitask != "none" else set()
    passed |= {"retention"} if run.retention != "none" else set()
    return tuple(stage for stage in versions.STAGES if stage in passed)


def stale_stages(row: dict) -> list[str]:
    """The stages of a row's run that compute something else today than when it was made; [] if it is not stale."""
    return versions.stale(row, stages_of(SimpleNamespace(**DEFAULTS | row["run"])))


def cores_of(row: dict) -> int:
    """How many cores computed a row: the threads on a CPU; a GPU is counted as one."""
    device, _, threads = row["device"].rpartition(", ")
    return int(threads.split()[0]) if device.startswith("cpu") else 1


def run_of(row: dict) -> Run | None:
    """The run of a row; None where it has a choice, or a field, that there is not: one from outside the package, whose
    module was not imported."""
    try:
        return Run(**row["run"])
    except (TypeError, ValueError):
        return None


def recomputed_id(row: dict) -> str | None:
    """The id that follows from a row's contents; None where there is no such run (`run_of`)."""
    run = run_of(row)
    return None if run is None else run_id(run, row["fingerprint"], row.get("made_from"))


@dataclass
class Check:
    """What `check` found: how many rows there are, ids that their contents do not give, stale rows by stage and all.

    unknown: rows of choices that were registered outside the package and are not registered now; they aren't checked.
    """

    rows: int
    wrong_ids: list[str]
    stale: dict[str, int]
    stale_rows: int
    unknown: list[str]


def check(profile: str | Store) -> Check:
    """Recompute the id of every row of a store, and count the rows that are stale."""
    store, wrong_ids, stale, stale_rows, unknown = Store.of(profile), [], {}, 0, []
    for row_id in store.ids():
        row = store.read(row_id)
        if (recomputed := recomputed_id(row)) is None:
            unknown.append(row_id)
            continue
        if not row_id == row["id"] == recomputed:
            wrong_ids.append(row_id)
        stages = stale_stages(row)
        stale_rows += bool(stages)
        for stage in stages:
            stale[stage] = stale.get(stage, 0) + 1
    return Check(len(store.ids()), wrong_ids, stale, stale_rows, unknown)


def squeeze(numbers: Iterable[int]) -> str:
    """n whole numbers below 65,536, such as classes, as a short string for a row (uint16, zlib, base 85)."""
    return base64.b85encode(zlib.compress(np.asarray(numbers, dtype=np.uint16).tobytes(), 9)).decode()


def unsqueeze(text: str) -> np.ndarray:
    """The numbers that `squeeze` was given: (n) uint16."""
    return np.frombuffer(zlib.decompress(base64.b85decode(text)), dtype=np.uint16)


def wrong(row: dict) -> np.ndarray:
    """Which test documents of a row are errors: (n) of bool, in the order that all rows with these documents have."""
    return unsqueeze(row["predictions"]) != unsqueeze(row["truth"])


def write_json(path: Path | str, value: Any) -> None:
    """Write a JSON file whole or not at all."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True) + "\n")
