"""The baselines: words alone, and a reader on an encoder that is left as it is."""

import shutil
import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file
from sentence_transformers import SentenceTransformer
from sklearn.linear_model import LogisticRegression

from bertstudy import Classifier, Run, run
from bertstudy.data.corpora import Library
from bertstudy.data.sampling import Documents, Split, draw
from bertstudy.model.locations import where
from bertstudy.results.execution import compute
from bertstudy.results.rows import wrong
from bertstudy.runs import by_method
from bertstudy.training.fine_tuning import fit
from bertstudy.training.linear import cross_entropy
from bertstudy.training.methods import embeddings, words
from bertstudy.training.methods.features import Reader
from bertstudy.training.methods.tfidf import floor, score


def split(*pairs):
    return Split([text for text, _ in pairs], np.array([number for _, number in pairs]))


GOOD, BAD = [("a fine film", 1), ("fine and warm", 1)], [("a dull film", 0), ("dull and cold", 0)]


def test_words_and_single_chinese_characters_decide():
    english = Documents(split(*GOOD * 4, *BAD * 4), split(), split(("fine", 1), ("dull!", 0), ("FINE; cold", 1)))
    assert score(floor(english, 2)[0], english.test, 2)[2].tolist()[:2] == [1, 0]
    chinese = Documents(split(("球队赢了", 1), ("股市跌了", 0)), split(), split(("赢", 1), ("跌", 0), ("AI赢", 1)))
    assert score(floor(chinese, 2)[0], chinese.test, 2)[0] == 0


def test_the_strength_is_chosen_on_dev():
    random = np.random.default_rng(0)
    noisy = [(" ".join(random.choice(list("abcdefgh"), 6)) + " xy"[one], one) for one in (0, 1) for _ in range(30)]
    documents = Documents(split(*noisy[::2]), split(*noisy[1::2]), split())
    model, history = floor(documents, 2)
    best = min(history, key=lambda one: (one["dev_error"], one["dev_loss"]))
    assert len({one["dev_loss"] for one in history}) > 1
    assert best["strength"] == model[-1].C
    assert score(model, documents.dev, 2)[:2] == (best["dev_error"], best["dev_loss"])


def test_a_class_that_training_lacks_is_never_predicted_and_costs_dearly():
    documents = Documents(split(*GOOD, *BAD), split(), split(("fine", 2), ("dull", 0)))
    error, loss, predicted = score(floor(documents, 3)[0], documents.test, 3)
    assert (error, predicted[1]) == (50, 0)
    assert loss > 10


def test_a_reader_sees_each_segment_alone():
    torch.manual_seed(0)
    reader = Reader(8).eval()
    states = torch.randn(9, 8)
    together = reader(states, torch.tensor([0, 4, 9]))
    assert together.shape == (2, Reader.width)
    assert torch.allclose(together[1], reader(states[4:], torch.tensor([0, 5]))[0], atol=1e-6)
    assert not torch.allclose(together[0], reader(states[4:], torch.tensor([0, 5]))[0], atol=1e-3)


@pytest.mark.parametrize("kind", ["bert", "distilbert"])
def test_features_leave_the_encoder_as_it_is_and_learn(small, tiny, kind):
    frozen = by_method(replace(small, encoder=tiny(kind), epochs=6, learning_rate=1e-2), "features")
    classifier = Classifier.build(frozen, ["a", "z"])
    before = {name: weight.clone() for name, weight in classifier.state_dict().items()}
    texts = ["a b c", "u v w", "b a", "x y"] * 8
    history = fit(classifier, (classifier.segmenter(texts), [0, 1, 0, 1] * 8), progress=False)
    same = {name: bool((before[name] == weight).all()) for name, weight in classifier.state_dict().items()}
    assert all(same[name] for name in same if name.startswith("encoder."))
    assert not any(same[name] for name in same if "encoder." not in name and "bias" not in name)
    assert history[-1]["loss"] < history[0]["loss"] / 2
    assert not classifier.train().encoder.training


def test_rows_of_baselines_stand_beside_the_others(small):
    for method in ("tfidf", "features", "words", "embeddings"):
        row = run(by_method(small, method), "baselines", progress=False)
        assert row["run"]["method"] == method
        assert row["documents"] == {"train": 108, "dev": 12, "test": 60}
        assert 0 < row["seconds"]["test"] < row["seconds"]["all"]
        assert row["error"] == pytest.approx(100 * wrong(row).mean())
        assert row["error"] < 50


def test_without_dev_the_epoch_of_a_row_is_the_candidate_that_was_chosen(small):
    row = run(replace(by_method(small, "words"), dev_fraction=0.0), "smoke", progress=False)
    best = min(row["history"], key=lambda entry: (entry["dev_rank"], entry["dev_loss"]))
    assert row["epoch"] == best["epoch"]
    assert len({entry["dev_rank"] for entry in row["history"]} | {entry["dev_loss"] for entry in row["history"]}) > 1


def test_vectors_of_other_weights_in_the_same_folder_are_read_anew(small, tiny, tmp_path):
    folder = tmp_path / "encoder"
    shutil.copytree(small.encoder, folder)
    asked = by_method(replace(small, encoder=str(folder), piece_pooling="mean"), "embeddings")
    losses = [compute(asked, progress=False)["loss"]]
    weights = load_file(folder / "model.safetensors")
    save_file({name: 2 * weight for name, weight in weights.items()}, folder / "model.safetensors", {"format": "pt"})
    losses.append(compute(asked, progress=False)["loss"])
    assert losses[0] != losses[1]


def test_vectors_of_another_seeds_pooling_are_read_anew(small):
    run = replace(small, truncation="chunks:3", segment_pooling="attention", window=16, sample_seed=0)
    first, second = (by_method(replace(run, seed=seed), "embeddings") for seed in (0, 1))
    alone = compute(second, progress=False)["loss"]
    compute(first, progress=False)
    assert compute(second, progress=False)["loss"] == alone


def test_texts_that_an_earlier_run_has_read_count_as_if_they_were_read_now(small, monkeypatch):
    read, embed = [], Classifier.embed

    def slowly(classifier, documents, **options):
        read.append(len(documents))
        time.sleep(0.002 * len(documents))
        return embed(classifier, documents, **options)

    monkeypatch.setattr(Classifier, "embed", slowly)
    asked = replace(by_method(small, "embeddings"), sample_seed=0)
    first, second = (compute(replace(asked, seed=seed), progress=False) for seed in (0, 1))
    assert read == [120, 60, 0, 0]
    for row in (first, second):
        assert row["seconds"]["train"] > 0.002 * 120
        assert row["seconds"]["test"] > 0.002 * 60
        assert row["seconds"]["all"] > row["seconds"]["train"] + row["seconds"]["test"]
        assert "saved" not in row["seconds"]


@pytest.mark.parametrize(("place", "scale"), [(0, 1), (0, 30), (9, 1)])
def test_the_head_on_vectors_is_as_good_as_logistic_regression_wherever_they_lie(place, scale):
    """Classes that overlap in few of many directions; far from zero too, as a masked-LM encoder's vectors lie."""
    draws = np.random.default_rng(0)
    classes, truth = np.arange(300) % 3, np.arange(3000) % 3
    widths = 1 / np.sqrt(np.arange(1, 385))
    middles = draws.normal(0, 1, (3, 384)) * widths * (np.arange(384) < 6)
    few, many = (middles[one] + draws.normal(0, 1, (len(one), 384)) * widths for one in (classes, truth))
    length = np.linalg.norm(few, axis=1).mean()
    usual = LogisticRegression(max_iter=1000).fit(few / length, classes)
    expected = (usual.predict(many / length) != truth).mean()
    head = SimpleNamespace(head=torch.nn.Linear(384, 3), labels="abc")
    embeddings.fit_head(head, (scale * (few + place)).astype(np.float32), classes)
    logits = head.head(torch.from_numpy(scale * (many + place)).float()).detach().numpy()
    assert (logits.argmax(1) != truth).mean() < expected + 0.01
    assert cross_entropy(logits, truth) < 0.6  # of three that are as likely: 1.1


def test_a_head_on_vectors_that_are_all_the_same_tells_the_shares_of_the_classes():
    head = SimpleNamespace(head=torch.nn.Linear(4, 2), labels="ab")
    embeddings.fit_head(head, np.ones((200, 4), np.float32), np.arange(200) % 4 // 3)
    probabilities = torch.softmax(head.head(torch.ones(4)), 0).tolist()
    assert probabilities == pytest.approx([0.75, 0.25], abs=0.02)


@pytest.mark.slow
@pytest.mark.parametrize(("corpus", "labelled"), [("ag_news", 256), ("imdb", 300)])
def test_frozen_embeddings_err_no_more_than_five_lines_of_scikit_learn(real_data, corpus, labelled):
    asked = Run(corpus=corpus, encoder="minilm", truncation="head", window=128, dev_fraction=0.0, test_size=500)
    library = Library(str(real_data))
    asked = by_method(replace(asked, fraction=labelled / len(library.of(asked).train.texts)), "embeddings")
    train, _, test = draw(library.of(asked), asked)
    body = SentenceTransformer(where("minilm"))
    body.max_seq_length = 128
    five = LogisticRegression(max_iter=1000).fit(body.encode(train.texts), train.classes)
    error = 100 * (five.predict(body.encode(test.texts)) != test.classes).mean()
    assert compute(asked, progress=False, library=library)["error"] < error + 1


def test_logistic_regression_on_words_is_tried_up_to_the_largest_number_of_weights(monkeypatch):
    documents = Documents(split(*GOOD, *BAD), split(*GOOD, *BAD), split())
    vocabulary = words.fit_words(documents, ("no", "yes"), Run())[0].vocabulary
    tried = []
    for largest in (2 * len(vocabulary), 2 * len(vocabulary) - 1):
        monkeypatch.setattr(words, "LARGEST", largest)
        history = words.fit_words(documents, ("no", "yes"), Run())[1]
        tried.append(any("Logistic" in entry["candidate"] for entry in history))
    assert tried == [True, False]
