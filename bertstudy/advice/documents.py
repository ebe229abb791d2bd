"""The reader's own labelled texts: files to documents that keep the numbers of their rows, and what is wrong with them.

`advice` goes on from here. Nothing that is shown has the text of a document in it: rows are told by their numbers.
"""

import json
import re
import time
from collections import Counter
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from .. import stats
from ..data import files
from ..data.catalogue import CHINESE
from ..data.control.example import FILE as EXAMPLE
from ..data.corpora import Corpus, Library, build
from ..data.sampling import Split, plain, stratified_order
from ..model.classifier import Classifier, check_encoder, longest_window
from ..model.encoder import encoder_config, load_tokenizer
from ..paths import runs
from ..profiles import Profile
from ..profiles import profile as find_profile
from ..registry import no_such
from ..results.rows import Store
from ..runs import Run
from ..training.methods.tfidf import USUAL, WORDS, words_model
from . import budget
from .findings import Finding

MINUTES = {"smoke": 1.0, "control": 3.0, "compact": 20.0, "paper": 60.0}
LEAST = 40  # different texts: fewer can't be trained on, chosen by and tested on
TEST, DEV = 0.2, 0.2  # shares set aside: of a file without a test file, and then of the rest
MOST_DEV = 1000
SAMPLE = 2000  # documents to measure lengths of
SHOWN = 15  # rows of a list
RARE = 10  # documents of a class
BEYOND = 5.0  # percent of the documents beyond the window, from where on truncation is worth trying
FOLDS = 5  # to look for wrong labels
DOUBTS_SHARE = 0.05  # of the minutes, to look for wrong labels
HAN = range(0x3400, 0xA000)
WORD = re.compile(WORDS)


class Numbered(NamedTuple):
    """n documents with the numbers (n) of their rows in the reader's file, from 1, the header not counted."""

    texts: list[str]
    classes: np.ndarray
    numbers: np.ndarray

    def take(self, indices: np.ndarray) -> "Numbered":
        """The documents at these indices."""
        return Numbered([self.texts[index] for index in indices], self.classes[indices], self.numbers[indices])


@dataclass
class YourData:
    """The reader's documents in three parts, what was found in the files, and what has been tried so far."""

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
    speed: budget.Speed | None = None
    lengths: np.ndarray | None = None  # word pieces of a sample of the documents
    sizes: list[int] = field(default_factory=list)  # of the learning curve
    rows: list[dict] = field(default_factory=list)  # of what was tried
    left_out: list[dict] = field(default_factory=list)  # and of what was not: recipe, labelled, minutes, why
    best: dict | None = None  # the row of the recipe that is best on dev
    classifier: Classifier | None = None  # and what it trained, where that is in memory

    @cached_property
    def corpus(self) -> Corpus:
        """Train, and dev in the place of test: what candidates are scored on. No unlabelled text is in dev or test."""
        splits = (Split(part.texts, part.classes) for part in (self.train, self.dev))
        taken = {plain(text) for part in (self.dev, self.test) for text in part.texts}
        unlabelled = [text for text in self.unlabelled if plain(text) not in taken]
        return Corpus(self.base.corpus, *splits, self.labels, load_unlabelled=lambda: unlabelled)

    @property
    def library(self) -> Library:
        """Where runs on these documents find them."""
        return Library(at_hand={self.base.corpus: self.corpus})

    @property
    def store(self) -> Store:
        """The rows of what was tried, in runs/your_data."""
        return Store(runs() / "your_data" / "rows")

    def __repr__(self):
        name = "the embedded example" if self.base.corpus == str(EXAMPLE) else Path(self.base.corpus).name
        return (
            f"Profile {self.profile.name}. {self.profile.shows}\n"
            f"{name}: {len(self.train.texts):,} documents to train on, {len(self.dev.texts):,} to choose by, "
            f"{len(self.test.texts):,} to test on once; {len(self.labels)} classes; encoder "
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
    encoder: str = "",
    budget_minutes: float = 0.0,
    model_dir: str = "",
) -> YourData:
    """Read and check the reader's files and give YourData; the minutes begin to count. Empty values are defaults.

    Raises ValueError that says what to do for files that can't be read or don't do (no such column, one class, fewer
    than LEAST texts), for an encoder that can't be loaded and a value out of range.
    """
    chosen = find_profile(profile)
    if budget_minutes < 0:
        raise ValueError(f"budget_minutes={budget_minutes}: allowed is 0 ({MINUTES[chosen.name]:g}) or more.")
    clock = budget.Clock(60 * (budget_minutes or MINUTES[chosen.name]))
    columns = text_column or "text", label_column or "label"
    path = _existing("train", train or EXAMPLE)
    base = replace(chosen.base, encoder=encoder or chosen.base.encoder, dev_fraction=0.0, test_size=0)
    base = _within_window(replace(base, corpus=str(path), text_column=columns[0], label_column=columns[1]))
    check_encoder(base)
    labels, parts, found = read(path, test, *columns)
    texts = files.read_texts(_existing("unlabelled", unlabelled), columns[0]) if unlabelled else []
    data = YourData(chosen, base, labels, *parts, found, texts, clock, Path(model_dir))
    data.model_dir = Path(model_dir or runs() / "your_data" / f"{path.stem}-{data.corpus.fingerprint[:6]}").expanduser()
    _check_model_dir(data.model_dir)
    return data


def _check_model_dir(folder):
    """That a classifier can be saved there, over an older one at most; said before the minutes are spent."""
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"model_dir={str(folder)!r} is a file. Name a folder that is empty or not there.")
    if not folder.is_dir() or not any(folder.iterdir()):
        return
    config = folder / "config.json"
    if not config.is_file() or json.loads(config.read_text(encoding="utf-8")).get("model_type") != "bertstudy":
        raise ValueError(
            f"model_dir={str(folder)!r}: other files are in it than those of a classifier saved by this notebook. Name "
            f"a folder that is empty or not there."
        )


def _within_window(run):
    """The run with a window that its encoder can read."""
    most = longest_window(encoder_config(run.encoder))
    return run if run.window <= most else replace(run, window=most, truncation="head+tail")


def _existing(name, path):
    path = Path(path).expanduser()
    if path.is_dir():
        raise ValueError(f"{name}={str(path)!r} is a folder: name a file in it, {', '.join(files.FILE_TYPES)}.")
    if not path.exists():
        raise ValueError(f"{name}={str(path)!r}: there is no such file. Relative paths start at {Path.cwd()}.")
    if path.suffix.lower() not in files.FILE_TYPES:
        raise no_such(f"{name}: file type", path.suffix, files.FILE_TYPES)
    return path


def _first(texts):
    """For each of n texts the index of the first that is the same but for case and spaces: (n)."""
    seen = {}
    return np.array([seen.setdefault(plain(text), index) for index, text in enumerate(texts)], dtype=int)


def read(
    train: Path | str, test: Path | str, text_column: str, label_column: str
) -> tuple[tuple[str, ...], list[Numbered], dict]:
    """The files' documents: (labels, [train, dev, test] as Numbered, a dict of what was found).

    Of a text that stands more than once in a file the first row is kept. Without a test file a fifth is set aside;
    with one, what stands in it leaves train. No text is in two parts.
    """
    path = _existing("train", train)
    numbers, texts, names, empty = files.read_numbered(path, text_column, label_column)
    if len(set(names)) < 2:
        other_columns = [
            column for column in files.read_table(path).columns if column not in (text_column, label_column)
        ]
        raise ValueError(
            f"{path}: all {len(names):,} documents have the label {names[0]!r} in the column {label_column!r}; a "
            f"classifier takes two classes at the least. Add documents of another class, or name the column with the "
            f"labels by label_column (other columns: {', '.join(map(str, other_columns)) or 'none'})."
        )
    origin = _first(texts)
    unique = np.flatnonzero(origin == np.arange(len(texts)))
    if len(unique) < LEAST:
        raise ValueError(
            f"{path}: {len(unique)} different labelled texts; at least {LEAST} are needed, since some are set aside to "
            f"choose by and to test on. Fifty of each class make a beginning."
        )
    if len(set(names)) > len(unique) / 2:
        raise ValueError(
            f"{path}: the column {label_column!r} has {len(set(names)):,} different values in {len(names):,} rows, too "
            f"many for classes. Name the column with the labels by label_column, or put numbers into classes first."
        )
    theirs = files.read_numbered(_existing("test", test), text_column, label_column) if test else ([], [], [], 0)
    _check_classes(test, theirs, set(names))
    if sum(bool(WORD.search(texts[index])) for index in unique) < LEAST:
        raise ValueError(f"{path}: hardly a text in the column {text_column!r} has a word in it. Name another column.")
    corpus = build(str(path), (texts, names), (theirs[1], theirs[2]))
    whole = Numbered(texts, corpus.train.classes, np.array(numbers))
    found = {"rows": len(texts) + empty, "without text": empty, "repeated": len(texts) - len(unique)}
    found["contradicted"] = [
        (numbers[origin[index]], numbers[index]) for index in np.flatnonzero(whole.classes != whole.classes[origin])
    ]
    found["counts"] = Counter(names)
    first, leaked = whole.take(unique), {plain(text) for text in theirs[1]}
    remaining = first.take([index for index, text in enumerate(first.texts) if plain(text) not in leaked])
    found["leaked"] = len(first.texts) - len(remaining.texts)
    found |= {"own test": bool(test), "test without text": theirs[3]}
    order = stratified_order(remaining.classes, np.random.default_rng(0))
    tested = 0 if test else round(TEST * len(order))
    chosen_by = tested + min(MOST_DEV, round(DEV * (len(order) - tested)))
    cut = [remaining.take(np.sort(part)) for part in (order[chosen_by:], order[tested:chosen_by], order[:tested])]
    if test:
        once = np.flatnonzero(_first(theirs[1]) == np.arange(len(theirs[1])))
        cut[2] = Numbered(theirs[1], corpus.test.classes, np.array(theirs[0])).take(once)
        found["repeated in test"] = len(theirs[1]) - len(once)
    if len(cut[0].texts) < LEAST // 2 or len(set(cut[0].classes)) < 2:
        raise ValueError(
            f"{path}: only {len(remaining.texts)} of its texts are not in test={str(test)!r} as well, too few of two "
            f"classes to train on. Take the test documents out of train, or leave test empty."
        )
    return corpus.labels, cut, found


def _check_classes(test, theirs, known):
    for number, name in zip(theirs[0], theirs[2], strict=True):
        if name not in known:
            raise ValueError(
                f"{test}, data row {number}: {no_such('label', name, sorted(known))} A class can be tested only if "
                f"train has it: label documents of it in train, or take its rows out of test."
            )


def _of(rows):
    """Row numbers, the first few of them."""
    listed = ", ".join(map(str, rows[:SHOWN]))
    return f"{listed}, …" if len(rows) > SHOWN else listed


def check(data: YourData) -> pd.DataFrame:
    """What is in the files and what to do about it: a table with a line each, (what, found, to do)."""
    found, train = data.found, data.train
    whole = found["rows"] - found["without text"]
    advice = f"{found['without text']} have no text: left out" if found["without text"] else ""
    lines = [("rows", f"{found['rows']:,}", advice)]
    advice = "the first of each is kept; are they exported twice?" if found["repeated"] else ""
    lines.append(("texts that stand again", f"{found['repeated']:,} ({100 * found['repeated'] / whole:.1f} %)", advice))
    pairs = [f"{first} and {second}" for first, second in found["contradicted"]]
    advice = f"decide on one label each: rows {_of(pairs)}" if pairs else ""
    lines.append(("of these with another label", f"{len(pairs):,}", advice))
    counts = found["counts"].most_common()
    rare = [name for name, count in counts if count < RARE]
    advice = f"fewer than {RARE} documents of {_of(rare)}: label more, or merge classes" if rare else ""
    (most, most_count), (least, least_count) = counts[0], counts[-1]
    lines.append(("classes", f"{len(counts)}: {least_count:,} ({least}) to {most_count:,} ({most}) documents", advice))
    spelt = Counter(plain(name) for name in found["counts"])
    if alike := [name for name in sorted(found["counts"]) if spelt[plain(name)] > 1]:
        lines.append(("classes that differ in case alone", _of(alike), "are they meant to be one? Write them alike"))
    there = set(train.classes.tolist())
    untrained = [name for number, name in enumerate(data.labels) if number not in there]
    if untrained:
        lines.append(("classes without a document to train on", _of(untrained), "label some that are not in test"))
    share = 100 * most_count / whole
    advice = f"unbalanced: an error of {100 - share:.0f} % is reached by always saying {most}" if share > 80 else ""
    lines.append(("commonest class", f"{share:.0f} %", advice))
    if found["own test"]:
        advice = "they were taken out of train, and stay in test" if found["leaked"] else ""
        lines.append(("texts of train that are in test", f"{found['leaked']:,}", advice))
        again, without = found["repeated in test"], found["test without text"]
        repeated = "the first of each is kept" if again else ""
        dropped = f"{without} have no text: left out" if without else ""
        advice = "; ".join(filter(None, (repeated, dropped)))
        lines.append(("texts that stand again in test", f"{again:,}", advice))
    sizes = [len(part.texts) for part in (train, data.dev, data.test)]
    half = float(np.ptp(stats.wilson(sizes[2] / 10, sizes[2]))) / 2
    advice = f"an error of 10 % will be known to ± {half:.0f} points"
    advice += "; test more documents" if half > 4 else ""
    lines.append(("to train on, choose by, test on", " / ".join(f"{size:,}" for size in sizes), advice))
    return pd.DataFrame([*lines, *_of_pieces(data)], columns=["what", "found", "to do"])


def measure_lengths(data: YourData) -> tuple[list[str], list[list[int]]]:
    """The word pieces of a sample of training documents become data.lengths (n). Gives (texts, their ids)."""
    chosen = np.random.default_rng(0).permutation(len(data.train.texts))[:SAMPLE]
    texts = [data.train.texts[index] for index in chosen]
    ids = load_tokenizer(data.base.encoder)(texts, add_special_tokens=False, verbose=False)["input_ids"]
    data.lengths = np.array([len(pieces) for pieces in ids])
    return texts, ids


def _of_pieces(data):
    """The lines of `check` about word pieces, from a sample."""
    texts, ids = measure_lengths(data)
    nothing = load_tokenizer(data.base.encoder).unk_token_id
    unknown = 100 * sum(pieces.count(nothing) for pieces in ids) / max(1, data.lengths.sum())
    longer, room = beyond(data), data.base.window - 2
    yield "word pieces, median and longest", f"{np.median(data.lengths):.0f} and {data.lengths.max():,}", ""
    advice = "what to read of long documents is tried below" if longer > BEYOND else ""
    yield f"longer than the window ({room} pieces)", f"{longer:.0f} %", advice
    chinese = _chinese(texts) > 0.3
    better = f"encoder={CHINESE!r}" if chinese else "an encoder for its language, such as encoder='xlm-roberta-base'"
    advice = f"the encoder can't read all of these texts: use {better}" if unknown > BEYOND else ""
    yield "pieces the encoder does not know", f"{unknown:.0f} %", advice
    if not chinese:
        spelt = data.lengths.sum() / max(1, sum(len(text.split()) for text in texts))
        advice = f"it spells most words: another encoder reads them better{_compact(data)}" if spelt > 2.5 else ""
        yield "pieces a word", f"{spelt:.1f}", advice


def _compact(data):
    return ", as with profile='compact'" if data.profile.name in ("control", "smoke") else ""


def _chinese(texts):
    """The share of Chinese characters in some texts."""
    letters = [character for text in texts[:200] for character in text if character.isalpha()]
    return sum(ord(letter) in HAN for letter in letters) / max(1, len(letters))


def beyond(data: YourData) -> float:
    """Percent of the documents that are longer than the window."""
    return 100 * float((data.lengths > data.base.window - 2).mean())


def doubted(part: Numbered, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Documents whose label a model of words, trained on the others, takes for wrong.

    It does where it gives another class as much probability as that class has on average among its own documents
    (Northcutt et al., 2021). Gives (indices (k), suggested classes (k), probabilities (k) of the given label), the
    least probable first. Classes with fewer documents than FOLDS are not judged, nor suggested.
    """
    judged = np.flatnonzero(np.bincount(part.classes)[part.classes] >= FOLDS)
    part = part.take(judged)
    if len(set(part.classes)) < 2:
        return np.empty(0, int), np.empty(0, int), np.empty(0)
    place = np.empty(len(judged), dtype=int)
    place[stratified_order(part.classes, np.random.default_rng(seed))] = np.arange(len(place)) % FOLDS
    probabilities = np.zeros((len(place), part.classes.max() + 1))
    for fold in range(FOLDS):
        training, held_out = part.take(np.flatnonzero(place != fold)), np.flatnonzero(place == fold)
        model = words_model(USUAL).fit(training.texts, training.classes)
        probabilities[np.ix_(held_out, model.classes_)] = model.predict_proba([part.texts[index] for index in held_out])
    suggested, given = probabilities.argmax(1), probabilities[np.arange(len(place)), part.classes]
    own = np.bincount(part.classes, weights=given) / np.maximum(1, np.bincount(part.classes))
    doubtful = (suggested != part.classes) & (probabilities[np.arange(len(place)), suggested] >= own[suggested])
    chosen = np.flatnonzero(doubtful)
    chosen = chosen[np.argsort(given[chosen], kind="stable")]
    return judged[chosen], suggested[chosen], given[chosen]


def suspicious(data: YourData) -> Finding:
    """Rows of the training file whose label should be looked at again: row, given, suggested, probability of the given.

    Looked through are all of its documents, also those set aside for the test, or a sample where they are very many.
    """
    parts = [data.train, data.dev] if data.found["own test"] else [data.train, data.dev, data.test]
    joined = Numbered(
        [text for part in parts for text in part.texts],
        *(np.concatenate([getattr(part, name) for part in parts]) for name in ("classes", "numbers")),
    )
    order = stratified_order(joined.classes, np.random.default_rng(0))
    begin = time.perf_counter()
    some = joined.take(order[:1000])
    words_model(USUAL).fit(some.texts, np.arange(len(some.texts)) % len(data.labels))  # the labels may be of one class
    each = (time.perf_counter() - begin) / len(some.texts)
    most = max(1000, int(DOUBTS_SHARE * data.clock.seconds / (FOLDS * each)))
    looked = joined.take(np.sort(order[:most]))
    chosen, suggested, probability = doubted(looked)
    words = f"{len(chosen)} of {len(looked.texts):,} labels looked through are doubtful"
    if len(looked.texts) < len(joined.texts):
        words += f" (of {len(joined.texts):,}; more minutes look through more)"
    names = np.array(data.labels)
    columns = {"row": looked.numbers[chosen], "given": names[looked.classes[chosen]], "suggested": names[suggested]}
    table = pd.DataFrame(columns | {"probability of the given, %": 100 * probability})
    values = {"doubtful": len(chosen), "looked through": len(looked.texts), "rows": columns["row"].tolist()}
    return Finding(f"{words}. Those most in doubt:" if len(chosen) else f"{words}.", table.head(SHOWN), values)
