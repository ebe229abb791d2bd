"""What is known of a corpus before any training: Table 1's columns, repeated texts, class balance, lengths (§5.1).

A survey holds numbers and class names, and no text, so that it can be published whatever the corpus.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from ..data.catalogue import CORPORA
from ..data.control.corpora import COMPOSED
from ..data.corpora import Corpus
from ..data.sampling import plain
from . import paper

DOCUMENTS = 2000  # whose lengths are measured by default
LONG = 20  # texts with the most characters: one of them is taken to be the longest in word pieces
BINS = (1, 2, 3, 4, 5, 6, 8, *(round(2 ** (third / 3)) for third in range(10, 55)))  # three a doubling, to 262,144
TABLE_1 = ["kind", "classes", "average length", "longest", "beyond the window, %", "train", "test"]


def _pieces(texts, tokenizer, batch=1000):
    parts = [texts[start : start + batch] for start in range(0, len(texts), batch)]
    ids = (tokenizer(part, add_special_tokens=False, verbose=False)["input_ids"] for part in parts)
    return np.array([len(pieces) for part in ids for pieces in part])


def lengths(corpus: Corpus, tokenizer: Any, documents: int = DOCUMENTS) -> np.ndarray:
    """Lengths (n) in word pieces, without [CLS] and [SEP], of a sample of `documents` training documents; 0: of all."""
    texts = corpus.train.texts
    if 0 < documents < len(texts):
        texts = [texts[index] for index in np.random.default_rng(0).choice(len(texts), documents, replace=False)]
    return _pieces(texts, tokenizer)


def survey(corpus: Corpus, tokenizer: Any, window: int = 512, documents: int = DOCUMENTS) -> dict:
    """Numbers about a corpus, a dict: Table 1's columns, documents by length and by class, repeated texts.

    Lengths are in word pieces, over a sample of the training documents, as `lengths` draws it; only the longest is
    searched for in all of them. Beyond the window are documents that don't fit into it with [CLS] and [SEP]. Texts that
    differ only in case and spaces count as the same.
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
            {"label": label, "train": int(in_train), "test": int(in_test)}
            for label, in_train, in_test in zip(corpus.labels, *by_class, strict=True)
        ],
        "repeated in train": len(train) - len(learned),
        "repeated in test": len(test) - len(set(test)),
        "test texts in train": sum(text in learned for text in test),
    }


def table1(rows: pd.DataFrame) -> pd.DataFrame:
    """Table 1 of the surveyed corpora: a line each, by name, with the columns of TABLE_1; the paper's line below it."""
    lines = {}
    for row in rows.to_dict("records"):
        lines[row["corpus"]] = {name: row[name] for name in TABLE_1}
        if row["corpus"] in CORPORA:
            lines[f"{row['corpus']}, paper"] = paper.table1(CORPORA[row["corpus"]].title)
    return pd.DataFrame.from_dict(lines, orient="index")[TABLE_1]


def repeats(rows: pd.DataFrame) -> pd.DataFrame:
    """Repeated texts by corpus: documents whose text came earlier in their part, and test documents whose text is also
    in train; each as a count and as a percentage of the part."""
    table = pd.DataFrame({"corpus": rows["corpus"]})
    for name, part in (("repeated in train", "train"), ("repeated in test", "test"), ("test texts in train", "test")):
        table[name], table[f"{name}, %"] = rows[name], 100 * rows[name] / rows[part]
    return table


def balance(rows: pd.DataFrame) -> pd.DataFrame:
    """Class balance by corpus: number of classes, the largest and the smallest, their percent of training documents."""
    lines = []
    for row in rows.to_dict("records"):
        shares = sorted((100 * entry["train"] / row["train"], entry["label"]) for entry in row["by class"])
        (least, smallest), (most, largest) = shares[0], shares[-1]
        numbers = {"largest": largest, "largest, %": most, "smallest": smallest, "smallest, %": least}
        lines.append({"corpus": row["corpus"], "classes": row["classes"], **numbers})
    return pd.DataFrame(lines)
