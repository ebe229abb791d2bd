"""A step on a device waits for nothing: on "meta", whose tensors have no values, reading one is an error."""

from contextlib import nullcontext
from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from torch.nn.utils import clip_grad_norm_

from bertstudy import Classifier
from bertstudy.cli import main
from bertstudy.study import bench_gpu
from bertstudy.study.bench_gpu import Waits, waits_of_a_step
from bertstudy.training.fine_tuning import Watch, backward

TEXTS = [" ".join("abcdefghijklm"[: 2 + number % 11]) for number in range(20)]
CHUNKS = {"truncation": "chunks", "window": 6}
CHANGES = [
    {},
    {"piece_pooling": "mean"},
    {"piece_pooling": "max"},
    {"attention_dropout": 0.1},
    {"layers": "concat:0-2"},
    *({**CHUNKS, "segment_pooling": pooling} for pooling in ("mean", "max", "attention")),
]


META = SimpleNamespace(  # an Accelerator of one process on that device
    process_index=0,
    num_processes=1,
    device=torch.device("meta"),
    no_sync=lambda model: nullcontext(),
    reduce=lambda tensor, how: tensor,
)


def on_meta(run):
    classifier = Classifier.build(run, ["a", "z"])
    return classifier.segmenter(TEXTS), [number % 2 for number in range(len(TEXTS))], classifier.to("meta").train()


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_loss_gradient_and_clipping_wait_for_nothing(small, change):
    documents, labels, classifier = on_meta(replace(small, **change))
    numbers = backward(META, classifier, documents, labels, None, 60)  # several micro-batches
    clip_grad_norm_(classifier.parameters(), 1.0)
    watch = Watch(classifier, None)
    watch.saw(documents, numbers)
    with pytest.raises((RuntimeError, NotImplementedError)):  # what does read values can't
        watch.means()


def test_waits_are_counted_by_operation(small):
    documents, labels, classifier = on_meta(small)
    assert waits_of_a_step(META, classifier, documents, labels).total() == 0
    with Waits() as waits:
        torch.zeros(3).nonzero()  # on the CPU nobody waits
    assert waits.counts.total() == 0
    with Waits() as waits, pytest.raises((RuntimeError, NotImplementedError)):
        torch.ones(3, device="meta").cpu()


def test_operations_are_six_a_weight_and_piece_and_those_of_attention(small):
    classifier = Classifier.build(small, ["a", "z"])
    weights = sum(weight.numel() for layer in classifier.encoder.layers for weight in layer.parameters())
    documents = [[[1] * 10, [1] * 4], [[1] * 7]]
    expected = 6 * weights * 21 + 12 * 3 * 32 * (100 + 16 + 49)
    assert bench_gpu.operations(classifier, documents) == expected


def test_without_a_gpu_the_bench_says_so(capsys, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    main(["bench", "gpu"])
    assert capsys.readouterr().out == f"{bench_gpu.NONE}\n"
