import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score, f1_score, matthews_corrcoef
from sklearn.svm import LinearSVC

from bertstudy.choices.metrics import METRICS
from bertstudy.training import linear, metrics
from bertstudy.training.linear import cross_entropy, fit_linear
from bertstudy.training.metrics import rank


def clouds(size, classes=3, distance=2.0, seed=0):
    """Points about as many centres, (size, 8), and their classes."""
    random = np.random.default_rng(seed)
    truth = random.integers(classes, size=size)
    centres = distance * np.random.default_rng(9).standard_normal((classes, 8))
    return centres[truth] + random.standard_normal((size, 8)), truth


@pytest.mark.parametrize("classes", [2, 3])
def test_logits_are_those_of_the_estimator_and_probabilities_fit(classes):
    vectors, truth = clouds(300, classes, distance=0.6)
    model, history = fit_linear(vectors, truth, classes, [LinearSVC(C=1.0), LogisticRegression(C=1e-6)])
    assert history[0]["dev_rank"] < history[1]["dev_rank"]  # the second hardly learns
    theirs = LinearSVC(C=1.0).fit(vectors, truth)
    new, true = clouds(2000, classes, distance=0.6, seed=1)
    assert (model.logits(new).argmax(1) == theirs.predict(new)).mean() > 0.999
    loss = cross_entropy(model.logits(new), true)
    for factor in (0.25, 4.0):  # the scale is that of the smallest loss, about
        assert loss < cross_entropy(factor * model.logits(new), true)


def test_no_error_among_few_is_no_certainty():
    vectors, truth = clouds(60, 2, distance=4.0)
    model, history = fit_linear(vectors, truth, 2, [LinearSVC()])
    assert history[0]["dev_error"] == 0
    surest = 1 / (1 + np.exp(-np.abs(np.diff(model.logits(vectors), axis=1))))
    assert np.median(surest) < 0.999


def test_strengths_are_chosen_on_the_dev_part_and_fitted_to_all():
    vectors, truth = clouds(200)
    flipped = np.concatenate([truth[:150], (truth[150:] + 1) % 3])  # what dev says decides
    model, history = fit_linear(vectors, flipped, 3, [LinearSVC(C=1.0), LinearSVC(C=1e-7)], dev_size=50)
    assert history[0]["dev_error"] > 80
    counts = np.bincount(flipped[:150], minlength=3)
    assert history[1]["dev_rank"] <= history[0]["dev_rank"]
    assert counts.sum() == 150
    model, history = fit_linear(vectors, truth, 3, [LinearSVC(C=1.0)], dev_size=50)
    expected = LinearSVC(C=1.0).fit(vectors[:150], truth[:150]).predict(vectors[150:])
    assert history[0]["dev_error"] == pytest.approx(100 * (expected != truth[150:]).mean())


def test_classes_that_were_not_shown_are_never_predicted():
    vectors, truth = clouds(120, 2)
    model, _ = fit_linear(vectors, truth, 5, [LinearSVC()])
    assert model.weights.shape == (5, 8)
    assert set(model.logits(vectors).argmax(1)) <= {0, 1}


def test_the_metric_decides():
    random = np.random.default_rng(0)
    truth = (random.random(600) < 0.08).astype(int)
    vectors = random.standard_normal((600, 4)) + truth[:, None] * 0.9
    candidates = [LogisticRegression(), LogisticRegression(class_weight="balanced")]
    by_error = fit_linear(vectors, truth, 2, candidates)[1]
    by_class = fit_linear(vectors, truth, 2, candidates, metric="balanced_error")[1]
    assert by_error[0]["dev_rank"] < by_error[1]["dev_rank"]
    assert by_class[1]["dev_rank"] < by_class[0]["dev_rank"]


def test_metrics_are_scikit_learns():
    random = np.random.default_rng(0)
    truth, predicted = random.integers(4, size=300), random.integers(4, size=300)
    predicted[:150] = truth[:150]
    expected = {
        "error": 100 * (truth != predicted).mean(),
        "macro_f1": 100 * f1_score(truth, predicted, average="macro"),
        "balanced_error": 100 - 100 * balanced_accuracy_score(truth, predicted),
        "mcc": matthews_corrcoef(truth, predicted),
        "log_loss": 0.7,
    }
    assert set(expected) == set(METRICS)
    for name, value in expected.items():
        assert METRICS.find(name)(truth, predicted, 0.7) == pytest.approx(value)
        assert rank(name, truth, predicted, 0.7) == pytest.approx(-value if METRICS.entry(name).higher else value)


@pytest.mark.parametrize("name", METRICS)
def test_balanced_metrics_mind_errors_in_a_small_class_more(name):
    truth = np.repeat([0, 1], [90, 10])
    of_the_small, of_the_large = (
        np.where(np.isin(np.arange(100), wrong), 1 - truth, truth) for wrong in (range(90, 95), range(5))
    )
    worse = rank(name, truth, of_the_small, 0.7) > rank(name, truth, of_the_large, 0.7)
    assert worse == METRICS.entry(name).balanced


def test_a_fold_that_would_see_one_class_alone_is_left_out_and_not_judged():
    vectors, truth = clouds(6, 2, distance=4.0)
    truth[:] = [0, 0, 0, 0, 0, 1]
    model, history = fit_linear(vectors, truth, 2, [LinearSVC()])
    assert len(history) == 1
    assert (model.logits(vectors).argmax(1) == truth).all()
    few, history = fit_linear(vectors[4:], truth[4:], 2, [LinearSVC()])  # two documents, one of each class
    assert history[0]["dev_error"] == 0
    assert (few.logits(vectors[4:]).argmax(1) == truth[4:]).all()


def test_strengths_are_chosen_on_as_many_documents_as_take_seconds_and_fitted_to_all(monkeypatch):
    sizes, fitted = [], linear._fitted
    monkeypatch.setattr(
        linear, "_fitted", lambda one, vectors, *rest: sizes.append(len(vectors)) or fitted(one, vectors, *rest)
    )
    vectors, truth = clouds(900)
    for documents, most in ((600, 600), (100, 300), (5000, 900)):
        monkeypatch.setattr(linear, "WORK", documents * 8 * 3)  # of 8 cells, for 3 classes
        fit_linear(vectors, truth, 3, [LinearSVC()])
        assert sizes == [most * 2 // 3] * 3 + [900]
        sizes.clear()


def test_cross_entropy_of_probabilities_is_that_of_their_logits():
    logits, truth = np.random.default_rng(0).standard_normal((50, 4)), np.arange(50) % 4
    probabilities = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    assert metrics.cross_entropy(probabilities, truth) == pytest.approx(cross_entropy(logits, truth))
    assert metrics.cross_entropy(np.eye(4), np.array([0, 1, 2, 0])) == pytest.approx(np.log(1e12) / 4)  # not infinite
