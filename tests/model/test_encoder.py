import shutil

import pytest
import torch
from transformers import AutoModel

from bertstudy.model.attention import _alike, _apart, _squared, padding_free_attention
from bertstudy.model.batching import pack, pad
from bertstudy.model.encoder import PROVEN, Encoder
from bertstudy.model.loading import encoder_config, load_tokenizer

MIXED = [1, 2, 512, 7, 300, 30]


def segments(lengths, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [[torch.randint(5, 50, (length,), generator=generator).tolist()] for length in lengths]


def padded_states(model, batch, layer=None):
    """The states of all pieces (pieces, hidden) as Hugging Face's own model gives them."""
    ids, mask = pad(batch, 0)
    output = model(input_ids=ids, attention_mask=mask, output_hidden_states=True)
    return (output.last_hidden_state if layer is None else output.hidden_states[layer + 1])[mask.bool()]


def quiet(name, **options):
    return Encoder.load(name, dropout=0.0, **options)


@pytest.mark.parametrize("kind", PROVEN)
@pytest.mark.parametrize("lengths", [MIXED, [1], [512], [3, 3, 3]], ids=str)
def test_padding_free_equals_padded(tiny, kind, lengths):
    batch, whole = pack(segments(lengths)), AutoModel.from_pretrained(tiny(kind), dtype=torch.float32).eval()
    with torch.no_grad():
        ours, theirs = quiet(tiny(kind)).eval()(batch, [2])[0], padded_states(whole, batch)
        apart = torch.cat([padded_states(whole, pack([one])) for one in segments(lengths)])
    assert (ours - theirs).abs().max() < 1e-4
    assert (ours - apart).abs().max() < 1e-4
    assert theirs.std() > 0.1  # the states differ enough for the comparison to mean something


@pytest.mark.parametrize("kind", ["bert", "roberta"])
def test_gradients_equal_those_of_the_padded_model(tiny, kind):
    batch = pack(segments(MIXED))
    ours = quiet(tiny(kind)).train()
    theirs = AutoModel.from_pretrained(
        tiny(kind), dtype=torch.float32, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0
    ).train()
    weights = torch.linspace(-1, 1, sum(MIXED))[:, None] * torch.linspace(0, 1, 32) / 100
    (ours(batch, [2])[0] * weights).sum().backward()
    (padded_states(theirs, batch) * weights).sum().backward()
    named, compared = dict(theirs.named_parameters()), 0
    for name, weight in ours.model.named_parameters():
        if named[name].grad is None or named[name].grad.norm() < 1e-6:
            continue
        difference = (weight.grad - named[name].grad).norm() / named[name].grad.norm()
        assert difference < 1e-4, name
        compared += 1
    assert compared > 30


@pytest.mark.parametrize("layer", range(3))
def test_an_encoder_cut_after_layer_l_gives_hidden_state_l_plus_1_of_the_whole(tiny, layer):
    batch, whole = pack(segments([5, 40])), AutoModel.from_pretrained(tiny(), dtype=torch.float32).eval()
    cut = quiet(tiny(), depth=layer + 1).eval()
    assert len(cut.layers) == layer + 1
    with torch.no_grad():
        assert torch.allclose(cut(batch, [layer])[0], padded_states(whole, batch, layer), atol=1e-5)


def test_several_layers_are_those_of_the_whole(tiny):
    batch, whole = pack(segments([5, 40])), AutoModel.from_pretrained(tiny(), dtype=torch.float32).eval()
    with torch.no_grad():
        states = quiet(tiny()).eval()(batch, range(3))
        for layer in range(3):
            assert torch.allclose(states[layer], padded_states(whole, batch, layer), atol=1e-5)


def test_padding_inside_attention_equals_one_call_a_segment():
    torch.manual_seed(0)
    rows = [torch.randn(1, 4, 17, 8) for _ in range(3)]
    apart, _ = padding_free_attention(None, *rows, None, lengths=(1, 10, 6), scaling=0.3)
    assert torch.allclose(_squared(*rows, [1, 10, 6], 0.0, 0.3), apart, atol=1e-6)


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


def test_a_type_not_proven_equal_is_padded_and_says_so(tiny, caplog):
    batch, whole = pack(segments([5, 40, 1])), AutoModel.from_pretrained(tiny("distilbert"), dtype=torch.float32).eval()
    encoder = quiet(tiny("distilbert")).eval()
    assert "'distilbert' are run padded" in caplog.text
    with torch.no_grad():
        assert torch.allclose(encoder(batch, [2])[0], padded_states(whole, batch), atol=1e-5)


def test_proven_types_say_nothing(tiny, caplog):
    quiet(tiny("roberta"))
    assert caplog.text == ""


def test_weights_that_are_only_pickled_are_refused(tiny, tmp_path):
    folder = tmp_path / "pickled"
    shutil.copytree(tiny(), folder)
    model = AutoModel.from_pretrained(folder)
    torch.save(model.state_dict(), folder / "pytorch_model.bin")
    (folder / "model.safetensors").unlink()
    with pytest.raises(ValueError, match="only in .bin are refused"):
        Encoder.load(str(folder))


@pytest.mark.parametrize("load", [encoder_config, load_tokenizer, Encoder.load])
def test_an_encoder_that_is_nowhere_says_what_to_do(load, monkeypatch):
    monkeypatch.setattr("bertstudy.data.hub.reachable", lambda: False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(ValueError, match="encoder='no/such' can't be loaded.*Offline, use encoder='control'"):
        load("no/such")


def test_more_layers_than_there_are_is_an_error(tiny):
    with pytest.raises(ValueError, match="has 3 layers; 4 were asked for"):
        Encoder.load(tiny(), depth=4)
