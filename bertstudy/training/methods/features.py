"""BERT-Feat (§5.4.3, Table 6): a reader that learns from the states of an encoder that stays as it was pretrained."""

from typing import Any

import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence, unpack_sequence

from ...choices.methods import method
from ...model.pooling import Attention
from .fine_tune import FineTune

READ_BY = 128  # units of the LSTM, in each direction


@method(
    "features",
    reads=("documents", "segments", "encoder", "training", "head", "pretraining", "multitask"),
    number="2.0",
)
class Features(FineTune):
    """A bidirectional LSTM with self-attention learns; the encoder is frozen, its dropout off."""

    def reader(self, width: int) -> nn.Module:
        """The module between the encoder's states (pieces, width) and the head."""
        return Reader(width)

    def prepare(self, classifier: Any) -> None:
        """Freeze the encoder."""
        classifier.encoder.requires_grad_(False)


class Reader(nn.Module):
    """BERT-Feat: a bidirectional LSTM with self-attention (Lin et al. 2017) over the states of a segment's pieces.

    forward(states (pieces, hidden), bounds (segments + 1)) gives (segments, width).
    """

    width = 2 * READ_BY

    def __init__(self, hidden: int):
        super().__init__()
        self.lstm = nn.LSTM(hidden, READ_BY, bidirectional=True)
        self.attention = Attention(self.width)

    def forward(self, states: torch.Tensor, bounds: torch.Tensor) -> torch.Tensor:
        segments = states.split(bounds.diff().tolist())
        outputs, _ = self.lstm(pack_sequence(segments, enforce_sorted=False))
        return self.attention(torch.cat(unpack_sequence(outputs)), bounds)
