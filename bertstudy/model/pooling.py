"""From hidden states to one vector a document: over layers (§5.3.2), then over segments (§5.3.1).

What is pooled is the raw [CLS] state of each segment, without BERT's tanh pooler, as in the authors' code.
"""

import re

import torch
from torch import nn

from ..registry import Registry, no_such

LAYER_POOLINGS = layer_pooling = Registry("layers")
SEGMENT_POOLINGS = segment_pooling = Registry("segment_pooling")


@layer_pooling("concat")
def concat(states):
    """(layers, segments, hidden) to (segments, layers * hidden)."""
    return torch.cat(list(states), dim=-1)


@layer_pooling("mean")
def layer_mean(states):
    """(layers, segments, hidden) to (segments, hidden): the mean over layers."""
    return states.mean(0)


@layer_pooling("max")
def layer_max(states):
    """(layers, segments, hidden) to (segments, hidden): the largest over layers, feature by feature."""
    return states.max(0).values


def parse_layers(spec, depth):
    """("concat", range(8, 12)) of "concat:8-11"; a single layer, "11" or "last", gives ("mean", range(11, 12)).

    Layers count from 0, as in Table 3; `depth` is how many the encoder has. Raises ValueError for an unknown
    pooling, a range that is empty or backwards, and a layer the encoder does not have.
    """
    match = re.fullmatch(r"(?:(?P<pooling>[a-z]+):)?(?:(?P<first>\d+)(?:-(?P<last>\d+))?|last)", str(spec))
    if match is None:
        raise no_such("layers", spec, ["last", "11", *(f"{name}:8-11" for name in LAYER_POOLINGS)])
    first = depth - 1 if match["first"] is None else int(match["first"])
    last = first if match["last"] is None else int(match["last"])
    pooling = match["pooling"] or "mean"
    LAYER_POOLINGS.find(pooling)
    if (match["pooling"] is None) != (match["last"] is None) or first > last:
        raise ValueError(f"layers={spec!r}: give one layer ('11', 'last') or a pooling over a range ('concat:8-11').")
    if last >= depth:
        raise ValueError(f"layers={spec!r}: this encoder has {depth} layers, 0 to {depth - 1}.")
    return pooling, range(first, last + 1)


def _owners(documents, device):
    """For each segment the document it belongs to: (segments)."""
    return torch.repeat_interleave(documents.diff()).to(device)


class SegmentPooling(nn.Module):
    """Base of the segment poolings: forward(vectors (segments, width), documents (n + 1)) gives (n, width)."""

    def __init__(self, width):
        super().__init__()


@segment_pooling("none")
class First(SegmentPooling):
    """One segment a document: nothing to pool."""

    def forward(self, vectors, documents):
        return vectors[documents[:-1].to(vectors.device)]


@segment_pooling("mean")
class Mean(SegmentPooling):
    """The mean of a document's segments."""

    def forward(self, vectors, documents):
        sums = vectors.new_zeros(len(documents) - 1, vectors.shape[1])
        sums = sums.index_add(0, _owners(documents, vectors.device), vectors)
        return sums / documents.diff().to(vectors.device)[:, None]


@segment_pooling("max")
class Max(SegmentPooling):
    """The largest over a document's segments, feature by feature."""

    def forward(self, vectors, documents):
        owners = _owners(documents, vectors.device)[:, None].expand_as(vectors)
        lowest = vectors.new_zeros(len(documents) - 1, vectors.shape[1])
        return lowest.scatter_reduce(0, owners, vectors, "amax", include_self=False)


@segment_pooling("attention")
class Attention(SegmentPooling):
    """A weighted mean whose weights are softmax(w · tanh(W h)) over a document's segments (Lin et al. 2017)."""

    def __init__(self, width):
        super().__init__(width)
        self.score = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1, bias=False))

    def forward(self, vectors, documents):
        owners = _owners(documents, vectors.device)
        scores = self.score(vectors)[:, 0].float()
        highest = scores.new_zeros(len(documents) - 1).scatter_reduce(0, owners, scores, "amax", include_self=False)
        weights = (scores - highest[owners].detach()).exp()
        totals = torch.zeros_like(highest).index_add(0, owners, weights)
        weighted = vectors * (weights / totals[owners])[:, None].to(vectors.dtype)
        return vectors.new_zeros(len(documents) - 1, vectors.shape[1]).index_add(0, owners, weighted)
