"""What a step of further pretraining reads (§4.2): sentences to pairs or segments, masks drawn anew for each step.

Everything is drawn from the seed and the number of the step or epoch, so that a pretraining that was killed goes on as
if nothing had happened.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import torch

from ..data.sentences import split
from ..model.batching import Batch, pack
from ..model.memory import sent

MASKED, TO_MASK, TO_RANDOM = 0.15, 0.8, 0.1  # of all pieces; of those masked, [MASK] and a random piece; the rest stay


def sentence_ids(texts: list[str], tokenizer: Any) -> list[list[list[int]]]:
    """Documents as lists of sentences as lists of ids; documents without a piece are left out."""
    sentences = [split(text) for text in texts]
    flat = [sentence for document in sentences for sentence in document]
    ids = iter(tokenizer(flat, add_special_tokens=False, verbose=False)["input_ids"] if flat else [])
    documents = [[piece for _ in document if (piece := next(ids))] for document in sentences]
    return [document for document in documents if document]


def _chunks(document, room, choose):
    """Consecutive sentences of a document in groups of at most `room` pieces; one in ten groups is cut short."""
    group, length = [], 0
    limit = choose.randint(2, room) if choose.random() < 0.1 else room
    for sentence in document:
        sentence = sentence[:room]
        if group and length + len(sentence) > limit:
            yield group
            group, length = [], 0
            limit = choose.randint(2, room) if choose.random() < 0.1 else room
        group.append(sentence)
        length += len(sentence)
    yield group


def _shorten(first, second, room, choose):
    """Drop pieces from the longer of two, at either end by chance, until both fit."""
    first, second = list(first), list(second)
    while len(first) + len(second) > room:
        longer = first if len(first) > len(second) else second
        longer.pop(0 if choose.random() < 0.5 else -1)
    return first, second


def pairs(documents: list[list[list[int]]], room: int, choose: random.Random) -> list[tuple]:
    """(A, B, follows) for next-sentence prediction: B follows A in its document, or, half of the time, is of another.

    A and B are lists of ids, of at most `room` pieces together. After a group of one sentence only a foreign B can
    come: where the coin says that B should follow, such a group is dropped. Both kinds are as many in the end.
    """
    if len(documents) < 2:
        raise ValueError("next_sentence=True: sentences of two documents are needed. Use more texts, or turn it off.")
    candidates = []
    for number, document in enumerate(documents):
        for group in _chunks(document, room, choose):
            follows = choose.random() < 0.5
            if follows and len(group) < 2:
                continue
            cut = choose.randint(1, len(group) - 1) if len(group) > 1 else 1
            first, second = sum(group[:cut], []), sum(group[cut:], [])
            if not follows:
                index = choose.randrange(len(documents) - 1)
                foreign = documents[index + (index >= number)]
                start = choose.randrange(len(foreign))
                second = sum(foreign[start:], [])[: max(1, room - len(first))]
            candidates.append((*_shorten(first, second, room, choose), follows))
    return _even(candidates, choose)


def _even(found, choose):
    """As many pairs that follow as pairs that do not, in random order."""
    sides = [[pair for pair in found if pair[2] is side] for side in (True, False)]
    size = min(map(len, sides))
    even = [pair for side in sides for pair in choose.sample(side, size)]
    choose.shuffle(even)
    return even


def segments(documents: list[list[list[int]]], room: int, choose: random.Random) -> list[tuple]:
    """(A, [], None) for pretraining without next-sentence prediction: A is sentences of one document, up to `room`."""
    packed = [(sum(group, []), [], None) for document in documents for group in _chunks(document, room, choose)]
    choose.shuffle(packed)
    return packed


def examples(documents: list[list[list[int]]], settings: Any, epoch: int, tokenizer: Any) -> list[tuple]:
    """The segments of one epoch: (ids with [CLS] and [SEP], length of the part up to B, whether B follows A, or None).

    settings: a Pretraining.
    """
    choose = random.Random(f"{settings.seed} {epoch}")
    cls, sep = tokenizer.cls_token_id, tokenizer.sep_token_id
    make, extra = (pairs, 3) if settings.next_sentence else (segments, 2)
    return [
        ([cls, *first, sep, *second, *([sep] if second else [])], len(first) + 2, follows)
        for first, second, follows in make(documents, settings.window - extra, choose)
    ]


@lru_cache(maxsize=8)
def _kinds_of_pieces(tokenizer):
    """The ids of special pieces and of ordinary ones."""
    special = np.array(tokenizer.all_special_ids)
    return special, np.setdiff1d(np.arange(len(tokenizer)), special)


def mask(
    ids: Sequence[int], random_state: np.random.Generator, tokenizer: Any, whole_word: bool = False
) -> tuple[np.ndarray, np.ndarray]:
    """Mask 15 % of the pieces: 80 % of them become [MASK], 10 % a random piece, 10 % stay (BERT's rule).

    ids: (pieces) int64. Gives (masked ids, chosen) of the same shape; chosen (bool) marks what is to be predicted.
    Special pieces are never chosen; of the others at least one is. With whole_word all pieces of a word are chosen
    together.
    """
    ids = np.asarray(ids)
    special, ordinary = _kinds_of_pieces(tokenizer)
    allowed = ~np.isin(ids, special)
    words = np.arange(len(ids))
    if whole_word:
        continues = np.array([piece.startswith("##") for piece in tokenizer.convert_ids_to_tokens(ids.tolist())])
        words = np.cumsum(~continues)
    order, chosen = random_state.permutation(np.unique(words[allowed])), np.zeros(len(ids), bool)
    wanted = max(1, round(MASKED * allowed.sum()))
    counts = np.bincount(words[allowed], minlength=words.max() + 1)[order]
    taken = order[: max(1, int((np.cumsum(counts) <= wanted).sum()))]
    chosen[allowed & np.isin(words, taken)] = True
    draw, masked = random_state.random(len(ids)), ids.copy()
    masked[chosen & (draw < TO_MASK)] = tokenizer.mask_token_id
    swap = chosen & (draw >= TO_MASK) & (draw < TO_MASK + TO_RANDOM)
    masked[swap] = random_state.choice(ordinary, int(swap.sum()))
    return masked, chosen


@dataclass
class Masked:
    """A Batch with what is to be predicted.

    chosen (k): places in the row; pieces (k): the ids that were there; follows (segments): 1 where B follows A, or
    None without next-sentence prediction.
    """

    batch: Batch
    chosen: torch.Tensor
    pieces: torch.Tensor
    follows: torch.Tensor | None


def masked_batch(
    chosen_examples: list[tuple], random_state: np.random.Generator, tokenizer: Any, whole_word: bool = False
) -> Masked:
    """Examples as one padding-free batch, its masks drawn anew."""
    rows = [mask(ids, random_state, tokenizer, whole_word) for ids, _, _ in chosen_examples]
    batch = pack([[ids.tolist()] for ids, _ in rows])
    types = [int(place >= first) for ids, first, _ in chosen_examples for place in range(len(ids))]
    batch.types = torch.tensor([types])
    chosen = torch.from_numpy(np.concatenate([selected for _, selected in rows]).nonzero()[0])
    original = torch.tensor([piece for ids, _, _ in chosen_examples for piece in ids])
    follows = [is_next for _, _, is_next in chosen_examples]
    return Masked(batch, chosen, original[chosen], None if None in follows else torch.tensor(follows).long())


def to_device(masked: Masked, device: torch.device | str) -> Masked:
    """The same batch, and what is to be predicted, on a device."""
    follows = None if masked.follows is None else sent(masked.follows, device)
    return Masked(masked.batch.to(device), sent(masked.chosen, device), sent(masked.pieces, device), follows)


class Stream:
    """Batches by the number of the step, epoch after epoch over shuffled examples: a step always has the same batch."""

    def __init__(self, documents: list[list[list[int]]], settings: Any, tokenizer: Any):
        self.documents, self.settings, self.tokenizer = documents, settings, tokenizer
        self.epoch, self.examples, self.begins = -1, [], 0

    def batch(self, step: int) -> Masked:
        """The Masked batch of a step; steps have to be asked for in rising order.

        Raises ValueError where the texts make fewer segments than a batch has.
        """
        size = self.settings.batch_size
        while step >= self.begins + len(self.examples) // size:
            self.begins += len(self.examples) // size
            self.epoch += 1
            self.examples = examples(self.documents, self.settings, self.epoch, self.tokenizer)
            if len(self.examples) < size:
                raise ValueError(
                    f"pretraining_batch_size={size}: the texts make only {len(self.examples)} segments of "
                    f"{self.settings.window} pieces. Use a smaller batch or more texts."
                )
        start = (step - self.begins) * size
        chosen = self.examples[start : start + size]
        random_state = np.random.default_rng([self.settings.seed, step])
        return masked_batch(chosen, random_state, self.tokenizer, self.settings.whole_word)
