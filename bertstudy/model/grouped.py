"""Attention of types whose scores have a bias by distance, in groups of segments of like length.

Their attention is a module of transformers that knows no segments. It is carried out on each group as on a padded
batch; all else of the encoder goes over the row without padding. The bias is made once a batch, for the longest
segment, and sliced.
"""

from collections.abc import Callable
from functools import partial

import torch
from torch import nn

from .attention import Group, groups_of, in_row


class InGroups:
    """Holds the lengths of the batch's segments, for the attention of an encoder that goes over groups of them."""

    def __init__(self):
        self.lengths: tuple[int, ...] = ()

    @property
    def longest(self) -> int:
        """The pieces of the longest segment."""
        return max(self.lengths)

    def change(self, attention: nn.Module, inputs: Callable) -> None:
        """Have an attention module go over groups: inputs(group, states, *what it is given) are its own for one."""
        whole = partial(type(attention).forward, attention)

        def forward(states, *given, **named):
            parts = []
            for group in groups_of(self.lengths, states.device):
                rows = states[0].index_select(0, group.index).unflatten(0, group.shape)  # (segments, longest, hidden)
                positional, keyword = inputs(group, rows, given, named)
                parts.append(group.without_padding(whole(rows, *positional, **keyword)[0].flatten(0, 1)))
            return in_row(torch.cat(parts), self.lengths)[None], None

        attention.forward = forward


def mpnet_in_groups(model: nn.Module) -> InGroups:
    """MPNet: a learnt bias for each head and distance, the same in all layers."""
    groups, bias_of = InGroups(), partial(type(model.encoder).compute_position_bias, model.encoder)

    def inputs(group: Group, rows, given, named):
        longest = group.shape[1]
        hidden = None
        if group.hidden is not None:
            zero = torch.zeros(group.hidden.shape, dtype=rows.dtype, device=rows.device)
            hidden = zero.masked_fill_(group.hidden, torch.finfo(rows.dtype).min)
        return (hidden, given[1][:, :, :longest, :longest]), {}

    model.encoder.compute_position_bias = lambda row: bias_of(row[:, : groups.longest])
    for layer in model.encoder.layer:
        groups.change(layer.attention.attn, inputs)
    return groups


def deberta_in_groups(model: nn.Module) -> InGroups:
    """DeBERTa-v2 and v3: scores between contents and distances, whose buckets are the same in all layers."""
    groups, encoder = InGroups(), model.encoder
    distances_of = partial(type(encoder).get_rel_pos, encoder)

    def inputs(group: Group, rows, given, named):
        longest = group.shape[1]
        shown = rows.new_ones((1, 1, 1, 1), dtype=torch.bool) if group.hidden is None else ~group.hidden
        distances = named["relative_pos"]
        if distances is not None:
            named = {**named, "relative_pos": distances[:, :longest, :longest]}
        return (shown, *given[1:]), named

    encoder.get_attention_mask = lambda mask: mask
    encoder.get_rel_pos = lambda row, *_: distances_of(row[:, : groups.longest])
    for layer in encoder.layer:
        groups.change(layer.attention.self, inputs)
    return groups
