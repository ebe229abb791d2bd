"""Segments into one batch without padding: all pieces in a row, and the bounds between the segments."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace

import torch

from .memory import sent
from .segments import Document


@dataclass
class Batch:
    """Documents laid end to end; no piece is padding.

    ids, positions   (1, pieces) int64; positions start again at 0 in each segment
    types            (1, pieces) int64, 1 in the second sentence of a pair, or None
    bounds           (segments + 1) int64 on the CPU: segment s is ids[0, bounds[s]:bounds[s + 1]]
    documents        (documents + 1) int64 on the CPU: document d owns segments documents[d]:documents[d + 1]
    """

    ids: torch.Tensor
    positions: torch.Tensor
    bounds: torch.Tensor
    documents: torch.Tensor
    types: torch.Tensor | None = None
    lengths: torch.Tensor = field(init=False)

    def __post_init__(self):
        self.lengths = self.bounds.diff()

    @property
    def pieces(self) -> int:
        """Word pieces in the batch, [CLS] and [SEP] counted."""
        return self.ids.shape[1]

    @property
    def starts(self) -> torch.Tensor:
        """Where each segment's first piece, [CLS], is in the row: (segments), on the device of the ids."""
        return sent(self.bounds[:-1], self.ids.device)

    def to(self, device: torch.device | str) -> "Batch":
        """The same batch with ids, positions and types on `device`; the bounds stay on the CPU."""
        types = None if self.types is None else sent(self.types, device)
        return replace(self, ids=sent(self.ids, device), positions=sent(self.positions, device), types=types)


def _starts(lengths):
    return torch.tensor([0, *lengths]).cumsum(0)


def pack(documents: list[Document]) -> Batch:
    """n documents, each a list of segments of ids, as one Batch."""
    segments = [segment for document in documents for segment in document]
    return Batch(
        ids=torch.tensor([[piece for segment in segments for piece in segment]]),
        positions=torch.tensor([[position for segment in segments for position in range(len(segment))]]),
        bounds=_starts([len(segment) for segment in segments]),
        documents=_starts([len(document) for document in documents]),
    )


def with_types(batch: Batch, mark: int) -> Batch:
    """The batch with types: in each segment 0 up to the first piece `mark` ([SEP]), and 1 behind it."""
    marks = (batch.ids[0] == mark).long()
    before = marks.cumsum(0) - marks  # marks before each piece, over the whole row
    at_start = torch.repeat_interleave(before[batch.starts], batch.lengths.to(before.device))
    return replace(batch, types=(before > at_start).long()[None])


def pad(batch: Batch, padding: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The same segments as a rectangle, for encoders that must have one.

    Gives ids (segments, longest), filled up with the piece `padding`, and the mask of the same shape, 1 where
    a piece is real.
    """
    mask = torch.arange(int(batch.lengths.max())) < batch.lengths[:, None]
    mask = mask.to(batch.ids.device)
    ids = torch.full(mask.shape, padding, dtype=batch.ids.dtype, device=batch.ids.device)
    ids[mask] = batch.ids[0]
    return ids, mask.long()


def size(document: Document) -> int:
    """Word pieces of a document over all its segments."""
    return sum(map(len, document))


def within(documents: list[Document], order: Iterable[int], budget: int) -> Iterator[list[int]]:
    """Cut `order` (indices into documents) into runs of at most `budget` word pieces, one document at the least."""
    group, pieces = [], 0
    for index in order:
        if group and pieces + size(documents[index]) > budget:
            yield group
            group, pieces = [], 0
        group.append(index)
        pieces += size(documents[index])
    if group:
        yield group
