"""The classifier that is kept is a running mean of the weights (Polyak and Juditsky 1992; Izmailov et al. 2018)."""

import torch

from ...choices.methods import method
from ...model.classifier import Classifier
from ..fine_tuning import Labelled
from ..optim import Optimizer
from .fine_tune import FineTune


@method("ema", number="2.0", example=0.95)
class Ema(FineTune):
    """Fine-tuning whose weights are scored and kept as their exponential moving average.

    After step t: mean = mean + (1 - a) / (1 - a^t) · (weights - mean), where a is the `argument`: the average of the
    weights after each step so far, the last with a weight of 1, the one before of a, then a² …, without the pretrained
    ones (Kingma and Ba 2015 correct Adam's means so). It costs a copy of the weights.
    """

    def __init__(self, argument: float):
        if argument >= 1:
            raise ValueError(f"method='ema:{argument:g}': allowed is below 1, as in ema:0.95.")
        self.decay, self.mean = argument, {}

    def begin(self, classifier: Classifier, train: Labelled) -> None:
        """The mean begins as the weights before the first step."""
        self.mean = {name: value.clone() for name, value in classifier.state_dict().items()}

    @torch.no_grad()
    def after_step(self, classifier: Classifier, optimizer: Optimizer) -> None:
        """Move the mean towards the weights."""
        share = (1 - self.decay) / (1 - self.decay**optimizer.taken)
        for name, value in classifier.state_dict().items():
            mean = self.mean[name] = self.mean[name].to(value.device)
            mean.lerp_(value, share) if mean.is_floating_point() else mean.copy_(value)

    def scored(self, classifier: Classifier) -> dict[str, torch.Tensor]:
        """The mean."""
        return self.mean
