"""What an encoder with a window of 512 word pieces gets to see of a long document (§5.3.1).

A truncation takes the word pieces of one document and the room there is for them (the window less [CLS] and [SEP]) and
gives its segments, each of at most `room` pieces. To add one, decorate a function; with `many=True` where it may give
several segments, which a segment pooling then puts together.
"""

from ..registry import Registry

TRUNCATIONS = truncation = Registry("truncation", many=False)

MOST_SEGMENTS = 128  # 65,280 pieces at a window of 512; the paper's longest document has 47,988 (Table 1, Sogou)

Ids = list[int]


@truncation("head")
def head(ids: Ids, room: int) -> list[Ids]:
    """Keep the first `room` word pieces."""
    return [ids[:room]]


@truncation("tail")
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
