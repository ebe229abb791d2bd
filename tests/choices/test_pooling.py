import pytest
import torch
from torch import nn

from bertstudy.choices.pooling import LAYER_POOLINGS, PIECE_POOLINGS, SEGMENT_POOLINGS, parse_layers

DOCUMENTS = torch.tensor([0, 1, 4, 6])  # three documents of one, three and two segments


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ("last", ("mean", range(11, 12))),
        ("0", ("mean", range(0, 1))),
        ("concat:8-11", ("concat", range(8, 12))),
        ("max:0-3", ("max", range(0, 4))),
    ],
)
def test_layers_are_named_by_readable_strings(spec, expected):
    assert parse_layers(spec, 12) == expected


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("12", "has 12 layers, 0 to 11"),
        ("mean:4-12", "has 12 layers"),
        ("mean:4-2", "one layer"),
        ("2-4", "one layer"),
        ("mean:3", "one layer"),
        ("sum:0-3", "unknown"),
        ("lats", "Did you mean 'last'"),
        ("-1", "unknown"),
    ],
)
def test_wrong_layers_are_told(spec, says):
    with pytest.raises(ValueError, match=says):
        parse_layers(spec, 12)


@pytest.mark.parametrize(
    ("name", "by_hand"),
    [
        ("concat", lambda states: torch.cat([states[0], states[1]], dim=1)),
        ("mean", lambda states: (states[0] + states[1]) / 2),
        ("max", lambda states: torch.maximum(states[0], states[1])),
    ],
)
def test_layer_poolings(name, by_hand):
    states = torch.randn(2, 6, 4, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(LAYER_POOLINGS.find(name)(2, 4)(states), by_hand(states))


@pytest.mark.parametrize(
    ("name", "by_hand"),
    [
        ("cls", lambda rows: rows[0]),
        ("mean", lambda rows: rows.mean(0)),
        ("max", lambda rows: rows.max(0).values),
        ("normalized_mean", lambda rows: rows.mean(0) / rows.mean(0).norm()),
    ],
)
def test_piece_poolings_with_and_without_padding(name, by_hand):
    rows, bounds = torch.randn(6, 4, generator=torch.Generator().manual_seed(0)), torch.tensor([0, 2, 6])
    groups = [rows[:2], rows[2:]]
    expected, pooling = torch.stack([by_hand(group) for group in groups]), PIECE_POOLINGS.find(name)(4)
    assert torch.allclose(pooling(rows, bounds), expected)
    mask = torch.tensor([[1, 1, 0, 0], [1, 1, 1, 1]])
    assert torch.allclose(pooling.padded(nn.utils.rnn.pad_sequence(groups, batch_first=True), mask), expected)


def test_every_pooling_is_tested():
    assert set(PIECE_POOLINGS) == {"cls", "mean", "max", "normalized_mean"}
    assert set(LAYER_POOLINGS) == {"concat", "mean", "max"}


def attention_by_hand(pooling):
    def pool(rows):
        weights = pooling.score(rows).softmax(0)
        return (weights * rows).sum(0)

    return pool


@pytest.mark.parametrize("name", SEGMENT_POOLINGS)
def test_segment_poolings_take_each_document_by_itself(name):
    torch.manual_seed(0)
    several = SEGMENT_POOLINGS.entry(name).many
    bounds = DOCUMENTS if several else torch.arange(7)
    vectors, pooling = torch.randn(6, 4), SEGMENT_POOLINGS.find(name)(4)
    by_hand = {
        "none": lambda rows: rows[0],
        "mean": lambda rows: rows.mean(0),
        "max": lambda rows: rows.max(0).values,
        "attention": attention_by_hand(pooling),
    }[name]
    pooled = pooling(vectors, bounds)
    for number, (start, end) in enumerate(zip(bounds[:-1], bounds[1:], strict=True)):
        assert torch.allclose(pooled[number], by_hand(vectors[start:end]), atol=1e-6)


@pytest.mark.parametrize("name", ["mean", "max", "attention"])
def test_every_segment_gets_a_gradient_or_loses_to_a_larger_one(name):
    torch.manual_seed(0)
    vectors = torch.randn(6, 4, requires_grad=True)
    SEGMENT_POOLINGS.find(name)(4)(vectors, DOCUMENTS).sum().backward()
    touched = vectors.grad.abs().sum(1) > 0
    assert touched.all() or name == "max"
    assert vectors.grad.abs().sum() > 0
