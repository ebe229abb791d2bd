"""A saved classifier in another format, and what that costs: error and speed beside the one it was made of."""

import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ..data.files import read_numbered
from ..stats import wilson
from ..whole import write_text
from . import card
from .classifier import Classifier
from .onnx import OnnxClassifier
from .predicting import load
from .saving import FORMATS

MEASURED = {"onnx": "ONNX, fp32", "onnx-int8": "ONNX, 8 bits"}  # formats that are timed, as tables call them
PARTS = 8  # of the documents: each is predicted by every format in turn, so that other work on the machine slows all
WARM = 16  # documents that are predicted before the clock runs

Predict = Callable[[list[str]], list[str]]


def export(
    name: Path | str,
    out: Path | str,
    format: str,
    test: Path | str = "",
    text_column: str = "text",
    label_column: str = "label",
    encoding: str = "",
) -> str:
    """Save a saved classifier in another format, into the folder `out`; what was measured is told on its card.

    name: a folder or hub id. test: a file with labels that it was not trained on, for formats of ONNX: `compared`
    goes on the card, and is given; "" without one. Raises ValueError as `Classifier.save` and `read_numbered` do, and
    for a classifier of words, which needs neither torch nor another format.
    """
    _, texts, labels, _ = read_numbered(test, text_column, label_column, encoding) if test else ([], [], [], 0)
    classifier = load(name)
    if not isinstance(classifier, Classifier):
        raise ValueError(f"{name} is no classifier in bertstudy's own format, which alone is exported.")
    if test and format not in MEASURED:
        raise ValueError(f"test={str(test)!r}: only formats of ONNX are measured.")
    if unknown := sorted({*labels} - {*classifier.labels}):
        allowed = ", ".join(classifier.labels)
        raise ValueError(f"{test}: it has the label {unknown[0]!r}, and the classifier knows {allowed}.")
    place, card_of = Path(name).expanduser(), Path(out) / "README.md"
    if Path(out).is_dir() and place.is_dir() and Path(out).samefile(place):
        raise ValueError(f"{out}: that is the classifier itself. Choose another folder.")
    classifier.save(out, format=format)
    table = compared(classifier, out, format, texts, labels) if test else ""
    new = card_of.read_text(encoding="utf-8")
    old = (place / "README.md").read_text(encoding="utf-8") if (place / "README.md").is_file() else new
    write_text(card_of, card.in_another_format(old, new, table))
    return table


def compared(classifier: Classifier, folder: Path | str, format: str, texts: list[str], labels: list[str]) -> str:
    """Error with Wilson's interval, documents a second, and labels that changed, by each way to compute: Markdown.

    The ways are PyTorch, ONNX in fp32 and, where the folder's format is that, in 8 bits.
    """
    ways = {"PyTorch": classifier}
    with TemporaryDirectory() as scratch:
        for each in [*MEASURED][: [*MEASURED].index(format)]:
            FORMATS[each][0](classifier, Path(scratch))
            ways[MEASURED[each]] = OnnxClassifier.load(scratch)
        ways[MEASURED[format]] = OnnxClassifier.load(folder)
        predicted, seconds = _in_turn({way: _predict(one) for way, one in ways.items()}, texts)
    lines = [f"Measured on {len(texts):,} documents, each way in turn on the same machine:", ""]
    lines += ["| computed by | error % | documents a second | labels changed % |", "|---|---:|---:|---:|"]
    for way, names in predicted.items():
        wrong = sum(one != label for one, label in zip(names, labels, strict=True))
        low, high = wilson(wrong, len(texts))
        changed = 100 * np.mean([one != before for one, before in zip(names, predicted["PyTorch"], strict=True)])
        error = f"{100 * wrong / len(texts):.2f} [{low:.2f}, {high:.2f}]"
        lines.append(f"| {way} | {error} | {len(texts) / seconds[way]:.1f} | {changed:.2f} |")
    return "\n".join(lines)


def _predict(classifier: Any) -> Predict:
    return lambda texts: classifier.predict(texts).labels


def _in_turn(ways: dict[str, Predict], texts: list[str]) -> tuple[dict[str, list[str]], dict[str, float]]:
    """What each way predicts of the texts, and the seconds that it took: a part of the texts after the other."""
    predicted, seconds = {way: [] for way in ways}, dict.fromkeys(ways, 0.0)
    for predict in ways.values():
        predict(texts[:WARM])
    for part in np.array_split(np.arange(len(texts)), min(PARTS, len(texts))):
        for way, predict in ways.items():
            begin = time.perf_counter()
            predicted[way] += predict([texts[place] for place in part])
            seconds[way] += time.perf_counter() - begin
    return predicted, seconds
