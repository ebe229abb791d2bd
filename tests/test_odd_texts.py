"""Texts and labels as nobody means them: they are learnt and predicted, or refused in a line that says what to do."""

import numpy as np
import pytest

import bertstudy as bs
from bertstudy import Classifier, Run
from bertstudy.advice import documents
from bertstudy.model.words import WordsClassifier

ODD = {
    "control characters": "a\x00b\x07 film\x1f",
    "half a surrogate": "a \ud800 film",
    "five million letters": "good film " * 500_000,
    "arabic": "هذا فيلم جيد جدا",
    "thai": "หนังเรื่องนี้ดีมาก",
    "emoji": "😀👍🏽‍👩‍👩‍👧 film",
    "nothing": "",
    "blanks": " \n\t ",
    "marks of direction": "\u202eabc\u202c",
}
ARRAYS = {"idf": np.ones(2), "weights": np.eye(2), "bias": np.zeros(2)}


@pytest.fixture(scope="module")
def classifiers():
    run = Run(encoder="control", window=32, truncation="head+tail:8")
    return [Classifier.build(run, ["p", "n"]).eval(), WordsClassifier(run, ["p", "n"], ["good", "bad"], **ARRAYS)]


@pytest.mark.parametrize("text", ODD.values(), ids=list(ODD))
def test_odd_texts_are_predicted(classifiers, text):
    for classifier in classifiers:
        labels, probabilities = classifier.predict([text, "a film"])
        assert set(labels) <= {"p", "n"}
        assert np.allclose(probabilities.sum(1), 1, atol=1e-6)


def test_what_is_left_out_in_training_is_left_out_in_prediction(classifiers):
    for classifier in classifiers:
        odd, plain = classifier.predict(["a go\x00od \ud800film", "a good film"]).probabilities
        assert np.array_equal(odd, plain)


def labelled(count=80):
    texts = [f"{'good' if number % 2 else 'bad'} film {number} {'x' * (number % 7)}" for number in range(count)]
    return texts, ["p" if number % 2 else "n" for number in range(count)]


@pytest.mark.slow
@pytest.mark.parametrize("text", ODD.values(), ids=list(ODD))
def test_odd_texts_are_learnt(text):
    texts, labels = labelled()
    result = bs.fit([*texts, text, f"{text} again"], [*labels, "p", "n"], profile="smoke", minutes=0.3)
    assert set(result.classifier.predict([text]).labels) <= {"p", "n"}


@pytest.mark.parametrize(
    ("texts", "labels", "says"),
    [
        ([f"text {number}" for number in range(80)], ["p"] * 80, "all 80 documents have the label 'p'"),
        (["the same"] * 80, ["p", "n"] * 40, "1 different labelled texts; at least 40"),
        ([f"text {n}" for n in range(30_000)], [str(n % 10_000) for n in range(30_000)], "10,000 classes.*up to 1,000"),
        ([f"text {n}" for n in range(90)], [str(n) for n in range(90)], "too many for classes"),
        (["هذا", "ดีมาก"] * 40, ["p", "n"] * 40, "2 different labelled texts"),
        ([f"!? {'.' * n}" for n in range(80)], ["p", "n"] * 40, "contain a word"),
    ],
    ids=["one label", "equal texts", "10,000 classes", "a class each", "two texts", "no words"],
)
def test_what_is_no_task_is_refused(texts, labels, says):
    with pytest.raises(ValueError, match=says) as told:
        documents.in_memory(texts, labels, profile="smoke")
    assert len(str(told.value).splitlines()) == 1
