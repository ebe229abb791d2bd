"""The config of a saved classifier, known to transformers. Importing this registers it, and a config its model."""

from importlib import import_module
from typing import Any

from transformers.configuration_utils import PreTrainedConfig
from transformers.models.auto.configuration_auto import AutoConfig
from transformers.utils import is_torch_available


class BertstudyConfig(PreTrainedConfig):
    """config.json of a saved classifier: `encoder` is its encoder's own config, `run` the fields that name its Run.

    Class names are in `id2label`; cls_token_id and sep_token_id are what the tokenizer puts around a text. scale,
    threshold: see `Classifier`.
    """

    model_type = "bertstudy"

    encoder: dict | None = None
    run: dict | None = None
    cls_token_id: int | None = None
    sep_token_id: int | None = None
    scale: float = 1.0
    threshold: float | None = None

    def __post_init__(self, **others: Any):
        if is_torch_available():
            import_module(".auto_model", __package__)  # imported here: other configs are read without waiting for it
        super().__post_init__(**others)


AutoConfig.register("bertstudy", BertstudyConfig)
