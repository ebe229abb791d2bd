"""Attention within a distance: each piece attends to the near ones of its segment, as in ModernBERT's local layers.

Segments are cut into blocks of queries, and each block attends to the keys that are near any of its queries. Time and
memory grow with the length of a segment, not with its square.
"""

from functools import lru_cache
from typing import NamedTuple

import torch
from torch.nn.functional import scaled_dot_product_attention

from .memory import sent


class Blocks(NamedTuple):
    """Blocks of all segments of a row.

    queries: (blocks, size), and keys: (blocks, size + 2 * reach) int64, pieces of the row. real: the places of queries,
    flat, that are pieces and no filling (pieces); in the order of the row. near: (blocks, 1, size, size + 2 * reach)
    bool, whether a key is one of the segment within the distance.
    """

    queries: torch.Tensor
    keys: torch.Tensor
    real: torch.Tensor
    near: torch.Tensor


@lru_cache(maxsize=8)  # the layers of a batch ask for the same
@torch.inference_mode(False)  # what prediction makes here is taken for training too
def blocks_of(lengths: tuple[int, ...], reach: int, device: torch.device) -> Blocks:
    """The Blocks of segments of these lengths, for keys that are at most `reach` pieces away."""
    size = max(reach, 1)
    begins = [(start, begin, length) for start, length in _segments(lengths) for begin in range(0, length, size)]
    start, begin, length = torch.tensor(begins).T[:, :, None]  # each (blocks, 1)
    asking, asked = begin + torch.arange(size), begin - reach + torch.arange(size + 2 * reach)
    filled, there = asking < length, (asked >= 0) & (asked < length)
    near = ((asking[:, :, None] - asked[:, None]).abs() <= reach) & there[:, None]
    near |= ~filled[:, :, None]  # what a filling attends to is not read, but must be something
    inside = [start + torch.minimum(places.clamp(min=0), length - 1) for places in (asking, asked)]
    parts = (*inside, filled.flatten().nonzero()[:, 0], near[:, None])
    return Blocks(*(sent(part, device) for part in parts))


def _segments(lengths):
    starts = torch.tensor([0, *lengths]).cumsum(0)[:-1].tolist()
    return zip(starts, lengths, strict=True)


def attend_near(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    lengths: tuple[int, ...],
    reach: int,
    dropout: float,
    scaling: float | None,
) -> torch.Tensor:
    """Attention to keys at most `reach` pieces away. Takes (1, heads, pieces, size), gives (1, pieces, heads, size)."""
    blocks = blocks_of(tuple(lengths), reach, query.device)
    pairs = ((query, blocks.queries), (key, blocks.keys), (value, blocks.keys))
    rows = (
        tensor[0].transpose(0, 1).index_select(0, index.flatten()).unflatten(0, index.shape).transpose(1, 2)
        for tensor, index in pairs
    )
    attended = scaled_dot_product_attention(*rows, attn_mask=blocks.near, dropout_p=dropout, scale=scaling)
    return attended.transpose(1, 2).flatten(0, 1).index_select(0, blocks.real)[None]
