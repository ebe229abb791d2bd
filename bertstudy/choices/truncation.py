"""What an encoder with a window of 512 word pieces gets to see of a long document (§5.3.1).

A truncation takes the word pieces of one document and the room there is for them (the window less [CLS] and [SEP]) and
gives its segments, each of at most `room` pieces. To add one, decorate a function; with `many=True` where it may give
several segments, which a segment pooling then puts together, with `sentences=True` where it takes the document as a
list of sentences, each a list of word pieces, and with `side` where a tokenizer of transformers with this
truncation_side does the same.
"""

import numpy as np

from ..registry import Registry

TRUNCATIONS = truncation = Registry("truncation", many=False, sentences=False, side="")

MOST_SEGMENTS = 128  # 65,280 pieces at a window of 512; the paper's longest document has 47,988 (Table 1, Sogou)

Ids = list[int]

DAMPING, ITERATIONS = 0.85, 30  # of PageRank, as usual


@truncation("head", side="right")
def head(ids: Ids, room: int) -> list[Ids]:
    """Keep the first `room` word pieces."""
    return [ids[:room]]


@truncation("tail", side="left")
def tail(ids: Ids, room: int) -> list[Ids]:
    """Keep the last `room` word pieces."""
    return [ids[-room:]]


@truncation("head+tail")
def head_and_tail(ids: Ids, room: int, argument: int | None = None) -> list[Ids]:
    """Keep the first `argument` word pieces and fill the rest of the room from the end.

    Without an argument a quarter of the room is head, which at a window of 512 is close to the paper's 128 + 382.
    """
    first = room // 4 if argument is None else argument
    if first >= room:
        raise ValueError(f"truncation='head+tail:{first}' leaves no room for a tail: {room} pieces fit the window.")
    return [ids] if len(ids) <= room else [ids[:first] + ids[first - room :]]


@truncation("chunks", many=True)
def chunks(ids: Ids, room: int, argument: int | None = None) -> list[Ids]:
    """Keep everything, as consecutive segments of `room` pieces; at most `argument` of them (MOST_SEGMENTS without)."""
    most = MOST_SEGMENTS if argument is None else argument
    return [ids[start : start + room] for start in range(0, max(len(ids), 1), room)][:most]


def _most(sentences, room, order):
    """One segment of the first sentences of an order that fill the room, as they stand in the document."""
    kept, left = {}, room
    for place in order:
        if left <= 0:
            break
        kept[place] = sentences[place][:left]
        left -= len(kept[place])
    return [[piece for place in sorted(kept) for piece in kept[place]]]


def _central(sentences):
    """How central each of n sentences is: PageRank (n) over the cosines of their TF-IDF vectors of word pieces."""
    places = {piece: number for number, piece in enumerate(sorted({piece for one in sentences for piece in one}))}
    counts = np.zeros((len(sentences), len(places)))
    for row, sentence in zip(counts, sentences, strict=True):
        np.add.at(row, [places[piece] for piece in sentence], 1)
    vectors = counts * np.log((1 + len(sentences)) / (counts > 0).sum(0))
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    links = vectors @ vectors.T
    np.fill_diagonal(links, 0)
    links /= np.maximum(links.sum(1, keepdims=True), 1e-12)
    rank = np.full(len(sentences), 1 / len(sentences))
    for _ in range(ITERATIONS):
        rank = (1 - DAMPING) / len(sentences) + DAMPING * rank @ links
    return rank


@truncation("key_sentences", sentences=True)
def key_sentences(sentences: list[Ids], room: int) -> list[Ids]:
    """Keep the most central sentences, in their order, as TextRank ranks them (Park, Vyas and Shah 2022)."""
    if sum(map(len, sentences)) <= room:
        return _most(sentences, room, range(len(sentences)))
    rank = _central(sentences)
    return _most(sentences, room, sorted(range(len(sentences)), key=lambda place: -round(rank[place], 9)))


@truncation("random_sentences", sentences=True)
def random_sentences(sentences: list[Ids], room: int) -> list[Ids]:
    """Keep sentences at random, in their order: always the same of a document (Park, Vyas and Shah 2022)."""
    random = np.random.default_rng([piece for one in sentences for piece in one])
    return _most(sentences, room, random.permutation(len(sentences)).tolist())
