"""What all classifiers share: what they predict, and a run without paths of this machine. Needs no torch."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from ..data.files import PAIR, without_control
from ..registry import brief
from ..runs import Run, is_path, with_corpora
from ..whole import whole_folder

# The files of saved classifiers, of encoders and of words, and of who made them: none outlives the classifier.
FILES = ("config.json", "model.safetensors", "README.md", "vocabulary.json", "row.json", "vocab.txt", "vocab.json")
FILES += ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json", "merges.txt")
FILES += ("model.onnx", "sentencepiece.bpe.model", "spiece.model", "spm.model", "chat_template.jinja")
WEIGHTS = ("model.safetensors", "model.onnx")  # one of them is in each folder of a classifier
HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w.-]+)?")


class Predictions(NamedTuple):
    """labels: n names, None where the classifier was less sure than was asked; probabilities: (n, classes) floats, in
    the order of the classifier's `labels`."""

    labels: list[str | None]
    probabilities: np.ndarray


def predictions(labels: list[str], probabilities: np.ndarray, threshold: float | None) -> Predictions:
    """The Predictions that probabilities (n, classes) give. Raises ValueError for a threshold that is none."""
    if threshold is not None and not (isinstance(threshold, (int, float)) and threshold >= 0):
        raise ValueError(f"threshold={threshold!r}: allowed is a probability, such as 0.9, or None for no threshold.")
    best = zip(probabilities.argmax(-1), probabilities.max(-1) >= (threshold or 0), strict=True)
    return Predictions([labels[one] if is_sure else None for one, is_sure in best], probabilities)


def reads_pairs(run: Run) -> bool:
    """Whether the documents of a run are pairs of texts (text_column="premise|hypothesis")."""
    return "|" in run.text_column


def checked_texts(texts: list[str] | list[tuple[str, str]] | str, run: Run) -> list[str]:
    """Texts as a list: a single text becomes a list of one, a pair one text with `data.files.PAIR` between the two.

    Control characters are left out, as they are of the documents that are trained on. Raises TypeError for anything
    that is not text or a sequence of texts, and where a run of pairs is given no pairs.
    """
    unordered = isinstance(texts, (bytes, Mapping, Set)) or hasattr(texts, "columns")
    if unordered or not isinstance(texts, Iterable):
        wanted = "a pair of texts or a list of pairs" if reads_pairs(run) else "a text or a list of texts"
        raise TypeError(f"predict takes {wanted}; got {brief(texts)}, of type {type(texts).__name__}.")
    texts, pairs = [texts] if isinstance(texts, str) else list(texts), reads_pairs(run)
    for number, text in enumerate(texts):
        if pairs and not (isinstance(text, str) and PAIR in text):
            if not (isinstance(text, (tuple, list)) and len(text) == 2 and all(isinstance(half, str) for half in text)):
                raise TypeError(
                    f"predict takes pairs of texts here, such as ('one', 'two'); number {number} is {brief(text)}."
                )
            texts[number] = PAIR.join(half.replace(PAIR, "") for half in text)
        elif not isinstance(text, str):
            raise TypeError(f"predict takes texts; number {number} is {brief(text)}, of type {type(text).__name__}.")
    return without_control(texts, pairs)[0]


def _base(path):
    return Path(os.path.abspath(os.path.expanduser(path))).name


def _corpus_name(corpus):
    """The name of the reader's own file, or of a folder with a "/", by which a Run still knows it as a path."""
    if not is_path(corpus):
        return corpus
    return _base(corpus) if is_path(_base(corpus)) else f"{_base(corpus)}/"


def portable(run: Run) -> Run:
    """The run without paths of this machine: files and folders keep only their names."""
    is_hub_id = HUB_ID.fullmatch(run.encoder) and not Path(run.encoder).is_dir()
    return with_corpora(replace(run, encoder=run.encoder if is_hub_id else _base(run.encoder)), _corpus_name)


def check_row(row: dict[str, Any], run: Run, labels: list[str]) -> None:
    """Raise ValueError unless a row is the result of this run (`portable`), with these labels."""
    theirs = portable(Run(**row["run"]))
    if theirs != run or row["labels"] != labels:
        names = [name for name, value in vars(run).items() if getattr(theirs, name) != value] or ["labels"]
        raise ValueError(
            f"The row is of another run than the classifier: they differ in {', '.join(names)}. Give the row that "
            f"`train` gave with this classifier."
        )


@contextmanager
def replacing(folder: Path | str) -> Iterator[Path]:
    """A folder to write a classifier into, whole, in the place of one before; other files there stay.

    Raises ValueError where a README.md would be lost that is no model card.
    """
    folder = Path(folder)
    if (folder / "README.md").exists() and not any((folder / name).exists() for name in WEIGHTS):
        raise ValueError(f"{folder}: its README.md is not a model card, and would be lost. Choose another folder.")
    with whole_folder(folder, leaving=FILES) as new:
        yield new
