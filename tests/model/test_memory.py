"""How much is computed at once: by free memory, in halves where memory was exceeded, with the same result."""

from types import SimpleNamespace

import pytest
import torch

from bertstudy import Classifier
from bertstudy.model import batching, memory
from bertstudy.model.batching import Batch

BASE = SimpleNamespace(hidden_size=768, num_hidden_layers=12)


@pytest.fixture
def gpu(monkeypatch):
    """A CUDA device with so many GB free and so many that torch holds unused."""

    def with_memory(free, held=0.0):
        monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (int(free * 1e9), int(80e9)))
        monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: int((held + 1) * 1e9))
        monkeypatch.setattr(torch.cuda, "memory_allocated", lambda device: int(1e9))
        return memory.budget(torch.device("cuda"), BASE)

    return with_memory


def test_a_budget_follows_the_memory_that_is_free(gpu):
    assert gpu(78) == memory.GPU_BUDGET
    assert gpu(0.1) == memory.LEAST
    assert 10_000 < gpu(12) < 20_000  # a batch of 24 documents of the paper's window has 12,288
    assert gpu(12) == pytest.approx(2 * gpu(6), abs=1)
    assert gpu(6, held=6) == gpu(12)


def test_a_cpu_has_a_budget_for_its_caches():
    assert memory.budget(torch.device("cpu"), BASE) == memory.CPU_BUDGET


class Sent:
    """A tensor of this processor, or of a GPU, that writes down how it is sent to another device."""

    def __init__(self, device="cpu"):
        self.device, self.seen = torch.device(device), []

    def pin_memory(self):
        assert self.device.type == "cpu"  # where torch can pin, and nowhere else
        self.seen.append("pinned")
        return self

    def to(self, device, non_blocking=False):
        return [*self.seen, (str(device), non_blocking)]


def test_what_is_sent_to_a_gpu_goes_by_pinned_memory_and_waits_for_nothing():
    assert memory.sent(Sent(), "cuda:1") == ["pinned", ("cuda:1", True)]
    assert memory.sent(Sent(), torch.device("cpu")) == [("cpu", False)]
    assert memory.sent(Sent(), "mps") == [("mps", False)]
    assert memory.sent(Sent("cuda"), torch.device("cuda")) == [("cuda", False)]


def test_a_batch_goes_to_a_device_by_it(monkeypatch):
    asked = []
    monkeypatch.setattr(batching, "sent", lambda tensor, device: asked.append(device) or tensor)
    batch = batching.with_types(batching.pack([[[1, 2, 3]], [[4, 2]]]), 2)
    asked.clear()
    batch.to("cuda")
    assert asked == ["cuda"] * 3  # ids, positions, types


def test_a_computation_is_halved_until_it_fits():
    tried, again = [], []

    def compute(budget):
        tried.append(budget)
        if budget > 1500:
            raise torch.OutOfMemoryError
        return "done"

    assert memory.halving(compute, 10_000, lambda: again.append(1)) == ("done", 1250)
    assert tried == [10_000, 5000, 2500, 1250]
    assert len(again) == 3


def test_what_does_not_fit_at_the_least_is_an_error():
    def compute(budget):
        raise torch.OutOfMemoryError(f"with {budget}")

    with pytest.raises(torch.OutOfMemoryError, match="with 512"):
        memory.halving(compute, 600)


def limit(monkeypatch, most):
    """Let an encoder run out of memory above so many word pieces; gives a list of what was computed."""
    computed, vectors = [], Classifier.vectors

    def watched(classifier, batch: Batch):
        if batch.pieces > most:
            raise torch.OutOfMemoryError
        computed.append(batch.pieces)
        return vectors(classifier, batch)

    monkeypatch.setattr(Classifier, "vectors", watched)
    return computed


def test_predictions_go_on_with_less_at_once_and_are_the_same(small, monkeypatch):
    classifier = Classifier.build(small, ["a", "z"])
    documents = classifier.segmenter([" ".join("abcdefghij"[: 2 + number % 8]) for number in range(300)])
    expected = classifier.logits(documents)
    computed = limit(monkeypatch, 600)
    assert torch.allclose(classifier.logits(documents), expected, atol=1e-5)
    assert max(computed) <= 600
    assert len(computed) > 3
