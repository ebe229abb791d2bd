import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from letters import texts_of
from sklearn.base import clone
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

import bertstudy as bs
from bertstudy.advice import race
from bertstudy.data.files import PAIR
from bertstudy.sklearn import TextClassifier


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch):
    monkeypatch.setenv("BERTSTUDY_RUNS", str(tmp_path / "runs"))


@pytest.fixture
def quick(monkeypatch):
    """Words alone: what is tested is not which is best."""
    for step in ("embeddings", "plan", "run_all"):
        monkeypatch.setattr(race, step, lambda data: None)


def test_texts_and_labels_become_a_classifier_with_its_test(tiny):
    texts, labels = texts_of(160)
    fitted = bs.fit(texts, labels, minutes=1, profile="smoke", encoder=tiny())
    assert {"words", "embeddings"} < {row["recipe"] for row in fitted.data.rows}
    assert any(row["run"]["method"] == "fine_tune" for row in fitted.data.rows)
    assert fitted.table["of"].iloc[0] == 32
    assert fitted.classes["documents"].sum() == 32
    report = fitted.report()
    for part in ("## Test", "## What was tried", "## Classes", "words", "embeddings", "fine-tuned"):
        assert part in report
    assert not any(text in report for text in texts)
    assert (np.array(fitted.predict(texts).labels) == labels).mean() > 0.8


def test_a_table_with_columns_of_other_names_numbers_as_labels_and_a_test_of_its_own(quick):
    texts, labels = texts_of(120)
    numbers = [{"az": 9, "za": 10}[label] for label in labels]
    table = pd.DataFrame({"body": texts, "head": ["q"] * 120, "stars": numbers})
    fitted = bs.fit(table, text="head+body", label="stars", test=table.iloc[:30], profile="smoke")
    assert fitted.data.labels == ("9", "10")
    assert fitted.data.test.texts[0] == f"q\n{texts[0]}"
    assert len(fitted.data.test.texts) == 30
    assert set(fitted.predict("a b c d").labels) <= {"9", "10"}
    with pytest.raises(ValueError, match="text_column='bdy' is unknown. Did you mean 'body'"):
        bs.fit(table, text="bdy", label="stars")
    with pytest.raises(ValueError, match="labels is missing"):
        bs.fit(texts)
    with pytest.raises(ValueError, match="120 texts and 119 labels"):
        bs.fit(texts, labels[1:])


def test_pairs_are_read_as_two_segments_and_predicted_as_pairs(tiny):
    texts, labels = texts_of(160)
    pairs = [("q r s t u", text) for text in texts]
    fitted = bs.fit(pairs, labels, minutes=1, profile="smoke", encoder=tiny())
    assert fitted.data.train.texts[0].startswith(f"q r s t u{PAIR}")
    predicted = fitted.predict([("q r s t u", "a b c a b c a b"), ("q r s t u", "u v w x y z u v w")]).labels
    assert predicted == ["az", "za"]
    with pytest.raises(TypeError, match="pairs of texts here, such as"):
        fitted.predict(["a b c"])
    with pytest.raises(ValueError, match="1 of 160 are pairs"):
        bs.fit([pairs[0], *texts[1:]], labels)


def test_a_saved_words_model_predicts_the_same_in_a_new_process_without_pickle(quick, tmp_path):
    texts, labels = texts_of(120)
    fitted = bs.fit(texts, labels, profile="smoke")
    fitted.save(tmp_path / "model")
    files = sorted(path.name for path in (tmp_path / "model").iterdir())
    assert files == ["README.md", "config.json", "model.safetensors", "vocabulary.json"]
    code = (
        "import sys, json, pickle; pickle.load = pickle.loads = None\n"
        "import bertstudy as bs\n"
        "found = bs.Classifier.load(sys.argv[1]).predict(json.loads(sys.argv[2]))\n"
        "print(json.dumps([found.labels, found.probabilities.tolist()]))"
    )
    arguments = [sys.executable, "-c", code, str(tmp_path / "model"), json.dumps(texts[:9])]
    found = json.loads(subprocess.run(arguments, capture_output=True, text=True, check=True).stdout)
    ours = fitted.predict(texts[:9])
    assert found[0] == ours.labels
    assert np.allclose(found[1], ours.probabilities, atol=1e-6)
    assert np.allclose(np.sum(found[1], axis=1), 1)
    (tmp_path / "model" / "vocabulary.json").write_text('["one"]')
    with pytest.raises(ValueError, match="can't be read. model.safetensors has weights of shape"):
        bs.Classifier.load(tmp_path / "model")


@parametrize_with_checks([TextClassifier()])
def test_it_is_an_estimator_by_scikit_learns_own_checks(estimator, check):
    relevant = {
        "check_estimator_cloneable",
        "check_estimator_tags_renamed",
        "check_valid_tag_types",
        "check_estimator_repr",
        "check_no_attributes_set_in_init",
        "check_get_params_invariance",
        "check_set_params",
        "check_parameters_default_constructible",
        "check_do_not_raise_errors_in_init_or_set_param",
        "check_mixin_order",
    }
    name = getattr(check, "func", check).__name__
    if name in relevant:  # the others feed it tables of numbers
        check(estimator)


def test_it_stands_in_pipelines_and_cross_validation(quick):
    texts, labels = texts_of(150)
    labels = np.array([{"az": 2, "za": 10}[label] for label in labels])
    model = make_pipeline(FunctionTransformer(lambda rows: [row.lower() for row in rows]), TextClassifier(1.0, "smoke"))
    scores = cross_val_score(model, texts, labels, cv=3, error_score="raise")
    assert (scores > 0.8).all()
    fitted = clone(model[-1]).fit(texts, labels)
    assert fitted.classes_.tolist() == [2, 10]  # not "10", "2"
    assert fitted.predict(texts).dtype == labels.dtype
    probabilities = fitted.predict_proba(texts)
    assert np.allclose(probabilities.sum(1), 1)
    assert (fitted.classes_[probabilities.argmax(1)] == fitted.predict(texts)).all()
    assert fitted.score(texts, labels) > 0.9


def test_labels_with_blanks_around_are_given_back_as_they_were(quick):
    texts, labels = texts_of(60)
    padded = np.array([f"{label} " for label in labels])
    model = TextClassifier(1.0, "smoke").fit(texts, padded)
    assert set(model.predict(texts)) <= set(padded)
    with pytest.raises(ValueError, match="differ in outer blanks only"):
        TextClassifier(1.0, "smoke").fit(texts, [*labels[:-1], f"{labels[-1]} "])


def test_the_command_fits_and_predicts(tmp_path):
    texts, labels = texts_of(120)
    table = pd.DataFrame({"body": texts, "topic": labels})
    table.to_csv(tmp_path / "train.csv.gz", index=False, sep=";")
    call = [sys.executable, "-m", "bertstudy"]
    fit = [*call, "fit", str(tmp_path / "train.csv.gz"), "--text-column", "body", "--label-column", "topic"]
    fit += ["--minutes", "0.5", "--profile", "smoke", "--out", str(tmp_path / "model")]
    done = subprocess.run(fit, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "## Test" in done.stdout
    predict = [*call, "predict", str(tmp_path / "model"), str(tmp_path / "train.csv.gz"), "--text-column", "body"]
    rows = subprocess.run(predict, capture_output=True, text=True, check=True).stdout.splitlines()
    assert rows[0] == "row,label,az,za"
    assert len(rows) == 121
    wrong = subprocess.run([*fit[:6], "bdy", *fit[7:]], capture_output=True, text=True)
    assert wrong.returncode == 2
    assert wrong.stderr.count("\n") == 1
    assert "Did you mean 'body'" in wrong.stderr
