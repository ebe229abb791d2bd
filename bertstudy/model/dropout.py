"""Dropout whose masks are drawn four at a time: on the CPU PyTorch's own take a tenth of a training step."""

from typing import Any

import torch
from torch import nn

BITS = 16  # of a random number: the share of places that is dropped is p to within 1.5e-5


def mask_like(tensor: torch.Tensor, p: float) -> torch.Tensor:
    """A dropout mask for a tensor on the CPU, of its shape and type: 0 with probability p, else 1 / (1 - p).

    Drawn from PyTorch's generator, the same for any number of threads. 64 random bits make four numbers of 16.
    """
    numbers = torch.empty((tensor.numel() + 3) // 4, dtype=torch.int64).random_(-(2**63), None)
    kept = numbers.view(torch.int16)[: tensor.numel()] >= round(p * 2**BITS) - 2 ** (BITS - 1)
    return kept.view(tensor.shape).to(tensor.dtype).mul_(1 / (1 - p))


class _Dropped(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, states: torch.Tensor, p: float) -> torch.Tensor:
        mask = mask_like(states, p)
        ctx.save_for_backward(mask)
        return states * mask

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[torch.Tensor, None]:
        return gradient * ctx.saved_tensors[0], None


class Dropout(nn.Dropout):
    """`nn.Dropout` with the same distribution and, on the CPU, another random stream that is drawn faster."""

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        if not self.training or self.p == 0 or states.device.type != "cpu":
            return super().forward(states)
        return _Dropped.apply(states, self.p)


def with_fast_dropout(model: nn.Module) -> nn.Module:
    """The model with each nn.Dropout replaced in place."""
    for module in list(model.modules()):
        for name, child in module.named_children():
            if type(child) is nn.Dropout:
                setattr(module, name, Dropout(child.p))
    return model
