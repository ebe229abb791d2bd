"""Attention within the segments of a padding-free row: an attention function of transformers.

PyTorch's fused kernels know no segments, but for FlashAttention's on newer GPUs, which knows no dropout here. Elsewhere
segments of like length are attended together; on the CPU by matrix products of our own where the fused kernel's
backward pass takes several times as long.
"""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

from .dropout import mask_like
from .local_attention import attend_near
from .memory import sent

try:
    from torch.nn.attention import varlen
except ImportError:  # an older torch
    varlen = None

PADDING_FREE = "bertstudy_padding_free"
CPU = torch.device("cpu")
FLASH_FROM = (8, 0)  # the compute capability that FlashAttention needs
# Pieces of the segments that are attended together: on a CPU their scores stay in its cache
TOGETHER = {"cpu": 1024, "others": 32_768}
LONG = 1024  # pieces of a segment whose scores are not kept for the backward pass
LIKE, SHORT = 0.88, 8  # segments are alike from this share of the longest on, or from so many pieces less


class Group(NamedTuple):
    """Segments of like length, padded to the longest.

    index: (segments * longest) int64, each place's piece in the row. pieces: the pieces (k) of the places that are no
    padding. real: these places (k); hidden: (segments, 1, 1, longest) bool, True where a key is padding; both None
    where nothing is. shape: (segments, longest).
    """

    index: torch.Tensor
    pieces: torch.Tensor
    real: torch.Tensor | None
    hidden: torch.Tensor | None
    shape: tuple[int, int]

    def without_padding(self, places: torch.Tensor) -> torch.Tensor:
        """Of what belongs to the places (segments * longest, …) that of the pieces (k, …)."""
        return places if self.real is None else places.index_select(0, self.real)

    def to(self, device: torch.device) -> "Group":
        """The same on a device."""
        return Group(*(sent(part, device) if isinstance(part, torch.Tensor) else part for part in self))


@lru_cache(maxsize=8)  # the layers of a batch ask for the same
@torch.inference_mode(False)  # what prediction makes here is taken for training too
def groups_of(lengths: tuple[int, ...], device: torch.device = CPU) -> list[Group]:
    """The segments of a row, by their lengths in pieces, as groups of like length, on a device."""
    together = TOGETHER.get(device.type, TOGETHER["others"])
    starts = torch.tensor([0, *lengths]).cumsum(0)[:-1].tolist()
    order, groups = sorted(range(len(lengths)), key=lambda segment: -lengths[segment]), []
    while order:
        longest = lengths[order[0]]
        least, most = min(LIKE * longest, longest - SHORT), max(1, together // longest)
        size = next((n for n, segment in enumerate(order[:most]) if lengths[segment] < least), min(most, len(order)))
        taken = [(starts[segment], lengths[segment]) for segment in order[:size]]
        groups.append(_group(*zip(*taken, strict=True), longest).to(device))
        order = order[size:]
    return groups


def _group(starts, lengths, longest):
    places, lengths = torch.arange(longest), torch.tensor(lengths)
    filled = places < lengths[:, None]  # (segments, longest)
    index = torch.where(filled, torch.tensor(starts)[:, None] + places, torch.tensor(starts)[:, None]).flatten()
    if bool(filled.all()):
        return Group(index, index, None, None, filled.shape)
    real = filled.flatten().nonzero()[:, 0]
    return Group(index, index[real], real, ~filled[:, None, None], filled.shape)


class _Attend(torch.autograd.Function):
    """Attention over groups. query, key, value: (pieces, heads, size), as is what it gives."""

    @staticmethod
    def forward(ctx: Any, query, key, value, groups, scale, dropout) -> torch.Tensor:
        result, kept = torch.empty_like(query), []
        for group in groups:
            q, k, v = (_gathered(tensor, group) for tensor in (query, key, value))
            weights = _softmax(
                torch.matmul(q * scale, k.transpose(-1, -2)), group
            )  # (segments, heads, longest, longest)
            mask = mask_like(weights, dropout) if dropout else None
            _scatter(result, torch.matmul(weights if mask is None else weights * mask, v), group)
            kept += [weights] if mask is None else [weights, mask]
        ctx.save_for_backward(query, key, value, *kept)
        ctx.groups, ctx.scale, ctx.dropout = groups, scale, dropout
        return result

    @staticmethod
    def backward(ctx: Any, gradient) -> tuple:
        query, key, value, *kept = ctx.saved_tensors
        gradients, kept = [torch.empty_like(tensor) for tensor in (query, key, value)], iter(kept)
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
                _scatter(whole, part, group)
        return *gradients, None, None, None


def _gathered(tensor, group, fill=False):
    """(pieces, heads, size) to (segments, heads, longest, size); with `fill`, zeros where there is padding."""
    rows = tensor.index_select(0, group.index).unflatten(0, group.shape).transpose(1, 2).contiguous()
    return rows.masked_fill_(group.hidden.transpose(-1, -2), 0) if fill and group.hidden is not None else rows


def _scatter(whole, part, group):
    """Write a group's places (segments, heads, longest, size) to the row (pieces, heads, size)."""
    part = part.transpose(1, 2).flatten(0, 1)  # (segments * longest, heads, size)
    whole.index_copy_(0, group.pieces, group.without_padding(part))


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
    rows = (tensor[0].transpose(0, 1) for tensor in (query, key, value))  # (pieces, heads, size)
    return _Attend.apply(*rows, groups_of(tuple(lengths)), scaling, dropout)[None]


@lru_cache(maxsize=8)
@torch.inference_mode(False)
def _back(lengths, device):
    """Where each piece of the row is among the pieces of its groups: (pieces)."""
    groups = groups_of(lengths, device)
    return torch.cat([group.pieces for group in groups]).argsort()


def in_row(pieces: torch.Tensor, lengths: tuple[int, ...]) -> torch.Tensor:
    """What belongs to the pieces (pieces, …) of the groups of these lengths, one group after another, as in the row."""
    return pieces.index_select(0, _back(lengths, pieces.device))


def _grouped(query, key, value, lengths, dropout, scaling):
    """Segments of like length together, by the fused kernels that a device has: right on any device."""
    parts, lengths = [], tuple(lengths)
    for group in groups_of(lengths, query.device):
        rows = [_gathered(tensor[0].transpose(0, 1), group) for tensor in (query, key, value)]
        mask = None if group.hidden is None else ~group.hidden
        attended = scaled_dot_product_attention(*rows, attn_mask=mask, dropout_p=dropout, scale=scaling)
        parts.append(group.without_padding(attended.transpose(1, 2).flatten(0, 1)))
    return in_row(torch.cat(parts), lengths)[None]


@lru_cache(maxsize=8)
@torch.inference_mode(False)
def _bounds(lengths, device):
    return sent(torch.tensor([0, *lengths], dtype=torch.int32).cumsum(0, dtype=torch.int32), device)


def _fused(query, key, value, lengths, dropout, scaling):
    """FlashAttention over segments of any length: without dropout on the attention weights."""
    size, longest, bounds = query.shape[-1], max(lengths), _bounds(tuple(lengths), query.device)
    if scaling not in (None, size**-0.5):  # older versions of varlen_attn take no scale
        query = query * (scaling * size**0.5)
    rows = [tensor[0].transpose(0, 1).contiguous() for tensor in (query, key, value)]
    return varlen.varlen_attn(*rows, bounds, bounds, longest, longest)[None]


class Device(NamedTuple):
    """What decides how attention is computed: a type of device, and on CUDA its compute capability."""

    type: str
    capability: tuple[int, int] = (0, 0)


@lru_cache(maxsize=8)
def device_of(device: torch.device) -> Device:
    """The Device that torch names."""
    return Device(device.type, torch.cuda.get_device_capability(device) if device.type == "cuda" else (0, 0))


def attention_on(device: Device, dtype: torch.dtype, dropout: float, longest: int = 0) -> Callable[..., torch.Tensor]:
    """The fastest way to attend that is right for a device, a type of number and a dropout on attention weights.

    longest: pieces of the longest segment: beyond LONG the scores, which grow with its square, are not kept.
    """
    if device.type == "cpu":
        return _apart if dropout == 0 and (dtype == torch.float32 or longest > LONG) else _alike
    is_flash = device.type == "cuda" and device.capability >= FLASH_FROM and dtype in (torch.bfloat16, torch.float16)
    return _fused if is_flash and dropout == 0 and varlen is not None else _grouped


def padding_free_attention(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    lengths: tuple[int, ...] | None = None,
    sliding_window: int | None = None,
    **_: Any,
) -> tuple[torch.Tensor, None]:
    """Attention within each segment of a packed row; an `AttentionInterface` function of transformers.

    query, key, value: (1, heads, pieces, head size), key and value of fewer heads where several queries share them;
    lengths: the pieces of each segment; sliding_window: the distance from which on pieces are not attended to.
    Gives (1, pieces, heads, head size) and no weights.
    """
    if (shared := query.shape[1] // key.shape[1]) > 1:
        key, value = (tensor.repeat_interleave(shared, dim=1) for tensor in (key, value))
    longest = max(lengths)
    if sliding_window is not None and sliding_window < longest:
        return attend_near(query, key, value, lengths, sliding_window - 1, dropout, scaling), None
    attend = attention_on(device_of(query.device), query.dtype, dropout, longest)
    return attend(query, key, value, lengths, dropout, scaling), None


AttentionInterface.register(PADDING_FREE, padding_free_attention)
