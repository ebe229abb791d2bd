"""What each type of encoder needs to be run without padding and pretrained further: an entry a type, and nowhere else.

A type is supported where it has an entry in ADAPTERS; the tests hold all of them to the same promises. Others run
padded.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # configs are read where nothing is computed: what computes is imported when a model is there
    import torch
    from torch import nn
    from transformers import PreTrainedConfig

    from .grouped import InGroups

Words = Callable[["torch.Tensor"], "torch.Tensor"]  # states (pieces, hidden) to logits (pieces, vocabulary)
OWN = -1  # the piece that pads is the config's


@dataclass(frozen=True)
class Adapter:
    """A type of encoder.

    words: a model's masked-LM head, as a function. new_head: what the names of this head's weights contain where the
    checkpoint lacks it. next_sentence: the head that tells whether B follows A, where the type has one. dropout,
    attention_dropout: how its config names these, () where it has none. takes_types: whether it reads whether a piece
    is of the first text or the second. above: in a layer, the module above its attention, given what was attended and
    what that is added to; "" where these have no module to themselves. norm: the module that the states of the last
    layer go through. in_groups: for an attention that knows no segments: has it go over groups of like length (see
    grouped.py). padded: why a config can't be run without padding, "" where it can. after: where positions begin after
    that of the piece that pads, this piece's number, or OWN.
    """

    words: "Callable[[nn.Module], Words]"
    new_head: str
    next_sentence: "Callable[[nn.Module], nn.Module] | None" = None
    dropout: tuple[str, ...] = ("hidden_dropout_prob",)
    attention_dropout: tuple[str, ...] = ("attention_probs_dropout_prob",)
    takes_types: bool = True
    above: str = ""
    norm: str = ""
    in_groups: "Callable[[nn.Module], InGroups] | None" = None
    padded: "Callable[[PreTrainedConfig], str]" = lambda config: ""
    after: int | None = None

    @property
    def heads(self) -> Any:
        """The class of transformers that has all heads of the type."""
        name = "AutoModelForPreTraining" if self.next_sentence else "AutoModelForMaskedLM"
        return getattr(import_module("transformers"), name)

    def offset(self, config: "PreTrainedConfig") -> int:
        """What is added to the number of a piece for its position."""
        if self.after is None:
            return 0
        return (config.pad_token_id if self.after == OWN else self.after) + 1


def _chain(*names):
    """A function: a model to these modules of it, one after another."""

    def chained(model):
        modules = [*map(model.get_submodule, names)]
        return import_module("torch").nn.Sequential(*modules) if len(modules) > 1 else modules[0]

    return chained


def _grouped(name):
    """A function of grouped.py, which is imported when it is called."""
    return lambda model: getattr(import_module(".grouped", __package__), name)(model)


def _deberta_words(model):
    if model.config.legacy:
        return model.cls.predictions
    return partial(model.lm_predictions.lm_head, word_embeddings=model.base_model.embeddings.word_embeddings)


def _with_convolution(config):
    has_one = getattr(config, "conv_kernel_size", 0)
    return "its convolution reads the neighbours of a piece, whatever their segment" if has_one else ""


BERT = Adapter(
    words=_chain("cls.predictions"),
    new_head="predictions.transform",
    next_sentence=lambda model: model.cls.seq_relationship,
    above="attention.output",
)
ROBERTA = Adapter(words=_chain("lm_head"), new_head="lm_head.dense", above="attention.output", after=OWN)
ADAPTERS = {
    "albert": Adapter(words=_chain("predictions"), new_head="predictions.dense"),
    "bert": BERT,
    "camembert": ROBERTA,
    "deberta-v2": Adapter(
        words=_deberta_words,
        new_head="dense",
        in_groups=_grouped("deberta_in_groups"),
        padded=_with_convolution,
    ),
    "distilbert": Adapter(
        words=_chain("vocab_transform", "activation", "vocab_layer_norm", "vocab_projector"),
        new_head="vocab_transform",
        dropout=("dropout",),
        attention_dropout=("attention_dropout",),
        takes_types=False,
    ),
    "electra": Adapter(
        words=_chain("generator_predictions", "generator_lm_head"),
        new_head="generator_predictions.dense",
        above="attention.output",
    ),
    "ernie": BERT,
    "eurobert": Adapter(
        words=_chain("lm_head"),
        new_head="lm_head",
        dropout=(),
        attention_dropout=("attention_dropout",),
        takes_types=False,
        norm="norm",
    ),
    "modernbert": Adapter(
        words=_chain("head", "decoder"),
        new_head="head.dense",
        dropout=("embedding_dropout", "mlp_dropout"),
        attention_dropout=("attention_dropout",),
        takes_types=False,
        norm="final_norm",
    ),
    "mpnet": Adapter(
        words=_chain("lm_head"),
        new_head="lm_head.dense",
        takes_types=False,
        in_groups=_grouped("mpnet_in_groups"),
        after=1,
    ),
    "nomic_bert": Adapter(words=_chain("cls.predictions"), new_head="predictions.transform"),
    "roberta": ROBERTA,
    "xlm-roberta": ROBERTA,
}
# Types that run padded, and whose positions begin after that of the piece that pads.
PADDED_AFTER = ("data2vec-text", "roberta-prelayernorm", "xlm-roberta-xl")


def position_offset(config: "PreTrainedConfig") -> int:
    """What an encoder of this Hugging Face config adds to the number of a piece for its position."""
    adapter = ROBERTA if config.model_type in PADDED_AFTER else ADAPTERS.get(config.model_type)
    return adapter.offset(config) if adapter else 0
