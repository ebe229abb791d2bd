"""Attention within the segments of a padding-free row: an attention function of transformers.

On the CPU segments of like length are attended together, by matrix products of our own: PyTorch's fused kernel knows no
segments, and its backward pass in bf16 takes several times as long. On CUDA FlashAttention knows segments.
"""

from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from .dropout import mask_like

PADDING_FREE = "bertstudy_padding_free"
TOGETHER = 1024  # pieces of the segments that are attended together: their scores stay in a processor's cache
LIKE, SHORT = 0.88, 8  # segments are alike from this share of the longest on, or from so many pieces less


class Group(NamedTuple):
    """Segments of like length, padded to the longest.

    index: (segments * longest) int64, each place's piece in the row. real: the places (k) that are no padding; hidden:
    (segments, 1, longest) bool, True where a key is padding; both None where nothing is. shape: (segments, longest).
    """

    index: torch.Tensor
    real: torch.Tensor | None
    hidden: torch.Tensor | None
    shape: tuple[int, int]


@lru_cache(maxsize=8)
def groups_of(lengths: tuple[int, ...]) -> list[Group]:
    """The segments of a row, by their lengths in pieces, as groups of like length."""
    starts = torch.tensor([0, *lengths]).cumsum(0)[:-1].tolist()
    order, groups = sorted(range(len(lengths)), key=lambda segment: -lengths[segment]), []
    while order:
        longest = lengths[order[0]]
        least, most = min(LIKE * longest, longest - SHORT), max(1, TOGETHER // longest)
        size = next((n for n, segment in enumerate(order[:most]) if lengths[segment] < least), min(most, len(order)))
        groups.append(
            _group([starts[segment] for segment in order[:size]], [lengths[s] for s in order[:size]], longest)
        )
        order = order[size:]
    return groups


def _group(starts, lengths, longest):
    places, lengths = torch.arange(longest), torch.tensor(lengths)
    filled = places < lengths[:, None]  # (segments, longest)
    index = torch.where(filled, torch.tensor(starts)[:, None] + places, torch.tensor(starts)[:, None]).flatten()
    if bool(filled.all()):
        return Group(index, None, None, filled.shape)
    return Group(index, filled.flatten().nonzero()[:, 0], ~filled[:, None], filled.shape)


class _Attend(torch.autograd.Function):
    """Attention over groups. query, key, value: (heads, pieces, size); gives (pieces, heads, size)."""

    @staticmethod
    def forward(ctx: Any, query, key, value, groups, scale, dropout) -> torch.Tensor:
        heads, pieces, size = query.shape
        result, kept = query.new_empty(pieces, heads, size), []
        for group in groups:
            q, k, v = (_gathered(tensor, group) for tensor in (query, key, value))
            weights = _softmax(
                torch.matmul(q * scale, k.transpose(-1, -2)), group
            )  # (heads, segments, longest, longest)
            mask = mask_like(weights, dropout) if dropout else None
            attended = torch.matmul(weights if mask is None else weights * mask, v)
            _scatter(result, attended.flatten(1, 2).transpose(0, 1), group)
            kept += [weights] if mask is None else [weights, mask]
        ctx.save_for_backward(query, key, value, *kept)
        ctx.groups, ctx.scale, ctx.dropout = groups, scale, dropout
        return result

    @staticmethod
    def backward(ctx: Any, gradient) -> tuple:
        query, key, value, *kept = ctx.saved_tensors
        gradients = [torch.empty_like(tensor) for tensor in (query, key, value)]
        gradient, kept = gradient.transpose(0, 1), iter(kept)
        for group in ctx.groups:
            weights = next(kept)
            mask = next(kept) if ctx.dropout else None
            q, k, v, g = (_gathered(tensor, group, fill=tensor is gradient) for tensor in (query, key, value, gradient))
            of_value = torch.matmul((weights if mask is None else weights * mask).transpose(-1, -2), g)
            of_weights = torch.matmul(g, v.transpose(-1, -2))
            if mask is not None:
                of_weights = of_weights * mask
            of_scores = torch.ops.aten._softmax_backward_data(of_weights, weights, -1, weights.dtype)
            of_query = torch.matmul(of_scores, k) * ctx.scale
            of_key = torch.matmul(of_scores.transpose(-1, -2), q) * ctx.scale
            for whole, part in zip(gradients, (of_query, of_key, of_value), strict=True):
                _scatter(whole.transpose(0, 1), part.flatten(1, 2).transpose(0, 1), group)
        return *gradients, None, None, None


def _gathered(tensor, group, fill=False):
    """(heads, pieces, size) to (heads, segments, longest, size); with `fill`, zeros where there is padding."""
    rows = tensor.index_select(1, group.index).unflatten(1, group.shape)
    return rows.masked_fill(group.hidden[..., 0, :, None], 0) if fill and group.hidden is not None else rows


def _scatter(whole, part, group):
    """Write a group's places (segments * longest, heads, size) to the row (pieces, heads, size)."""
    if group.real is None:
        whole[group.index] = part
    else:
        whole[group.index[group.real]] = part[group.real]


def _softmax(scores, group):
    if group.hidden is not None:
        scores.masked_fill_(group.hidden, float("-inf"))
    return scores.softmax(-1)


def _apart(query, key, value, lengths, dropout, scaling):
    """One call a segment: no padding anywhere. The fastest in fp32 on the CPU."""
    cut = [tensor.split(lengths, dim=2) for tensor in (query, key, value)]
    parts = [
        scaled_dot_product_attention(q, k, v, dropout_p=dropout, scale=scaling) for q, k, v in zip(*cut, strict=True)
    ]
    return torch.cat(parts, dim=2).transpose(1, 2)


def _alike(query, key, value, lengths, dropout, scaling):
    """Segments of like length together. Faster in bf16 on the CPU, and with dropout, which the fused kernel lacks."""
    scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
    return _Attend.apply(query[0], key[0], value[0], groups_of(tuple(lengths)), scaling, dropout)[None]


def _squared(query, key, value, lengths, dropout, scaling):
    """Padding inside attention only: the way to dropout on the attention weights on CUDA."""
    longest, device = max(lengths), query.device
    lengths = torch.tensor(lengths, device=device)
    mask = torch.arange(longest, device=device) < lengths[:, None]

    def square(tensor):  # (1, heads, pieces, size) to (segments, heads, longest, size)
        rows = tensor.new_zeros(*mask.shape, tensor.shape[1], tensor.shape[3])
        rows[mask] = tensor[0].transpose(0, 1)
        return rows.transpose(1, 2)

    attended = scaled_dot_product_attention(
        square(query), square(key), square(value), attn_mask=mask[:, None, None], dropout_p=dropout, scale=scaling
    )
    return attended.transpose(1, 2)[mask][None]


def _fused(query, key, value, lengths, dropout, scaling):
    """FlashAttention over segments of any length: CUDA, half precision, no dropout on the attention weights."""
    from torch.nn.attention.varlen import varlen_attn

    bounds = torch.tensor([0, *lengths], dtype=torch.int32).cumsum(0, dtype=torch.int32).to(query.device)
    rows = [tensor[0].transpose(0, 1).contiguous() for tensor in (query, key, value)]
    return varlen_attn(*rows, bounds, bounds, max(lengths), max(lengths), scale=scaling)[None]


def padding_free_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    lengths: tuple[int, ...] | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attention within each segment of a packed row; an `AttentionInterface` function of transformers.

    query, key, value: (1, heads, pieces, head size); lengths: the pieces of each segment.
    Gives (1, pieces, heads, head size) and no weights.
    """
    if query.device.type == "cpu":
        attend = _apart if dropout == 0 and query.dtype == torch.float32 else _alike
    elif dropout == 0 and query.dtype in (torch.bfloat16, torch.float16):
        attend = _fused
    else:
        attend = _squared
    return attend(query, key, value, lengths, dropout, scaling), None


AttentionInterface.register(PADDING_FREE, padding_free_attention)
