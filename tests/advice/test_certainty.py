"""How sure the classifier may be: its temperature and threshold, by the documents set aside."""

import csv
import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from bertstudy import Classifier, figures
from bertstudy.advice import race, result
from bertstudy.advice.certainty import calibrated, left_to_a_person, sharpened, sure, threshold
from bertstudy.model.predicting import predict_file
from bertstudy.model.predictions import Predictions
from bertstudy.results.rows import squeeze


class Sharp:
    """A classifier whose probabilities are sharper than right: of logits three times too large."""

    scale = 1.0

    def __init__(self, n, sharper=3.0):
        random = np.random.default_rng(0)
        right = 2 * random.standard_normal((n, 3))
        shares = np.exp(right) / np.exp(right).sum(1, keepdims=True)
        self.truth = np.array([random.choice(3, p=one) for one in shares])
        self.given = sharpened(shares, sharper)

    def predict(self, texts):
        return Predictions([], self.given[: len(texts)])


def row_of(sharp, accept=0.0):
    """A result as `score` gives it, with the first half of the documents set aside and the other half tested."""
    half = len(sharp.truth) // 2
    told = calibrated(sharp, ["text"] * half, sharp.truth[:half])
    given, truth = sharp.given[half:], sharp.truth[half:]
    probabilities = sharpened(given, told["scale"])
    row = {"truth": squeeze(truth), "predictions": squeeze(given.argmax(1)), "labels": ["a", "b", "c"]}
    return row | told | {"probability": probabilities.max(1).tolist(), "unscaled": given.max(1).tolist()}


def test_a_temperature_chosen_on_documents_set_aside_helps_on_test():
    told = sure(row_of(Sharp(4000)))
    assert told.values["temperature"] == pytest.approx(3, rel=0.1)
    assert told.values["before"] > 10
    assert told.values["after"] < 3.5
    assert told.values["threshold"] is None
    assert "accept_error = 2" in told.words


def test_few_documents_choose_no_temperature():
    sharp = Sharp(29)
    assert calibrated(sharp, ["text"] * 29, sharp.truth)["scale"] == 1.0


def test_a_threshold_keeps_the_error_that_was_accepted_within_its_interval():
    row = row_of(Sharp(8000))
    told = sure(row, 10.0)
    values = told.values
    assert values["low"] < 10 < values["high"]
    assert 20 < values["left"] < 90
    assert f"below a probability of {values['threshold']:.3g}" in told.words
    assert threshold(row, 10.0) < threshold(row, 5.0)
    table = left_to_a_person(row, 10.0)
    assert table["left"].iloc[0] == 0
    assert table["error"].iloc[:-1].is_monotonic_decreasing
    assert table["kept"].iloc[0] == 4000
    assert table.iloc[-1]["error"] == values["error"]


def test_an_error_that_no_threshold_gives_is_told():
    row = row_of(Sharp(400))
    row["dev_wrong"] = [1] * 200
    told = sure(row, 1.0)
    assert "No threshold is sure to leave an error of at most 1 %" in told.words
    assert "left" not in told.values
    assert len(told.table) == len(left_to_a_person(row))


@pytest.mark.parametrize("name", ["your_reliability", "your_coverage"])
def test_figures_of_how_sure_it_is(name):
    rows = pd.DataFrame([row_of(Sharp(2000))])
    chart = figures.FIGURES[name](rows)
    (axes,) = chart.axes
    assert "(%" in axes.get_xlabel()
    assert "(%)" in axes.get_ylabel()
    data = figures.FIGURES[name].data(rows)
    value = "accuracy" if name == "your_reliability" else "error"
    assert (data["low"] <= data[value]).all()
    assert (data[value] <= data["high"]).all()
    plt.close(chart)


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["words", "fine_tune"])
def test_the_threshold_goes_home_with_the_classifier(table, written, begun, monkeypatch, kind, tmp_path, caplog):
    monkeypatch.setattr(race, "chosen", lambda rows: rows[[run["method"] == kind for run in rows["run"]]].iloc[-1])
    data = begun(train=written(table), budget_minutes=2.0, accept_error=20.0)
    for step in (race.words, race.embeddings, race.plan, race.run_all):
        step(data)
    data.dev = data.dev.plus(data.test)  # enough documents to choose by
    scored = result.score(data)
    told = sure(scored, data.accept_error)
    result.save(data, scored)
    result.save(data, scored)  # which scales nothing twice
    loaded = Classifier.load(data.model_dir)
    assert loaded.threshold == told.values["threshold"]
    assert loaded.scale == pytest.approx(scored["scale"])
    texts = data.test.texts
    labels, probabilities = loaded.predict(texts, threshold=loaded.threshold)
    assert np.allclose(probabilities.max(1), scored["probability"], atol=1e-3)
    unsure = probabilities.max(1) < loaded.threshold
    assert [label is None for label in labels] == unsure.tolist()
    assert loaded.predict(texts).labels == [loaded.labels[one] for one in probabilities.argmax(1)]
    assert told.words in (data.model_dir / "README.md").read_text()
    file, out = tmp_path / "new.csv", tmp_path / "out.csv"
    pd.DataFrame({"text": texts}).to_csv(file, index=False)
    predict_file(data.model_dir, file, out=out, threshold="own")
    lines = list(csv.DictReader(out.open()))
    assert [line["label"] == "" for line in lines] == unsure.tolist()
    config = json.loads((data.model_dir / "config.json").read_text())
    assert config["threshold"] == loaded.threshold


def test_a_threshold_that_is_none_is_told(small, tmp_path):
    classifier = Classifier.build(small, ["a", "z"])
    before = classifier.predict(["a b", "x y"])
    assert classifier.predict(["a b", "x y"], threshold=0.0).labels == before.labels
    assert classifier.predict(["a b", "x y"], threshold=1.1).labels == [None, None]
    for wrong in ("high", -0.1):
        with pytest.raises(ValueError, match="threshold=.*allowed is a probability, such as 0.9"):
            classifier.predict(["a b"], threshold=wrong)
    classifier.rescale(2.0)
    classifier.rescale(2.0)
    after = classifier.predict(["a b", "x y"])
    assert np.allclose(after.probabilities, sharpened(before.probabilities, 2.0), atol=1e-5)
    assert after.labels == before.labels
    classifier.save(tmp_path / "model")
    (tmp_path / "texts.csv").write_text("text\na b\n")
    with pytest.raises(ValueError, match="no threshold is stored in .*Give a probability"):
        predict_file(tmp_path / "model", tmp_path / "texts.csv", threshold="own")
