"""Targets that are not quite certain (Szegedy et al. 2016; for calibration Desai and Durrett 2020)."""

import torch
from torch.nn.functional import cross_entropy

from ...choices.methods import method
from .fine_tune import FineTune


@method("label_smoothing", number="1.0", example=0.1)
class LabelSmoothing(FineTune):
    """Fine-tuning towards a probability of 1 - a + a / classes for a document's class and a / classes for the others.

    a is the `argument`. It keeps the classifier from becoming surer than it is right. It costs nothing.
    """

    def __init__(self, argument: float):
        if argument >= 1:
            raise ValueError(f"method='label_smoothing:{argument:g}': allowed is below 1, as in label_smoothing:0.1.")
        self.doubt = argument

    def loss(self, logits: torch.Tensor, truth: torch.Tensor, weights: torch.Tensor | None) -> torch.Tensor:
        """Cross-entropy against the smoothed targets, summed over documents."""
        return cross_entropy(logits, truth, weights, reduction="sum", label_smoothing=self.doubt)
