import itertools

import numpy as np
import pytest

from bertstudy.choices.truncation import MOST_SEGMENTS, TRUNCATIONS
from bertstudy.model.loading import load_tokenizer
from bertstudy.model.segments import Segmenter, ends_of, sentences_of

IDS = list(range(100, 1100))
BY_PLACE = [name for name, entry in TRUNCATIONS.items() if not entry.sentences]
BY_SENTENCE = [name for name in TRUNCATIONS if name not in BY_PLACE]


@pytest.mark.parametrize("spec", BY_PLACE)
@pytest.mark.parametrize("length", [0, 1, 9, 10, 11, 25, 1000])
def test_every_truncation_keeps_to_the_room_and_to_the_order(spec, length):
    segments = TRUNCATIONS.find(spec)(IDS[:length], 10)
    kept = [piece for segment in segments for piece in segment]
    assert segments
    assert all(len(segment) <= 10 for segment in segments)
    assert kept == sorted(set(kept) & set(IDS[:length]))
    if length <= 10:
        assert segments == [IDS[:length]]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("head", [IDS[:510]]),
        ("tail", [IDS[-510:]]),
        ("head+tail:128", [IDS[:128] + IDS[-382:]]),
        ("head+tail", [IDS[:127] + IDS[-383:]]),
        ("chunks", [IDS[:510], IDS[510:]]),
        ("chunks:1", [IDS[:510]]),
    ],
)
def test_what_is_kept_of_a_long_document(spec, expected):
    assert TRUNCATIONS.find(spec)(IDS, 510) == expected


def test_chunks_hold_the_papers_longest_document_and_stop_at_the_stated_cap():
    longest = TRUNCATIONS.find("chunks")(list(range(47_988)), 510)
    assert len(longest) == 95
    assert sum(map(len, longest)) == 47_988
    assert len(TRUNCATIONS.find("chunks")(list(range(510 * 200)), 510)) == MOST_SEGMENTS


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("heads", "Did you mean 'head'"),
        ("head:5", "takes no number"),
        ("chunks:0", "above zero"),
        ("head+tail:x", "whole number"),
        ("head+tail:10", "no room for a tail"),
    ],
)
def test_a_wrong_truncation_is_told(spec, says):
    with pytest.raises(ValueError, match=says):
        TRUNCATIONS.find(spec)([], 10)


def test_segments_of_texts_begin_with_cls_and_end_with_sep(tiny):
    tokenizer = load_tokenizer(tiny())
    documents = Segmenter(tokenizer, "chunks", 5)(["a b c d e f g", "", "a"])
    first, last = tokenizer.cls_token_id, tokenizer.sep_token_id
    assert [len(document) for document in documents] == [3, 1, 1]
    assert all(segment[0] == first and segment[-1] == last for document in documents for segment in document)
    assert documents[1] == [[first, last]]
    inner = [piece for segment in documents[0] for piece in segment[1:-1]]
    assert tokenizer.convert_ids_to_tokens(inner) == list("abcdefg")


def test_a_prefix_comes_first_in_every_segment_and_takes_its_room(tiny):
    tokenizer = load_tokenizer(tiny())
    cut = Segmenter(tokenizer, "chunks", 6, prefix="q r")
    first, last = tokenizer.cls_token_id, tokenizer.sep_token_id
    ids = tokenizer("q r a b c", add_special_tokens=False)["input_ids"]
    assert cut(["a b c", ""]) == [[[first, *ids[:4], last], [first, *ids[:2], ids[4], last]], [[first, *ids[:2], last]]]
    with pytest.raises(ValueError, match="prefix='q r s' fills the window of 5 word pieces"):
        Segmenter(tokenizer, "head", 5, prefix="q r s")


def test_no_texts_give_no_documents(tiny):
    assert Segmenter(load_tokenizer(tiny()), "head", 5)([]) == []


@pytest.mark.parametrize("spec", BY_SENTENCE)
@pytest.mark.parametrize("lengths", [[], [3], [10], [4, 6], [4, 7, 5], [25, 3, 30, 1], [1] * 40])
def test_sentences_keep_to_the_room_and_to_the_order(spec, lengths):
    ends = [0, *itertools.accumulate(lengths)]
    sentences = [IDS[start:end] for start, end in itertools.pairwise(ends)]
    (segment,) = TRUNCATIONS.find(spec)(sentences, 10)
    assert len(segment) == min(10, ends[-1])
    assert segment == sorted(set(segment) & set(IDS[: ends[-1]]))
    assert segment == TRUNCATIONS.find(spec)(sentences, 10)[0]


def test_the_sentence_that_shares_most_with_the_others_is_the_key():
    central = [1, 2, 3, 4]
    sentences = [[1, 2, 90], [50, 51, 52], central, [3, 4, 91], [60, 61, 62]]
    assert TRUNCATIONS.find("key_sentences")(sentences, 4) == [central]
    both = TRUNCATIONS.find("key_sentences")(sentences, 7)[0]
    assert both in ([*sentences[0], *central], [*central, *sentences[3]])


def test_random_sentences_are_others_for_another_document_and_no_favourites():
    kept = [
        TRUNCATIONS.find("random_sentences")([[place, seed] for place in range(9)], 6)[0] for seed in range(10, 310)
    ]
    first = np.bincount([segment[0] for segment in kept], minlength=9)
    chosen = np.bincount([place for segment in kept for place in segment[::2]], minlength=9)
    assert len(set(map(tuple, kept))) > 50
    assert first[0] < 200
    assert (np.abs(chosen - 100) < 40).all()  # each of nine in a third of 300 documents: five standard errors


def test_sentences_end_at_pieces_that_end_sentences():
    tokenizer = load_tokenizer("control")
    segmenter = Segmenter(tokenizer, "key_sentences", 12)
    ids = segmenter.pieces(["a good film. a bad plot! is it so? yes"])[0]
    cut = list(sentences_of(ids, ends_of(tokenizer)))
    assert [tokenizer.decode(one) for one in cut] == ["a good film.", "a bad plot!", "is it so?", "yes"]
    (segment,) = segmenter.segments([ids])[0]
    assert len(segment) == 12
    assert segment[1] in [one[0] for one in cut]
