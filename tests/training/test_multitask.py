"""Several tasks over one encoder: whose turn it is, what is shared, and what the fine-tuning after it starts from."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

from bertstudy import Classifier, run
from bertstudy.choices.task_sampling import chances
from bertstudy.data.corpora import LIBRARY
from bertstudy.data.sampling import draw
from bertstudy.training import multitask
from bertstudy.training.methods.fine_tune import untrained
from bertstudy.training.multitask import fine_tuned_together, take_head, tasks_of, train


@pytest.fixture
def tasks(small, tmp_path):
    """A run on letters and a second task: three classes, by the word in the middle."""
    random = np.random.default_rng(1)
    folder = tmp_path / "middles"
    folder.mkdir()
    for part, size in (("train", 90), ("test", 30)):
        labels = [one % 3 for one in range(size)]
        texts = [" ".join([*random.choice(list("klm"), 2), "ghi"[one], random.choice(list("klm"))]) for one in labels]
        pd.DataFrame({"text": texts, "label": labels}).to_csv(folder / f"{part}.csv", index=False)
    rates = dict(multitask_learning_rate=3e-3, multitask_epochs=3, multitask_documents=60)
    return replace(small, multitask=f"{small.corpus}+{folder}", learning_rate=1e-3, **rates)


def test_chances_are_in_proportion_to_the_documents_or_to_their_square_root():
    assert chances("proportional", [100, 300]).tolist() == [0.25, 0.75]
    assert chances("square_root", [100, 900]).tolist() == [0.25, 0.75]


def test_the_own_task_gives_the_documents_that_fine_tuning_reads_and_others_as_many_as_asked(tasks):
    half = replace(tasks, fraction=0.5, seed=1)
    (labels, own), (others, other) = tasks_of(half).values()
    assert (labels, others) == (("a", "z"), ("0", "1", "2"))
    assert own.texts == draw(LIBRARY.of(half), half).train.texts
    assert len(other.texts) == 54  # a tenth of 60 is dev


def test_no_text_of_the_own_test_set_is_read(tasks, tmp_path):
    test = pd.read_csv(tmp_path / "letters" / "test.csv", keep_default_na=False)
    extra = pd.DataFrame({"text": test["text"].str.upper(), "label": 1})
    path = tmp_path / "middles" / "train.csv"
    pd.concat([pd.read_csv(path), extra]).to_csv(path, index=False)
    found = tasks_of(replace(tasks, multitask_documents=0))
    read = {text.casefold() for _, split in found.values() for text in split.texts}
    assert not read & set(test["text"])


@pytest.mark.parametrize("names", ["movies", "movies+movies"])
def test_one_task_alone_is_refused(small, names):
    with pytest.raises(ValueError, match="name two or more corpora"):
        tasks_of(replace(small, multitask=names))


def test_only_the_head_whose_turn_it_is_learns_and_the_encoder_at_every_step(tasks, monkeypatch):
    recipe = replace(multitask.recipe(tasks), epochs=1, weight_decay=0.0)
    first = Classifier.build(recipe, ["a", "z"])
    second = Classifier(first.encoder, first.tokenizer, recipe, ["0", "1", "2"])
    before = [weight.clone() for weight in (first.head.weight, second.head.weight, next(first.encoder.parameters()))]
    monkeypatch.setattr(multitask, "chances", lambda spec, sizes: [0.0, 1.0])
    documents = first.segmenter(["k g", "l h", "m i"] * 4)
    history = train([first, second], [(documents, [0, 1, 0] * 4), (documents, [0, 1, 2] * 4)], recipe, progress=False)
    assert torch.equal(before[0], first.head.weight)
    assert not torch.equal(before[1], second.head.weight)
    assert not torch.equal(before[2], next(second.encoder.parameters()))
    assert history[-1]["loss"][0] is None
    assert history[-1]["loss"][1] > 0


def test_a_run_goes_on_from_the_shared_encoder_and_its_own_head(tasks):
    classifier, pretrained, shared = untrained(tasks, LIBRARY.of(tasks), progress=False)
    assert pretrained is None
    assert fine_tuned_together(tasks, progress=False) == shared
    plain = Classifier.build(tasks, ("a", "z"))
    assert not torch.allclose(classifier.head.weight, plain.head.weight)
    weights = dict(classifier.encoder.named_parameters())
    moved = [not torch.allclose(weights[name], one) for name, one in plain.encoder.named_parameters()]
    assert all(moved)
    new = Classifier.build(replace(tasks, corpus="movies"), ("a", "z"), shared)
    before = new.head.weight.clone()
    take_head(new, shared)
    assert torch.equal(before, new.head.weight)


def test_tasks_of_one_plan_share_what_was_made_and_another_seed_does_not(tasks):
    folder = fine_tuned_together(tasks, progress=False)
    assert fine_tuned_together(replace(tasks, learning_rate=1e-5, epochs=9), progress=False) == folder
    assert fine_tuned_together(replace(tasks, seed=1), progress=False) != folder
    assert fine_tuned_together(replace(tasks, multitask_epochs=1), progress=False) != folder


def test_a_row_tells_of_the_tasks_before(tasks):
    row = run(tasks, "together", progress=False)
    assert list(row["multitasked"]["tasks"].values()) == [108, 54]
    last = row["multitasked"]["history"][-1]
    assert last["step"] == 3 * (14 + 7)
    assert last["loss"][0] < row["multitasked"]["history"][0]["loss"][0]
