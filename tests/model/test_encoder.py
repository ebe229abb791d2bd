import json
import shutil

import pytest
import torch
from conftest import make_encoder
from transformers import AutoModel

from bertstudy import Run
from bertstudy.model.adapters import ADAPTERS
from bertstudy.model.batching import pack, pad
from bertstudy.model.encoder import Encoder
from bertstudy.model.loading import check_encoder, encoder_config, load_tokenizer, longest_window
from bertstudy.model.locations import weights_hash, where

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


@pytest.mark.parametrize("kind", ADAPTERS)
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


def gradients(encoder, states):
    encoder.zero_grad()
    (states * torch.linspace(-1, 1, states.numel()).view_as(states)).sum().backward()
    return {name: weight.grad.clone() for name, weight in encoder.named_parameters() if weight.grad is not None}


@pytest.mark.parametrize("kind", ADAPTERS)
def test_what_is_read_of_the_last_layer_is_all_that_is_computed_there_and_the_same(tiny, kind):
    batch, encoder, seen = pack(segments(MIXED)), quiet(tiny(kind)).train(), []
    encoder.layers[-1].intermediate.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape[1]))
    places = batch.bounds[:-1]
    whole, first = encoder(batch, [2])[0][places], encoder.first(batch, [2])[0]
    some = encoder.row(batch, torch.tensor([3, 0, 700])).last_hidden_state[0]
    assert seen == [sum(MIXED), len(MIXED), 3]
    assert torch.allclose(first, whole, atol=1e-5)
    assert torch.allclose(some, encoder(batch, [2])[0][[3, 0, 700]], atol=1e-5)
    expected, ours = (
        gradients(encoder, encoder(batch, [2])[0][places]),
        gradients(encoder, encoder.first(batch, [2])[0]),
    )
    assert expected.keys() == ours.keys()
    for name, gradient in expected.items():
        assert (ours[name] - gradient).norm() <= 1e-4 * gradient.norm() + 1e-6, name


@pytest.mark.parametrize("kind", ["bert", "distilbert"])
def test_first_pieces_of_several_layers_and_of_padded_types_are_those_of_all(tiny, kind):
    batch, encoder = pack(segments([5, 40, 1])), quiet(tiny(kind)).eval()
    layers = [2] if kind == "distilbert" else [0, 2]
    with torch.no_grad():
        for first, all_pieces in zip(encoder.first(batch, layers), encoder(batch, layers), strict=True):
            assert torch.equal(first, all_pieces[batch.bounds[:-1]])


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


def test_a_named_encoder_is_found_in_the_folder_of_encoders_and_else_on_the_hub(tiny, tmp_path, monkeypatch):
    monkeypatch.delenv("BERTSTUDY_ENCODERS", raising=False)
    assert where("mpnet") == "sentence-transformers/all-mpnet-base-v2"
    monkeypatch.setenv("BERTSTUDY_ENCODERS", str(tmp_path))
    assert where("mpnet") == "sentence-transformers/all-mpnet-base-v2"  # the folder lacks it
    shutil.copytree(tiny(), tmp_path / "mpnet")
    assert Encoder.load("mpnet").config.num_hidden_layers == 3
    assert weights_hash("mpnet") == weights_hash(tiny())


def test_more_layers_than_there_are_is_an_error(tiny):
    with pytest.raises(ValueError, match="has 3 layers; 4 were asked for"):
        Encoder.load(tiny(), depth=4)


OFFSET = ["bert", "electra", "distilbert", "roberta", "xlm-roberta", "camembert", "mpnet", "data2vec-text"]


@pytest.mark.parametrize("kind", OFFSET)
def test_a_segment_of_the_longest_window_runs_and_one_longer_does_not(tmp_path, kind):
    folder = make_encoder(tmp_path / kind, kind, layers=1, positions=24)
    encoder, most = quiet(folder).eval(), longest_window(encoder_config(folder))
    assert most in (22, 23, 24)
    assert encoder(pack(segments([most])), [0])[0].shape == (most, 32)
    with pytest.raises((IndexError, RuntimeError)):
        encoder(pack(segments([most + 1])), [0])
    check_encoder(Run(encoder=folder, window=most, truncation="head"))
    with pytest.raises(ValueError, match=f"window={most + 1}.*at most {most} word pieces"):
        check_encoder(Run(encoder=folder, window=most + 1, truncation="head"))


def test_code_that_comes_with_an_encoder_is_not_run_and_nobody_is_asked(tiny, tmp_path):
    folder = tmp_path / "foreign"
    shutil.copytree(tiny(), folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "foreign", "auto_map": {"AutoConfig": "evil.Config", "AutoModel": "evil.Model"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    for load in (encoder_config, Encoder.load):
        with pytest.raises(ValueError, match="can't be loaded"):
            load(str(folder))
    assert not (tmp_path / "ran").exists()
