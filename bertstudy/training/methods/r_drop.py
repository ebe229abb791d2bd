"""Two dropouts of a document have to agree (Liang et al. 2021, R-Drop)."""

import torch
from torch.nn.functional import cross_entropy, kl_div, log_softmax

from ...choices.methods import method
from .fine_tune import FineTune


@method("r_drop", number="1.0", example=1.0)
class RDrop(FineTune):
    """Fine-tuning on each document twice in a batch, with a dropout of its own each.

    The loss is the mean of both cross-entropies and `argument` / 2 times the mean of the two Kullback-Leibler
    divergences between their distributions (half of the source's). Classes are weighted in the cross-entropy alone. A
    step costs twice as much.
    """

    copies = 2

    def __init__(self, argument: float):
        self.strength = argument

    def loss(self, logits: torch.Tensor, truth: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
        """The mean over both copies, with their divergence, summed over documents."""
        one, other = log_softmax(logits, -1).chunk(2)
        apart = sum(kl_div(*pair, reduction="sum", log_target=True) for pair in ((one, other), (other, one))) / 2
        right = cross_entropy(logits, truth.repeat(2), weights, reduction="sum") / 2
        return right + self.strength / 2 * apart
