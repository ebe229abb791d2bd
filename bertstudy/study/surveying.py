"""Which corpora can be loaded, and what is known of them: surveys, made once and stored."""

import logging
from collections.abc import Iterable
from pathlib import Path

import pandas as pd

from ..analysis.surveys import DOCUMENTS, survey
from ..data.corpora import LIBRARY, Library, data_folder
from ..model.loading import load_tokenizer
from ..model.locations import folder_hash, is_folder
from ..paths import shown
from ..results.rows import Store, digest
from ..runs import Run

LOG = logging.getLogger(__name__)
NONE = "None of these corpora can be loaded (see above). Name a folder of corpora as data_dir, or a file as corpus."


def _id(run, documents, library):
    """The id of the survey of a run's corpus with its encoder's tokenizer and its window: sixteen hex digits."""
    corpus = library.of(run)
    encoder = folder_hash(run.encoder) if is_folder(run.encoder) else run.encoder
    key = [Path(corpus.name).name, corpus.fingerprint, encoder, run.window, documents]
    return digest(key)


def stored(run: Run, profile: str, documents: int = DOCUMENTS, library: Library = LIBRARY) -> dict:
    """The survey of a run's corpus with its encoder's tokenizer and its window: read where it is stored, else made.

    It is stored in reports/<profile>/corpora, named by a hash of corpus, encoder, window and sample size. Raises
    ValueError for a corpus or a tokenizer that can't be loaded.
    """
    store, survey_id = Store.of(profile, "corpora"), _id(run, documents, library)
    if survey_id not in store:
        corpus = library.of(run)
        surveyed = survey(corpus, load_tokenizer(run.encoder), run.window, documents)
        store.write({"id": survey_id, "encoder": run.encoder, "fingerprint": corpus.fingerprint, **surveyed})
    return store.read(survey_id)


def _left_out(run, error, library):
    reason = str(error).partition(". ")[0].replace(f"{data_folder(library.data_dir)}/", "")
    LOG.info("Left out, %s: %s.", Path(run.corpus).name, reason.rstrip("."))


def reachable(plan: Iterable[Run], library: Library = LIBRARY) -> list[Run]:
    """The runs of a plan whose corpus can be loaded; each other is logged. Raises ValueError where none can."""
    there = []
    for run in plan:
        try:
            library.of(run)
            there.append(run)
        except ValueError as error:
            _left_out(run, error, library)
    if not there:
        raise ValueError(NONE)
    return there


def survey_all(
    plan: Iterable[Run], profile: str, documents: int = DOCUMENTS, library: Library = LIBRARY
) -> pd.DataFrame:
    """The surveys of a plan's corpora as a table; a corpus or a tokenizer that can't be loaded is logged in one line.

    Raises ValueError where none can.
    """
    rows, written, store = [], 0, Store.of(profile, "corpora")
    for run in plan:
        try:
            new = _id(run, documents, library) not in store
            rows.append(stored(run, profile, documents, library))
            written += new
        except ValueError as error:
            _left_out(run, error, library)
    if not rows:
        raise ValueError(NONE)
    counted = "1 corpus" if len(rows) == 1 else f"{len(rows)} corpora"
    LOG.info("%s: %d counted now, %d read from %s.", counted, written, len(rows) - written, shown(store.folder))
    return pd.DataFrame(rows)
