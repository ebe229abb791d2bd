"""Corpora by name or file: train, test, unlabelled texts; fingerprints."""

import hashlib
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from ..registry import no_such, unique
from ..runs import FILE_TYPES, Run, is_path
from . import files, hub, sogou
from .catalogue import CORPORA
from .control.corpora import COMPOSED, compose, unlabelled
from .sampling import Split, stratified_order, without

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Corpus:
    """A labelled corpus. `labels` are the names of the classes, which are numbered by their place in it.

    `composed` says that its texts are the project's own, and may be shown.
    """

    name: str
    train: Split
    test: Split
    labels: tuple[str, ...]
    composed: bool = False
    load_unlabelled: Callable[[], list[str]] = field(default=list, repr=False)

    @cached_property
    def unlabelled(self) -> list[str]:
        """Texts without labels, for further pretraining, read when first asked for; [] where there are none."""
        return self.load_unlabelled()

    @cached_property
    def fingerprint(self) -> str:
        """Sixteen hex digits of all that is labelled: another text, label or order gives another fingerprint."""
        digest = hashlib.sha256()
        for split in (self.train, self.test):
            for text, number in zip(split.texts, split.classes, strict=True):
                data = text.encode("utf-8", "surrogatepass")
                digest.update(f"{len(data)} {self.labels[number]}\n".encode())
                digest.update(data)
            digest.update(b"end of split\n")
        return digest.hexdigest()[:16]


def build(name: str, train: tuple[list[str], list[str]], test: tuple[list[str], list[str]], **more: Any) -> Corpus:
    """A Corpus from (texts, class names) of train and test; `more` are further fields of Corpus.

    Raises ValueError for fewer than two classes, and for a class in test that train lacks.
    """
    seen = set(train[1])
    if len(seen) < 2:
        raise ValueError(
            f"corpus={name!r}: all training documents are {min(seen)!r}; classification needs two classes or more."
        )
    unknown = sorted(set(test[1]) - seen)
    if unknown:
        raise ValueError(
            f"corpus={name!r}: test has classes that train lacks: {', '.join(unknown[:5])}. Add training documents of "
            f"these classes, or leave the classes out of test."
        )
    labels = tuple(
        sorted(seen, key=lambda label: (not label.isdecimal(), int(label) if label.isdecimal() else 0, label))
    )
    number = {label: index for index, label in enumerate(labels)}
    splits = (Split(texts, np.array([number[label] for label in classes])) for texts, classes in (train, test))
    return Corpus(name, *splits, labels, **more)


def _from_folder(name, folder, text_column, label_column):
    paths = {stem: files.find_file(folder, stem) for stem in ("train", "test", "unlabelled")}
    for stem in ("train", "test"):
        if paths[stem] is None and not (stem == "test" and paths["train"]):
            raise ValueError(
                f"{folder}: no {stem} file in it. Give it a {stem}.csv, or one that ends in another of "
                f"{', '.join(FILE_TYPES)} (also with .gz)."
            )
    load = (lambda: files.read_texts(paths["unlabelled"], text_column)) if paths["unlabelled"] else list
    if paths["test"] is None:
        return replace(_from_file(name, paths["train"], text_column, label_column), load_unlabelled=load)
    train, test = (files.read_labelled(paths[stem], text_column, label_column) for stem in ("train", "test"))
    return build(name, train, test, load_unlabelled=load)


def _from_file(name, path, text_column, label_column):
    """A corpus from one file: a stratified fifth of it becomes the test set, less the texts that train has too."""
    whole = build(name, files.read_labelled(path, text_column, label_column), ([], []))
    order = stratified_order(whole.train.classes, np.random.default_rng(0))
    size = max(1, round(0.2 * len(order)))
    train, test = whole.train.take(sorted(order[size:])), whole.train.take(sorted(order[:size]))
    test = without(test, train.texts)
    if not test.texts:
        raise ValueError(
            f"{path}: too few different texts ({len(set(whole.train.texts))}) to set a test set aside. Give more "
            f"documents, or a folder with a train and a test file."
        )
    return build(name, *((split.texts, [whole.labels[number] for number in split.classes]) for split in (train, test)))


def _from_sogou(folder):
    train, test = ([list(column) for column in zip(*part, strict=True)] for part in sogou.build(folder))
    return build("sogou", train[::-1], test[::-1])


def _from_hub(name, entry):
    import datasets

    hub.reachable()
    try:
        loaded = datasets.load_dataset(entry.hub, revision=entry.revision)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"corpus={name!r} is not in the datasets cache and the hub did not give {entry.hub!r}. Offline, put "
            f"{name}/train.parquet and {name}/test.parquet (or .csv, .tsv, .jsonl; columns text, label) into a folder "
            f"and name it by data_dir or BERTSTUDY_DATA, or use corpus='movies'. "
            f"The loader said: {str(error)[:200]}"
        ) from error
    splits = []
    for part, rows in (("train", entry.train), ("test", entry.test)):
        table = loaded[part]
        if len(table) != rows:
            raise ValueError(f"corpus={name!r}: {entry.hub} has {len(table):,} {part} rows, not {rows:,}.")
        names = table.features[entry.label].names
        columns = [table[column] for column in entry.text]
        texts = [" ".join(filter(None, parts)) for parts in zip(*columns, strict=True)]
        splits.append((texts, [names[number] for number in table[entry.label]]))
    load = (lambda: list(loaded["unsupervised"]["text"])) if "unsupervised" in loaded else list
    return build(name, *splits, load_unlabelled=load)


def data_folder(data_dir: str = "") -> Path | None:
    """The folder of local corpora: data_dir, else BERTSTUDY_DATA, else None. Raises ValueError if it isn't there."""
    folder = data_dir or os.environ.get("BERTSTUDY_DATA", "")
    if folder and not Path(folder).expanduser().is_dir():
        source = "data_dir" if data_dir else "BERTSTUDY_DATA"
        raise ValueError(f"{source}={folder!r}: there is no such folder. Relative paths start at {Path.cwd()}.")
    return Path(folder).expanduser() if folder else None


@dataclass(frozen=True)
class Library:
    """Where corpora come from: those in memory, the composed ones, a folder of local ones, the hub.

    data_dir: the folder; with "" it is the one that BERTSTUDY_DATA names when a corpus is loaded. at_hand: corpora in
    memory, by the name or path by which runs name them.
    """

    data_dir: str = ""
    at_hand: dict[str, Corpus] = field(default_factory=dict)

    def load(self, name: str, text_column: str = "text", label_column: str = "label") -> Corpus:
        """A Corpus by name, or from a file or a folder of train, test and unlabelled files.

        Names are looked up among the composed control corpora, in the data folder as `<name>/train.csv`, `test.csv`
        and `unlabelled.csv` (or of another of runs.FILE_TYPES), in the cache of `datasets`, and on the hub. Without a
        test file, a fifth of the training documents becomes the test set. Raises ValueError that says what is missing
        and what to do.
        """
        if name in self.at_hand:
            return self.at_hand[name]
        folder = data_folder(self.data_dir)
        path = Path(name).expanduser()
        if is_path(name) and not path.exists():
            raise ValueError(f"corpus={name!r}: there is no such file. Relative paths start at {Path.cwd()}.")
        local = path if is_path(name) else folder and folder / name
        return _load(name, folder, text_column, label_column, _stamps(local))

    def of(self, run: Run) -> Corpus:
        """The Corpus of a run, with the test documents of the one that it is tested on."""
        own = self.load(run.corpus, run.text_column, run.label_column)
        return tested_on(own, self.load(run.tested_on, run.text_column, run.label_column)) if run.tested_on else own


def tested_on(corpus: Corpus, other: Corpus) -> Corpus:
    """A corpus with the test documents of another one of the same classes.

    Classes are the same by name; where the names differ, by their order, which is logged. Raises ValueError where
    their numbers differ.
    """
    if len(corpus.labels) != len(other.labels):
        raise ValueError(
            f"tested_on={other.name!r} has {len(other.labels)} classes, {corpus.name!r} has {len(corpus.labels)}. "
            f"Choose a corpus of the same classes, such as tested_on='yelp_polarity' for 'imdb'."
        )
    if set(corpus.labels) != set(other.labels):
        pairs = ", ".join(map("{} as {}".format, other.labels, corpus.labels))
        LOG.info("The classes of %s are taken in their order: %s.", other.name, pairs)
        return replace(corpus, test=other.test)
    place = np.array([corpus.labels.index(label) for label in other.labels])
    return replace(corpus, test=Split(other.test.texts, place[other.test.classes]))


LIBRARY = Library()


def load_corpus(name: str, data_dir: str = "", text_column: str = "text", label_column: str = "label") -> Corpus:
    """A Corpus by name, or from a file or a folder of train, test and unlabelled files: see `Library.load`."""
    return Library(data_dir).load(name, text_column, label_column)


def is_known(name: str) -> bool:
    """Whether a corpus is known by name (composed, or in the catalogue), so that its texts are the same everywhere."""
    return name in COMPOSED or name in CORPORA


def _stamps(local):
    """Name, time and size of a file, or of each file in a folder: another tuple means that one was changed."""
    paths = sorted(local.iterdir()) if local and local.is_dir() else [local] if local and local.is_file() else []
    return tuple((path.name, path.stat().st_mtime_ns, path.stat().st_size) for path in paths)


@cache
def _composed(name):
    return build(name, *compose(name), composed=True, load_unlabelled=lambda: unlabelled(name))


@lru_cache(maxsize=4)
def _load(name, folder, text_column, label_column, _stamps):
    if is_path(name):
        load = _from_folder if Path(name).expanduser().is_dir() else _from_file
        return load(name, Path(name).expanduser(), text_column, label_column)
    if name in COMPOSED:
        return _composed(name)
    if folder and (folder / name).is_dir() and files.find_file(folder / name, "train"):
        return _from_folder(name, folder / name, "text", "label")
    if name == "sogou":
        return _from_sogou(_raw_sogou(folder))
    if name in CORPORA:
        return _from_hub(name, CORPORA[name])
    local = [path.name for path in folder.iterdir() if files.find_file(path, "train")] if folder else []
    raise no_such("corpus", name, unique([*COMPOSED, *CORPORA, *local]))


def _raw_sogou(folder):
    candidates = [folder / "sogou", folder / "raw" / "sogou"] if folder else []
    for candidate in candidates:
        if candidate.is_dir():
            return candidate
    raise ValueError(
        "corpus='sogou' is built from the raw files of SogouCA and SogouCS (news_tensite_xml.dat, "
        "news_sohusite_xml.dat), which their publisher gives on request. Put them into the "
        "folder sogou under data_dir or BERTSTUDY_DATA."
    )
