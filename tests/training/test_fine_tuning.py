import math
import os
import subprocess
import sys
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from accelerate import Accelerator
from sklearn.utils.class_weight import compute_class_weight

from bertstudy import Classifier, Run, load_corpus
from bertstudy.data.sampling import draw
from bertstudy.training import fine_tuning
from bertstudy.training.fine_tuning import Watch, backward, class_weights, epochs_of, evaluate, fit
from bertstudy.training.optim import Optimizer

# the best epoch is not the last
UP_AND_DOWN = dict(epochs=6, learning_rate=5e-3, schedule="constant", dropout=0.0, seed=2)


def encoded(run):
    documents = draw(load_corpus(run.corpus), run)
    classifier = Classifier.build(run, ["a", "z"])
    parts = [(classifier.segmenter(split.texts), split.classes.tolist()) for split in documents]
    return classifier, *parts


def gradient(classifier, documents, labels, budget):
    classifier.zero_grad()
    told = backward(Accelerator(), classifier, documents, labels, None, budget).tolist()
    return told, torch.cat([weight.grad.flatten() for weight in classifier.parameters() if weight.grad is not None])


def test_loss_and_gradient_do_not_depend_on_the_micro_batches(small):
    run = replace(small, dropout=0.0, head_dropout=0.0)
    classifier, (documents, labels), _, _ = encoded(run)
    chosen, classes = documents[:13], labels[:13]
    whole, expected = gradient(classifier, chosen, classes, 10**9)
    for budget in (1, 60, 200):
        told, cut = gradient(classifier, chosen, classes, budget)
        assert told == pytest.approx(whole, rel=1e-5)
        assert torch.allclose(cut, expected, atol=1e-5)
    logits, truth = classifier.logits(chosen), torch.tensor(classes)
    assert whole[0] == pytest.approx(torch.nn.functional.cross_entropy(logits, truth).item(), rel=1e-4)
    assert whole[1] == pytest.approx(100 * (logits.argmax(-1) != truth).double().mean().item(), rel=1e-5)


@pytest.mark.parametrize("pooling", ["mean", "max", "attention"])
def test_a_document_in_parts_has_the_gradient_of_the_whole(small, pooling):
    run = replace(small, truncation="chunks", segment_pooling=pooling, dropout=0.0, head_dropout=0.0, window=5)
    classifier, (documents, labels), _, _ = encoded(run)
    long = [segment for document in documents[:9] for segment in document]
    whole, expected = gradient(classifier, [long, documents[9]], labels[:2], 10**9)
    for budget in (2, 5, 11):
        assert sum(map(len, long)) > 4 * budget
        told, cut = gradient(classifier, [long, documents[9]], labels[:2], budget)
        assert told == pytest.approx(whole, rel=1e-5)
        assert torch.allclose(cut, expected, atol=1e-5)


def test_a_document_is_computed_in_parts_only_where_it_is_longer_than_what_is_long(small, monkeypatch):
    run = replace(small, truncation="chunks", segment_pooling="mean", window=5)
    classifier, (documents, labels), _, _ = encoded(run)
    long, computed, vectors = sum(documents[:9], []), [], Classifier.vectors
    monkeypatch.setattr(
        Classifier, "vectors", lambda self, batch: computed.append(batch.pieces) or vectors(self, batch)
    )
    pieces = sum(map(len, long))
    for most in (pieces, pieces - 1):
        monkeypatch.setattr(fine_tuning, "LONG", most)
        gradient(classifier, [long], labels[:1], 1)
        assert most - 5 < max(computed) <= most
        assert (len(computed) == 1) == (most == pieces)
        computed.clear()


def test_the_parts_of_a_document_have_the_same_dropout_both_times(small):
    """With the dropout of the first pass the second gives the vectors whose gradient was taken: finite differences."""
    run = replace(small, truncation="chunks", segment_pooling="mean", dropout=0.3, head_dropout=0.0, window=5)
    classifier, (documents, labels), _, _ = encoded(run)
    classifier.train().double()
    long, weight = sum(documents[:9], []), classifier.encoder.layers[0].output.dense.weight

    def loss():
        torch.manual_seed(5)
        classifier.zero_grad()
        return backward(Accelerator(), classifier, [long], labels[:1], None, 2)[0].item()

    loss()
    steepest, step = divmod(weight.grad.abs().argmax().item(), weight.shape[1]), 1e-4
    slope = weight.grad[steepest].item()
    ends = []
    for sign in (1, -1):
        with torch.no_grad():
            weight[steepest] += sign * step
        ends.append(loss())
        with torch.no_grad():
            weight[steepest] -= sign * step
    assert slope == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=0.05)


def test_a_process_that_is_left_without_a_document_adds_nothing(small):
    classifier, (documents, labels), _, _ = encoded(replace(small, dropout=0.0, head_dropout=0.0))
    second = SimpleNamespace(process_index=1, num_processes=2, device="cpu", no_sync=nullcontext)
    second.reduce = lambda total, how: total
    for count, expected in ((1, 0), (2, 1)):  # of two documents the second is its own
        classifier.zero_grad()
        loss, _ = backward(second, classifier, documents[:count], labels[:count], None, 10**9).tolist()
        assert bool(loss) == bool(classifier.head.weight.grad.any()) == expected


@pytest.mark.slow
@pytest.mark.parametrize("processes", [2])
def test_two_processes_take_the_same_steps_as_one(small, tmp_path, processes):
    """Thirteen documents: the batch of eight splits evenly, the last of five does not; then one of one document."""
    code = Path(__file__).with_name("two_processes.py")
    weights = []
    for count in (1, processes):
        target = tmp_path / f"{count}.pt"
        launch = ["-m", "torch.distributed.run", "--nproc_per_node", str(count), "--master_port", str(29500 + count)]
        command = [sys.executable, *(launch if count > 1 else []), str(code), small.encoder, small.corpus, str(target)]
        environment = os.environ | {"ACCELERATE_USE_CPU": "1"}  # as `accelerate launch --cpu` sets it
        subprocess.run(command, check=True, capture_output=True, timeout=240, env=environment)
        weights.append(torch.load(target))
    assert weights[0]["loss"] == pytest.approx(weights[1]["loss"], rel=1e-4)
    assert torch.allclose(weights[0]["weights"], weights[1]["weights"], atol=1e-5)
    assert not torch.allclose(weights[0]["weights"], weights[0]["before"], atol=1e-3)
    assert weights[0]["shares"] == [13]
    assert 13 <= sum(weights[1]["shares"]) <= 14  # where there is one document, both have it
    assert max(weights[1]["shares"]) == 7  # each computes its share, not all


def test_class_weights_are_scikit_learns():
    labels = [0, 0, 0, 0, 2, 2, 3]
    found = class_weights(Run(class_weights="balanced"), labels, 4)
    expected = compute_class_weight("balanced", classes=np.array([0, 2, 3]), y=labels)
    assert found[[0, 2, 3]].tolist() == pytest.approx(expected.tolist())
    assert torch.isfinite(found).all()
    assert found[labels].mean().item() == pytest.approx(1)
    assert class_weights(Run(), labels, 4) is None


def test_clipping_is_over_all_parameters_together(small, monkeypatch):
    norms, step = [], Optimizer.step

    def watched(optimizer):
        weights = [weight for group in optimizer.adamw.param_groups for weight in group["params"]]
        norms.append(torch.cat([one.grad.flatten() for one in weights if one.grad is not None]).norm().item())
        step(optimizer)

    monkeypatch.setattr(Optimizer, "step", watched)
    classifier, train, _, _ = encoded(replace(small, max_grad_norm=0.05, epochs=1))
    fit(classifier, train, progress=False)
    assert len(norms) > 10
    assert norms == pytest.approx([0.05] * len(norms), rel=1e-3)


def test_it_learns_and_the_history_says_how(small):
    classifier, train, dev, test = encoded(replace(small, epochs=6, dropout=0.0))
    history = fit(classifier, train, dev, progress=False)
    steps = math.ceil(len(train[0]) / small.batch_size)
    assert [one["epoch"] for one in history] == [1, 2, 3, 4, 5, 6]
    assert [one["step"] for one in history] == [steps * epoch for epoch in range(1, 7)]
    assert history[-1]["loss"] < 0.6 * history[0]["loss"]
    assert history[-1]["pieces"] == 6 * sum(len(segment) for document in train[0] for segment in document)
    assert evaluate(classifier, *test)[0] < 30


def test_the_best_epoch_by_dev_is_kept(small):
    classifier, train, dev, _ = encoded(replace(small, **UP_AND_DOWN))
    history = fit(classifier, train, dev, progress=False)
    best = min((one["dev_error"], one["dev_loss"]) for one in history)
    assert evaluate(classifier, *dev)[:2] == pytest.approx(best)
    assert best < (history[-1]["dev_error"], history[-1]["dev_loss"])  # else the last would do as well


def test_of_epochs_that_are_equal_the_first_is_kept(small, monkeypatch):
    classifier, (documents, _), dev, _ = encoded(small)
    monkeypatch.setattr(fine_tuning, "evaluate", lambda *_: (50.0, 0.7, np.zeros(len(dev[1]), int)))
    watch, optimizer = Watch(classifier, dev), SimpleNamespace(taken=1, learning_rate=0.1)
    first = classifier.head.bias.detach().clone()
    for epoch in (1, 2):
        watch.saw(documents[:2], torch.tensor([0.7, 50.0]))
        watch.look(epoch, optimizer)
        with torch.no_grad():
            classifier.head.bias += 1
    assert torch.equal(watch.weights["head.bias"], first)


def test_dev_is_scored_several_times_an_epoch(small):
    classifier, train, dev, _ = encoded(replace(small, evaluations=3))
    history = fit(classifier, train, dev, progress=False)
    steps = math.ceil(len(train[0]) / small.batch_size)
    marks = [math.ceil(steps * part / 3) for part in (1, 2, 3)]
    assert [one["step"] for one in history] == [*marks, *(steps + mark for mark in marks)]
    assert [one["epoch"] for one in history] == [1, 1, 1, 2, 2, 2]
    assert evaluate(classifier, *dev)[:2] == pytest.approx(min((one["dev_error"], one["dev_loss"]) for one in history))


def test_the_training_error_is_that_of_the_documents_trained_on(small):
    classifier, train, _, _ = encoded(replace(small, learning_rate=1e-9, dropout=0.0, head_dropout=0.0, epochs=1))
    before, _, _ = evaluate(classifier, *train)
    history = fit(classifier, train, progress=False)
    assert history[0]["train_error"] == pytest.approx(before, abs=0.01)


def test_what_is_called_at_the_end_sees_the_last_weights_not_the_best(small):
    classifier, train, dev, _ = encoded(replace(small, **UP_AND_DOWN))
    seen = []
    history = fit(classifier, train, dev, progress=False, at_end=lambda: seen.append(evaluate(classifier, *dev)[:2]))
    assert seen[0] == pytest.approx((history[-1]["dev_error"], history[-1]["dev_loss"]))
    assert evaluate(classifier, *dev)[:2] != pytest.approx(seen[0])


def test_without_dev_the_last_epoch_is_kept(small):
    classifier, train, dev, _ = encoded(replace(small, dev_fraction=0.0))
    assert dev[0] == []
    history = fit(classifier, train, progress=False)
    assert [one["dev_error"] for one in history] == [None, None]


def test_few_documents_make_more_epochs(small):
    assert epochs_of(replace(small, epochs=2, min_steps=40), 24) == 14  # 3 steps an epoch
    assert epochs_of(replace(small, epochs=2, min_steps=4), 24) == 2


def test_the_same_seed_gives_the_same_weights_another_seed_others(small):
    weights = []
    for seed in (0, 0, 1):
        classifier, train, dev, _ = encoded(replace(small, seed=seed, epochs=1))
        fit(classifier, train, dev, progress=False)
        weights.append(torch.cat([weight.detach().flatten() for weight in classifier.parameters()]))
    assert torch.equal(weights[0], weights[1])
    assert not torch.allclose(weights[0], weights[2])


def test_evaluate_counts_errors(small):
    classifier, (documents, _), _, _ = encoded(small)
    predicted = classifier.logits(documents).argmax(-1).numpy()
    wrong = np.where(np.arange(len(predicted)) < 27, 1 - predicted, predicted)
    error, loss, again = evaluate(classifier, documents, wrong)
    assert error == pytest.approx(100 * 27 / len(predicted))
    assert loss > 0
    assert (again == predicted).all()


def test_a_step_that_exceeds_memory_is_made_again_with_less_at_once_and_learns_the_same(small, monkeypatch):
    run = replace(small, dropout=0.0, head_dropout=0.0, epochs=1, batch_size=100)
    weights, computed, vectors = [], [], Classifier.vectors

    def watched(classifier, batch):
        if batch.pieces > 600:
            raise torch.OutOfMemoryError
        computed.append(batch.pieces)
        return vectors(classifier, batch)

    for limited in (False, True):
        classifier, train, _, _ = encoded(run)
        if limited:
            monkeypatch.setattr(Classifier, "vectors", watched)
        history = fit(classifier, train, progress=False)
        weights.append(torch.cat([weight.detach().flatten() for weight in classifier.parameters()]))
    assert max(computed) > 300  # the step was cut no finer than it had to be
    assert history[-1]["pieces"] == sum(len(segment) for document in train[0] for segment in document)
    assert torch.allclose(*weights, atol=1e-5)
