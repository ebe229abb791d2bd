"""Why a classifier says so: weights that add up, that are exact for words, and that deletion finds to be honest."""

from dataclasses import replace

import numpy as np
import pytest

from bertstudy import Classifier, load_corpus, train
from bertstudy.model.explanations import Word, shared_out, spans_of
from bertstudy.runs import by_method

TEXT = "a b c, x y z! q"
SHARES = tuple(share / 10 for share in range(6))  # of a text's words that are deleted


def without(text, words):
    """A text without some of its words."""
    kept, at = [], 0
    for word in sorted(words, key=lambda one: one.start):
        kept.append(text[at : word.start])
        at = word.end
    return "".join([*kept, text[at:]])


def deletion(classifier, texts, order=lambda told: sorted(told.words, key=lambda word: -word.weight)):
    """How the probability of a text's label falls as its words are deleted: (texts, len(SHARES)).

    order: an explanation's words, those to be deleted first in front. One that knows what matters makes it fall faster
    than one by chance does (Samek et al. 2017; DeYoung et al. 2020).
    """
    curves = []
    for text in texts:
        told = classifier.explain(text)
        words, label = order(told), classifier.labels.index(told.label)
        shorter = [without(text, words[: round(share * len(words))]) for share in SHARES]
        curves.append(classifier.predict(shorter).probabilities[:, label])
    return np.array(curves)


def test_words_stand_where_they_stand():
    assert [TEXT[start:end] for start, end in spans_of(TEXT)] == ["a", "b", "c", "x", "y", "z", "q"]
    assert len(spans_of("球队赢了 AI")) == 5
    spans = spans_of("good film!")
    found = shared_out(spans, [(0, 4), (5, 7), (7, 9), (9, 10), (0, 0)], np.array([1, 2, 4, 8, 16]))
    assert found.tolist() == [1, 6, 24]


def test_words_are_taken_out_of_a_text():
    assert without("good film, bad", [Word("bad", 11, 14, 0.0), Word("good", 0, 4, 0.0)]) == " film, "


@pytest.mark.parametrize("method", ["fine_tune", "words"])
def test_weights_and_rest_add_up_to_the_margin(small, method):
    run = replace(small, epochs=6) if method == "fine_tune" else by_method(small, "words")
    classifier, _ = train(run, progress=False)
    told = classifier.explain(TEXT)
    (label,), ((*probabilities,),) = classifier.predict(TEXT)
    assert told.label == label
    assert told.probability == pytest.approx(max(probabilities), abs=1e-5)
    logs = np.log(probabilities)
    margin = float(logs.max() - logs.mean())
    exact = method == "words"
    assert told.margin == pytest.approx(margin, abs=1e-4 if exact else 0.05 * abs(margin) + 0.05)
    assert [word.text for word in told.words] == ["a", "b", "c", "x", "y", "z", "q"]
    other = classifier.explain(TEXT, "a" if label == "z" else "z")
    assert other.margin == pytest.approx(-margin, abs=1e-4 if exact else 0.05 * abs(margin) + 0.05)


def test_weights_of_words_are_the_classifiers_own(small):
    classifier, _ = train(by_method(small, "words"), progress=False)
    told = classifier.explain("a a b")
    vector = classifier.vectorizer.transform(["a a b"])
    known, number = classifier.vectorizer.vocabulary_, classifier.labels.index(told.label)
    own = classifier.weights[number] - classifier.weights.mean(0)
    added = {term: vector[0, known[term]] * own[known[term]] for term in ("a", "b", "a a", "a b") if term in known}
    assert {"a", "b"} <= set(added)
    first = added["a"] / 2 + added.get("a a", 0) / 2
    second = first + added.get("a b", 0) / 2
    assert [word.weight for word in told.words] == pytest.approx([first, second, added["b"] + added.get("a b", 0) / 2])


def test_what_is_cut_has_no_weight(small):
    classifier, _ = train(replace(small, window=8, truncation="head"), progress=False)
    told = classifier.explain("a b c d e f g h i j k")
    assert all(word.weight != 0 for word in told.words[:6])
    assert all(word.weight == 0 for word in told.words[6:])
    key = train(replace(small, window=8, truncation="key_sentences"), progress=False)[0]
    weights = [word.weight for word in key.explain("a b c d. a b c d e. x y z u v.").words]
    assert 0 < sum(weight != 0 for weight in weights) < len(weights)


@pytest.mark.parametrize("kind", ["roberta", "mpnet", "modernbert", "deberta-v2", "longformer"])
def test_encoders_of_other_types_are_explained(small, tiny, kind):
    run = replace(
        small, encoder=tiny(kind), piece_pooling="mean", truncation="chunks", segment_pooling="mean", window=10
    )
    classifier, _ = train(run, progress=False)
    told = classifier.explain("a b c d e f g h i j k l m")
    margin = np.log(classifier.predict("a b c d e f g h i j k l m").probabilities[0])
    margin = float(margin.max() - margin.mean())
    assert told.margin == pytest.approx(margin, abs=0.05 * abs(margin) + 0.05)
    assert sum(abs(word.weight) for word in told.words) > 0


def test_pairs_are_refused(small):
    classifier = Classifier.build(replace(small, text_column="one|two", label_column="label"), ["a", "z"])
    with pytest.raises(ValueError, match="explain takes single texts"):
        classifier.explain(("a b", "c d"))


@pytest.mark.slow
@pytest.mark.parametrize("method", ["fine_tune", "words"])
def test_deleting_what_weighs_most_tells_more_than_deleting_by_chance(small, method):
    run = replace(small, epochs=6) if method == "fine_tune" else by_method(small, "words")
    classifier, _ = train(run, progress=False)
    texts, random = load_corpus(small.corpus).test.texts, np.random.default_rng(0)

    def by_chance(told):
        return [told.words[one] for one in random.permutation(len(told.words))]

    ours = deletion(classifier, texts)
    chance = np.mean([deletion(classifier, texts, by_chance) for _ in range(3)], axis=0)
    assert ours.shape == (60, len(SHARES))
    assert np.allclose(ours[:, 0], chance[:, 0])
    apart = chance.mean(1) - ours.mean(1)
    assert apart.mean() > 3 * apart.std(ddof=1) / 60**0.5
