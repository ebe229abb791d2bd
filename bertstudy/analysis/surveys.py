"""What is known of a corpus before any training: Table 1's figures, texts that stand twice, balance, lengths.

A survey holds numbers and class names, and no text, so that it can be published whatever the corpus.
"""

import hashlib
import json
from pathlib import Path

import numpy as np
import pandas as pd

from . import paper
from ..results import rows as store
from ..data.corpora import COMPOSED, CORPORA, corpus_of, data_folder, plain

DOCUMENTS = 2000  # whose lengths are measured where nothing else is said
LONG = 20  # texts with the most characters, one of which is taken to be the longest in word pieces
BINS = (1, 2, 3, 4, 5, 6, 8, *(round(2 ** (third / 3)) for third in range(10, 55)))  # three a doubling, to 262,144
TABLE_1 = ["kind", "classes", "average length", "longest", "beyond the window, %", "train", "test"]
NONE = "None of these corpora can be had. Name a folder of them by data_dir, or a file by corpus."


def _pieces(texts, tokenizer, batch=1000):
    parts = [texts[start : start + batch] for start in range(0, len(texts), batch)]
    ids = (tokenizer(part, add_special_tokens=False, verbose=False)["input_ids"] for part in parts)
    return np.array([len(one) for part in ids for one in part])


def lengths(corpus, tokenizer, documents=DOCUMENTS):
    """Word pieces, without [CLS] and [SEP], of a sample of so many training documents (n,); 0: of all of them."""
    texts = corpus.train.texts
    if 0 < documents < len(texts):
        texts = [texts[index] for index in np.random.default_rng(0).choice(len(texts), documents, replace=False)]
    return _pieces(texts, tokenizer)


def survey(corpus, tokenizer, window=512, documents=DOCUMENTS):
    """Numbers about a corpus, a dict: Table 1's columns, documents by length and by class, texts that stand twice.

    Lengths are in word pieces and of a sample of the training documents, as `lengths` draws it; only the longest is
    looked for in all of them. Beyond the window are documents that don't fit into it with [CLS] and [SEP]. Texts are
    the same that differ in case and spaces alone.
    """
    entry, measured = CORPORA.get(corpus.name) or COMPOSED.get(corpus.name), lengths(corpus, tokenizer, documents)
    longest = _pieces(sorted(corpus.train.texts, key=len)[-LONG:], tokenizer)
    counts, _ = np.histogram(np.clip(measured, 1, BINS[-1]), BINS)
    train, test = ([plain(text) for text in split.texts] for split in (corpus.train, corpus.test))
    learned = set(train)
    by_class = [np.bincount(split.classes, minlength=len(corpus.labels)) for split in (corpus.train, corpus.test)]
    return {
        "corpus": Path(corpus.name).name,
        "kind": entry.kind if entry else "",
        "classes": len(corpus.labels),
        "average length": float(measured.mean()),
        "longest": int(max(measured.max(), longest.max())),
        "beyond the window, %": float(100 * (measured > window - 2).mean()),
        "train": len(train),
        "test": len(test),
        "window": window,
        "measured": len(measured),
        "by length": [
            {"from": low, "to": high - 1, "documents": int(count)}
            for low, high, count in zip(BINS, BINS[1:], counts, strict=False)
            if count
        ],
        "by class": [
            {"label": label, "train": int(one), "test": int(other)}
            for label, one, other in zip(corpus.labels, *by_class, strict=True)
        ],
        "repeated in train": len(train) - len(learned),
        "repeated in test": len(test) - len(set(test)),
        "test texts in train": sum(text in learned for text in test),
    }


def _path(run, profile, documents):
    """Where the survey of a run's corpus with its encoder's tokenizer and its window is, or will be."""
    corpus = corpus_of(run)
    key = [Path(corpus.name).name, corpus.fingerprint, run.encoder, run.window, documents]
    name = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
    return store.folder(profile, "corpora") / f"{name}.json"


def stored(run, profile, documents=DOCUMENTS):
    """The survey of a run's corpus with its encoder's tokenizer and its window: read where there is one, else made.

    It is in reports/<profile>/corpora, under a hash of corpus, encoder, window and sample size.
    """
    from ..model.encoder import load_tokenizer

    path = _path(run, profile, documents)
    if not path.is_file():
        corpus = corpus_of(run)
        made = survey(corpus, load_tokenizer(run.encoder), run.window, documents)
        store.write(path, {"id": path.stem, "encoder": run.encoder, "fingerprint": corpus.fingerprint, **made})
    return json.loads(path.read_text(encoding="utf-8"))


def _left_out(run, error):
    reason = str(error).partition(". ")[0].replace(f"{data_folder()}/", "")
    print(f"Left out, {Path(run.corpus).name}: {reason.rstrip('.')}.")


def reachable(plan):
    """The runs of a plan whose corpus can be had; another's is told in one line. Raises ValueError where none can."""
    there = []
    for run in plan:
        try:
            corpus_of(run)
            there.append(run)
        except ValueError as error:
            _left_out(run, error)
    if not there:
        raise ValueError(NONE)
    return there


def survey_all(plan, profile, documents=DOCUMENTS):
    """The surveys of the corpora of a plan as a table; a corpus or a tokenizer that can't be had is told in one line.

    Raises ValueError where none can be had.
    """
    rows, made, place = [], 0, store.folder(profile, "corpora").relative_to(store.REPORTS.parent)
    for run in plan:
        try:
            new = not _path(run, profile, documents).is_file()
            rows.append(stored(run, profile, documents))
            made += new
        except ValueError as error:
            _left_out(run, error)
    if not rows:
        raise ValueError(NONE)
    counted = "1 corpus" if len(rows) == 1 else f"{len(rows)} corpora"
    print(f"{counted}: {made} counted now, {len(rows) - made} read from {place}.")
    return pd.DataFrame(rows)


def table1(rows):
    """Table 1 of the surveyed corpora, a line each, the paper's below it."""
    lines = {}
    for row in rows.to_dict("records"):
        lines[row["corpus"]] = {name: row[name] for name in TABLE_1}
        if row["corpus"] in CORPORA:
            lines[f"{row['corpus']}, paper"] = paper.table1(CORPORA[row["corpus"]].title)
    return pd.DataFrame.from_dict(lines, orient="index")[TABLE_1]


def repeats(rows):
    """Documents whose text stands earlier in their part, and test documents whose text is in train: counts, percent."""
    table = pd.DataFrame({"corpus": rows["corpus"]})
    for name, part in (("repeated in train", "train"), ("repeated in test", "test"), ("test texts in train", "test")):
        table[name], table[f"{name}, %"] = rows[name], 100 * rows[name] / rows[part]
    return table


def balance(rows):
    """Classes, and the shares of the largest and the smallest in the training documents, in percent."""
    lines = []
    for row in rows.to_dict("records"):
        shares = sorted((100 * one["train"] / row["train"], one["label"]) for one in row["by class"])
        (least, smallest), (most, largest) = shares[0], shares[-1]
        numbers = {"largest": largest, "largest, %": most, "smallest": smallest, "smallest, %": least}
        lines.append({"corpus": row["corpus"], "classes": row["classes"], **numbers})
    return pd.DataFrame(lines)
