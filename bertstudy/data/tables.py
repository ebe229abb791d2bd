"""Files to tables: CSV, TSV, JSON, JSON Lines, Parquet, Excel, each also gzipped, and folders of `datasets`.

Errors say which row, which column, and what to do.
"""

import csv
import gzip
import io
import json
import sys
from pathlib import Path
from typing import Any

import pandas as pd
from charset_normalizer import from_bytes

from ..registry import no_such
from ..runs import FILE_TYPES, file_type

SEPARATORS = ",;\t|"
LOOKED_AT = 50  # rows, from which the separator of cells is guessed
MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}  # byte order marks, with which a file says its encoding


def read_table(path: Path | str, encoding: str = "", split: str = "train") -> pd.DataFrame:
    """A file, or a folder written by `datasets.save_to_disk`, as a DataFrame.

    encoding: of text files; "" is UTF-8, or what a byte order mark says. split: which to read of a folder with several.
    Blanks around column names are removed. Raises ValueError that says what is wrong with the file.
    """
    path = Path(path)
    if is_saved_dataset(path):
        return _from_disk(path, split)
    kind = file_type(path)
    if kind not in FILE_TYPES:
        raise no_such("file type", path.suffix, [*FILE_TYPES, ".gz behind one of these"])
    if not path.is_file():
        raise ValueError(f"{path}: there is no such file.")
    content = path.read_bytes()
    if path.suffix.lower() == ".gz":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError) as error:
            raise ValueError(f"{path}: not a gzip file ({error}).") from None
    if not content:
        raise ValueError(f"{path}: the file is empty. It needs a header and rows.")
    table = _READERS[kind](path, content, encoding)
    table.columns = [column.strip() if isinstance(column, str) else column for column in table.columns]
    return table


def is_saved_dataset(path: Path) -> bool:
    """Whether a folder was written by `datasets.save_to_disk`."""
    return any((path / name).is_file() for name in ("dataset_dict.json", "state.json"))


def _from_disk(path, split):
    import datasets  # imported here: it takes a second, and files are read without it

    loaded = datasets.load_from_disk(str(path))
    if isinstance(loaded, datasets.DatasetDict):
        if split not in loaded:
            raise no_such(f"{path}: split", split, loaded)
        loaded = loaded[split]
    return _named(loaded.to_pandas(), {name: getattr(kind, "names", None) for name, kind in loaded.features.items()})


def _named(table, names):
    """A table with class names in place of class numbers; names: {column: its class names, or None}."""
    for column, there in names.items():
        if there and column in table:
            table[column] = [None if pd.isna(number) or number < 0 else there[int(number)] for number in table[column]]
    return table


def _parquet(path, content, encoding):
    import pyarrow.parquet  # likewise

    read = pyarrow.parquet.read_table(io.BytesIO(content))
    notes = json.loads((read.schema.metadata or {}).get(b"huggingface", b"{}"))
    features = notes.get("info", {}).get("features", {})
    return _named(read.to_pandas(), {column: kind.get("names") for column, kind in features.items()})


def _excel(path, content, encoding):
    try:
        table = pd.read_excel(io.BytesIO(content), dtype=object, na_filter=False)
    except (ValueError, KeyError, OSError) as error:
        raise ValueError(f"{path}: not an Excel file ({error}). Save it as .xlsx or .csv.") from None
    return table.replace({"": None})


def _text(path, content, encoding):
    """The text of a file's bytes. Raises ValueError for another encoding, and proposes one."""
    marked = MARKS.get(content[:2], "utf-8-sig")
    try:
        return content.decode(encoding or marked)
    except LookupError:
        raise ValueError(f"encoding={encoding!r} is unknown. Use one such as utf-8, cp1252 or latin-1.") from None
    except UnicodeDecodeError as error:
        number = content.count(b"\n", 0, error.start) + 1
        likely = from_bytes(content).best()
        proposal = f" It seems to be {likely.encoding}: give encoding={likely.encoding!r}." if likely else ""
        raise ValueError(
            f"{path}, line {number}: not {(encoding or 'UTF-8').upper()}.{proposal} Or convert the file: iconv -f "
            f"{likely.encoding if likely else 'WINDOWS-1252'} -t UTF-8 {path.name} > utf8{file_type(path)}"
        ) from None


def _json(path, content, encoding):
    try:
        rows = json.loads(_text(path, content, encoding))
    except json.JSONDecodeError as error:
        raise ValueError(f"{path}, line {error.lineno}: not JSON ({error.msg}).") from None
    if not isinstance(rows, list):
        raise ValueError(f'{path}: expected a list of objects such as [{{"text": …, "label": …}}].')
    return pd.DataFrame([_object(path, f"entry {number}", row) for number, row in enumerate(rows, 1)])


def _json_lines(path, content, encoding):
    rows = []
    for number, line in enumerate(_text(path, content, encoding).split("\n"), 1):
        if not line.strip():
            continue
        try:
            rows.append(_object(path, f"line {number}", json.loads(line)))
        except json.JSONDecodeError as error:
            raise ValueError(f"{path}, line {number}: not JSON ({error.msg}). Each line is one object.") from None
    return pd.DataFrame(rows)


def _object(path: Path, place: str, row: Any) -> dict:
    if not isinstance(row, dict):
        raise ValueError(f'{path}, {place}: expected an object such as {{"text": …, "label": …}}.')
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        raise ValueError(f"{path}, {place}: half a character (a lone surrogate). Correct that text.") from None
    return row


def _separator(path, text):
    """The mark between cells: a tab in a TSV; in a CSV the one that splits the first rows most evenly."""
    if file_type(path) == ".tsv":
        return "\t"

    def evenness(mark):
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=mark)
        try:
            counts = [len(cells) for _, cells in zip(range(LOOKED_AT), reader, strict=False) if cells]
        except csv.Error:
            return 0.0
        return counts.count(counts[0]) / len(counts) if counts and counts[0] > 1 else 0.0

    return max(SEPARATORS, key=evenness)  # the first of equals


def _lines(path, text, separator, quoting=csv.QUOTE_MINIMAL):
    """The cells of each row, with the number of the line on which it ends.

    Quotation marks around cells have to close: otherwise the rows up to the next mark would become one. Where they
    don't in a TSV, they are read as ordinary characters.
    """
    csv.field_size_limit(sys.maxsize)  # a document may be longer than 131,072 characters
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, quoting=quoting, strict=True)
    try:
        return [(reader.line_num, cells) for cells in reader]
    except csv.Error as error:
        if file_type(path) == ".tsv" and quoting != csv.QUOTE_NONE:
            return _lines(path, text, separator, csv.QUOTE_NONE)
        raise ValueError(
            f"{path}, line {reader.line_num}: a quotation mark that begins a cell here or above is not closed at "
            f'its end ({error}). Put such cells in quotes, with each mark inside doubled: """Good"" film",label'
        ) from None


def _separated(path, content, encoding):
    """A CSV or TSV with every cell as text: "NA" and "null" are words like others, only an empty cell is missing.

    Blank lines before the header and at the end are skipped; others are rows without a text. Empty cells beyond the
    header's are skipped too.
    """
    text = _text(path, content, encoding)
    lines = _lines(path, text, _separator(path, text))
    filled = [number for number, (_, cells) in enumerate(lines) if "".join(cells).strip()]
    if not filled:
        raise ValueError(f"{path}: the file has no columns. It needs a header and rows.")
    (_, header), *rows = lines[filled[0] : filled[-1] + 1]
    while len(header) > 1 and not header[-1].strip():
        header = header[:-1]
    for number, cells in rows:
        if "".join(cells[len(header) :]).strip():
            raise ValueError(
                f"{path}: not a table (line {number} has {len(cells)} cells, the header {len(header)}). Texts with "
                f"commas or line ends need quotes."
            )
    padded = [([cell or None for cell in cells] + [None] * len(header))[: len(header)] for _, cells in rows]
    return pd.DataFrame(padded, columns=header, dtype=object)


_READERS = {
    ".csv": _separated,
    ".tsv": _separated,
    ".json": _json,
    ".jsonl": _json_lines,
    ".parquet": _parquet,
    ".xlsx": _excel,
}
