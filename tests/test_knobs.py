"""No dead knobs: changing any field of Run changes documents, ids, logits, groups, learning rates or steps."""

from dataclasses import fields, replace

import numpy as np
import pandas as pd
import pytest
import torch

from bertstudy import Run
from bertstudy.data.corpora import LIBRARY
from bertstudy.data.sampling import draw
from bertstudy.runs import by_method
from bertstudy.training.fine_tuning import fit
from bertstudy.training.methods.fine_tune import untrained

# field -> (changes to both, another value); other fields' values are those of the fixture `small`
CHUNKS = {"truncation": "chunks", "segment_pooling": "mean"}
PRETRAINED = {
    "further_pretraining": "within_task",
    "pretraining_steps": 3,
    "pretraining_learning_rate": 2e-3,
    "pretraining_window": 32,
    "pretraining_batch_size": 4,
}
TOGETHER = {"multitask": "letters+other", "multitask_learning_rate": 3e-3, "multitask_epochs": 2}
EXAMPLES = {
    "corpus": ({}, "other"),
    "text_column": ({}, "second_text"),
    "label_column": ({}, "second_label"),
    "fraction": ({}, 0.5),
    "dev_fraction": ({}, 0.2),
    "test_size": ({}, 10),
    "tested_on": ({}, "other"),
    "seed": ({}, 1),
    "sample_seed": ({}, 1),
    "encoder": ({}, "other"),
    "truncation": ({}, "head"),
    "window": ({}, 20),
    "prefix": ({}, "a b: "),
    "layers": ({}, "0"),
    "piece_pooling": ({}, "mean"),
    "segment_pooling": (CHUNKS, "max"),
    "learning_rate": ({}, 1e-4),
    "layer_decay": ({}, 0.5),
    "decay_embeddings": ({"layer_decay": 0.5}, False),
    "schedule": ({}, "warmup_linear"),
    "warmup": ({}, 0.5),
    "epochs": ({}, 3),
    "min_steps": ({}, 60),
    "batch_size": ({}, 12),
    "weight_decay": ({}, 0.5),
    "bias_correction": ({}, False),
    "max_grad_norm": ({}, 0.01),
    "dropout": ({}, 0.4),
    "attention_dropout": ({}, 0.4),
    "head_dropout": ({}, 0.4),
    "precision": ({}, "bf16"),
    "further_pretraining": ({}, "within_task"),
    "pretraining_steps": (PRETRAINED, 5),
    "pretraining_unlabelled": (PRETRAINED, True),
    "pretraining_learning_rate": (PRETRAINED, 1e-4),
    "pretraining_batch_size": (PRETRAINED, 5),
    "pretraining_window": (PRETRAINED, 16),
    "pretraining_head_steps": (PRETRAINED, 4),
    "pretraining_seed": (PRETRAINED, 1),
    "next_sentence": (PRETRAINED, False),
    "whole_word": (PRETRAINED, True),
    "class_weights": ({"label_column": "second_label"}, "balanced"),
    "metric": ({"evaluations": 3}, "log_loss"),
    "evaluations": ({}, 2),
    "method": ({}, "features"),
    "multitask": ({}, "letters+other"),  # names that the fixture puts the paths of the two for
    "multitask_documents": (TOGETHER, 40),
    "multitask_epochs": (TOGETHER, 3),
    "multitask_learning_rate": (TOGETHER, 1e-4),
    "multitask_sampling": (TOGETHER, "square_root"),
}
ELSEWHERE = {"retention"}  # it measures and changes nothing: see test_retention


def outcome(run):
    """What a run comes to: its documents, the trained classifier's logits on the test texts, and its history."""
    corpus = LIBRARY.of(run)
    documents = draw(corpus, run)
    classifier, _, _ = untrained(run, corpus, progress=False)
    train, dev, test = ((classifier.segmenter(split.texts), split.classes.tolist()) for split in documents)
    history = fit(classifier, train, dev, progress=False)
    return documents.test.texts, classifier.logits(test[0]).numpy(), [one["loss"] for one in history]


@pytest.fixture
def setting(small, tiny, letters, tmp_path):
    """The run to change, on files with second columns, and another corpus and encoder to change to."""
    for part in ("train", "test"):
        path = tmp_path / "letters" / f"{part}.csv"
        table = pd.read_csv(path, keep_default_na=False)
        table["text"] = table["text"].str.replace(" e", "e")  # words of several pieces
        table["second_text"] = table["text"].str[::-1]
        table["second_label"] = ["az"[index % 3 == 0] for index in range(len(table))]
        table.to_csv(path, index=False)
    table[["text"]].assign(text=table["text"].str[::-1]).to_csv(tmp_path / "letters" / "unlabelled.csv", index=False)
    other = tmp_path / "other.csv"
    pd.concat([table, table.assign(text=table["text"] + " q")]).to_csv(other, index=False)
    return small, {"corpus": str(other), "tested_on": str(other), "encoder": tiny("electra")}


def test_every_field_has_an_example():
    assert set(EXAMPLES) | ELSEWHERE == {one.name for one in fields(Run)}


@pytest.mark.slow
@pytest.mark.parametrize("name", EXAMPLES)
def test_changing_a_field_changes_the_outcome(name, setting, half_everywhere):
    small, others = setting
    common, value = EXAMPLES[name]
    together = f"{small.corpus}+{others['corpus']}"
    common = {**common, "multitask": together} if "multitask" in common else common
    base = replace(small, **common)
    changes = {name: {**others, "multitask": together}.get(name, value)}
    if name == "further_pretraining":
        changes["pretraining_steps"] = 3
    texts, logits, losses = outcome(base)
    changed_texts, changed_logits, changed_losses = outcome(replace(base, **changes))
    same = (
        texts == changed_texts
        and logits.shape == changed_logits.shape
        and np.allclose(logits, changed_logits, atol=1e-4)
        and np.allclose(losses[: len(changed_losses)], changed_losses[: len(losses)], atol=1e-5)
    )
    assert not same


def test_the_comparison_itself_finds_no_difference_between_equal_runs(setting):
    first, second = (outcome(setting[0]) for _ in range(2))
    assert first[0] == second[0]
    assert np.array_equal(first[1], second[1])
    assert torch.allclose(torch.tensor(first[2]), torch.tensor(second[2]))


def test_tfidf_reads_the_fields_of_the_data_and_none_else(small):
    from bertstudy.training.methods.tfidf import floor, score

    def floor_of(**changes):
        run = by_method(replace(small, fraction=0.5), "tfidf")
        corpus = LIBRARY.of(run)
        documents = draw(corpus, replace(run, **changes))
        return score(floor(documents, 2)[0], documents.test, 2)[:2]

    before = floor_of()
    assert floor_of() == before
    assert all(floor_of(**change) != before for change in ({"fraction": 1.0}, {"seed": 1}, {"test_size": 10}))
    with pytest.raises(ValueError, match="learning_rate=0.1 has no effect with method='tfidf'"):
        replace(by_method(small, "tfidf"), learning_rate=0.1)
