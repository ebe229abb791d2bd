"""Which texts of a reader's file to label next, and what choosing would have saved."""

import pytest

from bertstudy import Classifier, train
from bertstudy.advice.next_labels import label_next, saving
from bertstudy.runs import by_method


@pytest.mark.parametrize("method", ["words", "fine_tune"])
def test_texts_are_named_by_their_number(small, method):
    classifier, _ = train(by_method(small, "words") if method == "words" else small, progress=False)
    texts = [f"{one} {two}" for one in "abcxyz" for two in "defuvw"]
    table = label_next(classifier, texts, 6)
    labels, probabilities = classifier.predict(texts)
    at = table["number"].to_numpy() - 1
    assert len(set(at)) == 6
    assert table["predicted"].tolist() == [labels[one] for one in at]
    assert table["probability"].tolist() == pytest.approx(100 * probabilities[at].max(1))
    assert table["margin"].is_monotonic_increasing
    for wrong in (([], 5), (texts, 0)):
        with pytest.raises(ValueError, match="label_next: .* Give some texts"):
            label_next(classifier, *wrong)


def test_the_saving_is_simulated_on_the_labels_that_there_are(table, written, begun):
    data = begun(train=written(table))
    classifier, _ = train(by_method(data.base, "words"), progress=False, library=data.library(data.corpus))
    told = saving(data, classifier)
    assert "labels are too few" in told.words
    data.train = data.train.plus(data.train).plus(data.train)
    told = saving(data, classifier)
    assert told.table["labelled"].iloc[0] == 20
    assert told.table["labelled"].iloc[-1] == len(data.train.texts) // 2
    assert (told.table["low"] <= told.table["gain"]).all()
    assert told.table["gain"].iloc[0] == 0
    assert f"By chance, {told.values['by_chance']} labels come to an error of" in told.words
    assert isinstance(classifier.represent(["a b"]).shape, tuple)
    assert Classifier.build(data.base, ["a", "z"]).represent(["a b", ""]).shape[0] == 2
