"""The config of a saved classifier, known to transformers' AutoConfig. Importing this registers it."""

from transformers.configuration_utils import PreTrainedConfig
from transformers.models.auto.configuration_auto import AutoConfig


class BertstudyConfig(PreTrainedConfig):
    """config.json of a saved classifier: `encoder` is its encoder's own config, `run` the fields that name its Run.

    Class names are `id2label`; the ids of [CLS] and [SEP] say what a tokenizer puts around a text.
    """

    model_type = "bertstudy"

    encoder: dict | None = None
    run: dict | None = None
    cls_token_id: int | None = None
    sep_token_id: int | None = None


AutoConfig.register("bertstudy", BertstudyConfig)
