import json
import re

import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import precision_recall_fscore_support

from bertstudy import Classifier, figures, stats
from bertstudy.advice import checks, race, result
from bertstudy.advice import figures as own
from bertstudy.results import execution, rows
from bertstudy.study import pages, setup
from bertstudy.study import your_data as notebook


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["words", "embeddings", "fine_tune"])
def test_from_file_to_classifier_whatever_is_best(table, written, begun, monkeypatch, kind):
    monkeypatch.setattr(own, "chosen", lambda rows: rows[[run["method"] == kind for run in rows["run"]]].iloc[-1])
    monkeypatch.setattr(race, "chosen", own.chosen)
    data = begun(train=written(table), budget_minutes=2.0)
    for step in (race.words, race.embeddings, race.plan, race.run_all):
        step(data)
    result.outlook(race.rows(data))
    scored = result.score(data)
    assert result.score(data) == scored
    assert scored["row"] == data.test.numbers.tolist()
    assert rows.unsqueeze(scored["truth"]).tolist() == data.test.classes.tolist()
    told = result.verdict(scored)
    wrong = (rows.unsqueeze(scored["predictions"]) != data.test.classes).sum()
    assert told.table["wrong"].tolist()[-1] == wrong
    assert told.values["worse"] - told.values["better"] == wrong - told.table["wrong"][0]
    names = result.confident_errors(scored)
    stored = pd.read_csv(written(table))
    assert names["given"].tolist() == stored["label"].iloc[names["row"] - 1].tolist()
    assert len(names) == min(wrong, checks.SHOWN)
    saved = result.save(data, scored)
    assert "bs.Classifier.load(" in saved.words
    card = (data.model_dir / "README.md").read_text()
    assert f"{100 * wrong / len(data.test.texts):.2f} % of {len(data.test.texts)} documents" in card
    assert "the recipe was chosen by them" in card
    loaded = Classifier.load(data.model_dir)
    predicted = [data.labels[number] for number in rows.unsqueeze(scored["predictions"])]
    assert loaded.predict(data.test.texts).labels == predicted
    assert loaded.run.method == kind
    for kept in (data.model_dir.parent / "rows").glob("*.json"):
        assert not any(text in kept.read_text() for text in table["text"])
    again = begun(train=written(table), budget_minutes=2.0)
    monkeypatch.setattr(execution, "train", None)  # everything is read
    race.words(again)
    race.embeddings(again)
    again.base, again.plan = data.base, data.plan
    race.run_all(again)
    assert result.score(again) == scored
    result.save(again, scored)


def test_a_score_is_that_of_these_classifiers_chosen_by_this_metric(table, written, begun):
    files, scores = {"train": written(table)}, []
    for metric in ("error", "mcc", "error"):
        data = begun(**files, metric=metric)
        race.words(data)
        scores.append(result.score(data))
        assert scores[-1]["metric"] == metric
    assert scores[0] == scores[2]
    with pytest.raises(ValueError, match="of another classifier"):
        result.keep(data, {**scores[0], "id": "0" * 16})


@pytest.mark.slow
def test_row_numbers_are_those_of_the_file_as_it_is_now(table, written, begun):
    longer = pd.concat([table.iloc[[5, 5, 5]], table.assign(text=table["text"])])
    results = []
    for frame in (longer, pd.concat([table.iloc[[5]], table])):
        data = begun(train=written(frame))
        race.words(data)
        results.append(result.score(data))
        stored = pd.read_csv(written(frame))
        assert stored["text"].iloc[np.array(results[-1]["row"]) - 1].tolist() == data.test.texts
    assert results[0]["predictions"] == results[1]["predictions"]
    assert results[0]["row"] != results[1]["row"]


def row(recipe, labelled, error, size=200, method="fine_tune", luck=0):
    truth = np.arange(size) % 2
    wrong = np.random.default_rng(luck).permutation(size) < error * size / 100
    return {
        "recipe": recipe,
        "run": {"method": method},
        "rank": (error, 0.5),
        "documents": {"train": labelled, "dev": 0, "test": size},
        "available": 400,
        "metric": "error",
        "error": 100 * wrong.mean(),
        "loss": 0.5,
        "labels": ["no", "yes"],
        "sizes": [labelled // 2, labelled // 2],
        "truth": rows.squeeze(truth),
        "predictions": rows.squeeze(np.where(wrong, 1 - truth, truth)),
    }


@pytest.mark.parametrize(
    ("words", "more", "kept"),
    [
        (20, {}, own.TUNED),  # of 200 errors 40 and 48 on documents of their own: a standard error is 8 or 9
        (10, {}, own.WORDS),
        (20, {"available": 1000}, own.WORDS),
        (20, {"metric": "macro_f1"}, own.WORDS),
    ],
)
def test_with_few_labels_words_have_to_be_surely_better_than_what_is_trained(words, more, kept):
    tried = [row(own.WORDS, 400, words, method="words", luck=1), row(own.TUNED, 400, 24)]
    assert own.chosen(pd.DataFrame(tried).assign(**more))["recipe"] == kept


@pytest.fixture
def tried():
    curve = [(50, 40), (100, 28), (200, 20), (400, 14)]
    made = [row(own.TUNED, *point, size=4000) for point in curve]
    made.append(row(f"{own.TUNED}, head only", 100, 30, size=4000))
    return pd.DataFrame([row(own.WORDS, 400, 30, size=4000, method="words"), *made])


def test_the_curves_numbers(tried):
    data = own.your_curve_data(tried)
    assert data["kind"].tolist() == ["measured"] * 5 + ["extrapolated"]
    assert data["labelled"].tolist() == [400, 50, 100, 200, 400, 800]
    assert data["error"].tolist()[:5] == pytest.approx([30, 40, 28, 20, 14], abs=0.1)
    assert data["error"].tolist()[5] == pytest.approx(10, abs=0.5)
    told = result.outlook(tried)
    assert "With 800 labels to train on, twice those there are" in told.words
    gain = data.iloc[-1][["gain", "gain_low", "gain_high"]]
    assert (
        f"{gain['gain']:.1f} points less than today ({gain['gain_low']:.1f} to {gain['gain_high']:.1f})" in told.words
    )
    assert told.values["gain"] == gain["gain"]


def test_nothing_is_extrapolated_that_can_not_be_told(tried):
    flat = pd.DataFrame([row(own.TUNED, *point) for point in [(100, 20), (200, 20), (400, 20)]])
    for unclear in (flat, tried.iloc[[0, 4]], pd.DataFrame([row(own.TUNED, 100, 4), row(own.TUNED, 200, 1)])):
        told = result.outlook(unclear)
        assert told.words.startswith("Inconclusive")
        assert told.values == {}
        assert not re.search(r"\d", told.words)
        chart = own.your_curve(unclear)
        assert "extrapolated, 95 % interval" not in chart.legends[0].get_texts()[-1].get_text()
        plt.close(chart)
    assert "-0.0" not in result.outlook(flat).words


def test_points_that_learnt_nothing_are_no_part_of_the_law(tried):
    useless = pd.concat([tried, pd.DataFrame([row(own.TUNED, 25, 55, size=4000)])], ignore_index=True)
    with_it, without = own.your_curve_data(useless), own.your_curve_data(tried)
    assert 25 in with_it["labelled"].tolist()
    far = [one[one["kind"] == "extrapolated"]["error"].tolist() for one in (with_it, without)]
    assert far[0] == far[1]


def scored(truth, ours, words, recipe=own.TUNED, metric="error", classes=2):
    truth, ours, words = (np.array(values) for values in (truth, ours, words))
    return {
        "labels": ["no", "yes", "perhaps"][:classes],
        "recipe": recipe,
        "metric": metric,
        "truth": rows.squeeze(truth),
        "predictions": rows.squeeze(ours),
        "words": rows.squeeze(words),
        "labelled": [80, 80],
        "documents": len(truth),
    }


def test_the_verdict_says_which_is_better_by_how_much_and_with_what_interval():
    truth = np.arange(400) % 2
    words, ours = truth.copy(), truth.copy()
    words[:80] = 1 - words[:80]
    ours[:20] = 1 - ours[:20]
    told = result.verdict(scored(truth, ours, words))
    effect = stats.mcnemar(words != truth, ours != truth)
    assert told.values["gain"] == pytest.approx(15)
    assert (told.values["low"], told.values["high"]) == (effect.low, effect.high)
    assert "15 points of error better than words" in told.words
    assert told.table["error"].tolist() == [20, 5]
    worse = result.verdict(scored(truth, words, ours))
    assert "keep words instead" in worse.words
    same = result.verdict(scored(truth, np.roll(ours, 40), ours))
    assert same.words.endswith("inconclusive.")
    kept = result.verdict(scored(truth, words, words, recipe=own.WORDS))
    assert "Words were the best" in kept.words
    assert len(kept.table) == 1


def test_by_another_metric_the_gain_is_that_metrics():
    truth = np.array([0] * 300 + [1] * 60 + [2] * 40)
    words, ours = np.zeros(400, int), truth.copy()
    ours[:30] = 1
    told = result.verdict(scored(truth, ours, words, metric="macro_f1", classes=3))
    f1 = [precision_recall_fscore_support(truth, p, average="macro", zero_division=0)[2] for p in (ours, words)]
    assert told.values["gain"] == pytest.approx(100 * (f1[0] - f1[1]))
    assert told.values["low"] < told.values["gain"] < told.values["high"]
    assert "points of macro-f1 better" in told.words


def test_what_is_useless_is_said_in_the_first_line():
    truth = np.array([0] * 60 + [1] * 40)
    told = result.verdict(scored(truth, np.zeros(100, int), truth))
    assert told.words.startswith("This classifier gives every document the class 'no': don't use it.")
    poor = np.where(np.arange(100) < 45, 1, 0)
    told = result.verdict(scored(truth, poor, truth))
    assert told.words.startswith("This classifier is no better than always saying 'no': don't use it.")


def test_the_numbers_of_classes_are_scikit_learns():
    random = np.random.default_rng(0)
    truth = random.choice(3, 400, p=[0.7, 0.25, 0.05])
    predicted = np.where(random.random(400) < 0.7, truth, random.integers(0, 3, 400))
    table = stats.by_class(truth, predicted, 4)
    expected = precision_recall_fscore_support(truth, predicted, labels=range(3))
    for name, values in zip(("precision", "recall", "f1"), expected, strict=False):
        assert table[name].tolist()[:3] == pytest.approx((100 * values).tolist())
        assert (table[f"{name}_low"] <= table[name])[:3].all()
        assert (table[name] <= table[f"{name}_high"])[:3].all()
    assert table["documents"].tolist() == [*np.bincount(truth), 0]
    assert table.iloc[3][["recall", "f1", "f1_low"]].isna().all()


def test_the_interval_of_f1_covers_the_true_one():
    random, held = np.random.default_rng(1), 0
    joint = np.array([[0.55, 0.05], [0.08, 0.32]])
    true = 200 * joint[1, 1] / (joint[1].sum() + joint[:, 1].sum())
    for _ in range(300):
        drawn = random.choice(4, 200, p=joint.flatten())
        line = stats.by_class(drawn // 2, drawn % 2, 2, draws=300).iloc[1]
        held += line["f1_low"] <= true <= line["f1_high"]
    assert 0.91 <= held / 300 <= 0.98


def test_the_interval_of_macro_f1_covers_the_true_one():
    random, held = np.random.default_rng(2), 0
    joint = np.array([[0.5, 0.05, 0.02], [0.05, 0.2, 0.03], [0.02, 0.03, 0.1]])
    true = np.mean(200 * np.diag(joint) / (joint.sum(0) + joint.sum(1)))
    for _ in range(300):
        drawn = random.choice(9, 250, p=joint.flatten())
        low, high = stats.macro_f1_interval(drawn // 3, drawn % 3, draws=300)
        held += low <= true <= high
    assert 0.91 <= held / 300 <= 0.98


def test_a_class_without_a_document_does_not_count_in_the_interval_of_macro_f1():
    truth, predicted = np.zeros(400, int), np.arange(400) % 4 // 3  # a quarter is given a class that none has
    low, high = stats.macro_f1_interval(truth, predicted)
    assert low < 200 * 0.75 / 1.75 < high
    assert high - low < 10


@pytest.mark.parametrize(
    ("values", "labels"),
    [([125, 131], ["131", "125"]), ([51, 102, 205], ["205", "102", "51"]), ([100, 101, 1000], ["1,000", "101"])],
)
def test_ticks_have_the_space_that_they_need(values, labels):
    axes = plt.figure().add_subplot()
    own.log_ticks(axes, pd.Series(values))
    assert [label.get_text() for label in axes.get_xticklabels()] == labels
    plt.close(axes.figure)


def test_the_confusions_numbers():
    one = pd.DataFrame([row("head only", 200, 18)])
    data = own.your_confusion_data(one)
    assert data["documents"].sum() == 200
    assert data[data["given"] != data["predicted"]]["documents"].sum() == 36


@pytest.mark.parametrize("name", ["your_curve", "your_recipes", "your_confusion", "your_classes"])
def test_figures_are_labelled_and_the_same_rows_give_the_same_bytes(name, tried, tmp_path):
    chosen, written = tried.iloc[-1:] if name in ("your_confusion", "your_classes") else tried, []
    for part in ("one", "two"):
        chart = figures.FIGURES[name](chosen)
        assert chart.axes[0].get_xlabel()
        assert [one.get_text() for one in chart.axes[0].get_yticklabels()]
        figures.save(chart, figures.FIGURES[name].data(chosen), tmp_path / part / name)
        plt.close(chart)
        written.append([(tmp_path / part / f"{name}{kind}").read_bytes() for kind in (".svg", ".png", ".csv")])
    assert written[0] == written[1]


def test_class_names_with_dollar_signs_are_no_formulas(tmp_path):
    one = pd.DataFrame([{**row("head only", 200, 18), "labels": ["$", "$10% to $20%"]}])
    for draw in (own.your_confusion, own.your_classes):
        chart = draw(one)
        figures.save(chart, draw.data(one), tmp_path / draw.__name__)
        plt.close(chart)
    chart = own.your_confusion(one)
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
    monkeypatch.setattr(setup, "injected_names", lambda: ["trian"])
    with pytest.raises(TypeError, match="parameter='trian' is unknown. Did you mean 'train'"):
        notebook.begin(profile="smoke")
