"""The classifier that is kept is a running mean of the weights (Polyak and Juditsky 1992; Izmailov et al. 2018)."""

import torch

from ...choices.methods import method
from ...model.classifier import Classifier
from ..fine_tuning import Labelled
from ..optim import Optimizer
from .fine_tune import FineTune


@method("ema", number="1.0", example=0.95)
class Ema(FineTune):
    """Fine-tuning whose weights are scored and kept as their exponential moving average.

    After each step: mean = a · mean + (1 - a) · weights, where a is the `argument`; in the first steps a is no more
    than (1 + step) / (10 + step), so that the mean leaves the pretrained weights soon. It costs a copy of the weights.
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
        decay = min(self.decay, (1 + optimizer.taken) / (10 + optimizer.taken))
        for name, value in classifier.state_dict().items():
            mean = self.mean[name] = self.mean[name].to(value.device)
            mean.lerp_(value, 1 - decay) if mean.is_floating_point() else mean.copy_(value)

    def scored(self, classifier: Classifier) -> dict[str, torch.Tensor]:
        """The mean."""
        return self.mean
