"""The config of a saved classifier, known to transformers. Importing this registers it, and a config its model."""

from importlib import import_module
from typing import Any

from transformers.configuration_utils import PreTrainedConfig
from transformers.models.auto.configuration_auto import AutoConfig
from transformers.utils import is_torch_available


class BertstudyConfig(PreTrainedConfig):
    """config.json of a saved classifier: `encoder` is its encoder's own config, `run` the fields that name its Run.

    Class names are `id2label`; the ids of [CLS] and [SEP] say what a tokenizer puts around a text.
    """

    model_type = "bertstudy"

    encoder: dict | None = None
    run: dict | None = None
    cls_token_id: int | None = None
    sep_token_id: int | None = None

    def __post_init__(self, **others: Any):
        if is_torch_available():
            import_module(".auto_model", __package__)  # here: whoever reads no saved classifier need not wait for it
        super().__post_init__(**others)


AutoConfig.register("bertstudy", BertstudyConfig)
