import json
import logging
import re
from collections import Counter
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest

from bertstudy import Classifier, Run, figures
from bertstudy.advice import budget
from bertstudy.advice import documents as your_data
from bertstudy.advice import figures as own
from bertstudy.advice import planner as advice
from bertstudy.advice import result as result_of
from bertstudy.advice.documents import Numbered
from bertstudy.data.control import example
from bertstudy.data.sampling import plain
from bertstudy.data.sources import source_texts
from bertstudy.results import execution, rows
from bertstudy.results.rows import name_of
from bertstudy.study import pages, setup
from bertstudy.study import your_data as notebook
from bertstudy.study.display import shown
from bertstudy.training import pretraining
from bertstudy.versions import STAGES

WORDS = {"az": "abcdef", "za": "uvwxyz"}


def texts_of(size, seed=0):
    """So many different texts of letters and their labels; a label has more of its own letters."""
    random, made = np.random.default_rng(seed), {}
    while len(made) < size:
        label = ("az", "za")[len(made) % 2]
        made[" ".join(random.choice(list(WORDS[label] * 3 + "ghijklmnop"), random.integers(4, 30)))] = label
    return list(made), list(made.values())


@pytest.fixture
def table():
    texts, labels = texts_of(120)
    return pd.DataFrame({"text": texts, "label": labels})


@pytest.fixture
def written(tmp_path):
    """A function: a table -> the path of it as CSV."""

    def write(frame, name="mine.csv"):
        frame.to_csv(tmp_path / name, index=False)
        return str(tmp_path / name)

    return write


@pytest.fixture
def begun(tmp_path, tiny, monkeypatch):
    """A function: parameters -> YourData with a tiny encoder, whose runs and classifier are the test's own."""
    monkeypatch.setenv("BERTSTUDY_RUNS", str(tmp_path / "runs"))

    def begin(**parameters):
        data = your_data.begin(profile="smoke", **{"encoder": tiny()} | parameters)
        data.base = replace(data.base, learning_rate=3e-3, window=24, truncation="head+tail:8", batch_size=8)
        return data

    return begin


def test_row_numbers_survive_dropped_rows_and_the_split(table, written):
    table.loc[[3, 40], "text"] = None
    table.loc[60, "text"] = table.loc[50, "text"].upper() + "  "
    path = written(table)
    labels, parts, found = your_data.read(path, "", "text", "label")
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
    labels, parts, found = your_data.read(written(pd.concat([table, again])), "", "text", "label")
    assert found["repeated"] == 3
    assert found["contradicted"] == [(3, 123)]
    texts = [plain(text) for part in parts for text in part.texts]
    assert len(texts) == len(set(texts)) == 120


def test_what_stands_in_the_readers_test_file_leaves_train(table, written):
    test = pd.concat([table.iloc[:10], pd.DataFrame(zip(*texts_of(20, seed=1), strict=True), columns=table.columns)])
    _, (train, dev, tested), found = your_data.read(written(table), written(test, "test.csv"), "text", "label")
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
    lines = your_data.check(data).set_index("what")
    again = lines.loc["texts that stand again in test"]
    assert (again["found"], again["to do"]) == ("4", "the first of each is kept; 2 have no text: left out")
    assert lines.loc["classes without a document to train on", "found"] == "rare"


def test_class_names_that_differ_in_case_alone_are_told(table, written, begun):
    table.loc[:9, "label"] = table.loc[:9, "label"].str.upper()
    lines = your_data.check(begun(train=written(table))).set_index("what")
    assert lines.loc["classes that differ in case alone", "found"] == "AZ, ZA, az, za"


def test_the_check_says_what_to_do(table, written, begun):
    table["label"] = ["rare" if one == 7 else "<b>much</b>" if one % 10 else "little" for one in range(120)]
    lines = your_data.check(begun(train=written(table))).set_index("what")
    assert "fewer than 10 documents of rare" in lines.loc["classes", "to do"]
    assert lines.loc["commonest class", "found"] == "89 %"
    assert "always saying <b>much</b>" in lines.loc["commonest class", "to do"]
    assert lines.loc["to train on, choose by, test on", "found"] == "77 / 19 / 24"
    assert lines.loc["pieces the encoder does not know", "found"] == "0 %"
    page = shown(your_data.check(begun(train=written(table)))).to_html()
    assert "&lt;b&gt;" in page
    assert "<b>" not in page


def test_an_encoder_that_can_not_read_the_texts_is_told(table, written, begun):
    table["text"] = [f"{text} 体育新闻足球比赛" for text in table["text"]]
    table["text"] = [f"体育新闻{number}足球比赛北京上海" for number in range(120)]
    lines = your_data.check(begun(train=written(table))).set_index("what")
    assert int(lines.loc["pieces the encoder does not know", "found"].removesuffix(" %")) > 50
    assert "google-bert/bert-base-chinese" in lines.loc["pieces the encoder does not know", "to do"]


def test_an_encoder_that_spells_the_words_is_told(table, written, begun):
    table["text"] = [
        text.replace(" ", "") + f" {'abcdefghij'[number % 10]}" for number, text in enumerate(table["text"])
    ]
    lines = your_data.check(begun(train=written(table))).set_index("what")
    assert "profile='compact'" in lines.loc["pieces a word", "to do"]


def test_other_texts_or_stages_are_other_results(table, written, begun, monkeypatch):
    def name(data):
        pretrained = dict(further_pretraining="within_task", pretraining_steps=3, pretraining_unlabelled=True)
        return name_of(replace(data.base, **pretrained), data.library).id

    (before,) = {name(begun(train=written(table))) for _ in range(2)}
    other = written(pd.DataFrame({"text": ["a b c"]}), "more.csv")
    assert name(begun(train=written(table), unlabelled=other)) != before
    assert name(begun(train=written(table.iloc[1:]))) != before
    data = begun(train=written(table))
    advice.floor(data)
    (kept,) = {one["made"] for one in data.rows[-1:]}
    monkeypatch.setitem(STAGES, "tfidf", "2.0")
    again = begun(train=written(table))
    monkeypatch.setattr(execution, "datetime", Later)
    advice.floor(again)
    assert [one["id"] for one in again.rows] == [one["id"] for one in data.rows]
    assert all(one["made"] != kept for one in again.rows)


class Later:
    """A clock in another century."""

    @staticmethod
    def now(zone):
        return datetime(2100, 1, 1, tzinfo=zone)


def test_planted_wrong_labels_are_found():
    planted = example.build()[1]
    labels, parts, _ = your_data.read(example.FILE, "", "text", "label")
    joined = Numbered(*(np.concatenate([getattr(part, name) for part in parts]) for name in Numbered._fields))
    chosen, suggested, probability = your_data.doubted(joined)
    numbers = set(joined.numbers[chosen].tolist())
    assert len(numbers & set(planted["flipped"])) >= 6
    assert len(numbers) <= 15
    assert (suggested != joined.classes[chosen]).all()
    assert probability.tolist() == sorted(probability)


def test_classes_of_very_few_documents_are_not_doubted():
    texts, names = texts_of(60)
    classes = np.array([name == "za" for name in names]).astype(int)
    classes[[4, 9]] = 2
    chosen, suggested, _ = your_data.doubted(Numbered(texts, classes, np.arange(1, 61)))
    assert not {4, 9} & set(chosen.tolist())
    assert 2 not in suggested


@pytest.mark.parametrize("rare", [1, 2])
def test_where_all_but_one_class_are_very_small_no_label_is_doubted(table, written, begun, rare):
    table["label"] = ["rare" if one < rare else "az" for one in range(120)]
    found = your_data.suspicious(begun(train=written(table)))
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
            "label_column='label' is unknown.*There are: text",
        ),
        (
            lambda table: table.assign(label="az", kind="x"),
            {},
            r"all 120 documents have the label 'az'.*columns: kind\)",
        ),
        (lambda table: table.iloc[:12], {}, "12 different labelled texts; at least 40 are needed"),
        (lambda table: table.assign(text="the same"), {}, "1 different labelled texts"),
        (
            lambda table: table.assign(label=range(120)),
            {},
            "has 120 different values in 120 rows, too many for classes",
        ),
        (lambda table: table.assign(text=[f"!{'?' * one}" for one in range(120)]), {}, "hardly a text .* has a word"),
        (lambda table: table, {"train": "table.xlsx"}, "train: file type='.xlsx' is unknown.*.csv"),
        (lambda table: table, {"budget_minutes": -1}, r"budget_minutes=-1: allowed is 0 \(1\) or more"),
        (lambda table: table, {"test": "no/such.csv"}, "test='no/such.csv': there is no such file. Relative paths"),
        (lambda table: table, {"train": "notebooks"}, "train='.*notebooks' is a folder: name a file in it"),
        (lambda table: table, {"encoder": "no/such"}, "encoder='no/such' can't be loaded"),
    ],
)
def test_files_that_do_not_do_are_told(table, written, begun, change, parameters, says, tmp_path, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "table.xlsx").touch()
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
    labels, (train, _, _), _ = your_data.read(written(table), "", "text", "label")
    assert train.numbers[train.classes == labels.index("alone")].tolist() == [18]


class Now:
    """A clock that the test sets."""

    time = 0.0

    def __call__(self):
        return self.time


def with_clock(data, seconds, speed=1e-4):
    """YourData with a clock of the test's own and a speed that is known."""
    data.clock = budget.Clock(seconds, now=Now())
    data.speed = budget.Speed(speed, speed / 4)
    your_data.measure_lengths(data)
    return data


def test_a_plan_keeps_to_the_minutes_and_tells_what_it_leaves_out(table, written, begun, monkeypatch):
    data = with_clock(begun(train=written(table)), 14)
    monkeypatch.setattr(advice, "measure", lambda data: None)
    whole = advice.seconds_of(replace(data.base, fraction=1.0), data)
    lines = advice.plan(data).table
    planned = lines[lines["in the plan"] == "yes"]
    assert budget.SPARE * 60 * planned["minutes"].sum() <= 14
    assert planned["labelled"].max() == data.sizes[-1] == len(data.train.texts)
    assert set(lines["in the plan"]) == {"yes", "no, unless runs are faster than planned"}
    data = with_clock(data, 60, speed=0.04)
    data.left_out = []
    plan = advice.plan(data)
    smaller = plan.table
    assert max(smaller["labelled"]) < len(data.train.texts)
    assert data.left_out[0]["labelled"] == len(data.train.texts)
    assert data.left_out[0]["minutes"] * 60 > 20 * whole
    assert "documents would take" in plan.words
    data = with_clock(data, 1, speed=1e-2)
    with pytest.raises(ValueError, match="budget_minutes=0.0166667: the smallest useful run.*minutes or more"):
        advice.plan(data)


def test_where_no_other_recipe_fits_the_curve_has_all_the_minutes(table, written, begun, monkeypatch):
    data = with_clock(begun(train=written(table)), 90, speed=0.03)
    monkeypatch.setattr(advice, "measure", lambda data: None)
    monkeypatch.setattr(
        advice, "candidates", lambda data, labelled: [("truncation", "short", {"window": 4, "truncation": "head"})]
    )
    advice.plan(data)
    shared, cost = data.sizes, lambda labelled: advice.seconds_of(advice._sample(data, labelled), data)
    monkeypatch.setattr(advice, "candidates", lambda data, labelled: [("epochs", "many", {"epochs": 500})])
    advice.plan(data)
    assert sum(map(cost, shared)) < sum(map(cost, data.sizes)) <= data.clock.left / budget.SPARE


def test_minutes_spent_reading_are_told_apart_from_the_machines_speed(table, written, begun, monkeypatch):
    data = with_clock(begun(train=written(table)), 180)
    monkeypatch.setattr(advice, "measure", lambda data: None)
    data.clock.now.time = 178
    with pytest.raises(ValueError, match=r"takes 0.0 minutes .* and 3.\d are gone .* run all cells again"):
        advice.plan(data)


def test_a_plan_that_is_made_again_forgets_the_one_before(table, written, begun, monkeypatch):
    data = begun(train=written(table))
    advice.floor(data)
    monkeypatch.setattr(advice, "measure", lambda data: None)
    plans = []
    for speed in (0.04, 1e-4, 1e-4):  # the first has room for few of the documents that choose
        with_clock(data, 60, speed)
        data.clock.reserve = 0.0
        plans.append(advice.plan(data).table["labelled"].tolist())
        data.rows.append({"id": "", **row(own.DEFAULT, 10, 50)})
    assert plans[0] != plans[1] == plans[2]
    assert {one["recipe"] for one in data.rows[:-1]} == {own.WORDS}
    assert advice.floor(data)["labelled"].is_unique


def test_where_minutes_are_few_more_documents_are_read_in_fewer_steps(table, written, begun, caplog):
    caplog.set_level(logging.INFO, "bertstudy")
    data = with_clock(begun(train=written(table)), 60, speed=0.01)
    data.base = replace(data.base, min_steps=80)
    sizes = advice._sizes(data, lambda labelled: advice.seconds_of(advice._sample(data, labelled), data))
    assert sizes[-1] >= 60
    assert 0 < data.base.min_steps < 80
    assert f"{data.base.min_steps} are taken" in caplog.text


def test_what_is_tried_depends_on_the_documents(table, written, begun):
    data = with_clock(begun(train=written(table)), 60)
    data.lengths = np.full(100, 10)
    assert {kind for kind, _, _ in advice.candidates(data, 100)} == {"rate", "epochs"}
    assert list(advice.candidates(data, 5000)) == []
    data.lengths = np.full(100, 1000)
    kinds = [kind for kind, _, _ in advice.candidates(data, 5000)]
    assert kinds == ["truncation"] * 3 + ["pretraining"]
    for _, _, changes in advice.candidates(data, 100):
        assert isinstance(replace(data.base, **changes), Run)


def test_further_pretraining_reads_train_and_unlabelled_texts_and_none_of_dev_or_test(
    table, written, begun, monkeypatch
):
    more = pd.DataFrame({"text": [*table["text"][:60], *texts_of(40, seed=5)[0]]})
    data = with_clock(begun(train=written(table), unlabelled=written(more, "more.csv")), 600)
    monkeypatch.setattr(advice, "ENOUGH", 10)
    (changes,) = [more for kind, _, more in advice.candidates(data, 77) if kind == "pretraining"]
    run = replace(data.base, **changes)
    texts = source_texts(run, data.library)
    assert set(texts) == {*data.train.texts, *more["text"]} - {*data.dev.texts, *data.test.texts}
    read, made = [], pretraining.checkpoint
    monkeypatch.setattr(
        pretraining, "checkpoint", lambda settings, texts, *rest: read.append(texts) or made(settings, texts, *rest)
    )
    row = advice._try(run, data, "pretrained further")
    assert read == [texts]
    assert 0 <= row["error"] <= 100
    assert data.best is not None


def fake_runs(monkeypatch, errors, now=None, seconds=0.0):
    """Runs that take no time: dev errors in percent by a function of the run; notes what was run."""
    ran, train = [], execution.train

    def made(run, progress, library, stop=None):
        if run.encoder == "none":
            return train(run, progress, library)
        if now:
            now.time += seconds
        ran.append(run)
        corpus, name = library.of(run), name_of(run, library)
        size = len(corpus.test.texts)
        wrong = np.arange(size) < round(errors(run) * size / 100)
        truth = np.arange(size) % 2
        return None, {
            "id": name.id,
            "run": {**run.__dict__},
            "stages": {stage: STAGES[stage] for stage in rows.stages_of(run)},
            "labels": list(corpus.labels),
            "documents": {"train": round(run.fraction * len(corpus.train.texts)), "dev": 0, "test": size},
            "error": 100 * wrong.mean(),
            "truth": rows.squeeze(truth),
            "predictions": rows.squeeze(np.where(wrong, 1 - truth, truth)),
            "seconds": {"all": 1.0},
        }

    monkeypatch.setattr(execution, "train", made)
    monkeypatch.setattr(advice, "measure", lambda data: None)
    return ran


def test_the_recipe_is_chosen_on_dev_and_each_is_a_change_to_the_best(table, written, begun, monkeypatch):
    data = with_clock(begun(train=written(table)), 600)
    monkeypatch.setattr(result_of, "score", None)
    rate = data.base.learning_rate

    def errors(run):
        return 40 - 15 * (run.truncation == "head") - 10 * (run.learning_rate == rate / 2) + 5 * (run.epochs > 1)

    ran = fake_runs(monkeypatch, errors)
    advice.plan(data)
    advice.run_all(data)
    assert data.best["recipe"] == "head only + half the learning rate"
    assert (ran[-1].truncation, ran[-1].learning_rate, ran[-1].epochs) == ("head", rate / 2, 2)
    chosen = own.your_recipes_data(advice.rows(data)).set_index("recipe")["chosen"]
    assert chosen[chosen].index.tolist() == ["head only + half the learning rate"]
    tried, left = [(one["id"], one["recipe"]) for one in data.rows], list(data.left_out)
    advice.plan(data)
    advice.run_all(data)
    assert sorted(tried) == sorted((one["id"], one["recipe"]) for one in data.rows)
    assert len(left) == len(data.left_out)


def test_time_that_is_left_trains_the_chosen_recipe_on_more_labels(table, written, begun, monkeypatch):
    data = with_clock(begun(train=written(table)), 600)
    fake_runs(monkeypatch, lambda run: 20 - 10 * (run.epochs > 1))
    advice.plan(data)
    data.sizes = [20, 40]
    advice.run_all(data)
    assert data.best["recipe"] == "twice the epochs, 77 labels"
    assert data.best["documents"]["train"] == 77
    told = own.your_recipes_data(advice.rows(data)).set_index("recipe")
    assert told.index[told["chosen"]].tolist() == ["twice the epochs, 77 labels"]
    assert told.loc["twice the epochs", "labelled"] == 40


def test_what_was_left_out_and_run_after_all_is_no_longer_told(table, written, begun, monkeypatch):
    data = with_clock(begun(train=written(table)), 600)
    fake_runs(monkeypatch, lambda run: 20.0)
    advice.plan(data)
    data.sizes = [20, 40]
    for labelled in (60, 77):
        advice._leave_out(data, own.DEFAULT, labelled, 60, "not enough minutes")
    advice.run_all(data)
    assert data.best["recipe"] == f"{own.DEFAULT}, 77 labels"
    assert [line["labelled"] for line in data.left_out if line["recipe"] == own.DEFAULT] == [60]


def test_an_equal_recipe_does_not_replace_the_default(table, written, begun, monkeypatch):
    data = with_clock(begun(train=written(table)), 600)
    fake_runs(monkeypatch, lambda run: 20)
    advice.plan(data)
    advice.run_all(data)
    assert data.best["recipe"] == own.DEFAULT
    assert data.best["documents"]["train"] == len(data.train.texts)


def test_runs_that_no_longer_fit_are_left_out_and_found_again_later(table, written, begun, monkeypatch):
    data = with_clock(begun(train=written(table)), 60)
    ran = fake_runs(monkeypatch, lambda run: 20, data.clock.now, seconds=12)
    advice.plan(data)
    advice.run_all(data)
    assert 0 < len(ran) < 6
    assert data.clock.now.time <= 66
    why = [line["why"] for line in data.left_out]
    assert "not enough minutes" in why
    again = with_clock(begun(train=written(table)), 600)
    more = fake_runs(monkeypatch, lambda run: 20)
    advice.plan(again)
    advice.run_all(again)
    assert not {one.learning_rate for one in more if one.fraction < 1}
    assert len(again.rows) > len(data.rows)


def test_a_run_that_becomes_too_slow_is_stopped(table, written, begun):
    data = with_clock(begun(train=written(table)), 60)
    data.clock.now.time = 67
    run = replace(data.base, fraction=1.0)
    with pytest.raises(budget.TimeIsUp):
        execution.train(run, False, data.library, data.clock.stop)
    data.clock.fits = lambda seconds: True
    assert advice._try(run, data, "slow") is None
    assert data.left_out[-1]["why"] == "stopped: the machine has become slower"
    assert data.rows == []


@pytest.mark.slow
def test_from_file_to_classifier(table, written, begun, monkeypatch):
    data = begun(train=written(table))
    seen = []
    predict = Classifier.predict
    monkeypatch.setattr(Classifier, "predict", lambda self, texts: seen.append(texts) or predict(self, texts))
    advice.floor(data)
    advice.plan(data)
    tried = advice.run_all(data)
    result_of.outlook(tried)
    result = result_of.score(data)
    assert seen == [data.test.texts]
    assert result_of.score(data) == result
    assert len(seen) == 1
    assert result["row"] == data.test.numbers.tolist()
    assert rows.unsqueeze(result["truth"]).tolist() == data.test.classes.tolist()
    verdict = result_of.verdict(result)
    lines = verdict.table
    wrong = (rows.unsqueeze(result["predictions"]) != data.test.classes).sum()
    assert lines["wrong"].tolist()[1] == wrong
    assert verdict.values["worse"] - verdict.values["better"] == wrong - lines["wrong"][0]
    names = result_of.confident_errors(result)
    stored = pd.read_csv(written(table))
    assert names["given"].tolist() == stored["label"].iloc[names["row"] - 1].tolist()
    assert len(names) == min(wrong, your_data.SHOWN)
    saved = result_of.save(data, result)
    assert "bs.Classifier.load(" in saved.words
    card = (data.model_dir / "README.md").read_text()
    assert f"{100 * wrong / len(data.test.texts):.2f} % of {len(data.test.texts)} documents" in card
    assert "the recipe was chosen by it" in card
    loaded = Classifier.load(data.model_dir)
    predicted = [data.labels[one] for one in rows.unsqueeze(result["predictions"])]
    assert loaded.predict(data.test.texts).labels == predicted
    kept_rows = list((data.model_dir.parent / "rows").glob("*.json"))
    assert len(kept_rows) >= 2
    for kept in kept_rows:
        assert not any(text in kept.read_text() for text in table["text"])
    again = begun(train=written(table))
    advice.floor(again)
    advice.plan(again)
    monkeypatch.setattr(execution, "train", None)  # everything is read
    advice.run_all(again)
    assert result_of.score(again) == result
    result_of.save(again, result)


@pytest.mark.slow
def test_row_numbers_are_those_of_the_file_as_it_is_now(table, written, begun):
    longer = pd.concat([table.iloc[[5, 5, 5]], table.assign(text=table["text"])])
    results = []
    for frame in (longer, pd.concat([table.iloc[[5]], table])):
        data = begun(train=written(frame))
        advice.floor(data)
        advice.plan(data)
        advice.run_all(data)
        results.append(result_of.score(data))
        stored = pd.read_csv(written(frame))
        assert stored["text"].iloc[np.array(results[-1]["row"]) - 1].tolist() == data.test.texts
    assert results[0]["predictions"] == results[1]["predictions"]
    assert results[0]["row"] != results[1]["row"]


def row(recipe, labelled, error, size=200):
    truth = np.arange(size) % 2
    wrong = np.random.default_rng(0).permutation(size) < error * size / 100
    return {
        "recipe": recipe,
        "documents": {"train": labelled, "dev": 0, "test": size},
        "available": 400,
        "error": 100 * wrong.mean(),
        "labels": ["no", "yes"],
        "truth": rows.squeeze(truth),
        "predictions": rows.squeeze(np.where(wrong, 1 - truth, truth)),
    }


@pytest.fixture
def tried():
    words, default = own.WORDS, own.DEFAULT
    curve = [(50, 40), (100, 28), (200, 20)]
    rows = [row(words, 200, 30), *(row(default, *point) for point in curve), row("head only", 200, 18)]
    return pd.DataFrame(rows)


def test_the_curves_numbers(tried):
    data = own.your_curve_data(tried)
    assert data["kind"].tolist() == ["measured"] * 4 + ["extrapolated"] * 2
    assert data["labelled"].tolist() == [200, 50, 100, 200, 400, 800]
    assert data["error"].tolist()[:4] == pytest.approx([30, 40, 28, 20])
    assert data["error"].tolist()[4:] == pytest.approx([14, 10], abs=0.5)
    told = result_of.outlook(tried).words
    assert "With 800 labels to train on, twice those there are" in told
    gain = data.iloc[-1][["gain", "gain_low", "gain_high"]]
    assert gain["gain_low"] < gain["gain"] < gain["gain_high"]
    assert f"That is {-gain['gain']:+.1f} points" in told
    assert f"({-gain['gain_high']:+.1f} to {-gain['gain_low']:+.1f})" in told
    short = own.your_curve_data(tried[[one["train"] > 100 for one in tried["documents"]]])
    assert set(short["kind"]) == {"measured"}


def test_points_that_learnt_nothing_are_no_part_of_the_law(tried):
    useless = pd.concat([tried, pd.DataFrame([row(own.DEFAULT, 25, 55)])])
    with_it, without = own.your_curve_data(useless), own.your_curve_data(tried)
    assert 25 in with_it["labelled"].tolist()
    far = [one[one["kind"] == "extrapolated"]["error"].tolist() for one in (with_it, without)]
    assert far[0] == far[1]


def test_the_confusions_numbers():
    one = pd.DataFrame([row("head only", 200, 18)])
    data = own.your_confusion_data(one)
    assert data["documents"].sum() == 200
    wrong = data[data["given"] != data["predicted"]]["documents"].sum()
    assert wrong == 36


@pytest.mark.parametrize("name", ["your_curve", "your_recipes", "your_confusion"])
def test_figures_are_labelled_and_the_same_rows_give_the_same_bytes(name, tried, tmp_path):
    rows, written = tried.iloc[-1:] if name == "your_confusion" else tried, []
    for part in ("one", "two"):
        chart = figures.FIGURES[name](rows)
        assert chart.axes[0].get_xlabel()
        assert [one.get_text() for one in chart.axes[0].get_yticklabels()]
        figures.save(chart, figures.FIGURES[name].data(rows), tmp_path / part / name)
        plt.close(chart)
        written.append([(tmp_path / part / f"{name}{kind}").read_bytes() for kind in (".svg", ".png", ".csv")])
    assert written[0] == written[1]


def test_class_names_with_dollar_signs_are_no_formulas(tmp_path):
    one = pd.DataFrame([{**row("head only", 200, 18), "labels": ["$", "$10% to $20%"]}])
    chart = own.your_confusion(one)
    figures.save(chart, own.your_confusion_data(one), tmp_path / "confusion")
    assert [one.get_text() for one in chart.axes[0].get_yticklabels()] == ["$", "$10% to $20%"]
    plt.close(chart)


def test_of_many_classes_those_with_errors_are_drawn_and_names_without_a_glyph_are_numbered():
    size = 400
    truth = np.arange(size) % 40
    predicted = np.where(truth < 5, truth + 1, truth)
    labels = ["体育", *(f"a very long name of class {one}" for one in range(1, 40))]
    one = {"labels": labels, "truth": rows.squeeze(truth), "predictions": rows.squeeze(predicted)}
    chart = own.your_confusion(pd.DataFrame([one]))
    names = [one.get_text() for one in chart.axes[0].get_yticklabels()]
    assert names[:2] == ["class 1", "a very long name …"]
    assert len(names) == 15
    assert "15 of 40 classes" in chart.axes[0].get_title(loc="left")
    plt.close(chart)


@pytest.mark.slow
def test_the_page_has_no_text_of_the_documents(table, written, tmp_path, monkeypatch):
    import papermill

    table["text"] = [f"{text} secretword{number}" for number, text in enumerate(table["text"])]
    monkeypatch.setenv("BERTSTUDY_RUNS", str(tmp_path / "runs"))
    source = pages.notebook_path("10")
    parameters = {"profile": "smoke", "train": written(table), "budget_minutes": 1.0}
    papermill.execute_notebook(source, tmp_path / "out.ipynb", parameters, progress_bar=False)
    page = pages.render(tmp_path / "out.ipynb", tmp_path / "page.html").read_text(encoding="utf-8")
    assert "secretword" not in page
    assert "secretword" not in json.dumps(nbformat.read(tmp_path / "out.ipynb", as_version=4))
    assert re.search(r"bs\.Classifier\.load", page)


def test_an_unknown_parameter_is_an_error(monkeypatch):
    monkeypatch.setattr(setup, "_injected", lambda: ["trian"])
    with pytest.raises(TypeError, match="parameter='trian' is unknown. Did you mean 'train'"):
        notebook.begin(profile="smoke")
