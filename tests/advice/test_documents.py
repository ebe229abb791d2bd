from collections import Counter
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from letters import texts_of

from bertstudy.advice import checks, splitting
from bertstudy.advice.documents import in_memory
from bertstudy.advice.splitting import Numbered
from bertstudy.data import files
from bertstudy.data.control import example
from bertstudy.data.sampling import plain
from bertstudy.study.display import shown


def read(train, test=""):
    """The documents of a file, or two, in three parts."""
    theirs = files.read_numbered(test) if test else None
    return splitting.split(str(train), files.read_numbered(train), theirs, test=str(test))


def test_row_numbers_survive_dropped_rows_and_the_split(table, written):
    table.loc[[3, 40], "text"] = None
    table.loc[60, "text"] = table.loc[50, "text"].upper() + "  "
    path = written(table)
    labels, parts, found = read(path)
    lines = pd.read_csv(path)
    for part in parts:
        assert part.texts == lines["text"].iloc[part.numbers - 1].tolist()
        assert [labels[one] for one in part.classes] == lines["label"].iloc[part.numbers - 1].tolist()
    everything = np.concatenate([part.numbers for part in parts])
    assert sorted(everything) == sorted(set(range(1, 121)) - {4, 41, 61})
    assert (found["rows"], found["without text"], found["repeated"]) == (120, 2, 1)


def test_duplicates_and_contradictions_are_counted_and_the_first_is_kept(table, written):
    again = table.iloc[[0, 1, 2]].copy()
    again.loc[2, "label"] = "za"
    labels, parts, found = read(written(pd.concat([table, again])))
    assert found["repeated"] == 3
    assert found["contradicted"] == [(3, 123)]
    texts = [plain(text) for part in parts for text in part.texts]
    assert len(texts) == len(set(texts)) == 120


def test_what_stands_in_the_readers_test_file_leaves_train(table, written):
    test = pd.concat([table.iloc[:10], pd.DataFrame(zip(*texts_of(20, seed=1), strict=True), columns=table.columns)])
    _, (train, dev, tested), found = read(written(table), written(test, "test.csv"))
    assert found["leaked"] == 10
    assert tested.numbers.tolist() == list(range(1, 31))
    assert tested.texts == test["text"].tolist()
    assert len(train.texts) + len(dev.texts) == 110
    assert not set(tested.texts) & {*train.texts, *dev.texts}


def test_what_is_wrong_with_the_readers_test_file_is_told(table, written, begun):
    table["label"] = ["rare" if one < 3 else label for one, label in enumerate(table["label"])]
    test = pd.concat([table.iloc[:10], table.iloc[:4], pd.DataFrame({"text": [None, ""], "label": ["az", "za"]})])
    data = begun(train=written(table), test=written(test, "test.csv"))
    assert data.test.numbers.tolist() == list(range(1, 11))
    lines = checks.check(data).set_index("what")
    again = lines.loc["repeated texts in test"]
    assert (again["found"], again["to do"]) == ("4", "the first of each is kept; 2 have no text: left out")
    assert lines.loc["classes without a document to train on", "found"] == "rare"


def test_labels_that_differ_in_case_blanks_or_form_are_told_and_joined_where_asked(table, written, begun):
    table["label"] = table["label"].map({"az": "1", "za": "Good one"})
    table.loc[1::10, "label"] = "good  ONE"
    table.loc[:9:2, "label"] = "1.00"
    lines = checks.check(begun(train=written(table))).set_index("what")
    alike = lines.loc["labels that differ in case, blanks or form alone"]
    assert set(alike["found"]) == {"'1', '1.00'", "'Good one', 'good  ONE'"}
    assert "join_labels=True" in alike["to do"].iloc[0]
    data = begun(train=written(table), join_labels=True)
    assert data.labels == ("1", "Good one")
    assert data.found["counts"] == {"1": 60, "Good one": 60}


def test_labels_are_joined_in_the_test_file_and_in_a_rivals_column_too(table, written, begun):
    tested = table.iloc[:20].assign(label=table["label"].iloc[:20].str.upper(), gpt=" " + table["label"].iloc[:20])
    tested["text"] = "new " + tested["text"]
    files = {"train": written(table), "test": written(tested, "test.csv"), "rival_column": "gpt"}
    with pytest.raises(ValueError, match="label='(AZ|ZA)' is unknown"):
        begun(**files)
    data = begun(**files, join_labels=True)
    assert [data.labels[number] for number in data.test.classes] == [*data.rival.values()]


def test_texts_without_labels_may_come_one_by_one(table, tiny):
    unlabelled = (text for text in ["one more", "and another"])
    data = in_memory([*table["text"]], [*table["label"]], unlabelled=unlabelled, profile="smoke", encoder=tiny())
    assert data.unlabelled == ["one more", "and another"]


def test_control_characters_are_removed_and_counted(table, written, begun):
    table.loc[3, "text"] = "a\x00b\x07 " + table.loc[3, "text"]
    data = begun(train=written(table))
    every = [*data.train.texts, *data.dev.texts, *data.test.texts]
    assert "ab " + table.loc[3, "text"][5:] in every
    assert data.found["control"] == 1
    assert checks.check(data).set_index("what").loc["texts with control characters", "found"] == "1"


def test_classes_too_small_to_learn_are_told_before_training(table, written, begun):
    table.loc[:2, "label"] = "tiny"
    data = begun(train=written(table))
    assert "fewer than 5 documents of tiny" in checks.check(data).set_index("what").loc["classes", "to do"]
    assert data.metric == "macro_f1"  # a class with under a tenth of the mean decides
    assert begun(train=written(table.iloc[3:])).metric == "error"
    assert begun(train=written(table), metric="mcc").metric == "mcc"


def test_the_check_says_what_to_do(table, written, begun):
    table["label"] = ["rare" if one == 7 else "<b>much</b>" if one % 10 else "little" for one in range(120)]
    lines = checks.check(begun(train=written(table))).set_index("what")
    assert "fewer than 5 documents of rare" in lines.loc["classes", "to do"]
    assert lines.loc["commonest class", "found"] == "89 %"
    assert "always saying <b>much</b>" in lines.loc["commonest class", "to do"]
    assert lines.loc["to train on, choose by, test on", "found"] == "77 / 19 / 24"
    assert lines.loc["pieces the encoder does not know", "found"] == "0 %"
    page = shown(checks.check(begun(train=written(table)))).to_html()
    assert "&lt;b&gt;" in page
    assert "<b>" not in page


def test_an_encoder_that_can_not_read_the_texts_is_told(table, written, begun):
    table["text"] = [f"{text} 体育新闻足球比赛" for text in table["text"]]
    table["text"] = [f"体育新闻{number}足球比赛北京上海" for number in range(120)]
    lines = checks.check(begun(train=written(table))).set_index("what")
    assert int(lines.loc["pieces the encoder does not know", "found"].removesuffix(" %")) > 50
    assert "google-bert/bert-base-chinese" in lines.loc["pieces the encoder does not know", "to do"]


def test_an_encoder_that_spells_the_words_is_told(table, written, begun):
    table["text"] = [
        text.replace(" ", "") + f" {'abcdefghij'[number % 10]}" for number, text in enumerate(table["text"])
    ]
    lines = checks.check(begun(train=written(table))).set_index("what")
    assert "profile='compact'" in lines.loc["pieces a word", "to do"]


def test_planted_wrong_labels_are_found():
    planted = example.build()[1]
    labels, parts, _ = read(example.FILE)
    joined = Numbered(*(np.concatenate([getattr(part, name) for part in parts]) for name in Numbered._fields))
    chosen, suggested, probability = checks.doubted(joined)
    numbers = set(joined.numbers[chosen].tolist())
    assert len(numbers & set(planted["flipped"])) >= 6
    assert len(numbers) <= 15
    assert (suggested != joined.classes[chosen]).all()
    assert probability.tolist() == sorted(probability)


def test_classes_of_very_few_documents_are_not_doubted():
    texts, names = texts_of(60)
    classes = np.array([name == "za" for name in names]).astype(int)
    classes[[4, 9]] = 2
    chosen, suggested, _ = checks.doubted(Numbered(texts, classes, np.arange(1, 61)))
    assert not {4, 9} & set(chosen.tolist())
    assert 2 not in suggested


@pytest.mark.parametrize("rare", [1, 2])
def test_where_all_but_one_class_are_very_small_no_label_is_doubted(table, written, begun, rare):
    table["label"] = ["rare" if one < rare else "az" for one in range(120)]
    found = checks.suspicious(begun(train=written(table)))
    assert found.table.empty
    assert found.words == "0 of 120 labels looked through are doubtful."
    assert found.values["doubtful"] == 0


def test_the_example_is_what_its_plan_makes():
    made, planted = example.build()
    stored = pd.read_csv(example.FILE, keep_default_na=False)
    pd.testing.assert_frame_equal(stored, made, check_dtype=False)
    counts = Counter(text for text in made["text"] if text)
    assert len(counts) == example.REVIEWS
    assert sum(counts.values()) - len(counts) == len(planted["repeated"]) + len(planted["contradicted"])
    assert not any(made["text"].iloc[np.array(planted["empty"]) - 1])


@pytest.mark.parametrize(
    ("change", "parameters", "says"),
    [
        (lambda table: table.iloc[:0], {}, "a header but no rows"),
        (lambda table: table.iloc[:, :0], {}, "It needs a header and rows"),
        (
            lambda table: table.rename(columns={"label": "stars"}),
            {},
            "label_column='label' is unknown.*Choose from: text",
        ),
        (
            lambda table: table.assign(label="az", kind="x"),
            {},
            r"all 120 documents have the label 'az'.*label_column",
        ),
        (lambda table: table.iloc[:12], {}, "12 different labelled texts; at least 40 are needed"),
        (lambda table: table.assign(text="the same"), {}, "1 different labelled texts"),
        (
            lambda table: table.assign(label=range(120)),
            {},
            "has 120 different values in 120 rows, too many for classes",
        ),
        (
            lambda table: table.assign(text=[f"!{'?' * one}" for one in range(120)]),
            {},
            "fewer than 40 texts .* contain a word",
        ),
        (lambda table: table, {"train": "table.docx"}, "train: file type='.docx' is unknown.*.csv"),
        (lambda table: table, {"budget_minutes": -1}, r"budget_minutes=-1: allowed is 0 \(the profile's 1\)"),
        (lambda table: table, {"metric": "macro-f1"}, "metric='macro-f1' is unknown. Did you mean 'macro_f1'"),
        (lambda table: table, {"test": "no/such.csv"}, "test='no/such.csv': there is no such file. Relative paths"),
        (lambda table: table, {"train": "notebooks"}, "train='.*notebooks' is a folder: name a file in it"),
        (lambda table: table, {"encoder": "no/such"}, "encoder='no/such' can't be loaded"),
    ],
)
def test_files_that_do_not_do_are_told(table, written, begun, change, parameters, says, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "table.docx").touch()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=says) as error:
        begun(**{"train": written(change(table))} | parameters)
    assert "\n" not in str(error.value)


def test_an_empty_file_and_a_folder_in_use_are_told(table, written, begun, tmp_path):
    (tmp_path / "empty.csv").write_text("")
    with pytest.raises(ValueError, match="the file is empty"):
        begun(train=str(tmp_path / "empty.csv"))
    with pytest.raises(ValueError, match="other files are in it"):
        begun(train=written(table), model_dir=str(tmp_path))
    with pytest.raises(ValueError, match="empty.csv' is a file"):
        begun(train=written(table), model_dir=str(tmp_path / "empty.csv"))


def test_the_folder_of_an_encoder_is_not_written_over(table, written, begun, tiny):
    before = sorted((path.name, path.stat().st_mtime) for path in Path(tiny()).iterdir())
    with pytest.raises(ValueError, match="other files are in it than those of a classifier"):
        begun(train=written(table), encoder=tiny(), model_dir=tiny())
    assert sorted((path.name, path.stat().st_mtime) for path in Path(tiny()).iterdir()) == before


def test_a_file_with_a_capital_ending_is_read(table, written, begun):
    assert len(begun(train=written(table, "MINE.CSV")).labels) == 2


def test_a_class_of_the_test_file_that_train_lacks_is_told_with_its_row(table, written, begun):
    test = table.assign(label=[*table["label"][:-1], "zz"])
    with pytest.raises(ValueError, match=r"data row 120: label='zz' is unknown.*take its rows out of test"):
        begun(train=written(table), test=written(test, "test.csv"))


def test_a_class_of_one_document_stays_in_train(table, written):
    table.loc[17, "label"] = "alone"
    labels, (train, _, _), _ = read(written(table))
    assert train.numbers[train.classes == labels.index("alone")].tolist() == [18]
