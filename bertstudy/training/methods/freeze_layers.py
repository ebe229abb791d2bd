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
        layers = classifier.encoder.layers
        if self.lowest > len(layers):
            raise ValueError(f"method='freeze_layers:{self.lowest}': the encoder has {len(layers)} layers only.")
        learning = {id(weight) for layer in layers[self.lowest :] for weight in layer.parameters()}
        for weight in classifier.encoder.parameters():
            weight.requires_grad_(id(weight) in learning)
