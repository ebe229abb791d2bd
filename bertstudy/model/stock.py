"""A classifier in transformers' own classes, for programs that do not have this package.

Their heads have a matrix, an activation and a second matrix, where the paper's has one, W with bias b, and z = W x + b.
The first gets W and -W, multiplied by `small`; the second takes the difference of what comes of the two. For GELU and
ReLU a(z) - a(-z) = z. tanh(z) is nearly z where z is small. ModernBERT's activation is set to the identity, and its
norm behind it divides by what two constants make of it that are large beside z.
"""

import copy
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel

from ..choices.methods import METHODS
from ..choices.truncation import TRUNCATIONS
from .pooling import First, Mean
from .predictions import reads_pairs

TINY = 2.0**-14  # tanh(TINY · z) is TINY · z to a millionth of it, for |z| up to 28
LARGE = 2.0**14  # its square is far above that of any logit
BERTSTUDY_ONLY = "save it in bertstudy's own format, which takes any recipe."
ANOTHER_WAY = "Save it as ONNX, which takes any recipe of one segment."


class Place(NamedTuple):
    """Where a type's stock classifier has its matrices: modules by name.

    small: what the first one's outputs are multiplied by. gain: what the difference of the two has of z then. norm:
    the LayerNorm between the matrices, if any. pooled: by piece pooling, the name that its config has for it; those
    that have none read [CLS].
    """

    dense: str
    linear: str = "classifier"
    small: float = 1.0
    gain: float = 1.0
    norm: str = ""
    pooled: dict[type[nn.Module], str] = {First: ""}


def _tanh(dense, linear="classifier"):
    return Place(dense, linear, TINY, 2 * TINY)


PLACES = {
    "albert": _tanh("albert.pooler"),
    "bert": _tanh("bert.pooler.dense"),
    "camembert": _tanh("classifier.dense", "classifier.out_proj"),
    "deberta-v2": Place("pooler.dense"),
    "distilbert": Place("pre_classifier"),
    "electra": Place("classifier.dense", "classifier.out_proj"),
    "ernie": _tanh("ernie.pooler.dense"),
    "eurobert": Place("dense", pooled={First: "bos", Mean: "mean"}),
    "modernbert": Place("head.dense", gain=2.0, norm="head.norm", pooled={First: "cls", Mean: "mean"}),
    "mpnet": _tanh("classifier.dense", "classifier.out_proj"),
    "nomic_bert": _tanh("nomic_bert.pooler.dense"),
    "roberta": _tanh("classifier.dense", "classifier.out_proj"),
    "xlm-roberta": _tanh("classifier.dense", "classifier.out_proj"),
}


def of_one_segment(classifier: Any) -> None:
    """Raise ValueError for a classifier that no graph from one row of pieces to logits computes, and say why."""
    run = classifier.run
    if classifier.segmenter.several:
        raise ValueError(f"truncation={run.truncation!r} may cut a document into several segments; {BERTSTUDY_ONLY}")
    if classifier.reader is not None:
        raise ValueError(f"method={run.method!r} has a network of its own between encoder and head; {BERTSTUDY_ONLY}")
    if reads_pairs(run):
        raise ValueError(f"text_column={run.text_column!r}: it reads pairs of texts; {BERTSTUDY_ONLY}")


def stock(classifier: Any) -> tuple[PreTrainedModel, Any]:
    """The classifier as transformers' own model of the encoder's type, with the same logits, and its tokenizer.

    Where it has a pooler or a head of two matrices, these compute our head of one (see the module). The tokenizer cuts
    to the window when it is called with truncation=True. Raises ValueError, which says what else to do, for a recipe
    that these classes can't carry out: more than one segment, layer or text, a mean over pieces where the type has
    none, another truncation than "head" or "tail", a prefix, a type not in PLACES.
    """
    place = _place(classifier)
    config = AutoConfig.for_model(**bare_config(classifier))
    names = dict(enumerate(classifier.labels))
    config.id2label, config.label2id = names, {name: number for number, name in names.items()}
    config.problem_type = "single_label_classification"
    if how := place.pooled[type(classifier.pool_pieces)]:
        config.classifier_pooling = how
    if place.norm:
        config.classifier_activation, config.classifier_bias = "linear", True
    model = AutoModelForSequenceClassification.from_config(config, dtype=torch.float32).eval()
    take_weights(model.base_model, classifier)
    _mount(model, place, classifier.head)
    tokenizer = copy.deepcopy(classifier.tokenizer)
    tokenizer.model_max_length = classifier.run.window
    tokenizer.truncation_side = TRUNCATIONS.entry(classifier.run.truncation).side
    tokenizer.init_kwargs["truncation_side"] = tokenizer.truncation_side  # which is what is written
    return model, tokenizer


def bare_config(classifier: Any) -> dict[str, Any]:
    """The config of the classifier's encoder, as a dict that names no way of computing attention."""
    config = classifier.encoder.config.to_dict()
    return {name: value for name, value in config.items() if not name.startswith("_") and name != "architectures"}


def take_weights(model: nn.Module, classifier: Any) -> None:
    """Load the weights of a classifier's encoder into transformers' own model of its type.

    What the method put into the encoder is added to its weights. Raises ValueError where the two do not fit.
    """
    plain = METHODS.find(classifier.run.method)().plain(classifier.encoder.model)
    found = model.load_state_dict(plain.state_dict(), strict=False)
    if found.unexpected_keys or any("pooler" not in key for key in found.missing_keys):
        raise ValueError(f"Its encoder's weights are not those of {type(model).__name__}: {BERTSTUDY_ONLY}")


def write_into(classifier: Any, folder: Path) -> None:
    """Write the stock model and its tokenizer into a folder. Raises ValueError as `stock` does."""
    model, tokenizer = stock(classifier)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)


def _place(classifier):
    """Where the type of the classifier's encoder has its head. Raises ValueError as `stock` does."""
    run, kind = classifier.run, classifier.encoder.config.model_type
    of_one_segment(classifier)
    place = PLACES.get(kind)
    if place is None:
        raise ValueError(f"transformers' classifier of type {kind!r} is not known here. {ANOTHER_WAY}")
    if type(classifier.pool_pieces) not in place.pooled:
        raise ValueError(
            f"piece_pooling={run.piece_pooling!r}: transformers' classifier of type {kind!r} has no such pooling. "
            f"{ANOTHER_WAY}"
        )
    if len(classifier.layers) > 1:
        raise ValueError(f"layers={run.layers!r}: transformers' classifiers read one layer. {ANOTHER_WAY}")
    if not TRUNCATIONS.entry(run.truncation).side or run.prefix:
        what = f"prefix={run.prefix!r}" if run.prefix else f"truncation={run.truncation!r}"
        raise ValueError(f"{what}: transformers' tokenizers can't do that. {ANOTHER_WAY}")
    if 2 * len(classifier.labels) + 2 > classifier.encoder.config.hidden_size:
        raise ValueError(
            f"{len(classifier.labels)} classes: transformers' head has room for half as many as the encoder has "
            f"features. {ANOTHER_WAY}"
        )
    return place


@torch.no_grad()
def _mount(model, place, head):
    """Set the two matrices of a stock model to compute what a head of one does."""
    dense, linear = model.get_submodule(place.dense), model.get_submodule(place.linear)
    classes, width = len(head.bias), 1 / place.gain
    for layer in (dense, linear):
        layer.weight.zero_()
        layer.bias.zero_()
    dense.weight[: 2 * classes] = torch.cat([head.weight, -head.weight]) * place.small
    dense.bias[: 2 * classes] = torch.cat([head.bias, -head.bias]) * place.small
    if place.norm:
        norm = model.get_submodule(place.norm)
        norm.reset_parameters()
        dense.bias[2 * classes : 2 * classes + 2] = torch.tensor([LARGE, -LARGE])
        width *= LARGE * (2 / dense.out_features) ** 0.5  # the deviation that it divides by
    identity = torch.eye(classes) * width
    linear.weight[:, : 2 * classes] = torch.cat([identity, -identity], 1)
