"""From texts to segments: what an encoder with a window of 512 word pieces gets to see of a long document (§5.3.1).

A truncation takes the word pieces of one document and the room there is for them (the window less [CLS]
and [SEP]) and gives its segments, each of at most `room` pieces. To add one, decorate a function here.
"""

from ..registry import Registry

TRUNCATIONS = truncation = Registry("truncation")

MOST_SEGMENTS = 128  # 65,280 pieces at a window of 512; the paper's longest document has 47,988 (Table 1, Sogou)


@truncation("head")
def head(ids, room):
    """Keep the first `room` word pieces."""
    return [ids[:room]]


@truncation("tail")
def tail(ids, room):
    """Keep the last `room` word pieces."""
    return [ids[-room:]]


@truncation("head+tail")
def head_and_tail(ids, room, argument=None):
    """Keep the first `argument` word pieces and fill the rest of the room from the end.

    Without an argument a quarter of the room is head, which at a window of 512 is close to the paper's 128 + 382.
    """
    first = room // 4 if argument is None else argument
    if first >= room:
        raise ValueError(f"truncation='head+tail:{first}' leaves no room for a tail: {room} pieces fit the window.")
    return [ids] if len(ids) <= room else [ids[:first] + ids[first - room :]]


@truncation("chunks")
def chunks(ids, room, argument=None):
    """Keep everything, as consecutive segments of `room` pieces; at most `argument` of them (MOST_SEGMENTS without)."""
    most = MOST_SEGMENTS if argument is None else argument
    return [ids[start : start + room] for start in range(0, max(len(ids), 1), room)][:most]


class Segmenter:
    """Texts to documents of segments, the same in training and in prediction.

    `tokenizer` is a Hugging Face tokenizer, `spec` a truncation ("head+tail:128"), `window` the word pieces of
    a segment with its [CLS] and [SEP]. Calling it on a list of n texts gives n lists of segments, each a list
    of ids of length 2 to `window`. An empty text is the one segment [CLS] [SEP].
    """

    def __init__(self, tokenizer, spec, window):
        self.tokenizer, self.window = tokenizer, window
        self.cut = TRUNCATIONS.find(spec)
        self.cut([], window - 2)  # an argument that does not fit the window fails here, not mid-way

    def __call__(self, texts):
        return self.segments(self.pieces(texts))

    def pieces(self, texts):
        """The ids of n texts, whole: n lists."""
        return self.tokenizer(list(texts), add_special_tokens=False, verbose=False)["input_ids"] if len(texts) else []

    def segments(self, pieces):
        """Documents of segments from the whole texts' ids."""
        first, last = self.tokenizer.cls_token_id, self.tokenizer.sep_token_id
        return [[[first, *segment, last] for segment in self.cut(ids, self.window - 2)] for ids in pieces]
