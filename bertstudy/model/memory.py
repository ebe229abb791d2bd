"""How many word pieces are computed at once: by a device's memory, and fewer where that was not enough."""

import ctypes
import logging
import sys
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

import torch
from transformers import PreTrainedConfig

LOG = logging.getLogger(__name__)
Result = TypeVar("Result")

# Word pieces computed at once: on a CPU few enough for its caches (measured fastest of 1,024 to 16,384), on a GPU
# enough to keep it busy. A batch of 24 documents that fill the paper's window has 12,288.
CPU_BUDGET, GPU_BUDGET, LEAST = 4_096, 65_536, 512
BYTES = 80  # that training keeps of a piece, for each hidden unit of a layer, about
SHARE = 0.8  # of the memory that is free

TRIM_THRESHOLD, MMAP_THRESHOLD = -1, -3  # the names that glibc's mallopt has for them
KEPT = 2**30  # bytes


@cache
def keep_freed() -> None:
    """Have this process keep freed memory, up to KEPT, for its next arrays, where its allocator is glibc's.

    By default arrays of a few MB go back to the system when they are freed, and the next ones are cleared by it page by
    page: on a CPU that takes a tenth of a training step, and more than half of attention over 512 pieces.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt:
        mallopt(TRIM_THRESHOLD, KEPT)
        mallopt(MMAP_THRESHOLD, KEPT)


def sent(tensor: torch.Tensor, device: torch.device | str) -> torch.Tensor:
    """A tensor on a device. From the CPU to a GPU it goes by pinned memory, which the next batch need not wait for."""
    if tensor.device.type == "cpu" and torch.device(device).type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def budget(device: torch.device, config: PreTrainedConfig) -> int:
    """How many word pieces an encoder of this Hugging Face config trains on at once on a device."""
    if device.type != "cuda":
        return CPU_BUDGET
    unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)  # held by torch
    free = torch.cuda.mem_get_info(device)[0] + unused
    pieces = int(SHARE * free / (BYTES * config.hidden_size * config.num_hidden_layers))
    return max(LEAST, min(GPU_BUDGET, pieces))


def halving(
    compute: Callable[[int], Result], budget: int, again: Callable[[], Any] = lambda: None
) -> tuple[Result, int]:
    """What compute(budget) gives, and the budget: halved, after `again` is called, as often as memory is exceeded.

    Raises torch.OutOfMemoryError where LEAST pieces are too many.
    """
    while True:
        try:
            return compute(budget), budget
        except torch.OutOfMemoryError:
            if budget <= LEAST:
                raise
        budget = max(LEAST, budget // 2)
        LOG.warning("Out of memory: from here on %d word pieces are computed at once.", budget)
        again()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
