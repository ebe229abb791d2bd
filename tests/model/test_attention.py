"""Attention within segments: each way gives what one call a segment gives, and each device gets a way that is right."""

import inspect

import pytest
import torch
from torch.nn.attention import varlen
from torch.nn.functional import scaled_dot_product_attention

from bertstudy.model import attention
from bertstudy.model.attention import Device, _alike, _apart, _fused, _grouped, attention_on, padding_free_attention

ALIKE = [1, 2, 512, 7, 300, 300, 270, 30, 128, 128, 127, 120]


def attended(attend, dtype, lengths, dropout=0.0, seed=0):
    """What an attention function gives, and the gradients of query, key and value, as one vector in float32."""
    torch.manual_seed(seed)
    rows = [torch.randn(1, 4, sum(lengths), 16).to(dtype).requires_grad_() for _ in range(3)]
    output = attend(*rows, lengths, dropout, 0.25)
    (output.float() * torch.linspace(0, 1, output.numel()).view_as(output)).sum().backward()
    return [output.detach().float().flatten(), *(row.grad.float().flatten() for row in rows)]


@pytest.mark.parametrize("lengths", [ALIKE, [1], [512], [9] * 40, [20, 19, 13, 12, 12, 5]], ids=str)
def test_segments_of_like_length_together_equal_one_call_a_segment(lengths):
    exact = attended(_apart, torch.float32, lengths)
    for ours, theirs in zip(attended(_alike, torch.float32, lengths), exact, strict=True):
        assert (ours - theirs).norm() <= 1e-5 * theirs.norm() + 1e-6
    half = attended(_apart, torch.bfloat16, lengths)
    for ours, kernel, theirs in zip(attended(_alike, torch.bfloat16, lengths), half, exact, strict=True):
        noise = 2**-7 * theirs.norm()  # what rounding to bf16 amounts to
        assert (ours - theirs).norm() <= noise + 2 * (kernel - theirs).norm() + 1e-6


def test_dropout_on_attention_keeps_the_mean_and_its_gradient_is_that_of_the_mask():
    lengths, draws = [9, 8, 3], 400
    exact = attended(_alike, torch.float32, lengths)[0]
    drawn = torch.stack([_with_dropout(seed, lengths) for seed in range(draws)])
    spread = drawn.std(0) / draws**0.5
    assert (drawn[0] - drawn[1]).abs().max() > 0.1
    assert ((drawn.mean(0) - exact).abs() <= 5 * spread + 1e-6).all()
    torch.manual_seed(0)
    rows = [torch.randn(1, 2, sum(lengths), 4, dtype=torch.float64, requires_grad=True) for _ in range(3)]

    def same_mask(*rows):
        torch.manual_seed(1)
        return _alike(*rows, lengths, 0.3, 0.5)

    assert torch.autograd.gradcheck(same_mask, rows)


def _with_dropout(seed, lengths):
    torch.manual_seed(0)
    rows = [torch.randn(1, 4, sum(lengths), 16) for _ in range(3)]
    torch.manual_seed(seed + 1)
    return _alike(*rows, lengths, 0.2, 0.25).flatten()


@pytest.mark.parametrize("lengths", [ALIKE, [1], [9] * 40, [20, 19, 13, 12, 12, 5]], ids=str)
def test_fused_kernels_over_like_lengths_equal_one_call_a_segment(lengths):
    exact = attended(_apart, torch.float32, lengths)
    for ours, theirs in zip(attended(_grouped, torch.float32, lengths), exact, strict=True):
        assert (ours - theirs).norm() <= 1e-5 * theirs.norm() + 1e-6


def test_fused_kernels_over_like_lengths_drop_weights():
    lengths = [9, 8, 3]
    exact = attended(_grouped, torch.float32, lengths)[0]
    drawn = attended(_grouped, torch.float32, lengths, 0.2)[0]
    assert (drawn - exact).abs().max() > 0.1
    torch.manual_seed(0)
    rows = [torch.randn(1, 4, sum(lengths), 16) for _ in range(3)]
    many = torch.stack([_grouped(*rows, lengths, 0.2, 0.25).flatten() for _ in range(400)])
    spread = many.std(0) / 400**0.5
    assert ((many.mean(0) - _grouped(*rows, lengths, 0.0, 0.25).flatten()).abs() <= 5 * spread + 1e-6).all()


HALF, FULL = (torch.bfloat16, torch.float16), (torch.float32,)
WAYS = [
    *((Device("cpu"), dtype, 0.0, _apart) for dtype in FULL),
    *((Device("cpu"), dtype, 0.1, _alike) for dtype in (*HALF, *FULL)),
    *((Device("cpu"), dtype, 0.0, _alike) for dtype in HALF),
    *((Device("cuda", (8, 0)), dtype, 0.0, _fused) for dtype in HALF),
    *((Device("cuda", (9, 0)), dtype, 0.0, _fused) for dtype in HALF),
    *((Device("cuda", (9, 0)), dtype, 0.1, _grouped) for dtype in HALF),  # the paper's profile
    *((Device("cuda", (9, 0)), dtype, 0.0, _grouped) for dtype in FULL),
    *((Device("cuda", (7, 5)), dtype, 0.0, _grouped) for dtype in (*HALF, *FULL)),
    *((Device("mps"), dtype, dropout, _grouped) for dtype in (*HALF, *FULL) for dropout in (0.0, 0.1)),
]


@pytest.mark.parametrize(
    ("device", "dtype", "dropout", "expected"), WAYS, ids=lambda value: getattr(value, "__name__", str(value))
)
def test_each_device_gets_the_fastest_way_that_is_right(device, dtype, dropout, expected):
    assert attention_on(device, dtype, dropout) is expected


def test_a_torch_without_varlen_attention_goes_over_like_lengths(monkeypatch):
    monkeypatch.setattr(attention, "varlen", None)
    assert attention_on(Device("cuda", (9, 0)), torch.bfloat16, 0.0) is _grouped


def reference(query, key, value, cu_seq_q, cu_seq_k, max_q, max_k):
    """varlen_attn, segment by segment: query, key, value (pieces, heads, size)."""
    assert cu_seq_q.dtype == cu_seq_k.dtype == torch.int32
    assert cu_seq_q[-1] == len(query) == len(key)
    assert max_q == max_k == cu_seq_q.diff().max()
    assert all(tensor.is_contiguous() for tensor in (query, key, value))
    ends = cu_seq_q.tolist()
    cut = [
        [tensor[start:end].transpose(0, 1) for tensor in (query, key, value)]
        for start, end in zip(ends, ends[1:], strict=False)
    ]
    return torch.cat([scaled_dot_product_attention(*rows).transpose(0, 1) for rows in cut])


@pytest.mark.parametrize("scaling", [None, 0.25, 0.7])
def test_varlen_attention_is_called_as_it_wants_to_be(scaling, monkeypatch):
    signature = inspect.signature(varlen.varlen_attn)

    def called(*arguments, **options):
        signature.bind(*arguments, **options)
        assert not options  # "scale" is not known to every version
        return reference(*arguments)

    monkeypatch.setattr(varlen, "varlen_attn", called)
    torch.manual_seed(0)
    rows, lengths = [torch.randn(1, 4, 17, 16) for _ in range(3)], [1, 10, 6]
    ours, theirs = _fused(*rows, lengths, 0.0, scaling), _apart(*rows, lengths, 0.0, scaling)
    assert torch.allclose(ours, theirs, atol=1e-6)


def test_the_function_of_transformers_takes_the_way_of_the_rows(monkeypatch):
    torch.manual_seed(0)
    rows, lengths = [torch.randn(1, 4, 17, 8) for _ in range(3)], (1, 10, 6)
    apart, weights = padding_free_attention(None, *rows, None, lengths=lengths, scaling=0.3)
    assert weights is None
    assert torch.equal(apart, _apart(*rows, lengths, 0.0, 0.3))
    monkeypatch.setattr(attention, "device_of", lambda device: Device("mps"))
    grouped, _ = padding_free_attention(None, *rows, None, lengths=lengths, scaling=0.3)
    assert torch.allclose(grouped, apart, atol=1e-6)
