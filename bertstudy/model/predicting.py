"""Saved classifiers of any format by name, and the texts of a file predicted by one. Needs torch where they do."""

import csv
import io
import json
import logging
import re
import sys
from pathlib import Path
from typing import Any

from ..data import hub
from ..data.files import read_rows
from ..whole import write_text
from .onnx import TYPE as ONNX
from .onnx import OnnxClassifier
from .words import TYPE as WORDS
from .words import WordsClassifier

LOG = logging.getLogger(__name__)
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # how a cell begins that a spreadsheet may run
NUMBER = re.compile(r"[+-]\d+(\.\d+)?")
OWN = "own"  # of a threshold: the one that is stored in the classifier
WITHOUT_TORCH = {WORDS: WordsClassifier, ONNX: OnnxClassifier}  # by the model_type of config.json


def load(name: Path | str) -> Any:
    """The classifier in a folder or on the hub: see `Classifier.load`."""
    place = Path(name).expanduser()
    if not place.is_dir():
        hub.reachable()
    elif not (place / "config.json").is_file():
        raise FileNotFoundError(f"{name}: no config.json in it; give a folder written by Classifier.save.")
    elif kind := WITHOUT_TORCH.get(_type_of(place)):
        return kind.load(place)
    from . import saving

    return saving.load(name)


def _type_of(folder):
    """The model type in a folder's config.json; None where that can't be read, for which `load` raises later."""
    try:
        return json.loads((folder / "config.json").read_text(encoding="utf-8")).get("model_type")
    except (OSError, ValueError, AttributeError):
        return None


def predict_file(
    name: Path | str,
    file: Path | str,
    text_column: str = "text",
    out: Path | str | None = None,
    encoding: str = "",
    threshold: float | str | None = None,
) -> None:
    """Predict the texts of a file (see `tables.read_table`) and write a CSV table, to stdout where `out` is None.

    name: a saved classifier's folder or hub id. The table's columns are row (data rows count from 1), label, and the
    probability of each class under the class's name; names that a spreadsheet would run as formulas are led by an
    apostrophe. A row without a text keeps its place and stays empty. threshold: a label stays empty where its
    probability is below it; OWN: the classifier's own. Raises ValueError or OSError that says what is wrong.
    """
    texts = read_rows(file, text_column, encoding)
    filled = [index for index, text in enumerate(texts) if text is not None]
    if not filled:
        raise ValueError(f"{file}: the column {text_column!r} has no text in it.")
    if out:
        _check_out(Path(out), file)
    classifier = load(name)
    if hasattr(classifier, "to"):
        from torch import cuda

        classifier.to("cuda" if cuda.is_available() else "cpu")
    if threshold == OWN and (threshold := classifier.threshold) is None:
        raise ValueError(f"threshold='{OWN}': no threshold is stored in {name}. Give a probability, such as 0.9.")
    labels, probabilities = classifier.predict([texts[index] for index in filled], progress=True, threshold=threshold)
    cells = [["", *[""] * len(classifier.labels)] for _ in texts]
    for index, label, row in zip(filled, labels, probabilities, strict=True):
        cells[index] = [label or "", *(f"{probability:.7g}" for probability in row)]
    written = io.StringIO()
    table = csv.writer(written, lineterminator="\n")
    table.writerow(["row", "label", *map(inert, classifier.labels)])
    table.writerows([number, inert(label), *row] for number, (label, *row) in enumerate(cells, 1))
    if out:
        write_text(out, written.getvalue())
    else:
        sys.stdout.write(written.getvalue())
    if left := sum(label is None for label in labels):
        LOG.warning("%s: %d of %d texts are left to a person.", file, left, len(filled))
    if len(filled) < len(texts):
        LOG.warning("%s: %d rows without a text have no prediction.", file, len(texts) - len(filled))


def inert(cell: str) -> str:
    """A cell that no spreadsheet runs: one that begins as a formula does, and is no number, is led by an apostrophe."""
    return f"'{cell}" if cell[:1] in FORMULA and not NUMBER.fullmatch(cell) else cell


def _check_out(out, file):
    """Raise ValueError unless a table can be written to `out`: called before predicting, which may take long."""
    if not out.parent.is_dir():
        raise ValueError(f"--out {out}: there is no folder {out.parent}. Make it, or choose another.")
    if out.is_dir():
        raise ValueError(f"--out {out}: choose a file, not a folder.")
    if out.exists() and out.samefile(file):
        raise ValueError(f"--out {out}: that is the file of texts; choose another name.")
