"""Low-rank changes of the frozen encoder's matrices (Hu et al. 2021, LoRA), by the library peft."""

import copy

from peft import LoraConfig, inject_adapter_in_model
from peft.tuners.tuners_utils import BaseTunerLayer
from torch import nn

from ...choices.methods import method
from ...model.classifier import Classifier
from .fine_tune import FineTune


@method("lora", number="1.0", example=8, settings={"learning_rate": 5e-4})
class Lora(FineTune):
    """Fine-tuning of W + 2 · B · A in place of each matrix W of the layers, where W is frozen; and of the head.

    A (rank, inputs) is random, B (outputs, rank) begins as zero; the rank is the `argument`. What is learnt has a
    hundredth of the encoder's weights; it needs a higher learning rate, in the source 5e-4. A step takes no less time
    on a CPU, and less memory.
    """

    def __init__(self, argument: int):
        self.rank = argument

    def prepare(self, classifier: Classifier) -> None:
        """Freeze the encoder and put the adapters beside its matrices."""
        encoder = classifier.encoder
        ours = {id(module) for layer in encoder.layers for module in layer.modules() if isinstance(module, nn.Linear)}
        names = [name for name, module in encoder.model.named_modules() if id(module) in ours]
        config = LoraConfig(r=self.rank, lora_alpha=2 * self.rank, lora_dropout=0.0, target_modules=names)
        inject_adapter_in_model(config, encoder.model)

    def plain(self, model: nn.Module) -> nn.Module:
        """A copy with W + 2 · B · A in the place of each W and its adapter."""
        model = copy.deepcopy(model)
        for name, module in [*model.named_modules()]:
            if isinstance(module, BaseTunerLayer):
                module.merge()
                model.set_submodule(name, module.get_base_layer())
        return model
