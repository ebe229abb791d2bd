"""The lowest layers stay as they are (Lee, Tang and Lin 2019, "What Would Elsa Do?")."""

from ...choices.methods import method
from ...model.classifier import Classifier
from .fine_tune import FineTune


@method("freeze_layers", number="1.0", example=3)
class FreezeLayers(FineTune):
    """Fine-tuning of all but the embeddings and the lowest `argument` layers.

    They are found to hold what all tasks share. Their gradients are not computed, which saves up to a half of a step.
    """

    def __init__(self, argument: int):
        self.lowest = argument

    def prepare(self, classifier: Classifier) -> None:
        """Freeze them. Raises ValueError where the encoder has fewer layers."""
        levels = classifier.encoder.levels
        if self.lowest >= len(levels):
            raise ValueError(f"method='freeze_layers:{self.lowest}': the encoder has {len(levels) - 1} layers only.")
        for number, level in enumerate(levels):
            for weight in level:
                weight.requires_grad_(number > self.lowest)
