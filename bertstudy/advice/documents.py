"""The reader's own labelled texts: documents that keep their row numbers, in three parts: train, dev and test.

All else in `advice` starts from them. Nothing that is shown contains a document's text: it is named by its row number.
"""

import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ..choices.metrics import METRICS
from ..data import files
from ..data.control.example import FILE as EXAMPLE
from ..data.corpora import Corpus, Library, build
from ..data.files import Labelled, without_control
from ..data.sampling import Split, plain, stratified_order
from ..data.tables import is_saved_dataset
from ..model.classifier import Classifier
from ..model.loading import check_encoder, encoder_config, longest_window
from ..model.locations import reads_mean
from ..model.words import WORDS, WordsClassifier
from ..paths import runs
from ..profiles import Profile
from ..profiles import profile as find_profile
from ..registry import no_such
from ..results.rows import Store
from ..runs import FILE_TYPES, Run, file_type
from . import budget

MINUTES = {"smoke": 1.0, "control": 3.0, "compact": 20.0, "paper": 60.0}
LEAST = 40  # different texts: with fewer, none could be set aside
TEST, DEV = 0.2, 0.2  # shares set aside: for test, of a file without a test file; for dev, of the rest
MOST_DEV = 1000
UNBALANCED = 0.1  # of the mean number of documents per class: where a class has fewer, macro-F1 is chosen by
WORD = re.compile(WORDS)
NUMBER = re.compile(r"[+-]?\d+\.0+")


class Numbered(NamedTuple):
    """n documents with the numbers (n) of their rows in the reader's file, from 1, the header not counted."""

    texts: list[str]
    classes: np.ndarray
    numbers: np.ndarray

    def take(self, indices: np.ndarray) -> "Numbered":
        """The documents at these indices."""
        return Numbered([self.texts[index] for index in indices], self.classes[indices], self.numbers[indices])

    def plus(self, other: "Numbered") -> "Numbered":
        """These documents, followed by others."""
        pairs = zip(self[1:], other[1:], strict=True)
        return Numbered([*self.texts, *other.texts], *(np.concatenate(pair) for pair in pairs))


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
) -> YourData:
    """Read and check the reader's files and give YourData; the minutes count from here. Empty values are defaults.

    text_column: a column, several joined ("title+body"), or a pair of texts ("premise|hypothesis"). encoding: of text
    files that are not UTF-8. join_labels: make one class of labels that differ only in case, blanks or the form of a
    number. metric: what recipes are chosen by; "" is the error, or macro-F1 where a class has few documents.

    Raises ValueError, which says what to do, for files that can't be read or used (no such column, one class, fewer
    than LEAST texts), for an encoder that can't be loaded, and for a value out of range.
    """
    clock = _clock(profile, budget_minutes)
    columns = text_column or "text", label_column or "label"
    path = _existing("train", train or EXAMPLE)
    theirs = files.read_numbered(_existing("test", test), *columns, encoding, "test") if test else None
    if not test and is_saved_dataset(path) and (path / "test").is_dir():
        test, theirs = str(path), files.read_numbered(path, *columns, encoding, "test")
    ours = files.read_numbered(path, *columns, encoding)
    others = files.read_texts(_existing("unlabelled", unlabelled), columns[0], encoding) if unlabelled else []
    settings = {"encoder": encoder, "metric": metric, "join_labels": join_labels, "model_dir": model_dir}
    return of(str(path), columns, ours, theirs, others, find_profile(profile), clock, test=test, **settings)


def in_memory(
    texts: Sequence[str],
    labels: Sequence[Any],
    *,
    test: tuple[Sequence[Any], Sequence[Any]] | None = None,
    unlabelled: Sequence[str] = (),
    profile: str = "compact",
    minutes: float = 5.0,
    tested: bool = True,
    **settings: Any,
) -> YourData:
    """YourData of n texts (or n pairs of texts) and their labels, as `begin` gives it of files.

    test: texts and labels to test on; None: a fifth of these, or nothing where `tested` is false. settings: encoder,
    metric, join_labels, model_dir. Raises ValueError as `begin` does, and where there is not one label for each text.
    """
    clock = _clock(profile, minutes)
    columns, ours = _labelled(texts, labels, "texts")
    theirs = _labelled(*test, "test")[1] if test else None
    chosen = find_profile(profile)
    settings |= {"test": "test", "tested": tested}
    return of("texts.csv", columns, ours, theirs, list(unlabelled), chosen, clock, **settings)


def _labelled(texts, labels, name):
    """Texts or pairs of texts with their labels: the columns that a Run knows them by, and the documents."""
    if len(texts) != len(labels):
        raise ValueError(f"{len(texts):,} texts and {len(labels):,} labels: give a label for each text.")
    pairs = [isinstance(text, (tuple, list)) and len(text) == 2 for text in texts]
    if any(pairs) and not all(pairs):
        raise ValueError(f"texts: {sum(pairs):,} of {len(pairs):,} are pairs. Give single texts only, or pairs only.")
    columns = ("text|second" if pairs and all(pairs) else "text"), "label"
    table = pd.DataFrame(list(texts), columns=columns[0].split("|")) if any(pairs) else pd.DataFrame({"text": texts})
    return columns, files.labelled_of(table.assign(label=list(labels)), *columns, path=name)


def _clock(profile, minutes):
    chosen = find_profile(profile)
    if not 0 <= minutes < float("inf"):
        raise ValueError(
            f"budget_minutes={minutes}: allowed is 0 (the profile's {MINUTES[chosen.name]:g}) or more, such as 5."
        )
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
    tested: bool = True,
) -> YourData:
    """YourData of documents that were read: ours to train on, theirs to test on (None: a fifth of ours)."""
    if metric:
        METRICS.check(metric)
    encoder = encoder or profile.own_base.encoder
    base = replace(profile.own_base, encoder=encoder, dev_fraction=0.0, test_size=0)
    base = replace(base, piece_pooling="mean" if reads_mean(encoder) else base.piece_pooling)
    base = _within_window(replace(base, corpus=name, text_column=columns[0], label_column=columns[1]))
    check_encoder(base)
    labels, parts, found = split(name, ours, theirs, columns, test, join_labels, tested)
    counts = np.array(list(found["counts"].values()))
    metric = metric or ("macro_f1" if counts.min() < UNBALANCED * counts.mean() else "error")
    data = YourData(profile, base, labels, *parts, found, unlabelled, clock, Path(model_dir), metric)
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


def _first(texts):
    """For each of n texts the index of the first text that is the same up to case and spaces: (n)."""
    seen = {}
    return np.array([seen.setdefault(plain(text), index) for index, text in enumerate(texts)], dtype=int)


def _spelling(name):
    """A label without regard to case, blanks and the form of a number: labels that are alike have the same."""
    return plain(name).partition(".")[0] if NUMBER.fullmatch(name.strip()) else plain(name)


def alike_labels(counts: Counter) -> list[list[str]]:
    """Groups of labels that differ only in case, blanks or the form of a number, the commonest of each group first."""
    groups = {}
    for name, _ in counts.most_common():
        groups.setdefault(_spelling(name), []).append(name)
    return [names for names in groups.values() if len(names) > 1]


def _joined(documents, groups):
    """The documents, each label of a group replaced by the group's commonest."""
    first = {name: names[0] for names in groups for name in names}
    return documents._replace(names=[first.get(name, name) for name in documents.names])


def split(
    name: str,
    ours: Labelled,
    theirs: Labelled | None,
    columns: tuple[str, str] = ("text", "label"),
    test: str = "",
    join_labels: bool = False,
    tested: bool = True,
) -> tuple[tuple[str, ...], list[Numbered], dict]:
    """Documents in three parts: (labels, [train, dev, test] as Numbered, a dict of what was found).

    Of a repeated text the first row is kept. Without documents to test on (`theirs`) a fifth is set aside for the test
    (none where `tested` is false); with them, their texts are removed from train. No text is in two parts. Raises
    ValueError for documents that don't make a corpus: one class, too few texts, labels that are no classes.
    """
    found = {"alike": alike_labels(Counter(ours.names)), "joined": join_labels}
    if join_labels:
        ours, theirs = _joined(ours, found["alike"]), theirs and _joined(theirs, found["alike"])
    texts, with_control = _cleaned(ours.texts, columns[0])
    found["control"] = with_control
    tested_texts = _cleaned(theirs.texts, columns[0])[0] if theirs else []
    tested_names = theirs.names if theirs else []
    origin = _first(texts)
    unique = np.flatnonzero(origin == np.arange(len(texts)))
    _check_labels(name, ours.names, len(unique), columns[1])
    if theirs:
        _check_classes(test, theirs, set(ours.names))
    if sum(bool(WORD.search(texts[index])) for index in unique) < LEAST:
        raise ValueError(
            f"{name}: fewer than {LEAST} texts in the column {columns[0]!r} contain a word. Name another text_column."
        )
    corpus = build(name, (texts, ours.names), (tested_texts, tested_names))
    whole = Numbered(texts, corpus.train.classes, np.array(ours.numbers))
    numbers, classes = whole.numbers, whole.classes
    found |= {"rows": len(texts) + ours.empty, "without text": ours.empty, "repeated": len(texts) - len(unique)}
    found["contradicted"] = [
        (int(numbers[origin[index]]), int(numbers[index])) for index in np.flatnonzero(classes != classes[origin])
    ]
    found["counts"] = Counter(ours.names)
    first, leaked = whole.take(unique), {plain(text) for text in tested_texts}
    remaining = first.take([index for index, text in enumerate(first.texts) if plain(text) not in leaked])
    found["leaked"] = len(first.texts) - len(remaining.texts)
    found |= {"own test": bool(theirs), "test without text": theirs.empty if theirs else 0}
    order = stratified_order(remaining.classes, np.random.default_rng(0))
    aside = 0 if theirs or not tested else round(TEST * len(order))
    chosen_by = aside + min(MOST_DEV, round(DEV * (len(order) - aside)))
    parts = [remaining.take(np.sort(part)) for part in (order[chosen_by:], order[aside:chosen_by], order[:aside])]
    if theirs:
        once = np.flatnonzero(_first(tested_texts) == np.arange(len(tested_texts)))
        parts[2] = Numbered(tested_texts, corpus.test.classes, np.array(theirs.numbers)).take(once)
        found["repeated in test"] = len(tested_texts) - len(once)
    if len(parts[0].texts) < LEAST // 2 or len(set(parts[0].classes)) < 2:
        raise ValueError(
            f"{name}: only {len(remaining.texts)} of its texts are not in test={str(test)!r} too; they are too few, or "
            f"of one class. Take the test documents out of train, or leave test empty."
        )
    return corpus.labels, parts, found


def _cleaned(texts, text_column):
    """Texts without control characters, and how many had some; the separator of a pair is kept."""
    if "|" not in text_column:
        return without_control(texts)
    halves = [without_control(text.split(files.PAIR)) for text in texts]
    return [files.PAIR.join(parts) for parts, _ in halves], sum(had > 0 for _, had in halves)


def _check_labels(name, names, different, label_column):
    """Raise ValueError, which says what to do, unless there are two classes or more, not too many, and enough texts."""
    if len(set(names)) < 2:
        raise ValueError(
            f"{name}: all {len(names):,} documents have the label {names[0]!r} in the column {label_column!r}; a "
            f"classifier needs at least two classes. Add documents of another class, or name the column with the "
            f"labels by label_column."
        )
    if different < LEAST:
        raise ValueError(
            f"{name}: {different} different labelled texts; at least {LEAST} are needed, since some are set aside to "
            f"choose by and to test on. Start with some fifty of each class."
        )
    if len(set(names)) > different / 2:
        raise ValueError(
            f"{name}: the column {label_column!r} has {len(set(names)):,} different values in {len(names):,} rows, too "
            f"many for classes. Name the column with the labels by label_column, or group its values into classes."
        )


def _check_classes(test, theirs, known):
    for number, name in zip(theirs.numbers, theirs.names, strict=True):
        if name not in known:
            raise ValueError(
                f"{test}, data row {number}: {no_such('label', name, sorted(known))} A class can only be tested if it "
                f"is in train: label documents of it there, or take its rows out of test."
            )
