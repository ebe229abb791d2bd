"""Corpora by name or file: train, test, unlabelled texts; samples and dev splits; fingerprints."""

import hashlib
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache, cached_property, lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from . import files
from . import hub
from . import sogou
from ..run import is_path
from .control.corpora import COMPOSED, compose, general, unlabelled
from ..registry import no_such


@dataclass(frozen=True)
class Entry:
    """One of the paper's corpora: where it is on the hub, at which revision, and how large it has to be there."""

    title: str
    kind: str
    train: int
    test: int
    hub: str = ""
    revision: str = ""
    text: tuple[str, ...] = ("text",)
    label: str = "label"
    language: str = "en"


CHINESE = "google-bert/bert-base-chinese"  # the paper's encoder for Chinese corpora

CORPORA = {
    "imdb": Entry("IMDb", "sentiment", 25_000, 25_000, "stanfordnlp/imdb", "e6281661ce1c48d982bc483cf8a173c1bbeb5d31"),
    "yelp_polarity": Entry(
        "Yelp P.", "sentiment", 560_000, 38_000, "fancyzhx/yelp_polarity", "bbf1c97a1f0cf005e5aded43839fd814654a1557"
    ),
    "yelp_full": Entry(
        "Yelp F.", "sentiment", 650_000, 50_000, "Yelp/yelp_review_full", "c1f9ee939b7d05667af864ee1cb066393154bf85"
    ),
    # Only a script stands on the hub's main branch; the branch of its conversion has no release to pin.
    "trec": Entry("TREC", "question", 5_452, 500, "CogComp/trec", "refs/convert/parquet", label="coarse_label"),
    "yahoo_answers": Entry(
        "Yahoo! Answers",
        "question",
        1_400_000,
        60_000,
        "community-datasets/yahoo_answers_topics",
        "6652a1e7c94f7260a0bfd0c9092dd48e2d536ea1",
        ("question_title", "question_content", "best_answer"),
        "topic",
    ),
    "ag_news": Entry(
        "AG's News", "topic", 120_000, 7_600, "fancyzhx/ag_news", "eb185aade064a813bc0b7f42de02595523103ca4"
    ),
    "dbpedia": Entry(
        "DBPedia",
        "topic",
        560_000,
        70_000,
        "fancyzhx/dbpedia_14",
        "9abd46cf7fc8b4c64290f26993c540b92aa145ac",
        ("title", "content"),
    ),
    "sogou": Entry("Sogou News", "topic", 54_000, 6_000, language="zh"),  # from raw files: see sogou.py
}


class Split(NamedTuple):
    """texts: n strings; classes: n ints into the corpus's labels."""

    texts: list[str]
    classes: np.ndarray

    def take(self, indices):
        """The documents at these indices, as a Split."""
        return Split([self.texts[index] for index in indices], self.classes[indices])


@dataclass(frozen=True)
class Corpus:
    """A labelled corpus. `composed` says that its texts are the project's own, and may be shown."""

    name: str
    train: Split
    test: Split
    labels: tuple[str, ...]
    composed: bool = False
    load_unlabelled: Callable[[], list[str]] = field(default=list, repr=False)

    @cached_property
    def unlabelled(self):
        """Texts without labels, for further pretraining, read when first asked for; [] where there are none."""
        return self.load_unlabelled()

    @cached_property
    def fingerprint(self):
        """Sixteen hex digits of all that is labelled: another text, label or order gives another fingerprint."""
        digest = hashlib.sha256()
        for split in (self.train, self.test):
            for text, number in zip(split.texts, split.classes, strict=True):
                data = text.encode("utf-8", "surrogatepass")
                digest.update(f"{len(data)} {self.labels[number]}\n".encode())
                digest.update(data)
            digest.update(b"end of split\n")
        return digest.hexdigest()[:16]


def build(name, train, test, **more):
    """A Corpus from (texts, class names) of train and test. Checks that there are classes, and the same in both."""
    seen = set(train[1])
    if len(seen) < 2:
        raise ValueError(
            f"corpus={name!r}: all training documents are {min(seen)!r}; classification takes two classes."
        )
    unknown = sorted(set(test[1]) - seen)
    if unknown:
        raise ValueError(f"corpus={name!r}: test has classes that train lacks: {', '.join(unknown[:5])}.")
    labels = tuple(
        sorted(seen, key=lambda label: (not label.isdecimal(), int(label) if label.isdecimal() else 0, label))
    )
    number = {label: index for index, label in enumerate(labels)}
    splits = (Split(texts, np.array([number[one] for one in classes])) for texts, classes in (train, test))
    return Corpus(name, *splits, labels, **more)


def _from_folder(name, folder, text_column, label_column):
    paths = {stem: files.find_file(folder, stem) for stem in ("train", "test", "unlabelled")}
    for stem in ("train", "test"):
        if paths[stem] is None and not (stem == "test" and paths["train"]):
            raise ValueError(f"{folder}: no {stem}.parquet, .csv, .tsv or .jsonl in it.")
    if paths["test"] is None:
        return _from_file(name, paths["train"], text_column, label_column)
    train, test = (files.read_labelled(paths[stem], text_column, label_column) for stem in ("train", "test"))
    load = (lambda: files.read_texts(paths["unlabelled"], text_column)) if paths["unlabelled"] else list
    return build(name, train, test, load_unlabelled=load)


def _from_file(name, path, text_column, label_column):
    """One file without a test set: a fifth of it becomes one, stratified, and keeps no text that train has."""
    whole = build(name, files.read_labelled(path, text_column, label_column), ([], []))
    order = stratified_order(whole.train.classes, np.random.default_rng(0))
    size = max(1, round(0.2 * len(order)))
    train, test = whole.train.take(sorted(order[size:])), whole.train.take(sorted(order[:size]))
    test = without(test, train.texts)
    if not test.texts:
        raise ValueError(f"{path}: too few different texts ({len(set(whole.train.texts))}) to set a test set aside.")
    names = lambda split: (split.texts, [whole.labels[one] for one in split.classes])  # noqa: E731
    return build(name, names(train), names(test))


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


def data_folder(data_dir=""):
    """The folder of local corpora: data_dir, else BERTSTUDY_DATA, else None. Raises ValueError if it isn't there."""
    named = data_dir or os.environ.get("BERTSTUDY_DATA", "")
    if named and not Path(named).expanduser().is_dir():
        source = "data_dir" if data_dir else "BERTSTUDY_DATA"
        raise ValueError(f"{source}={named!r}: there is no such folder. Relative paths start at {Path.cwd()}.")
    return Path(named).expanduser() if named else None


def load_corpus(name, data_dir="", text_column="text", label_column="label"):
    """A Corpus by name, or from a file or a folder of train, test and unlabelled files.

    Names are looked up among the composed control corpora, in `data_dir` (or BERTSTUDY_DATA) as
    `<name>/{train,test,unlabelled}.{parquet,csv,tsv,jsonl}`, in the cache of `datasets`, and on the hub. A file
    without a test set gives a fifth of itself. Raises ValueError that says what is missing and what to do.
    """
    stamp = 0.0
    if is_path(name):
        path = Path(name).expanduser()
        if not path.exists():
            raise ValueError(f"corpus={name!r}: there is no such file. Relative paths start at {Path.cwd()}.")
        inside = list(path.iterdir()) if path.is_dir() else [path]
        stamp = max([one.stat().st_mtime for one in inside], default=0.0)
    return _load(name, data_folder(data_dir), text_column, label_column, stamp)


def corpus_of(run):
    """The Corpus of a run."""
    return load_corpus(run.corpus, text_column=run.text_column, label_column=run.label_column)


@cache
def _composed(name):
    return build(name, *compose(name), composed=True, load_unlabelled=lambda: unlabelled(name))


@lru_cache(maxsize=4)
def _load(name, folder, text_column, label_column, stamp):
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
    local = [one.name for one in folder.iterdir() if files.find_file(one, "train")] if folder else []
    raise no_such("corpus", name, dict.fromkeys([*COMPOSED, *CORPORA, *local]))


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


def stratified_order(classes, random):
    """All indices (n) in an order of which every beginning has the classes in their proportions, within one document.

    A larger sample therefore contains every smaller one of the same `random`.
    """
    place, shuffled = np.empty(len(classes)), random.permutation(len(classes))
    for one in np.unique(classes):
        members = shuffled[classes[shuffled] == one]
        place[members] = (np.arange(len(members)) + 0.5) / len(members)
    return shuffled[np.argsort(place[shuffled], kind="stable")]


def plain(text):
    """A text by which duplicates are told: without regard to case and spaces."""
    return " ".join(text.split()).casefold()


def without(split, *others):
    """A Split less the documents whose text, but for case and spaces, is among the others' texts."""
    taken = {plain(text) for texts in others for text in texts}
    return split.take([index for index, text in enumerate(split.texts) if plain(text) not in taken])


def _kinds():
    """Kind -> names of the corpora of that kind, the composed ones apart from the real ones."""
    composed = {name: ("composed", one.kind) for name, one in COMPOSED.items() if one.language == "en"}
    return {**composed, **{name: ("real", one.kind) for name, one in CORPORA.items() if one.language == "en"}}


def sources(run):
    """The names of the corpora whose texts a run's further pretraining reads (§5.4.2).

    "in_domain" are all corpora of the same kind and "cross_domain" all in the same language, among the composed ones
    for a composed corpus and among the paper's for one of those. Raises ValueError for a name that is no corpus, and
    for a domain asked of a corpus that has none.
    """
    asked = run.further_pretraining
    if asked == "within_task":
        return [run.corpus]
    if asked not in ("in_domain", "cross_domain"):
        return asked.split("+")
    if found := peers(run.corpus, asked):
        return found
    raise ValueError(
        f"further_pretraining={asked!r}: corpus={run.corpus!r} belongs to no domain here. Use 'within_task', or "
        f"name the corpora, as in 'imdb+yelp_full'."
    )


def peers(corpus, reach):
    """The corpora of the same domain ("in_domain") or of all ("cross_domain"), itself included; [] for one of none."""
    kinds = _kinds()
    if corpus not in kinds:
        return []
    world, kind = kinds[corpus]
    return [name for name, (where, one) in kinds.items() if where == world and (reach == "cross_domain" or one == kind)]


def source_texts(run):
    """The texts of a run's further pretraining: train (and unlabelled) texts of its sources, in order, each once.

    No text that stands in the test set of one of them, or of the run's own corpus, is among them.
    """
    own = corpus_of(run)
    read = [own if name == run.corpus else load_corpus(name) for name in sources(run)]
    taken = {plain(text) for corpus in [own, *read] for text in corpus.test.texts}
    texts = [text for corpus in read for text in corpus.train.texts]
    if run.pretraining_unlabelled:
        texts += [text for corpus in read for text in corpus.unlabelled]
    return [text for text in dict.fromkeys(texts) if plain(text) not in taken]


def texts_of(name):
    """Texts to measure masked-LM loss on: "general" is what the control encoders were pretrained on, else a corpus."""
    return general() if name == "general" else load_corpus(name).train.texts


class Documents(NamedTuple):
    """What one run works on: three Splits. dev has no text of train or test; it may be empty."""

    train: Split
    dev: Split
    test: Split


def draw(corpus, run):
    """The documents of a run: a stratified sample of train, its dev part, and the test documents.

    Another seed draws another sample; a larger fraction contains the smaller one. The test documents depend on
    test_size alone. Raises ValueError where the sample has fewer than two classes to train on.
    """
    order = stratified_order(corpus.train.classes, np.random.default_rng([run.seed, 0]))
    sample = corpus.train.take(order[: round(run.fraction * len(order))])
    inner = stratified_order(sample.classes, np.random.default_rng([run.seed, 1])) if sample.texts else order[:0]
    size = max(1, round(run.dev_fraction * len(inner))) if run.dev_fraction else 0
    train, dev = sample.take(np.sort(inner[size:])), sample.take(np.sort(inner[:size]))
    if len(set(train.classes)) < 2:
        raise ValueError(
            f"fraction={run.fraction}: {len(sample.texts)} of {len(order):,} documents of {corpus.name!r}, less a dev "
            f"part of {size}, leave fewer than two classes to train on. Use a larger fraction."
        )
    test = stratified_order(corpus.test.classes, np.random.default_rng(0))[: run.test_size or None]
    return Documents(train, without(dev, train.texts, corpus.test.texts), corpus.test.take(np.sort(test)))
