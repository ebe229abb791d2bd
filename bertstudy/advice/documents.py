"""The reader's own labelled texts: documents that keep their row numbers, in three parts: train, dev and test.

All else in `advice` starts from them. Nothing that is shown contains a document's text: it is named by its row number.
"""

import json
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..choices.metrics import METRICS
from ..data import files
from ..data.control.example import FILE as EXAMPLE
from ..data.corpora import Corpus, Library
from ..data.files import Labelled
from ..data.sampling import Split, plain
from ..data.tables import is_saved_dataset
from ..model.classifier import Classifier
from ..model.loading import check_encoder, encoder_config, longest_window
from ..model.locations import reads_mean
from ..model.words import WordsClassifier
from ..paths import runs
from ..profiles import Profile
from ..profiles import profile as find_profile
from ..registry import brief, no_such
from ..results.rows import Store
from ..runs import FILE_TYPES, Run, file_type
from . import budget
from .splitting import Numbered, spelt_as, split

MINUTES = {"smoke": 1.0, "control": 3.0, "compact": 20.0, "paper": 60.0}
SURROGATE = re.compile(r"[\ud800-\udfff]")
UNBALANCED = 0.1  # of the mean number of documents per class: where a class has fewer, macro-F1 is chosen by


@dataclass
class YourData:
    """The reader's documents in three parts, what was found in the files, and what has been tried so far.

    The functions of `advice` take it, and note in it what they measure and try.
    """

    profile: Profile
    base: Run
    labels: tuple[str, ...]
    train: Numbered
    dev: Numbered
    test: Numbered
    found: dict
    unlabelled: list[str]
    clock: budget.Clock
    model_dir: Path
    metric: str = "error"  # what recipes are chosen by
    accept_error: float = 0.0  # percent, of what the classifier decides without a person; 0: no threshold is chosen
    rival_column: str = ""  # of the file that is tested on: labels that were predicted elsewhere
    rival: dict[int, str] = field(default_factory=dict)  # these, by the number of the row
    progress: bool = True  # whether bars are shown of what takes long
    speed: budget.Speed | None = None
    lengths: np.ndarray | None = None  # word pieces of a sample of the documents
    plan: list[Any] = field(default_factory=list)  # the rungs of the fine-tuned recipes
    rows: list[dict] = field(default_factory=list)  # of what was tried
    left_out: list[dict] = field(default_factory=list)  # and of what was not: recipe, labelled, minutes, why
    classifiers: dict[str, Classifier | WordsClassifier] = field(default_factory=dict)  # in memory, by row id

    @cached_property
    def corpus(self) -> Corpus:
        """Train, and dev in the place of test: what candidates are scored on. No unlabelled text is in dev or test."""
        return self._corpus(self.train, self.dev)

    @cached_property
    def whole(self) -> Corpus:
        """Train and dev together, and test: what the classifier to keep is trained and scored on."""
        return self._corpus(self.train.plus(self.dev), self.test if self.test.texts else self.dev)

    def _corpus(self, train, test):
        splits = (Split(part.texts, part.classes) for part in (train, test))
        taken = {plain(text) for part in (self.dev, self.test) for text in part.texts}
        unlabelled = [text for text in self.unlabelled if plain(text) not in taken]
        return Corpus(self.base.corpus, *splits, self.labels, load_unlabelled=lambda: unlabelled)

    @property
    def store(self) -> Store:
        """The rows of what was tried, in runs/your_data/rows."""
        return Store(runs() / "your_data" / "rows")

    def library(self, corpus: Corpus) -> Library:
        """Where runs on these documents find a corpus of theirs."""
        return Library(at_hand={self.base.corpus: corpus})

    def __repr__(self):
        name = "the embedded example" if self.base.corpus == str(EXAMPLE) else Path(self.base.corpus).name
        return (
            f"Profile {self.profile.name}. {self.profile.shows}\n"
            f"{name}: {len(self.train.texts):,} documents to train on, {len(self.dev.texts):,} to choose by, "
            f"{len(self.test.texts):,} to test on once; {len(self.labels)} classes; chosen by {self.metric}; encoder "
            f"{Path(self.base.encoder).name}; {self.clock.seconds / 60:g} minutes."
        )


def begin(
    *,
    profile: str = "auto",
    train: str = "",
    test: str = "",
    unlabelled: str = "",
    text_column: str = "",
    label_column: str = "",
    encoding: str = "",
    join_labels: bool = False,
    metric: str = "",
    encoder: str = "",
    budget_minutes: float = 0.0,
    model_dir: str = "",
    accept_error: float = 0.0,
    rival_column: str = "",
) -> YourData:
    """Read and check the reader's files and give YourData; the minutes count from here. Empty values are defaults.

    text_column: a column, several joined ("title+body"), or a pair of texts ("premise|hypothesis"). encoding: of text
    files that are not UTF-8. join_labels: make one class of labels that differ only in case, blanks or the form of a
    number. metric: what recipes are chosen by; "" is the error, or macro-F1 where a class has few documents.
    accept_error: percent that may be wrong of what is not left to a person; 0: nothing is left to one. rival_column: of
    the file that is tested on, labels that were predicted elsewhere, to compare with.

    Raises ValueError, which says what to do, for files that can't be read or used (no such column, one class, fewer
    than LEAST texts), for an encoder that can't be loaded, and for a value out of range.
    """
    settings = {"encoder": encoder, "metric": metric, "join_labels": join_labels, "model_dir": model_dir}
    settings["accept_error"] = accept_error
    check_types(train=train, test=test, unlabelled=unlabelled, text_column=text_column, label_column=label_column)
    check_types(encoding=encoding, budget_minutes=budget_minutes, rival_column=rival_column, **settings)
    clock = _clock("budget_minutes", budget_minutes, profile)
    columns = text_column or "text", label_column or "label"
    path = _existing("train", train or EXAMPLE)
    theirs = files.read_numbered(_existing("test", test), *columns, encoding, "test") if test else None
    if not test and is_saved_dataset(path) and (path / "test").is_dir():
        test, theirs = str(path), files.read_numbered(path, *columns, encoding, "test")
    ours = files.read_numbered(path, *columns, encoding)
    others = files.read_texts(_existing("unlabelled", unlabelled), columns[0], encoding) if unlabelled else []
    rival = {}
    if rival_column:
        tested = (_existing("test", test), "test") if test else (path, "train")
        rival = files.read_column(*tested, rival_column, "rival_column", encoding)
    data = of(str(path), columns, ours, theirs, others, find_profile(profile), clock, test=test, **settings)
    spelt = spelt_as(data.labels, rival.values()) if join_labels else rival.values()
    data.rival_column, data.rival = rival_column, dict(zip(rival, spelt, strict=True))
    return data


def in_memory(
    texts: Sequence[str],
    labels: Sequence[Any],
    *,
    test: tuple[Sequence[Any], Sequence[Any]] | None = None,
    unlabelled: Sequence[str] = (),
    profile: str = "compact",
    minutes: float = 5.0,
    tested: bool = True,
    progress: bool = True,
    **settings: Any,
) -> YourData:
    """YourData of n texts (or n pairs of texts) and their labels, as `begin` gives it of files.

    test: texts and labels to test on; None: a fifth of these, or nothing where `tested` is false. settings: encoder,
    metric, join_labels, model_dir, accept_error. Raises ValueError as `begin` does, and where there is not one
    label for each text.
    """
    check_types(minutes=minutes, **settings)
    clock = _clock("minutes", minutes, profile)
    columns, ours = _labelled(texts, labels, "texts")
    theirs = None
    if test is not None:
        if not isinstance(test, (tuple, list)) or len(test) != 2:
            raise TypeError(f"test={brief(test)}: expected texts and their labels, as in test=(texts, labels).")
        theirs = _labelled(*test, "test")[1]
    unlabelled = _listed("unlabelled", unlabelled)
    if wrong := [text for text in unlabelled if not isinstance(text, str)]:
        raise TypeError(f"unlabelled: expected a list of texts; {brief(wrong[0])} is none.")
    chosen = find_profile(profile)
    settings |= {"test": "test", "tested": tested}
    data = of("texts.csv", columns, ours, theirs, unlabelled, chosen, clock, **settings)
    data.progress = progress
    return data


def _labelled(texts, labels, name):
    """Texts or pairs of texts with their labels: the columns that a Run knows them by, and the documents."""
    texts, labels = _listed("texts", texts), _listed("labels", labels)
    if len(texts) != len(labels):
        raise ValueError(f"{len(texts):,} texts and {len(labels):,} labels: give a label for each text.")
    pairs = [isinstance(text, (tuple, list)) and len(text) == 2 for text in texts]
    if any(pairs) and not all(pairs):
        raise ValueError(f"texts: {sum(pairs):,} of {len(pairs):,} are pairs. Give single texts only, or pairs only.")
    columns = ("text|second" if pairs and all(pairs) else "text"), "label"
    cells = [[_whole(part) for part in (text if any(pairs) else [text])] for text in texts]
    table = pd.DataFrame(cells, columns=columns[0].split("|"))
    return columns, files.labelled_of(table.assign(label=list(labels)), *columns, path=name)


def _listed(name, values):
    """Values as a list. Raises TypeError where they are none: a text, a mapping, a number."""
    if isinstance(values, (str, bytes, Mapping, Set)) or not isinstance(values, Iterable):
        raise TypeError(f"{name}={brief(values)}: expected a list with one for each document, as in {name}=['…', '…'].")
    return list(values)


EXAMPLES = {
    "train": "reviews.csv",
    "test": "more.csv",
    "unlabelled": "texts.csv",
    "text_column": "title+body",
    "label_column": "stars",
    "encoding": "cp1252",
    "encoder": "minilm",
    "metric": "macro_f1",
    "model_dir": "my-model",
    "join_labels": True,
    "budget_minutes": 5.0,
    "accept_error": 2.0,
    "rival_column": "gpt",
    "minutes": 5.0,
}
TYPES = {str: (str, Path), bool: (bool,), float: (int, float)}


def check_types(**given: Any) -> None:
    """Raise TypeError for a setting of another type than its example in EXAMPLES, and for an unknown one."""
    for name, value in given.items():
        if name not in EXAMPLES:
            raise no_such("parameter", name, EXAMPLES, TypeError)
        wanted = type(EXAMPLES[name])
        if not isinstance(value, TYPES[wanted]) or (isinstance(value, bool) and wanted is float):
            raise TypeError(
                f"{name}={brief(value)}: expected {wanted.__name__}, got {type(value).__name__}. Write it as in "
                f"{name}={EXAMPLES[name]!r}."
            )


def _whole(text):
    """A text without halves of surrogates, which no file has and no table of pandas takes."""
    return SURROGATE.sub("", text) if isinstance(text, str) else text


def _clock(name, minutes, profile):
    chosen = find_profile(profile)
    if not 0 <= minutes < float("inf"):
        raise ValueError(f"{name}={minutes}: allowed is 0 (the profile's {MINUTES[chosen.name]:g}) or more, such as 5.")
    return budget.Clock(60 * (minutes or MINUTES[chosen.name]))


def of(
    name: str,
    columns: tuple[str, str],
    ours: Labelled,
    theirs: Labelled | None,
    unlabelled: list[str],
    profile: Profile,
    clock: budget.Clock,
    *,
    test: str = "",
    encoder: str = "",
    metric: str = "",
    join_labels: bool = False,
    model_dir: str = "",
    accept_error: float = 0.0,
    tested: bool = True,
) -> YourData:
    """YourData of documents that were read: ours to train on, theirs to test on (None: a fifth of ours)."""
    if metric:
        METRICS.check(metric)
    if not 0 <= accept_error < 100:
        raise ValueError(f"accept_error={accept_error}: allowed is 0 (none is chosen) to below 100 percent, such as 2.")
    encoder = encoder or profile.own_base.encoder
    base = replace(profile.own_base, encoder=encoder, dev_fraction=0.0, test_size=0)
    base = replace(base, piece_pooling="mean" if reads_mean(encoder) else base.piece_pooling)
    base = _within_window(replace(base, corpus=name, text_column=columns[0], label_column=columns[1]))
    check_encoder(base)
    labels, parts, found = split(name, ours, theirs, columns, test, join_labels, tested)
    counts = np.array(list(found["counts"].values()))
    metric = metric or ("macro_f1" if counts.min() < UNBALANCED * counts.mean() else "error")
    data = YourData(profile, base, labels, *parts, found, unlabelled, clock, Path(model_dir), metric, accept_error)
    place = runs() / "your_data" / f"{Path(name).stem}-{data.corpus.fingerprint[:6]}"
    data.model_dir = Path(model_dir or place).expanduser()
    _check_model_dir(data.model_dir)
    return data


def _check_model_dir(folder):
    """Raise ValueError, before the minutes are spent, unless the folder is new, empty, or holds a saved classifier."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"model_dir={str(folder)!r} is a file. Name a folder that is empty or not there.")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    config = folder / "config.json"
    kind = json.loads(config.read_text(encoding="utf-8")).get("model_type", "") if config.is_file() else ""
    if not kind.startswith("bertstudy"):
        raise ValueError(
            f"model_dir={str(folder)!r}: other files are in it than those of a classifier saved by bertstudy. Name a "
            f"folder that is empty or not there."
        )


def _within_window(run):
    """The run, its window cut to the longest that its encoder can read."""
    most = longest_window(encoder_config(run.encoder))
    return run if run.window <= most else replace(run, window=most, truncation="head+tail")


def _existing(name, path):
    path = Path(path).expanduser()
    if is_saved_dataset(path):
        return path
    if path.is_dir():
        raise ValueError(f"{name}={str(path)!r} is a folder: name a file in it ({', '.join(FILE_TYPES)}).")
    if not path.exists():
        raise ValueError(f"{name}={str(path)!r}: there is no such file. Relative paths start at {Path.cwd()}.")
    if file_type(path) not in FILE_TYPES:
        raise no_such(f"{name}: file type", path.suffix, FILE_TYPES)
    return path
