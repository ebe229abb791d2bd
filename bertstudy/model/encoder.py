"""Load an encoder and run it on padding-free batches. What its type needs for that stands in adapters.py.

A padding-free batch is one row of all word pieces. Everything in BERT but attention treats pieces one by one,
so the row goes through unchanged, and attention (attention.py) keeps each segment to itself.
"""

import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import nn
from transformers import AutoModel, PreTrainedConfig
from transformers.utils import ModelOutput

from ..registry import no_such
from . import memory
from .adapters import ADAPTERS, position_offset
from .attention import PADDING_FREE
from .batching import Batch, pad
from .dropout import with_fast_dropout
from .loading import encoder_config, explained, quiet

LOG = logging.getLogger(__name__)
# How configs of types without an adapter may name the dropouts.
DROPOUTS = {
    "dropout": ("hidden_dropout_prob", "dropout"),
    "attention_dropout": ("attention_probs_dropout_prob", "attention_dropout"),
}


def load_pretraining_model(name: str, seed: int = 0) -> tuple[nn.Module, bool]:
    """The encoder with its masked-LM head, and its next-sentence head where the type has one, in float32.

    Gives (model, whether its masked-LM head is new): heads that the weights lack are initialised from the seed.
    Raises ValueError for a type that has no such head here.
    """
    config = encoder_config(name)
    if config.model_type not in ADAPTERS:
        raise no_such(f"encoder={name!r}: further pretraining of type", config.model_type, ADAPTERS)
    adapter = ADAPTERS[config.model_type]
    torch.manual_seed(seed)
    memory.keep_freed()
    load = partial(adapter.heads.from_pretrained, output_loading_info=True)
    fast = _settings(config, {"attention_dropout": 0.0})  # fused attention on the CPU has none
    with quiet():
        model, info = explained(load, name, use_safetensors=True, dtype=torch.float32, **fast)
    return with_fast_dropout(model), any(adapter.new_head in key for key in _above_encoder(model, info["missing_keys"]))


def _above_encoder(model, keys):
    return [key for key in keys if not key.startswith(f"{model.base_model_prefix}.")]


def _settings(config, dropouts):
    """The dropouts by the names that this model type has for them; one that it lacks has no effect, which is logged."""
    settings, adapter = {}, ADAPTERS.get(config.model_type)
    for field, value in dropouts.items():
        usual = [name for name in DROPOUTS[field] if hasattr(config, name)][:1]
        names = getattr(adapter, field) if adapter else usual
        if not names and value:
            LOG.info("%s=%g has no effect: encoders of type %r have no such dropout.", field, value, config.model_type)
        settings |= dict.fromkeys(names, value)
    return settings


def _by_layer(config, depth):
    """What a config lists for each of its layers, for the first `depth` of them."""
    listed = {name: value for name, value in config.to_dict().items() if isinstance(value, (list, tuple))}
    return {name: value[:depth] for name, value in listed.items() if len(value) == config.num_hidden_layers}


class Encoder(nn.Module):
    """A BERT cut off above the highest layer that is read.

    forward(batch, layers) gives the states of all pieces, a list of (pieces, hidden), one a layer; layer 0 is the first
    block. For the types in ADAPTERS no padding is computed; for others the batch is padded, and the log warns of it.
    Where a type has a norm above its last layer, the states of any layer have gone through it, as in an encoder that is
    cut there.
    """

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model, kind = model, model.config.model_type
        self.adapter, self.groups = ADAPTERS.get(kind), None
        why = self.adapter.padded(model.config) if self.adapter else f"without padding run {', '.join(ADAPTERS)} only"
        self.padding_free = not why
        if why:
            LOG.warning("This encoder of type %r is run padded: %s.", kind, why)
            return
        model.config._attn_implementation = PADDING_FREE
        self.offset = position_offset(model.config)
        self.read = None  # the pieces whose last states are read; None: all
        if self.adapter.above:
            self.layers[-1].get_submodule(self.adapter.above).register_forward_pre_hook(self._select)
        if self.adapter.in_groups:
            self.groups = self.adapter.in_groups(model)

    @classmethod
    def load(
        cls, name: str, depth: int | None = None, dropout: float = 0.1, attention_dropout: float = 0.0
    ) -> "Encoder":
        """An encoder by name with its weights, in float32, from safetensors only; `depth` layers of it (None: all).

        Raises ValueError where it can't be loaded or has fewer layers.
        """
        config = encoder_config(name)
        if depth is not None and depth > config.num_hidden_layers:
            raise ValueError(f"encoder={name!r} has {config.num_hidden_layers} layers; {depth} were asked for.")
        with quiet():
            model = explained(
                AutoModel.from_pretrained,
                name,
                use_safetensors=True,
                dtype=torch.float32,
                num_hidden_layers=depth or config.num_hidden_layers,
                **(_by_layer(config, depth) if depth else {}),
                **_settings(config, {"dropout": dropout, "attention_dropout": attention_dropout}),
            )
        return cls._bare(model)

    @classmethod
    def from_config(cls, config: PreTrainedConfig) -> "Encoder":
        """An encoder of this architecture, whose weights are still to be loaded."""
        return cls._bare(AutoModel.from_config(config, dtype=torch.float32))

    @classmethod
    def _bare(cls, model: nn.Module) -> "Encoder":
        if hasattr(model, "pooler"):
            model.pooler = None  # the raw [CLS] is read, as in the authors' code
        memory.keep_freed()
        return cls(with_fast_dropout(model))

    @property
    def config(self) -> PreTrainedConfig:
        return self.model.config

    @property
    def layers(self) -> nn.ModuleList:
        """The encoder's blocks, from the bottom."""
        return max((m for m in self.model.modules() if isinstance(m, nn.ModuleList)), key=len)

    @property
    def levels(self) -> list[list[nn.Parameter]]:
        """All weights, from the bottom: the embeddings and what the layers share, then each layer.

        A norm above the last layer belongs to that layer.
        """
        levels = [[], *(list(layer.parameters()) for layer in self.layers)]
        levels[-1] += self.norm.parameters()
        above = {id(weight) for level in levels for weight in level}
        levels[0] = [weight for weight in self.parameters() if id(weight) not in above]
        return levels

    @property
    def norm(self) -> nn.Module:
        """What the states of the last layer go through: a norm, or nothing."""
        return self.model.get_submodule(self.adapter.norm) if self.adapter and self.adapter.norm else nn.Identity()

    def forward(self, batch: Batch, layers: Sequence[int]) -> list[torch.Tensor]:
        options = {"output_hidden_states": len(layers) > 1}
        if self.padding_free:
            return [state[0] for state in self.read_of(self.row(batch, **options), layers)]
        ids, mask = pad(batch, self.config.pad_token_id or 0)
        if batch.types is not None and (self.adapter is None or self.adapter.takes_types):
            options["token_type_ids"] = pad(replace(batch, ids=batch.types), 0)[0]
        return [
            state[mask.bool()]
            for state in self.read_of(self.model(input_ids=ids, attention_mask=mask, **options), layers)
        ]

    def first(self, batch: Batch, layers: Sequence[int]) -> list[torch.Tensor]:
        """The states of each segment's first piece, [CLS]: a list of (segments, hidden), one a layer."""
        if self.padding_free and len(layers) == 1:
            return [self.row(batch, batch.starts).last_hidden_state[0]]
        return [state[batch.starts] for state in self(batch, layers)]

    def row(self, batch: Batch, read: torch.Tensor | None = None, **options: Any) -> ModelOutput:
        """The model's output for the packed row of a batch; last_hidden_state is (1, pieces, hidden).

        read: the pieces (k) whose last states are wanted, in the row; last_hidden_state is (1, k, hidden). Where the
        type allows it, the last layer computes no others above its attention.
        """
        lengths = tuple(batch.lengths.tolist())
        if self.adapter.takes_types:
            options["token_type_ids"] = batch.types
        if self.groups:
            self.groups.lengths = lengths
        self.read = read
        try:
            positions = batch.positions + self.offset
            output = self.model(input_ids=batch.ids, position_ids=positions, lengths=lengths, **options)
        finally:
            self.read = None
        if read is not None and not self.adapter.above:
            output["last_hidden_state"] = output.last_hidden_state.index_select(1, read)
        return output

    def _select(self, _, states):
        """Before the output of the last layer's attention: what was attended, and what it is added to."""
        return states if self.read is None else tuple(state.index_select(1, self.read) for state in states)

    def read_of(self, output: ModelOutput, layers: Sequence[int]) -> list[torch.Tensor]:
        """The states of the layers read, from the model's output, which has the hidden states of all if several are.

        hidden_states[0] are the embeddings, so layer l is hidden_states[l + 1].
        """
        if len(layers) == 1:
            return [output.last_hidden_state]
        norm, top = self.norm, len(output.hidden_states) - 2
        states = [output.hidden_states[layer + 1] for layer in layers]
        return [state if layer == top else norm(state) for state, layer in zip(states, layers, strict=True)]
