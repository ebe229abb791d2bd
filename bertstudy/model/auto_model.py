"""A saved classifier as transformers knows it, for `pipeline("text-classification")`. Importing this registers it."""

from typing import Any

from torch import Tensor, get_default_dtype, masked_select
from transformers.modeling_outputs import SequenceClassifierOutput
from transformers.modeling_utils import PreTrainedModel
from transformers.models.auto.configuration_auto import AutoConfig
from transformers.models.auto.modeling_auto import AutoModelForSequenceClassification

from ..runs import Run
from .auto_config import BertstudyConfig


class BertstudyForSequenceClassification(PreTrainedModel):
    """A Classifier that takes whole documents of ids, cuts them by its run's truncation, and gives logits for each.

    It is for prediction only. `tokenizer` is needed for the classifier's own `predict`; without one the config does,
    which has the ids of [CLS] and [SEP].
    """

    config_class = BertstudyConfig

    def __init__(self, config: BertstudyConfig, tokenizer: Any = None):
        from .classifier import Classifier
        from .encoder import Encoder  # not above: what they import of transformers is what registers this class

        super().__init__(config)
        encoder = Encoder.from_config(AutoConfig.for_model(**config.encoder))
        labels = [config.id2label[number] for number in range(config.num_labels)]
        self.classifier = Classifier(encoder, tokenizer or config, Run(**config.run), labels)
        self.classifier.scale, self.classifier.threshold = config.scale, config.threshold
        self.classifier.to(get_default_dtype())  # what `from_pretrained` was asked for; encoders begin in float32
        self.post_init()

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, token_type_ids: Tensor | None = None
    ) -> SequenceClassifierOutput:
        """Logits (documents, classes), on the CPU, of padded documents (documents, longest) with [CLS] and [SEP].

        Raises ValueError for pairs of texts, and for ids without [CLS] and [SEP].
        """
        if token_type_ids is not None and token_type_ids.any():
            raise ValueError("This model classifies one text at a time; it was given a pair.")
        rows = input_ids if attention_mask is None else map(masked_select, input_ids, attention_mask.bool())
        documents = self.classifier.segmenter.segments(map(self._inside, rows))
        return SequenceClassifierOutput(logits=self.classifier.logits(documents))

    def _inside(self, ids):
        """The pieces between [CLS] and [SEP], as a list."""
        first, *pieces, last = ids.tolist()
        if (first, last) != (self.config.cls_token_id, self.config.sep_token_id):
            raise ValueError("input_ids need [CLS] at the beginning and [SEP] at the end, as the tokenizer gives them.")
        return pieces


AutoModelForSequenceClassification.register(BertstudyConfig, BertstudyForSequenceClassification)
