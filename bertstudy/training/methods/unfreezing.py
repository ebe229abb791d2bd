"""Layers learn one after another, from the top (Howard and Ruder 2018, ULMFiT's gradual unfreezing)."""

from accelerate import PartialState

from ...choices.methods import method
from ...model.classifier import Classifier
from ..fine_tuning import Labelled
from .fine_tune import FineTune

UNTIL = 0.5  # the share of the steps after which all learns


@method("unfreezing", number="1.0")
class Unfreezing(FineTune):
    """Fine-tuning that begins with the head alone; the layers join it from the top, the embeddings last.

    They join at equal distances over the first half of the steps, where the source has a layer an epoch. So the random
    head does not disturb what lies below. Early steps take less time.
    """

    def begin(self, classifier: Classifier, train: Labelled) -> None:
        """Raises ValueError in several processes, which wait for gradients of all that will learn, and without bias
        correction, which counts the steps of all layers together."""
        if (number := PartialState().num_processes) > 1:
            raise ValueError(f"method='unfreezing' with {number} processes: layers join in one process only.")
        if not classifier.run.bias_correction:
            raise ValueError("method='unfreezing' with bias_correction=False: layers that join late need True.")

    def before_step(self, classifier: Classifier, done: float) -> None:
        """Let the layers learn whose turn has come."""
        levels = classifier.encoder.levels
        learning = min(len(levels), int(done / UNTIL * (len(levels) + 1)))  # of layers, then the embeddings
        for place, level in enumerate(reversed(levels)):
            for weight in level:
                weight.requires_grad_(place < learning)
