"""A run with all that it reads, packed so that another machine can carry it out.

Corpora, encoders in folders and choices that were registered outside the package travel, each once for all runs; an
encoder of the hub is fetched by the machine that needs it.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any

import torch

from .. import __version__, versions
from ..data.corpora import LIBRARY, Corpus, Library
from ..data.sources import corpora_of
from ..model import locations
from ..paths import runs as runs_folder
from ..runs import NO_ENCODER, Run
from ..whole import whole_folder
from . import execution
from .rows import resolved
from .workers import begin, packed

SHARED = "BERTSTUDY_RUNS"  # where it is set, all machines are to see this folder: one makes an encoder that others read


@dataclass(frozen=True)
class Parcel:
    """What another machine gets: a run, and references to the corpora and the files of the encoder that it reads."""

    run: Run
    corpora: dict[str, Any]
    encoder: Any  # None where its name says all
    choices: list[tuple[str, bytes]]
    settings: dict[str, str]
    code: tuple[str, dict[str, str]]


class Packer:
    """Makes parcels; `put` sends an object once and gives a reference to it. May be called from several threads."""

    def __init__(self, library: Library = LIBRARY, put: Callable[[Any], Any] = lambda value: value):
        self.library, self.put = library, put
        self._sent, self._lock, self._choices = {}, Lock(), packed()

    def pack(self, run: Run) -> Parcel:
        """The parcel of a run. Raises ValueError for a corpus or an encoder that isn't here."""
        run = resolved(run)
        settings = {SHARED: str(Path(os.environ[SHARED]).absolute())} if SHARED in os.environ else {}
        with self._lock:
            corpora = {name: self._corpus(run, name) for name in corpora_of(run)}
            return Parcel(run, corpora, self._encoder(run.encoder), self._choices, settings, _code())

    def _corpus(self, run, name):
        columns = (run.text_column, run.label_column) if name in (run.corpus, run.tested_on) else ()
        unlabelled = run.further_pretraining != "none" and run.pretraining_unlabelled
        return self._once((name, columns, unlabelled), lambda: _whole(self.library.load(name, *columns), unlabelled))

    def _encoder(self, name):
        if name in (NO_ENCODER, *locations.CONTROL) or not Path(locations.where(name)).is_dir():
            return None
        return self._once(name, lambda: (locations.folder_hash(name), locations.files_of(name)))

    def _once(self, key, make):
        if key not in self._sent:
            self._sent[key] = self.put(make())
        return self._sent[key]


def _whole(corpus: Corpus, unlabelled: bool) -> Corpus:
    """A corpus that needs no file: its texts without labels are read, or left out."""
    return replace(corpus, load_unlabelled=partial(list, corpus.unlabelled if unlabelled else []))


def _code():
    """What has to be the same on all machines for rows to be the same."""
    return __version__, dict(versions.STAGES)


def carry_out(parcel: Parcel, get: Callable[[Any], Any], threads: int) -> dict:
    """The row of a parcel's run, computed here with so many threads; `get` gives the object of a reference.

    Nothing is stored but encoders, in the folder of runs. Raises ValueError where the package is another one here, and
    what the run raises.
    """
    if parcel.code != _code():
        raise ValueError(
            f"This worker has another bertstudy ({__version__}) than the process that asks ({parcel.code[0]}), or "
            f"other numbers of stages. Install the same one on every machine."
        )
    begin(parcel.settings, parcel.choices)
    if parcel.encoder is not None:
        _unpack(parcel.run.encoder, *get(parcel.encoder))
    torch.set_num_threads(threads)
    library = Library(at_hand={name: get(reference) for name, reference in parcel.corpora.items()})
    return execution.compute(parcel.run, False, library)


def _unpack(name, contents, files):
    """Write the files of an encoder into a folder, where they aren't yet, and have it found there by its name."""
    if name in locations.ARRIVED:
        return
    folder = runs_folder() / "encoders" / contents
    if not folder.is_dir():
        with whole_folder(folder) as making:
            for file, data in files.items():
                (making / file).parent.mkdir(exist_ok=True)
                (making / file).write_bytes(data)
    locations.ARRIVED[name] = str(folder)
