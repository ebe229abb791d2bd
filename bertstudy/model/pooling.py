"""From hidden states to one vector a document: over pieces, over layers (§5.3.2), then over segments (§5.3.1).

The paper reads the raw [CLS] state of each segment, without BERT's tanh pooler, as in the authors' code; encoders that
were trained to be read by their mean are read so (piece_pooling="mean"). To add a pooling, decorate a module here, or
anywhere else.
"""

import torch
from torch import nn
from torch.nn.functional import normalize

from ..choices.pooling import LAYER_POOLINGS as layer_pooling
from ..choices.pooling import PIECE_POOLINGS as piece_pooling
from ..choices.pooling import SEGMENT_POOLINGS as segment_pooling
from .memory import sent


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
    """The maximum over layers, feature by feature."""

    def forward(self, states: torch.Tensor) -> torch.Tensor:
        return states.max(0).values


def _owners(bounds, device):
    """For each row the number of the group that it belongs to: (rows)."""
    return sent(torch.repeat_interleave(bounds.diff()), device)


class Pooling(nn.Module):
    """Base of the poolings over pieces and over segments: one vector for each group of rows.

    forward(rows (n, width), bounds (m + 1)) gives (m, width): group g is rows[bounds[g]:bounds[g + 1]], the pieces of a
    segment or the segments of a document.
    """

    def __init__(self, width: int):
        super().__init__()

    def padded(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """The same from padded states (segments, longest, width), of which those count where mask (segments, longest)
        is 1: (segments, width). For graphs that leave PyTorch (graph.py)."""
        raise ValueError(f"The pooling {type(self).__name__} has no padded form. Save it in bertstudy's own format.")


@piece_pooling("cls", first_only=True)
@segment_pooling("none", many=False)
class First(Pooling):
    """The first of each group: a segment's [CLS], or a document's only segment."""

    def forward(self, rows: torch.Tensor, bounds: torch.Tensor) -> torch.Tensor:
        return rows[sent(bounds[:-1], rows.device)]

    def padded(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return states[:, 0]


@piece_pooling("mean")
@segment_pooling("mean")
class Mean(Pooling):
    """The mean of each group: a segment's pieces, [CLS] and [SEP] among them, or a document's segments."""

    def forward(self, rows: torch.Tensor, bounds: torch.Tensor) -> torch.Tensor:
        sums = rows.new_zeros(len(bounds) - 1, rows.shape[1])
        sums = sums.index_add(0, _owners(bounds, rows.device), rows)
        return sums / sent(bounds.diff(), rows.device)[:, None]

    def padded(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return (states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)


@piece_pooling("normalized_mean")
class NormalizedMean(Mean):
    """The mean of each group, scaled to a length of one: where cosines compare vectors, only directions count."""

    def forward(self, rows: torch.Tensor, bounds: torch.Tensor) -> torch.Tensor:
        return normalize(super().forward(rows, bounds), dim=-1)

    def padded(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return normalize(super().padded(states, mask), dim=-1)


@piece_pooling("max")
@segment_pooling("max")
class Max(Pooling):
    """The maximum of each group, feature by feature: a segment's pieces, or a document's segments."""

    def forward(self, rows: torch.Tensor, bounds: torch.Tensor) -> torch.Tensor:
        owners = _owners(bounds, rows.device)[:, None].expand_as(rows)
        lowest = rows.new_zeros(len(bounds) - 1, rows.shape[1])
        return lowest.scatter_reduce(0, owners, rows, "amax", include_self=False)

    def padded(self, states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        return states.masked_fill(mask[..., None] == 0, -torch.inf).amax(1)


@segment_pooling("attention")
class Attention(Pooling):
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
