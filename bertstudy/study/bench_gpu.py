"""How well a GPU is used: documents a second, the share of its peak, and how often a step waits for it."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from statistics import median
from typing import Any

import torch
from accelerate import Accelerator
from torch.utils._python_dispatch import TorchDispatchMode

from ..model.classifier import Classifier
from ..model.loading import load_tokenizer
from ..model.precision import arithmetic
from ..profiles import profile
from ..training.fine_tuning import backward, fit
from .bench import composed_texts

WAITING = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "unique")  # operations that the host waits for
NONE = "bench gpu: there is no CUDA device here. On a machine with one, this measures training and prediction on it."


class Waits(TorchDispatchMode):
    """Counts what the host waits for a device in, by the operation's name: values read, sizes that depend on them."""

    def __init__(self):
        super().__init__()
        self.counts = Counter()

    def __torch_dispatch__(self, operation: Any, types: Any, given: tuple = (), options: dict | None = None) -> Any:
        result = operation(*given, **(options or {}))
        name = operation.__name__.partition(".")[0]
        tensors = [one for one in given if isinstance(one, torch.Tensor)]
        on_device = any(tensor.device.type != "cpu" for tensor in tensors)
        to_host = isinstance(result, torch.Tensor) and result.device.type == "cpu"
        if on_device and (name in WAITING or to_host):
            self.counts[name] += 1
        return result


def waits_of_a_step(accelerator: Accelerator, classifier: Classifier, documents: list, labels: list[int]) -> Counter:
    """What the host waits for in one batch's loss and gradient: counts by the operation's name."""
    with Waits() as waits:
        backward(accelerator, classifier, documents, labels, None, classifier.budget)
    return waits.counts


def peak(device: torch.device, dtype: torch.dtype, size: int = 8192) -> float:
    """Operations a second that a device reaches in a matrix product of this size, both ways square."""
    left, right = (torch.randn(size, size, device=device, dtype=dtype) for _ in range(2))
    seconds = min(_seconds(lambda: left @ right) for _ in range(5))
    return 2 * size**3 / seconds


def operations(classifier: Classifier, documents: list) -> float:
    """Of a forward and a backward pass over documents of segments: matrix products and attention."""
    weights = sum(weight.numel() for weight in classifier.encoder.layers.parameters())
    hidden, depth = classifier.encoder.config.hidden_size, len(classifier.encoder.layers)
    lengths = [len(segment) for document in documents for segment in document]
    return sum(6 * weights * length + 12 * depth * hidden * length**2 for length in lengths)


def _seconds(act):
    torch.cuda.synchronize()
    begin = time.perf_counter()
    act()
    torch.cuda.synchronize()
    return time.perf_counter() - begin


def gpu(
    count: int = 2000, rounds: int = 3, encoder: str = "minilm", windows: tuple[int, ...] = (128, 512)
) -> Iterator[str]:
    """Measure training and prediction on the CUDA device, a line for each window; or the line that there is none."""
    if not torch.cuda.is_available():
        yield NONE
        return
    device = torch.device("cuda")
    base = replace(
        profile("compact").base, encoder=encoder, epochs=1, min_steps=0, truncation="head", piece_pooling="cls"
    )
    dtype = arithmetic(device, base.precision)
    reached, texts = peak(device, dtype), composed_texts(load_tokenizer(encoder), count)
    kind = str(dtype).removeprefix("torch.")
    yield f"{torch.cuda.get_device_name()}, {kind}: {reached / 1e12:.0f} TFLOP/s in a matrix product"
    for window in windows:
        classifier = Classifier.build(replace(base, window=window), ["a", "b"]).to(device)
        documents, labels = classifier.segmenter(texts), [index % 2 for index in range(count)]
        fit(classifier, (documents[:200], labels[:200]), progress=False)  # a first time takes longer
        trained = median(
            _seconds(lambda: fit(classifier, (documents, labels), progress=False))  # noqa: B023
            for _ in range(rounds)
        )
        predicted = median(_seconds(lambda: classifier.logits(documents)) for _ in range(rounds))  # noqa: B023
        batch = documents[: base.batch_size], labels[: base.batch_size]
        waits = waits_of_a_step(Accelerator(), classifier.train(), *batch)
        share = operations(classifier, documents) / trained / reached
        pieces = sum(len(segment) for document in documents for segment in document)
        yield (
            f"  window {window}: training {count / trained:.0f} docs/s ({pieces / trained:,.0f} pieces/s), "
            f"{share:.0%} of the peak, prediction "
            f"{count / predicted:.0f} docs/s, {waits.total()} waits a step"
        )
