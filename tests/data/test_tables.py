import gzip
import io

import datasets
import numpy as np
import pandas as pd
import pytest

from bertstudy.data import files
from bertstudy.data.tables import read_table

ROWS = [("good, very good", "pos"), ("bad; very bad", "neg"), ("café | ñ", "pos"), ("plain", "neg")]
TABLE = pd.DataFrame(ROWS, columns=["text", "label"])


def saved(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def separated(mark, **options):
    return TABLE.to_csv(index=False, sep=mark, **options)


def parquet():
    content = io.BytesIO()
    TABLE.to_parquet(content)
    return content.getvalue()


def excel():
    content = io.BytesIO()
    TABLE.to_excel(content, index=False)
    return content.getvalue()


KINDS = {
    "commas.csv": separated(","),
    "semicolons.csv": separated(";"),
    "tabs.csv": separated("\t"),
    "bars.csv": separated("|"),
    "tabs.tsv": separated("\t"),
    "list.json": TABLE.to_json(orient="records"),
    "lines.jsonl": TABLE.to_json(orient="records", lines=True),
    "table.parquet": parquet(),
    "table.xlsx": excel(),
    "with a mark.csv": separated(",").encode("utf-8-sig"),
    "utf-16.csv": separated(",").encode("utf-16"),
}


@pytest.mark.parametrize("zipped", [False, True])
@pytest.mark.parametrize("name", KINDS)
def test_each_kind_of_file_gives_the_same_table(name, zipped, tmp_path):
    content = KINDS[name] if isinstance(KINDS[name], bytes) else KINDS[name].encode()
    path = saved(tmp_path, f"{name}.gz" if zipped else name, gzip.compress(content) if zipped else content)
    table = read_table(path)
    assert table.columns.tolist() == ["text", "label"]
    assert table.to_numpy().tolist() == [list(row) for row in ROWS]


def test_what_separates_cells_is_told_by_the_rows_not_by_the_header_alone(tmp_path):
    path = saved(tmp_path, "a.csv", "text, long;label\none, two;x\nthree;y\nfour, five, six;x\n")
    assert read_table(path).columns.tolist() == ["text, long", "label"]


def test_blanks_around_column_names_and_empty_cells_at_the_end_do_no_harm(tmp_path):
    path = saved(tmp_path, "a.csv", " text , label ,,\none,x,,\ntwo,y\nthree,x,,,\n")
    table = read_table(path)
    assert table.columns.tolist() == ["text", "label"]
    assert table["label"].tolist() == ["x", "y", "x"]


def test_another_encoding_is_read_when_named_and_proposed_when_not(tmp_path):
    path = saved(
        tmp_path, "a.csv", ("text,label\n" + "Größe über alles, schön,x\n".replace(", ", " ") * 20).encode("cp1252")
    )
    with pytest.raises(ValueError, match=r"line 2: not UTF-8. It seems to be .*: give encoding='.*iconv"):
        read_table(path)
    assert read_table(path, encoding="cp1252")["text"][0] == "Größe über alles schön"
    with pytest.raises(ValueError, match="encoding='cp-1' is unknown"):
        read_table(path, encoding="cp-1")


def test_a_folder_of_datasets_keeps_its_class_names(tmp_path):
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["bad", "good"])}
    )
    made = datasets.Dataset.from_dict({"text": ["a", "b", "c"], "label": [1, 0, -1]}, features=features)
    made.save_to_disk(tmp_path / "one")
    assert read_table(tmp_path / "one")["label"].fillna("").tolist() == ["good", "bad", ""]
    datasets.DatasetDict({"train": made, "test": made.select([0])}).save_to_disk(tmp_path / "two")
    assert len(read_table(tmp_path / "two")) == 3
    assert len(read_table(tmp_path / "two", split="test")) == 1
    with pytest.raises(ValueError, match="split='dev' is unknown"):
        read_table(tmp_path / "two", split="dev")
    made.to_parquet(tmp_path / "a.parquet")
    assert read_table(tmp_path / "a.parquet")["label"].tolist()[:2] == ["good", "bad"]


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.xlsx", "no workbook", "not an Excel file"),
        ("a.json", '{"text": "a"}', "expected a list of objects"),
        ("a.json", "[1, 2]", "entry 1: expected an object"),
        ("a.json", '[{"text": "a"},\n{"text": }]', "line 2: not JSON"),
        ("a.csv.gz", "no gzip", "not a gzip file"),
        ("a.docx", "x", "file type='.docx' is unknown"),
    ],
)
def test_files_that_can_not_be_read_are_told(name, content, says, tmp_path):
    with pytest.raises(ValueError, match=says):
        read_table(saved(tmp_path, name, content))


def test_texts_of_several_columns_are_joined_and_pairs_are_kept_apart():
    table = pd.DataFrame({"a": ["one", None, "three"], "b": ["two", "x", ""], "c": ["q", "r", "s"], "y": [1, 0, 1.0]})
    assert files.labelled_of(table, "a+b", "y").texts == ["one\ntwo", "x", "three"]
    pairs = files.labelled_of(table, "a|c", "y")
    assert pairs.texts == [f"one{files.PAIR}q", f"{files.PAIR}r", f"three{files.PAIR}s"]
    assert pairs.names == ["1", "0", "1"]
    with pytest.raises(ValueError, match="a pair has two parts"):
        files.labelled_of(table, "a|b|c", "y")
    with pytest.raises(ValueError, match="text_column='d' is unknown"):
        files.labelled_of(table, "a+d", "y")


@pytest.mark.parametrize("cell", [["a", "b"], {"a": 1}, np.array(["a"])])
def test_a_text_that_is_a_list_or_an_object_is_an_error(cell):
    table = pd.DataFrame({"text": ["fine", cell], "label": ["x", "y"]})
    with pytest.raises(ValueError, match="column 'text', data row 2: a .*, not a text"):
        files.labelled_of(table, "text", "label")


def test_control_characters_are_taken_out_and_counted():
    assert files.without_control(["a\x00b", "c\td\n", "\x1b[1m"]) == (["ab", "c\td\n", "[1m"], 2)
    assert files.without_control(["a\ud800b", f"c{files.PAIR}d"]) == (["ab", "cd"], 2)
    assert files.without_control([f"a\x00{files.PAIR}b", f"c{files.PAIR}d"], pairs=True)[1] == 1
