"""From hidden states to one vector a document: over layers (§5.3.2), then over segments (§5.3.1).

What is pooled is the raw [CLS] state of each segment, without BERT's tanh pooler, as in the authors' code. To add a
pooling, decorate a module here, or anywhere else.
"""

import torch
from torch import nn

from ..choices.pooling import LAYER_POOLINGS as layer_pooling
from ..choices.pooling import SEGMENT_POOLINGS as segment_pooling


class LayerPooling(nn.Module):
    """Base of the layer poolings: forward(states (layers, segments, hidden)) gives (segments, `width`)."""

    def __init__(self, layers: int, hidden: int):
        super().__init__()
        self.width = hidden


@layer_pooling("concat")
class Concat(LayerPooling):
    """The states of all layers side by side."""

    def __init__(self, layers: int, hidden: int):
        super().__init__(layers, hidden)
        self.width = layers * hidden

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return torch.cat(list(states), dim=-1)  # (segments, layers * hidden)


@layer_pooling("mean")
class LayerMean(LayerPooling):
    """The mean over layers."""

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return states.mean(0)


@layer_pooling("max")
class LayerMax(LayerPooling):
    """The largest over layers, feature by feature."""

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return states.max(0).values


def _owners(documents, device):
    """For each segment the document it belongs to: (segments)."""
    return torch.repeat_interleave(documents.diff()).to(device)


class SegmentPooling(nn.Module):
    """Base of the segment poolings: forward(vectors (segments, width), documents (n + 1)) gives (n, width)."""

    def __init__(self, width: int):
        super().__init__()


@segment_pooling("none", many=False)
class First(SegmentPooling):
    """One segment a document: nothing to pool."""

    def forward(self, vectors: torch.Tensor, documents: torch.Tensor) -> torch.Tensor:
        return vectors[documents[:-1].to(vectors.device)]


@segment_pooling("mean")
class Mean(SegmentPooling):
    """The mean of a document's segments."""

    def forward(self, vectors: torch.Tensor, documents: torch.Tensor) -> torch.Tensor:
        sums = vectors.new_zeros(len(documents) - 1, vectors.shape[1])
        sums = sums.index_add(0, _owners(documents, vectors.device), vectors)
        return sums / documents.diff().to(vectors.device)[:, None]


@segment_pooling("max")
class Max(SegmentPooling):
    """The largest over a document's segments, feature by feature."""

    def forward(self, vectors: torch.Tensor, documents: torch.Tensor) -> torch.Tensor:
        owners = _owners(documents, vectors.device)[:, None].expand_as(vectors)
        lowest = vectors.new_zeros(len(documents) - 1, vectors.shape[1])
        return lowest.scatter_reduce(0, owners, vectors, "amax", include_self=False)


@segment_pooling("attention")
class Attention(SegmentPooling):
    """A weighted mean whose weights are softmax(w · tanh(W h)) over a document's segments (Lin et al. 2017)."""

    def __init__(self, width: int):
        super().__init__(width)
        self.score = nn.Sequential(nn.Linear(width, width), nn.Tanh(), nn.Linear(width, 1, bias=False))

    def forward(self, vectors: torch.Tensor, documents: torch.Tensor) -> torch.Tensor:
        owners = _owners(documents, vectors.device)
        scores = self.score(vectors)[:, 0].float()
        highest = scores.new_zeros(len(documents) - 1).scatter_reduce(0, owners, scores, "amax", include_self=False)
        weights = (scores - highest[owners].detach()).exp()
        totals = torch.zeros_like(highest).index_add(0, owners, weights)
        weighted = vectors * (weights / totals[owners])[:, None].to(vectors.dtype)
        return vectors.new_zeros(len(documents) - 1, vectors.shape[1]).index_add(0, owners, weighted)
