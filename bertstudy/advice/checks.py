"""What is wrong with the reader's documents and labels, and what to do about it."""

import time
from collections.abc import Iterator

import numpy as np
import pandas as pd

from .. import stats
from ..data.catalogue import CHINESE
from ..data.sampling import stratified_order
from ..model.loading import load_tokenizer
from ..training.methods.tfidf import USUAL, words_model
from .documents import YourData
from .findings import Finding
from .splitting import Numbered

SAMPLE = 2000  # documents whose lengths are measured
SHOWN = 15  # rows of a list
RARE = 10  # a class with fewer documents is pointed out
FEWEST = 5  # with fewer documents, a class can't be trained on, chosen by and tested on
BEYOND = 5.0  # percent of the documents: with more beyond the window, truncations are worth trying
FOLDS = 5  # to look for wrong labels
DOUBTS_SHARE = 0.05  # of the minutes, to look for wrong labels
HAN = range(0x3400, 0xA000)


def _of(rows):
    """Row numbers or names as a list in words, the first SHOWN of them."""
    listed = ", ".join(map(str, rows[:SHOWN]))
    return f"{listed}, …" if len(rows) > SHOWN else listed


def check(data: YourData) -> pd.DataFrame:
    """What is in the files and what to do about it: a table of strings (what, found, to do), "" for nothing to do."""
    found, train = data.found, data.train
    whole = found["rows"] - found["without text"]
    advice = f"{found['without text']} have no text: left out" if found["without text"] else ""
    lines = [("rows", f"{found['rows']:,}", advice)]
    advice = "the first of each is kept; were they exported twice?" if found["repeated"] else ""
    lines.append(("repeated texts", f"{found['repeated']:,} ({100 * found['repeated'] / whole:.1f} %)", advice))
    pairs = [f"{first} and {second}" for first, second in found["contradicted"]]
    advice = f"decide on one label each: rows {_of(pairs)}" if pairs else ""
    lines.append(("of these, with another label", f"{len(pairs):,}", advice))
    counts = found["counts"].most_common()
    few = [name for name, count in counts if count < FEWEST]
    rare = [name for name, count in counts if FEWEST <= count < RARE]
    advice = f"fewer than {RARE} documents of {_of(rare)}: label more, or merge classes" if rare else ""
    if few:
        advice = f"fewer than {FEWEST} documents of {_of(few)}, too few to train on and to test: label more, merge "
        advice += "with another class, or leave out"
    (most, most_count), (least, least_count) = counts[0], counts[-1]
    lines.append(("classes", f"{len(counts)}: {least_count:,} ({least}) to {most_count:,} ({most}) documents", advice))
    for names in found["alike"][:SHOWN]:
        spelt = ", ".join(f"{name!r}" for name in names)
        advice = (
            "joined to one class" if found["joined"] else "are they meant to be one? join_labels=True makes them so"
        )
        lines.append(("labels that differ in case, blanks or form alone", spelt, advice))
    if found["control"]:
        lines.append(("texts with control characters", f"{found['control']:,}", "the characters were removed"))
    there = set(train.classes.tolist())
    untrained = [name for number, name in enumerate(data.labels) if number not in there]
    if untrained:
        lines.append(("classes without a document to train on", _of(untrained), "label some that are not in test"))
    share = 100 * most_count / whole
    advice = f"unbalanced: always saying {most} already has an error of only {100 - share:.0f} %" if share > 80 else ""
    lines.append(("commonest class", f"{share:.0f} %", advice))
    if found["own test"]:
        advice = "they were removed from train and kept in test" if found["leaked"] else ""
        lines.append(("texts of train that are in test", f"{found['leaked']:,}", advice))
        again, without = found["repeated in test"], found["test without text"]
        repeated = "the first of each is kept" if again else ""
        dropped = f"{without} have no text: left out" if without else ""
        advice = "; ".join(filter(None, (repeated, dropped)))
        lines.append(("repeated texts in test", f"{again:,}", advice))
    sizes = [len(part.texts) for part in (train, data.dev, data.test)]
    half = float(np.ptp(stats.wilson(sizes[2] / 10, sizes[2]))) / 2
    advice = f"an error of 10 % will be known to ± {half:.0f} points"
    advice += "; test more documents" if half > 4 else ""
    lines.append(("to train on, choose by, test on", " / ".join(f"{size:,}" for size in sizes), advice))
    return pd.DataFrame([*lines, *_of_pieces(data)], columns=["what", "found", "to do"])


def measure_lengths(data: YourData) -> tuple[list[str], list[list[int]]]:
    """Set data.lengths (n): word pieces of each document of a sample of train. Gives (the n texts, their piece ids)."""
    chosen = np.random.default_rng(0).permutation(len(data.train.texts))[:SAMPLE]
    texts = [data.train.texts[index] for index in chosen]
    ids = load_tokenizer(data.base.encoder)(texts, add_special_tokens=False, verbose=False)["input_ids"]
    data.lengths = np.array([len(pieces) for pieces in ids])
    return texts, ids


def _of_pieces(data: YourData) -> Iterator[tuple[str, str, str]]:
    """The lines of `check` about word pieces, from a sample."""
    texts, ids = measure_lengths(data)
    nothing = load_tokenizer(data.base.encoder).unk_token_id
    unknown = 100 * sum(pieces.count(nothing) for pieces in ids) / max(1, data.lengths.sum())
    longer, room = beyond(data, data.base.window), data.base.window - 2
    yield "word pieces, median and longest", f"{np.median(data.lengths):.0f} and {data.lengths.max():,}", ""
    advice = "what to read of long documents is among the recipes" if longer > BEYOND else ""
    yield f"longer than the window ({room} pieces)", f"{longer:.0f} %", advice
    chinese = _chinese(texts) > 0.3
    better = f"encoder={CHINESE!r}" if chinese else "an encoder for its language, such as encoder='xlm-roberta-base'"
    advice = f"the encoder can't read all of these texts: use {better}" if unknown > BEYOND else ""
    yield "pieces the encoder does not know", f"{unknown:.0f} %", advice
    if not chinese:
        spelt = data.lengths.sum() / max(1, sum(len(text.split()) for text in texts))
        advice = f"most words are cut into pieces: try another encoder{_compact(data)}" if spelt > 2.5 else ""
        yield "pieces a word", f"{spelt:.1f}", advice


def _compact(data):
    return ", as with profile='compact'" if data.profile.name in ("control", "smoke") else ""


def _chinese(texts):
    """The share of Chinese characters among the letters of the first texts, 0 to 1."""
    letters = [character for text in texts[:200] for character in text if character.isalpha()]
    return sum(ord(letter) in HAN for letter in letters) / max(1, len(letters))


def beyond(data: YourData, window: int) -> float:
    """Percent of the documents (of the sample in data.lengths) that don't fit into a window."""
    return 100 * float((data.lengths > window - 2).mean())


def doubted(part: Numbered, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Documents whose label is doubted by a model of words that was trained on other documents.

    It doubts a label where it gives another class at least the probability that this class has on average among its own
    documents (Northcutt et al., 2021). Gives (indices (k), suggested classes (k), probabilities (k) of the given
    label), the least probable first. Classes with fewer documents than FOLDS are neither judged nor suggested.
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

    All of its documents are looked through, those set aside for the test too; a sample of them where there are too many
    for DOUBTS_SHARE of the minutes. `values`: doubtful, looked through (both counts), rows (all that are doubtful).
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
        words += f" (of {len(joined.texts):,}; with more minutes, more are)"
    names = np.array(data.labels)
    columns = {"row": looked.numbers[chosen], "given": names[looked.classes[chosen]], "suggested": names[suggested]}
    table = pd.DataFrame(columns | {"probability of the given, %": 100 * probability})
    values = {"doubtful": len(chosen), "looked through": len(looked.texts), "rows": columns["row"].tolist()}
    return Finding(f"{words}. Those most in doubt:" if len(chosen) else f"{words}.", table.head(SHOWN), values)
