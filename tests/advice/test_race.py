from dataclasses import replace
from datetime import datetime

import numpy as np
import pandas as pd
import pytest
from letters import texts_of

from bertstudy import Run
from bertstudy.advice import budget, checks, race
from bertstudy.advice.figures import EMBEDDINGS, PAIRS, TUNED, WORDS
from bertstudy.choices.methods import contrastive_for
from bertstudy.data.sources import source_texts
from bertstudy.results import execution, rows
from bertstudy.results.rows import name_of
from bertstudy.training import pretraining
from bertstudy.versions import STAGES


class Now:
    """A clock that the test sets."""

    time = 0.0

    def __call__(self):
        return self.time


def with_clock(data, seconds, speed=1e-4):
    """YourData with a clock of the test's own and a speed that is known."""
    data.clock = budget.Clock(seconds, now=Now())
    data.speed = budget.Speed(speed, speed / 4)
    checks.measure_lengths(data)
    return data


def fake_runs(monkeypatch, errors, now=None, seconds=0.0):
    """Fine-tuning that takes no time: dev errors in percent by a function of the run; notes what was run."""
    ran, train = [], execution.train

    def made(run, progress, library, stop=None):
        if not race.is_tuned(run.method):
            return train(run, progress, library)
        if now:
            now.time += seconds
        ran.append(run)
        corpus, name = library.of(run), name_of(run, library)
        truth = corpus.test.classes
        wrong = np.arange(len(truth)) < round(errors(run) * len(truth) / 100)
        predictions = np.where(wrong, (truth + 1) % len(corpus.labels), truth)
        return None, {
            "id": name.id,
            "run": {**run.__dict__},
            "stages": {stage: STAGES[stage] for stage in rows.stages_of(run)},
            "labels": list(corpus.labels),
            "documents": {"train": round(run.fraction * len(corpus.train.texts)), "dev": 0, "test": len(truth)},
            "error": 100 * wrong.mean(),
            "loss": wrong.mean(),
            "truth": rows.squeeze(truth),
            "predictions": rows.squeeze(predictions),
            "history": [{"seconds": 1.0, "pieces": 10_000}],
            "seconds": {"all": 1.0},
        }

    monkeypatch.setattr(execution, "train", made)
    return ran


@pytest.fixture
def many():
    """Documents of which a sixth have the wrong label."""
    texts, labels = texts_of(1200)
    swapped = {"az": "za", "za": "az"}
    return pd.DataFrame(
        {"text": texts, "label": [swapped[label] if n % 6 == 0 else label for n, label in enumerate(labels)]}
    )


def test_words_are_trained_on_all_labels_and_on_fewer(many, written, begun):
    data = begun(train=written(many))
    told = race.words(data)
    assert told["labelled"].tolist() == [192, 384, 768]
    assert (told["recipe"] == WORDS).all()
    assert (told["low"] < told["error"]).all()
    assert (told["error"] < told["high"]).all()
    assert 8 < told["error"].iloc[-1] < 30


def test_embeddings_are_cut_shorter_and_then_left_out_where_minutes_are_few(many, written, begun):
    data = with_clock(begun(train=written(many)), 600)
    data.base = replace(data.base, window=128, truncation="head+tail:32")
    race.embeddings(data)
    assert data.rows[-1]["run"]["window"] == 128
    data = with_clock(begun(train=written(many.iloc[1:])), 600)
    data.base = replace(data.base, window=128, truncation="head+tail:32")
    data.lengths = np.full(100, 200)
    data.speed = budget.Speed(1.0, 0.24 * 600 / (960 * 64))
    race.embeddings(data)
    assert data.rows[-1]["run"]["window"] == 64
    data = with_clock(begun(train=written(many.iloc[2:])), 600, speed=1.0)
    race.words(data)
    told = race.embeddings(data)
    assert told.empty
    assert (data.left_out[0]["recipe"], data.left_out[0]["why"]) == (EMBEDDINGS, "not enough minutes")


def test_what_is_tried_depends_on_the_documents(table, many, written, begun):
    def names(data):
        return [recipe.name.removeprefix(f"{TUNED}, ") for recipe in race.recipes(data)]

    data = with_clock(begun(train=written(table)), 60)
    data.lengths = np.full(100, 10)
    few = [TUNED, PAIRS, "twice the epochs", "learning rate 0.0015", "learning rate 0.006", "mean over pieces"]
    assert names(data) == few
    pairs, number = race.recipes(data)[1].run, len(data.train.texts)
    assert (pairs.method, pairs.epochs) == (contrastive_for(number), 1)
    rounds = int(pairs.method.partition(":")[2])
    read = 2 * 2 * rounds * number * race.pieces_of(data, pairs)  # two documents a pair, as many pairs of two classes
    assert race.seconds_of(pairs, data, number, 0) == pytest.approx(race.OVERHEAD + data.speed.of(read, 0))
    assert race.recipes(data)[0].run.learning_rate == 2 * data.base.learning_rate
    data.lengths = np.full(100, 1000)
    assert {"window 48", "head only"} <= set(names(data))
    rare = table.assign(label=["rare" if number < 3 else label for number, label in enumerate(table["label"])])
    data = with_clock(begun(train=written(rare)), 60)
    assert data.metric == "macro_f1"
    assert race.recipes(data)[0].run.class_weights == "balanced"
    assert "unweighted classes" in names(data)
    data = with_clock(begun(train=written(pd.concat([many, many.assign(text=many["text"] + " z")]))), 60)
    assert not {"twice the epochs", PAIRS} & set(names(data))
    assert all(isinstance(recipe.run, Run) for recipe in race.recipes(data))


def test_further_pretraining_reads_train_and_unlabelled_texts_and_none_of_dev_or_test(
    table, written, begun, monkeypatch
):
    more = pd.DataFrame({"text": [*table["text"][:60], *texts_of(40, seed=5)[0]]})
    data = with_clock(begun(train=written(table), unlabelled=written(more, "more.csv")), 600)
    monkeypatch.setattr(race, "ENOUGH", 10)
    (recipe,) = [one for one in race.recipes(data) if one.name.endswith("pretrained further")]
    texts = source_texts(recipe.run, data.library(data.corpus))
    assert set(texts) == {*data.train.texts, *more["text"]} - {*data.dev.texts, *data.test.texts}
    read, made = [], pretraining.checkpoint
    monkeypatch.setattr(
        pretraining, "checkpoint", lambda settings, texts, *rest: read.append(texts) or made(settings, texts, *rest)
    )
    data.plan = [budget.Rung(1, len(data.train.texts))]
    monkeypatch.setattr(race, "recipes", lambda data: [recipe])
    race.run_all(data)
    assert read == [texts]
    assert 0 <= data.rows[-1]["error"] <= 100


def test_recipes_are_halved_and_the_last_is_trained_on_all_labels(many, written, begun, monkeypatch):
    data = with_clock(begun(train=written(many)), 6000)
    ran = fake_runs(monkeypatch, lambda run: 30 * (1 - run.fraction) + 10 * (run.learning_rate < 5e-3))
    race.words(data)
    plan = race.plan(data)
    tried = len(race.recipes(data))
    assert [rung.labelled for rung in data.plan] == [192, 384, 768]
    assert plan.table["labelled"].tolist() == [192] * tried + [384, 768]
    race.run_all(data)
    sizes = [round(768 * run.fraction) for run in ran]
    assert sizes == [192] * tried + [384] * (tried // 2) + [768]
    assert ran[-1].learning_rate > 5e-3  # the best of those that were tried
    assert race.best(data)["run"]["learning_rate"] == ran[-1].learning_rate


def test_what_is_best_on_dev_is_chosen_whatever_its_kind(many, written, begun, monkeypatch):
    for error, kind in ((45, "words"), (0, "fine_tune")):
        data = with_clock(begun(train=written(many.iloc[error:])), 600)
        fake_runs(monkeypatch, lambda run, error=error: error if run.method == "fine_tune" else 50)
        race.words(data)
        race.plan(data)
        race.run_all(data)
        assert race.best(data)["run"]["method"] == kind


def test_where_minutes_are_few_the_window_shrinks_and_then_the_epochs_and_then_the_labels(many, written, begun):
    def planned(seconds):
        data = begun(train=written(many))
        data.base = replace(data.base, window=256, truncation="head+tail:64", epochs=4)
        data = with_clock(data, seconds, speed=1e-3)
        data.lengths = np.full(100, 500)
        race.plan(data)
        return data.base.window, data.base.epochs, data.plan

    whole = 768 * 256 * 1e-3 * budget.SPARE  # seconds of an epoch at the longest window
    assert planned(6 * whole + 60)[:2] == (256, 4)
    window, epochs, plan = planned(3 * whole)
    assert (window, epochs) == (128, 4)
    assert plan[-1] == budget.Rung(1, 768)
    window, epochs, plan = planned(1.3 * whole)
    assert window == 128
    assert epochs < 4
    assert plan[-1] == budget.Rung(1, 768)
    window, epochs, plan = planned(0.5 * whole)
    assert (window, epochs) == (128, 1)
    assert plan[-1].labelled < 768
    assert planned(5)[2] == []


def test_runs_that_no_longer_fit_are_left_out_and_said(many, written, begun, monkeypatch):
    data = with_clock(begun(train=written(many)), 600)
    fake_runs(monkeypatch, lambda run: 10, now=data.clock.now, seconds=1000)
    race.words(data)
    race.plan(data)
    race.run_all(data)
    tuned = [row for row in data.rows if row["run"]["method"] == "fine_tune"]
    assert len(tuned) == 1
    assert {line["why"] for line in data.left_out} == {"not enough minutes"}


def test_a_run_that_becomes_too_slow_is_stopped(table, written, begun, monkeypatch):
    data = with_clock(begun(train=written(table)), 60)
    data.plan = [budget.Rung(1, len(data.train.texts))]
    data.clock.now.time = 67
    with pytest.raises(budget.TimeIsUp):
        execution.train(data.base, False, data.library(data.corpus), data.clock.stop)
    data.clock.fits = lambda seconds: True
    race.words(data)
    race.run_all(data)
    assert data.left_out[-1]["why"] == "stopped: the machine has become slower"
    assert {row["recipe"] for row in data.rows} == {WORDS}


class Later:
    """A clock in another century."""

    @staticmethod
    def now(zone):
        return datetime(2100, 1, 1, tzinfo=zone)


def test_other_texts_or_stages_are_other_results(table, written, begun, monkeypatch):
    def name(data):
        pretrained = dict(further_pretraining="within_task", pretraining_steps=3, pretraining_unlabelled=True)
        return name_of(replace(data.base, **pretrained), data.library(data.corpus)).id

    (before,) = {name(begun(train=written(table))) for _ in range(2)}
    other = written(pd.DataFrame({"text": ["a b c"]}), "more.csv")
    assert name(begun(train=written(table), unlabelled=other)) != before
    assert name(begun(train=written(table.iloc[1:]))) != before
    data = begun(train=written(table))
    race.words(data)
    kept = {row["made"] for row in data.rows}
    monkeypatch.setitem(STAGES, "words", "2.0")
    again = begun(train=written(table))
    monkeypatch.setattr(execution, "datetime", Later)
    race.words(again)
    assert [row["id"] for row in again.rows] == [row["id"] for row in data.rows]
    assert not kept & {row["made"] for row in again.rows}


def test_minutes_that_are_left_try_what_the_plan_had_no_room_for(many, written, begun, monkeypatch):
    data = with_clock(begun(train=written(many)), 600)
    ran = fake_runs(monkeypatch, lambda run: 40)
    race.words(data)
    data.speed = budget.Speed(1e-2, 1e-4)
    race.plan(data)
    assert 0 < data.plan[0].recipes < len(race.recipes(data))
    race.run_all(data)
    assert {run.learning_rate for run in ran if run.fraction == 1.0} > {ran[0].learning_rate}
    assert len({row["recipe"] for row in data.rows}) == 1 + len(race.recipes(data))
    assert data.left_out == []


def test_the_best_encoder_stays_in_memory_and_no_other(table, written, begun, monkeypatch):
    data = with_clock(begun(train=written(table)), 600)
    race.words(data)
    slow, fast = (race.Recipe(f"{TUNED}, {rate:g}", replace(data.base, learning_rate=rate)) for rate in (1e-7, 2e-3))
    monkeypatch.setattr(race, "recipes", lambda data: [fast, slow])
    monkeypatch.setattr(race, "chosen", lambda rows: rows.loc[rows["loss"].where(rows["recipe"] != WORDS).idxmin()])
    data.plan = [budget.Rung(2, len(data.train.texts))]
    race.run_all(data)
    encoders = [key for key, kept in data.classifiers.items() if hasattr(kept, "encoder")]
    assert encoders == [race.best(data)["id"]]
