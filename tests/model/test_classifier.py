from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from transformers import AutoModelForSequenceClassification, pipeline

from bertstudy import Classifier, Run
from bertstudy.model.batching import pack, pad

TEXTS = ["a b c", "z y x w v u t s r q p o n m l k j i h g f e d c b a " * 2, "", "q"]


@pytest.fixture
def classifier(small):
    return Classifier.build(small, ["a", "z"]).eval()


def test_logits_equal_those_of_a_padded_model_with_the_same_weights(tiny):
    """The raw [CLS] and a linear head by hand, against ours without padding."""
    for kind in ("bert", "roberta"):
        run = Run(encoder=tiny(kind), window=512, truncation="head", dropout=0.0, head_dropout=0.0)
        ours = Classifier.build(run, ["a", "b", "c"]).eval()
        documents = ours.segmenter(["a " * length for length in (1, 510, 33, 700)])
        theirs = AutoModelForSequenceClassification.from_pretrained(tiny(kind)).base_model.eval()
        ids, mask = pad(pack(documents), 0)
        with torch.no_grad():
            expected = ours.head(theirs(input_ids=ids, attention_mask=mask).last_hidden_state[:, 0])
        assert (ours.logits(documents) - expected).abs().max() < 1e-4
        assert (ours.logits(documents, budget=1) - expected).abs().max() < 1e-4


def test_predictions_come_in_the_order_of_the_texts(classifier):
    labels, probabilities = classifier.predict(TEXTS)
    assert probabilities.shape == (4, 2)
    assert np.allclose(probabilities.sum(1), 1)
    assert labels == [classifier.labels[one] for one in probabilities.argmax(1)]
    for text, row in zip(TEXTS, probabilities, strict=True):
        assert np.allclose(classifier.predict([text]).probabilities[0], row, atol=1e-5)


def test_predict_truncates_as_training_does(classifier):
    long = " ".join("abcdefghijklmnopqrstuvwxyz" * 3)
    kept = " ".join((long.split())[:8] + long.split()[-14:])  # window 24, head+tail:8
    assert np.allclose(classifier.predict([long]).probabilities, classifier.predict([kept]).probabilities)
    assert not np.allclose(classifier.predict([long]).probabilities, classifier.predict([long[:100]]).probabilities)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"truncation": "chunks", "segment_pooling": "attention"},
        {"layers": "concat:0-1"},
        {"layers": "0"},
        {"precision": "bf16"},
    ],
    ids=str,
)
def test_a_saved_classifier_predicts_the_same(small, tmp_path, change, half_everywhere):
    classifier = Classifier.build(replace(small, **change), ["a", "z"]).eval()
    classifier.save(tmp_path / "saved")
    again = Classifier.load(tmp_path / "saved")
    assert again.run == replace(classifier.run, corpus="letters/", encoder="bert")  # names, not paths
    assert again.labels == classifier.labels
    assert np.array_equal(again.predict(TEXTS).probabilities, classifier.predict(TEXTS).probabilities)


def test_an_empty_list_gives_empty_predictions(classifier):
    labels, probabilities = classifier.predict([])
    assert labels == []
    assert probabilities.shape == (0, 2)


def test_a_single_text_stands_for_a_list_of_it_and_other_things_are_refused(classifier):
    assert np.array_equal(classifier.predict("a b").probabilities, classifier.predict(["a b"]).probabilities)
    with pytest.raises(TypeError, match="number 1 is None, of type NoneType"):
        classifier.predict(["a", None])


@pytest.mark.parametrize(
    "what", [None, 3, {"a": 1}, {"a"}, b"a", pd.DataFrame({"text": ["a"]})], ids=lambda one: type(one).__name__
)
def test_what_is_no_sequence_of_texts_is_refused(classifier, what):
    with pytest.raises(
        TypeError, match=f"predict takes a text or a list of texts; got .*, of type {type(what).__name__}"
    ):
        classifier.predict(what)


def test_series_arrays_and_generators_are_sequences(classifier):
    expected = classifier.predict(["a b", "z"]).probabilities
    for texts in (pd.Series(["a b", "z"]), np.array(["a b", "z"]), (text for text in ("a b", "z"))):
        assert np.array_equal(classifier.predict(texts).probabilities, expected)


def test_probabilities_are_in_the_order_of_labels_whatever_the_names(small, tmp_path):
    labels = ["9", "10", "b", "A"]  # neither alphabetical nor by number
    classifier = Classifier.build(small, labels).eval()
    with torch.no_grad():
        classifier.head.weight.mul_(20)
    expected = classifier.logits(classifier.segmenter(TEXTS)).softmax(-1).numpy()
    classifier.save(tmp_path / "model")
    again = Classifier.load(tmp_path / "model")
    assert again.labels == labels
    for one in (classifier, again):
        predicted = one.predict(TEXTS)
        assert np.allclose(predicted.probabilities, expected, atol=1e-6)
        assert predicted.labels == [labels[best] for best in expected.argmax(1)]
    piped = pipeline("text-classification", model=str(tmp_path / "model"), device="cpu")(TEXTS, top_k=None)
    for scores, row in zip(piped, expected, strict=True):
        assert {one["label"]: one["score"] for one in scores} == pytest.approx(
            dict(zip(labels, row.tolist(), strict=True)), abs=1e-5
        )


@pytest.mark.parametrize(
    ("change", "says"),
    [({"window": 521, "truncation": "head"}, "reads at most 520"), ({"layers": "3"}, "has 3 layers, 0 to 2")],
)
def test_what_the_encoder_cannot_do_is_told(small, change, says):
    with pytest.raises(ValueError, match=says):
        Classifier.build(replace(small, **change), ["a", "z"])


def test_roberta_has_fewer_positions_than_its_table(small, tiny):
    with pytest.raises(ValueError, match="reads at most 519"):
        Classifier.build(replace(small, encoder=tiny("roberta"), window=520), ["a", "z"])
