"""Texts and labels from the reader's own files: columns to documents, with errors that say which row and what to do."""

import logging
import re
from collections.abc import Hashable, Iterable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from ..registry import no_such
from ..runs import FILE_TYPES
from .tables import read_table

LOG = logging.getLogger(__name__)
PAIR = "\x1f"  # between the two texts of a pair: a control character, which texts do not have
CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")


class Labelled(NamedTuple):
    """The documents of a file: row numbers (from 1, the header not counted), texts, class names.

    empty: how many rows were left out, since they have no text.
    """

    numbers: list[int]
    texts: list[str]
    names: list[str]
    empty: int


def find_file(folder: Path | str, stem: str) -> Path | None:
    """The file of a split in a folder, `<stem>.csv` or of another of FILE_TYPES; None where there is none."""
    endings = [*FILE_TYPES, *(f"{kind}.gz" for kind in FILE_TYPES)]
    return next((path for kind in endings if (path := Path(folder) / f"{stem}{kind}").is_file()), None)


def _cleaned(text, between):
    return between.join(CONTROL.sub("", half) for half in text.split(between)) if between else CONTROL.sub("", text)


def without_control(texts: Iterable[str], pairs: bool = False) -> tuple[list[str], int]:
    """Texts without control characters (line ends and tabs stay) and halves of surrogates, and how many had some.

    Of pairs what stands between the two texts (PAIR) stays.
    """
    texts, between = list(texts), PAIR if pairs else None
    cleaned = [_cleaned(text, between) for text in texts]
    return cleaned, sum(after != before for after, before in zip(cleaned, texts, strict=True))


def _column(table, name, path, field):
    if name not in table.columns:
        raise no_such(f"{path}: {field}", name, table.columns)
    if list(table.columns).count(name) > 1:
        raise ValueError(f"{path}: {field}={name!r} names several columns. Give each column a name of its own.")
    return table[name]


def _as_label(value):
    """A class name: whole floats lose their ".0", since a column of ints with a gap in it is read as floats.

    Raises ValueError for what is no single value.
    """
    if not isinstance(value, Hashable):
        raise ValueError(f"the label {value!r} is no single value. Give each document one label, a word or a number.")
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _filled(cells):
    return cells.notna() & cells.astype(str).str.strip().astype(bool)


def _text_of(cells, path, name):
    """A column of texts as strings, "" where there is none. Raises ValueError for a list or an object in a cell."""
    for number, cell in enumerate(cells, 1):
        if isinstance(cell, (list, dict, tuple, np.ndarray)):
            raise ValueError(
                f"{path}, column {name!r}, data row {number}: a {type(cell).__name__}, not a text. Join it into one "
                f"text first."
            )
    return cells.where(_filled(cells), "").astype(str)


def _texts(table, spec, path):
    """The texts that a text_column names: a column, several joined ("title+body"), or a pair ("premise|hypothesis").

    Gives a Series of texts, "" where a row has none.
    """
    if spec in table.columns:
        return _text_of(_column(table, spec, path, "text_column"), path, spec)
    halves = []
    for half in spec.split("|"):
        parts = [_text_of(_column(table, name, path, "text_column"), path, name) for name in half.split("+")]
        halves.append(pd.Series(["\n".join(filter(None, row)) for row in zip(*parts, strict=True)], index=table.index))
    if len(halves) > 2:
        raise ValueError(f"text_column={spec!r}: a pair has two parts, as in 'premise|hypothesis'.")
    return halves[0] if len(halves) == 1 else halves[0].where(halves[0] + halves[1] == "", halves[0] + PAIR + halves[1])


def read_rows(path: Path | str, text_column: str = "text", encoding: str = "") -> list[str | None]:
    """The text of each row of a file, in its order; None where a row has none."""
    texts = _texts(read_table(path, encoding), text_column, path)
    return [text or None for text in texts]


def read_texts(path: Path | str, text_column: str = "text", encoding: str = "") -> list[str]:
    """The texts of an unlabelled file, empty ones left out."""
    return [text for text in read_rows(path, text_column, encoding) if text is not None]


def labelled_of(table: pd.DataFrame, text_column: str, label_column: str, path: Path | str = "the table") -> Labelled:
    """The documents of a table: Labelled. Rows without a text are left out.

    Raises ValueError for a row without a label, a label that is no single value, and a table without rows or texts.
    """
    texts = _texts(table, text_column, path)
    labels = _column(table, label_column, path, "label_column")
    if table.empty:
        raise ValueError(f"{path}: a header but no rows.")
    filled, unlabelled = texts.astype(bool), ~_filled(labels)
    if (filled & unlabelled).any():
        first = [int(row) + 1 for row in (filled & unlabelled).to_numpy().nonzero()[0][:5]]
        raise ValueError(
            f"{path}: {int((filled & unlabelled).sum())} rows have a text but no {label_column} (first: data row "
            f"{', '.join(map(str, first))}). Label them, or move them to a file of unlabelled texts."
        )
    if not filled.any():
        raise ValueError(f"{path}: the column {text_column!r} has no text in it.")
    numbers = (filled.to_numpy().nonzero()[0] + 1).tolist()
    try:
        names = [_as_label(label) for label in labels[filled]]
    except ValueError as error:
        raise ValueError(f"{path}, column {label_column!r}: {error}") from None
    return Labelled(numbers, texts[filled].tolist(), names, len(table) - len(numbers))


def read_numbered(
    path: Path | str,
    text_column: str = "text",
    label_column: str = "label",
    encoding: str = "",
    split: str = "train",
) -> Labelled:
    """The documents of a file, see `labelled_of`; encoding and split as in `tables.read_table`."""
    return labelled_of(read_table(path, encoding, split), text_column, label_column, path)


def read_column(path: Path | str, split: str, column: str, field: str, encoding: str = "") -> dict[int, str]:
    """A column of labels of a file by the number of its rows, from 1; "" where a row has none.

    field: the parameter that names it, for the error that is raised where there is no such column.
    """
    cells = _column(read_table(path, encoding, split), column, path, field)
    return {number: "" if pd.isna(cell) else _as_label(cell) for number, cell in enumerate(cells, 1)}


def read_labelled(
    path: Path | str, text_column: str = "text", label_column: str = "label"
) -> tuple[list[str], list[str]]:
    """Texts and class names of a file, two lists of equal length, as `read_numbered` has them.

    Rows without a text are left out, with a warning in the log.
    """
    labelled = read_numbered(path, text_column, label_column)
    if labelled.empty:
        LOG.warning("%s: %d rows without a text are left out.", path, labelled.empty)
    return labelled.texts, labelled.names
