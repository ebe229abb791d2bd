"""The top layers begin anew (Zhang et al. 2021, "Revisiting Few-sample BERT Fine-tuning")."""

from torch import nn

from ...choices.methods import method
from ...model.classifier import Classifier
from .fine_tune import FineTune


@method("reinit_layers", number="1.0", example=2)
class ReinitLayers(FineTune):
    """Fine-tuning after the top `argument` layers that are read have lost their pretraining.

    Their matrices are drawn anew as before pretraining, N(0, initializer_range²), their biases are 0, their norms 1.
    The top layers are made for the pretraining task; the fewer the documents, the longer it takes to undo that.
    It costs nothing.
    """

    def __init__(self, argument: int):
        self.top = argument

    def prepare(self, classifier: Classifier) -> None:
        """Draw the weights of the top layers anew. Raises ValueError where there are no more layers than that."""
        layers, spread = classifier.encoder.layers, getattr(classifier.encoder.config, "initializer_range", 0.02)
        if self.top >= len(layers):
            raise ValueError(f"method='reinit_layers:{self.top}': the encoder has {len(layers)} layers; leave one.")
        for module in nn.ModuleList(layers[len(layers) - self.top :]).modules():
            for name, weight in module.named_parameters(recurse=False):
                if weight.ndim > 1:
                    nn.init.normal_(weight, std=spread)
                else:
                    nn.init.constant_(weight, float("norm" in type(module).__name__.lower() and name == "weight"))
