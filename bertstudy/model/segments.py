"""From texts to segments: what an encoder gets to see of them."""

from collections.abc import Iterable, Iterator, Set
from functools import lru_cache, partial
from typing import Any

from ..choices.truncation import TRUNCATIONS
from ..data.files import PAIR

Document = list[list[int]]  # segments of ids
ENDS = (".", "!", "?", "。", "！", "？", "▁.", "Ġ.")  # pieces that end a sentence


@lru_cache(maxsize=8)
def ends_of(tokenizer: Any) -> frozenset[int]:
    """The ids of a tokenizer's pieces that end a sentence."""
    return frozenset(tokenizer.convert_tokens_to_ids([one for one in ENDS if one in tokenizer.get_vocab()]))


def sentences_of(ids: list[int], ends: Set[int]) -> Iterator[list[int]]:
    """Cut the pieces of a text behind each that ends a sentence."""
    start = 0
    for place, piece in enumerate(ids, 1):
        if piece in ends or place == len(ids):
            yield ids[start:place]
            start = place


class Placed(int):
    """A piece that knows its place among those of its text, through any truncation."""

    place: int


def placed(ids: list[int]) -> list[Placed]:
    """The pieces of a text as Placed."""
    pieces = [Placed(piece) for piece in ids]
    for place, piece in enumerate(pieces):
        piece.place = place
    return pieces


def places_of(segment: list[int]) -> list[int | None]:
    """The places of a segment's pieces in their text; None for those that were put around them."""
    return [getattr(piece, "place", None) for piece in segment]


def _cut_sentences(cut, ends, ids, room):
    return cut(list(sentences_of(ids, ends)), room)


class Segmenter:
    """Texts to documents of segments, the same in training and in prediction.

    `tokenizer` is a Hugging Face tokenizer, `spec` a truncation ("head+tail:128"), `window` the word pieces of
    a segment with its [CLS] and [SEP]. Calling it on a list of n texts gives n lists of segments, each a list
    of ids of length 2 to `window`. An empty text is the one segment [CLS] [SEP]. The pieces of a prefix come first in
    every segment, behind [CLS].

    With pairs=True each text is two, with data.files.PAIR between them. They become one segment, [CLS] first [SEP]
    second [SEP], of which the longer text is cut until both fit.
    """

    def __init__(self, tokenizer: Any, spec: str, window: int, pairs: bool = False, prefix: str = ""):
        self.tokenizer, self.spec, self.window, self.pairs = tokenizer, spec, window, pairs
        self.several, self.cut = TRUNCATIONS.entry(spec).many, TRUNCATIONS.find(spec)
        if TRUNCATIONS.entry(spec).sentences:
            self.cut = partial(_cut_sentences, self.cut, ends_of(tokenizer))
        self.prefix = tokenizer(prefix, add_special_tokens=False)["input_ids"] if prefix else []
        self.room = window - 2 - len(self.prefix)
        if self.room < 1:
            raise ValueError(f"prefix={prefix!r} fills the window of {window} word pieces. Give a larger window.")
        self.cut([], self.room)  # an argument that does not fit the window fails here, not mid-way

    def __call__(self, texts: list[str]) -> list[Document]:
        return self.segments(self.pieces(texts))

    def pieces(self, texts: list[str]) -> list[list[int]]:
        """The ids of n whole texts, without [CLS] and [SEP] around them: n lists; of a pair, with [SEP] between."""
        if not len(texts):
            return []
        if not self.pairs:
            return self.tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"]
        halves = [text.partition(PAIR) for text in texts]
        first, second = (
            self.tokenizer([half[place] for half in halves], add_special_tokens=False, verbose=False)["input_ids"]
            for place in (0, 2)
        )
        return [[*before, self.tokenizer.sep_token_id, *after] for before, after in zip(first, second, strict=True)]

    def segments(self, pieces: Iterable[list[int]]) -> list[Document]:
        """Documents of segments from the ids of whole texts.

        Raises ValueError where the truncation gives no segment, one that is too long, or several without many=True.
        """
        return [self._document(ids) for ids in pieces]

    def _document(self, ids):
        first, last, room = self.tokenizer.cls_token_id, self.tokenizer.sep_token_id, self.room
        segments = [self._pair(ids, room)] if self.pairs else self.cut(ids, room)
        if len(segments) > 1 and not self.several:
            raise ValueError(
                f"truncation={self.spec!r} gave {len(segments)} segments of one document: register it with many=True."
            )
        if not segments or max(map(len, segments)) > room:
            raise ValueError(
                f"truncation={self.spec!r} gave {len(segments)} segments, the longest of "
                f"{max(map(len, segments), default=0)} pieces: it has to give at least one, of at most {room} pieces."
            )
        return [[first, *self.prefix, *segment, last] for segment in segments]

    def _pair(self, ids, room):
        """Two texts with [SEP] between them, the longer one cut until both fit."""
        between = ids.index(self.tokenizer.sep_token_id)
        first, second = ids[:between], ids[between + 1 :]
        room -= self.tokenizer.num_special_tokens_to_add(pair=True) - 2  # RoBERTa puts two [SEP] between
        shorter = min(len(first), len(second), room // 2)
        first, second = first[: max(shorter, room - len(second))], second[: max(shorter, room - len(first))]
        marks = [self.tokenizer.sep_token_id] * (self.tokenizer.num_special_tokens_to_add(pair=True) - 2)
        return [*first, *marks, *second[: room - len(first)]]
