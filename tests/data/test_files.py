"""The reader's own files: each loads or fails as a person would expect."""

import os
import warnings

import pandas as pd
import pytest

from bertstudy import load_corpus
from bertstudy.data.files import read_numbered, read_rows, read_texts

TEN = [(f"text number {index}", "good" if index % 2 else "bad") for index in range(10)]
CSV = "text,label\n" + "".join(f"{text},{label}\n" for text, label in TEN)


def write(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return str(path)


LOADS = {
    "plain": ("a.csv", CSV, ("bad", "good"), 10),
    "tabs": ("a.tsv", CSV.replace(",", "\t"), ("bad", "good"), 10),
    "windows line ends": ("a.csv", CSV.replace("\n", "\r\n"), ("bad", "good"), 10),
    "byte order mark": ("a.csv", b"\xef\xbb\xbf" + CSV.encode(), ("bad", "good"), 10),
    "semicolons": ("a.csv", CSV.replace(",", ";").replace("number", "number, or so,"), ("bad", "good"), 10),
    "tabs in a csv": ("a.csv", CSV.replace(",", "\t"), ("bad", "good"), 10),
    "blank lines around": ("a.csv", "\n\n" + CSV + "\n  \n\n", ("bad", "good"), 10),
    "int labels": ("a.csv", "text,label\n" + "".join(f"t{i},{i % 3 * 5}\n" for i in range(12)), ("0", "5", "10"), 12),
    "words that look missing": ("a.csv", CSV + "NA,good\nnull,bad\n", ("bad", "good"), 12),
    "commas and line ends in quotes": ("a.csv", CSV + '"one, two\nthree",good\n', ("bad", "good"), 11),
    "tabs, and quotation marks that begin texts": (
        "a.tsv",
        CSV.replace(",", "\t") + '"Good" one\tgood\n"another\tbad\nlast "of all"\tbad\n',
        ("bad", "good"),
        13,
    ),
    "tabs and line ends in quotes": (
        "a.tsv",
        CSV.replace(",", "\t") + '"one\ttwo\nsays ""three"""\tgood\n',
        ("bad", "good"),
        11,
    ),
    "a document of 100,000 words": ("a.csv", CSV + "word " * 100_000 + ",good\n", ("bad", "good"), 11),
    "json lines": (
        "a.jsonl",
        "".join(f'{{"text": "{text}", "label": {index % 2}}}\n' for index, (text, _) in enumerate(TEN)) + "\n",
        ("0", "1"),
        10,
    ),
    "json lines with separators of lines in texts": (
        "a.jsonl",
        "".join(f'{{"text": "{text}\u2028more\x85", "label": {index % 2}}}\r\n' for index, (text, _) in enumerate(TEN)),
        ("0", "1"),
        10,
    ),
    "other columns beside": (
        "a.csv",
        CSV.replace("text,label", "text,label,id").replace("d\n", "d,7\n"),
        ("bad", "good"),
        10,
    ),
}


@pytest.mark.parametrize("case", LOADS)
def test_files_that_load(case, tmp_path):
    name, content, labels, size = LOADS[case]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        corpus = load_corpus(write(tmp_path, name, content))
    assert corpus.labels == labels
    assert len(corpus.train.texts) + len(corpus.test.texts) == size
    assert not set(corpus.train.texts) & set(corpus.test.texts)
    assert all("\r" not in text and "\ufeff" not in text for text in corpus.train.texts)


FAILS = {
    "empty": ("a.csv", "", "the file is empty"),
    "only line ends": ("a.csv", "\n\n", "no columns"),
    "header only": ("a.csv", "text,label\n", "a header but no rows"),
    "missing column": ("a.csv", CSV.replace("text,", "txt,"), "text_column='text' is unknown. Did you mean 'txt'"),
    "one class": ("a.csv", "text,label\na,x\nb,x\nc,x\n", "all training documents are 'x'"),
    "no text at all": ("a.csv", "text,label\n,x\n ,y\n", "has no text in it"),
    "label missing": ("a.csv", CSV + "a text without,\n", r"1 rows have a text but no label \(first: data row 11\)"),
    "not utf-8": ("a.csv", CSV.encode() + "caf\u00e9,good\n".encode("latin-1"), "line 12: not UTF-8.*iconv"),
    "not a table": ("a.csv", CSV + "one,two,three,four\n", "not a table .*line 12.*quotes"),
    "commas without quotes in all rows": ("a.csv", CSV.replace("d\n", "d,more\n"), "line 2 has 3 cells, the header 2"),
    "two columns of one name": ("a.csv", CSV.replace("text,label", "label,label"), "text_column='text' is unknown"),
    "two columns of labels": (
        "a.csv",
        CSV.replace("text,label", "text,label,label").replace("d\n", "d,7\n"),
        "label_column='label' names several columns",
    ),
    "several labels a document": ("a.jsonl", '{"text": "a", "label": ["x", "y"]}\n', r"column 'label': .*\['x', 'y'\]"),
    "half a character": ("a.jsonl", '{"text": "\\ud800", "label": "x"}\n', "line 1: half a character"),
    "a quotation mark that does not close": (
        "a.csv",
        CSV + '"one,good\ntwo,bad\n"three,good\n',
        "line 14: a quotation",
    ),
    "a quotation mark that never closes": ("a.csv", CSV + '"one,good\ntwo,bad\n', "line 13: a quotation.*doubled"),
    "broken json": ("a.jsonl", '{"text": "a", "label": 1}\n{"text": \n', "line 2: not JSON"),
    "json without objects": ("a.jsonl", "[1, 2]\n", "line 1: expected an object"),
    "the same text again and again": ("a.csv", "text,label\n" + "same,x\nsame,y\n" * 9, "too few different texts"),
    "a type nobody reads": ("a.docx", "x", "unknown"),
}


@pytest.mark.parametrize("case", FAILS)
def test_files_that_fail(case, tmp_path):
    name, content, says = FAILS[case]
    with pytest.raises(ValueError, match=says):
        load_corpus(write(tmp_path, name, content))


def test_quotation_marks_of_a_tsv_are_letters_where_they_do_not_close(tmp_path):
    lines = "text\tlabel\n" + "".join(f'"word{number}" of\tx\n"more{number}\ty\n' for number in range(9))
    assert {'"word3" of', '"more3'} <= set(read_texts(write(tmp_path, "a.tsv", lines)))


def test_a_blank_line_between_rows_keeps_its_place(tmp_path):
    assert read_rows(write(tmp_path, "a.csv", "text\nfirst\n\nthird\n\n")) == ["first", None, "third"]
    path = write(tmp_path, "b.csv", CSV + "\nlast,good\n")
    numbers, texts, _, left_out = read_numbered(path)
    assert (numbers[-2:], texts[-1], left_out) == ([10, 12], "last", 1)


def test_rows_without_a_text_are_left_out_and_counted(tmp_path, caplog):
    corpus = load_corpus(write(tmp_path, "a.csv", CSV + ",good\n   ,bad\n"))
    assert "2 rows without a text are left out" in caplog.text
    assert len(corpus.train.texts) + len(corpus.test.texts) == 10


def test_missing_values_in_parquet_are_missing(tmp_path, caplog):
    table = pd.DataFrame({"text": [*(text for text, _ in TEN), None], "label": [index % 2 for index in range(11)]})
    table.to_parquet(tmp_path / "a.parquet")
    corpus = load_corpus(str(tmp_path / "a.parquet"))
    assert "1 rows without a text" in caplog.text
    assert corpus.labels == ("0", "1")
    table.loc[3, "label"] = None
    table.to_parquet(tmp_path / "b.parquet")
    with pytest.raises(ValueError, match="1 rows have a text but no label"):
        load_corpus(str(tmp_path / "b.parquet"))


def test_named_columns(tmp_path):
    path = write(tmp_path, "a.csv", CSV.replace("text,label", "review,stars"))
    corpus = load_corpus(path, text_column="review", label_column="stars")
    assert corpus.labels == ("bad", "good")
    with pytest.raises(ValueError, match="label_column='star' is unknown. Did you mean 'stars'"):
        load_corpus(path, text_column="review", label_column="star")


def test_a_folder_of_train_test_and_unlabelled(tmp_path):
    write(tmp_path, "train.csv", CSV)
    write(tmp_path, "test.tsv", "text\tlabel\nnew\tgood\n")
    write(tmp_path, "unlabelled.jsonl", '{"text": "loose"}\n{"text": ""}\n')
    corpus = load_corpus(str(tmp_path))
    assert (len(corpus.train.texts), corpus.test.texts, corpus.unlabelled) == (10, ["new"], ["loose"])


@pytest.mark.parametrize(
    ("test", "says"),
    [("text,label\na,\n", "no label"), ("text,label\na,ugly\n", "test has classes that train lacks: ugly")],
)
def test_labels_missing_in_test(tmp_path, test, says):
    write(tmp_path, "train.csv", CSV)
    write(tmp_path, "test.csv", test)
    with pytest.raises(ValueError, match=says):
        load_corpus(str(tmp_path))


@pytest.mark.parametrize(("name", "says"), [("nowhere.csv", "no such file"), ("nowhere/at/all", "no such file")])
def test_a_path_that_is_not_there(name, says):
    with pytest.raises(ValueError, match=says):
        load_corpus(name)


def test_a_folder_without_a_train_file(tmp_path):
    with pytest.raises(ValueError, match="no train file in it. Give it a train.csv, or"):
        load_corpus(str(tmp_path))


def test_a_changed_file_is_read_again(tmp_path):
    path = write(tmp_path, "a.csv", CSV)
    first = load_corpus(path)
    write(tmp_path, "a.csv", CSV.replace("number", "count"))
    os.utime(path, (1, 1))
    assert load_corpus(path).fingerprint != first.fingerprint
