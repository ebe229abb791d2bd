"""Tables of texts from the reader's own files, with errors that say which row, which column, and what to do."""

import csv
import json
import logging
import sys
from collections.abc import Hashable
from pathlib import Path

import pandas as pd

from ..registry import no_such
from ..runs import FILE_TYPES

LOG = logging.getLogger(__name__)


def find_file(folder: Path | str, stem: str) -> Path | None:
    """The file of a split in a folder, `<stem>.parquet`, `.csv`, `.tsv` or `.jsonl`; None where there is none."""
    return next((path for kind in FILE_TYPES if (path := Path(folder) / f"{stem}{kind}").is_file()), None)


def _json_lines(path):
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8-sig").split("\n"), 1):
        if not line.strip():
            continue
        try:
            rows.append(json.loads(line))
            json.dumps(rows[-1], ensure_ascii=False).encode()
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}, line {number}: not JSON ({error.msg}). Each line is one object.") from None
        except UnicodeEncodeError:
            raise ValueError(f"{path}, line {number}: half a character (a lone surrogate). Write it anew.") from None
        if not isinstance(rows[-1], dict):
            raise ValueError(f'{path}, line {number}: expected an object such as {{"text": …, "label": …}}.')
    return pd.DataFrame(rows)


def _separator(path):
    """The mark between cells: a tab in a TSV; in a CSV a comma, or a semicolon or a tab if its header has no comma."""
    with path.open(encoding="utf-8-sig") as file:
        header = file.readline()
    return "\t" if path.suffix.lower() == ".tsv" else next((mark for mark in ",;\t" if mark in header), ",")


def _lines(path, separator, quoting=csv.QUOTE_MINIMAL):
    """The cells of each row, with the number of the line on which it ends.

    Quotation marks around cells have to close, so that no rows become one; where they don't in a TSV, they are letters.
    """
    csv.field_size_limit(sys.maxsize)  # a document may be longer than 131,072 characters
    with path.open(encoding="utf-8-sig", newline="") as file:
        reader = csv.reader(file, delimiter=separator, quoting=quoting, strict=True)
        try:
            return [(reader.line_num, cells) for cells in reader]
        except csv.Error as error:
            if path.suffix.lower() == ".tsv" and quoting != csv.QUOTE_NONE:
                return _lines(path, separator, csv.QUOTE_NONE)
            raise ValueError(
                f"{path}, line {reader.line_num}: a quotation mark that begins a cell here or above is not closed at "
                f'its end ({error}). Put such cells in quotes, with each mark inside doubled: """Good"" film",label'
            ) from None


def _separated(path):
    """A CSV or TSV with every cell as text: "NA" and "null" are words like others, only an empty cell is missing.

    Blank lines before the header and at the end are passed over; others are rows without a text.
    """
    lines = _lines(path, _separator(path))
    filled = [number for number, (_, cells) in enumerate(lines) if len(cells) > 1 or "".join(cells).strip()]
    if not filled:
        raise ValueError(f"{path}: the file has no columns. It needs a header and rows.")
    (_, header), *rows = lines[filled[0] : filled[-1] + 1]
    for number, cells in rows:
        if len(cells) > len(header):
            raise ValueError(
                f"{path}: not a table (line {number} has {len(cells)} cells, the header {len(header)}). Texts with "
                f"commas or line ends need quotes."
            )
    padded = [[cell or None for cell in cells] + [None] * (len(header) - len(cells)) for _, cells in rows]
    return pd.DataFrame(padded, columns=header, dtype=object)


def read_table(path: Path | str) -> pd.DataFrame:
    """A CSV, TSV, JSONL or Parquet file as a DataFrame. Raises ValueError that says what is wrong with the file."""
    path = Path(path)
    kind = path.suffix.lower()
    if kind not in FILE_TYPES:
        raise no_such("file type", path.suffix, FILE_TYPES)
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file.")
    if path.stat().st_size == 0:
        raise ValueError(f"{path}: the file is empty. It needs a header and rows.")
    readers = {".parquet": pd.read_parquet, ".jsonl": _json_lines}
    try:
        return readers.get(kind, _separated)(path)
    except UnicodeDecodeError:
        coding = "UTF-16" if path.read_bytes()[:2] in (b"\xff\xfe", b"\xfe\xff") else "WINDOWS-1252"
        raise ValueError(
            f"{path}, line {_first_bad_line(path)}: not UTF-8. Convert the file, for example: "
            f"iconv -f {coding} -t UTF-8 {path.name} > utf8{path.suffix}"
        ) from None


def _first_bad_line(path):
    for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
        try:
            line.decode("utf-8")
        except UnicodeDecodeError:
            return number


def _column(table, name, path, field):
    if name not in table.columns:
        raise no_such(f"{path}: {field}", name, table.columns)
    if list(table.columns).count(name) > 1:
        raise ValueError(f"{path}: {field}={name!r} names several columns. Give them names of their own.")
    return table[name]


def _as_label(value):
    """A class name: whole floats lose their ".0", since a column of ints with a gap in it is read as floats.

    Raises ValueError for what is no single value.
    """
    if not isinstance(value, Hashable):
        raise ValueError(f"the label {value!r} is not a single one. Give each document one label, a word or a number.")
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()


def _filled(cells):
    return cells.notna() & cells.astype(str).str.strip().astype(bool)


def read_rows(path: Path | str, text_column: str = "text") -> list[str | None]:
    """The text of each row of a file, in its order; None where a row has none."""
    texts = _column(read_table(path), text_column, path, "text_column")
    return [str(text) if there else None for text, there in zip(texts, _filled(texts), strict=True)]


def read_texts(path: Path | str, text_column: str = "text") -> list[str]:
    """The texts of an unlabelled file, empty ones left out."""
    return [text for text in read_rows(path, text_column) if text is not None]


def read_numbered(
    path: Path | str, text_column: str = "text", label_column: str = "label"
) -> tuple[list[int], list[str], list[str], int]:
    """Row numbers, texts and class names of a file, three lists of equal length, and how many rows were left out.

    Data rows count from 1, the header not counted. Rows without a text are left out; a row without a label is an
    error, as is a file without rows.
    """
    table = read_table(path)
    texts = _column(table, text_column, path, "text_column")
    labels = _column(table, label_column, path, "label_column")
    if table.empty:
        raise ValueError(f"{path}: a header but no rows.")
    filled, unlabelled = _filled(texts), ~_filled(labels)
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
    return numbers, texts[filled].astype(str).tolist(), names, len(table) - len(numbers)


def read_labelled(
    path: Path | str, text_column: str = "text", label_column: str = "label"
) -> tuple[list[str], list[str]]:
    """Texts and class names of a file, two lists of equal length, as `read_numbered` has them.

    Rows without a text are left out, and it is remarked.
    """
    _, texts, labels, left_out = read_numbered(path, text_column, label_column)
    if left_out:
        LOG.warning("%s: %d rows without a text are left out.", path, left_out)
    return texts, labels
