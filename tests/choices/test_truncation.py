import pytest

from bertstudy.choices.truncation import MOST_SEGMENTS, TRUNCATIONS
from bertstudy.model.loading import load_tokenizer
from bertstudy.model.segments import Segmenter

IDS = list(range(100, 1100))


@pytest.mark.parametrize("spec", TRUNCATIONS)
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
