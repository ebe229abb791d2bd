"""Weights are drawn back to where they began (Li et al. 2018, L2-SP; Lee et al. 2020, Mixout)."""

import torch

from ...choices.methods import method
from ...model.classifier import Classifier
from ..fine_tuning import Labelled
from ..optim import Optimizer
from .fine_tune import FineTune


@method("pretrained_decay", number="1.0", example=0.01)
class PretrainedDecay(FineTune):
    """Fine-tuning with a decay of the encoder's weights towards the pretrained ones, beside that towards zero.

    After each step: w = w + a · s · (pretrained w - w), where a is the `argument` and s the schedule's share of the
    highest learning rate. Decoupled from Adam, as weight decay is in AdamW. Mixout does the same at random places. It
    costs a copy of the weights.
    """

    def __init__(self, argument: float):
        if argument >= 1:
            raise ValueError(
                f"method='pretrained_decay:{argument:g}': allowed is below 1, as in pretrained_decay:0.01."
            )
        self.strength, self.origin = argument, []

    def begin(self, classifier: Classifier, train: Labelled) -> None:
        """Remember where the encoder's weights begin."""
        self.origin = [weight.detach().clone() for weight in classifier.encoder.parameters()]

    @torch.no_grad()
    def after_step(self, classifier: Classifier, optimizer: Optimizer) -> None:
        """Draw them back a little."""
        weights = list(classifier.encoder.parameters())
        self.origin = [origin.to(weight.device) for origin, weight in zip(self.origin, weights, strict=True)]
        torch._foreach_lerp_(weights, self.origin, self.strength * optimizer.learning_rate / optimizer.base)
