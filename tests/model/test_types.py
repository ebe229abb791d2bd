"""The promises that each supported type of encoder keeps (contract C12): the same tests for all of ADAPTERS."""

import json
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from conftest import make_encoder, square_labels
from transformers import AutoConfig, AutoModel

from bertstudy import Classifier, Run
from bertstudy.model.adapters import ADAPTERS
from bertstudy.model.batching import pack, pad
from bertstudy.model.encoder import Encoder, load_pretraining_model
from bertstudy.model.loading import check_encoder, encoder_config, load_tokenizer, longest_window
from bertstudy.model.locations import reads_mean
from bertstudy.training.examples import examples, masked_batch, sentence_ids
from bertstudy.training.optim import has_weight_decay
from bertstudy.training.pretraining import Pretraining, PretrainingModel, pretrain
from bertstudy.training.retention import _states

MIXED = [1, 2, 512, 7, 300, 30]
every_type = pytest.mark.parametrize("kind", ADAPTERS)


def segments(lengths, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return [[torch.randint(5, 50, (length,), generator=generator).tolist()] for length in lengths]


def padded_states(model, batch, layer=None):
    """The states of all pieces (pieces, hidden) as Hugging Face's own model gives them, through its last norm."""
    ids, mask = pad(batch, 0)
    output = model(input_ids=ids, attention_mask=mask, output_hidden_states=True)
    if layer is None or layer == len(output.hidden_states) - 2:
        return output.last_hidden_state[mask.bool()]
    norm = ADAPTERS[model.config.model_type].norm
    states = output.hidden_states[layer + 1]
    return (model.get_submodule(norm)(states) if norm else states)[mask.bool()]


def theirs_of(name):
    """Hugging Face's own model, without dropout."""
    model = AutoModel.from_pretrained(name, dtype=torch.float32)
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    return model


def ours_of(name, **options):
    return Encoder.load(name, dropout=0.0, **options)


@every_type
@pytest.mark.parametrize("lengths", [MIXED, [1], [512], [3, 3, 3]], ids=str)
def test_padding_free_equals_padded(tiny, kind, lengths):
    batch, whole = pack(segments(lengths)), theirs_of(tiny(kind)).eval()
    with torch.no_grad():
        ours, theirs = ours_of(tiny(kind)).eval()(batch, [2])[0], padded_states(whole, batch)
        apart = torch.cat([padded_states(whole, pack([one])) for one in segments(lengths)])
    assert (ours - theirs).abs().max() < 1e-4
    assert (ours - apart).abs().max() < 1e-4
    assert theirs.std() > 0.1  # the states differ enough for the comparison to mean something


@every_type
def test_gradients_equal_those_of_the_padded_model(tiny, kind):
    batch = pack(segments(MIXED))
    ours, theirs = ours_of(tiny(kind)).train(), theirs_of(tiny(kind)).train()
    weights = torch.linspace(-1, 1, sum(MIXED))[:, None] * torch.linspace(0, 1, 32) / 100
    (ours(batch, [2])[0] * weights).sum().backward()
    (padded_states(theirs, batch) * weights).sum().backward()
    named, compared = {name: one for name, one in theirs.named_parameters() if one.grad is not None}, 0
    largest = max(weight.grad.norm() for weight in named.values())
    for name, weight in ours.model.named_parameters():
        if name not in named or named[name].grad.norm() < 1e-5 * largest:  # a bias of keys has none but by rounding
            continue
        difference = (weight.grad - named[name].grad).norm() / named[name].grad.norm()
        assert difference < 1e-4, name
        compared += 1
    assert compared > (15 if kind in ("albert", "modernbert") else 25)


def gradients(encoder, states):
    encoder.zero_grad()
    (states * torch.linspace(-1, 1, states.numel()).view_as(states)).sum().backward()
    return {name: weight.grad.clone() for name, weight in encoder.named_parameters() if weight.grad is not None}


@every_type
def test_what_is_read_of_the_last_layer_is_the_same_and_where_possible_all_that_is_computed_there(tiny, kind):
    batch, encoder, seen = pack(segments(MIXED)), ours_of(tiny(kind)).train(), []
    if encoder.adapter.above:
        encoder.layers[-1].intermediate.register_forward_pre_hook(lambda _, given: seen.append(given[0].shape[1]))
    places = batch.bounds[:-1]
    whole, first = encoder(batch, [2])[0][places], encoder.first(batch, [2])[0]
    some = encoder.row(batch, torch.tensor([3, 0, 700])).last_hidden_state[0]
    assert seen == ([sum(MIXED), len(MIXED), 3] if encoder.adapter.above else [])
    assert torch.allclose(first, whole, atol=1e-5)
    assert torch.allclose(some, encoder(batch, [2])[0][[3, 0, 700]], atol=1e-5)
    expected = gradients(encoder, encoder(batch, [2])[0][places])
    ours = gradients(encoder, encoder.first(batch, [2])[0])
    assert expected.keys() == ours.keys()
    for name, gradient in expected.items():
        assert (ours[name] - gradient).norm() <= 1e-4 * gradient.norm() + 1e-6, name


@every_type
@pytest.mark.parametrize("layer", range(3))
def test_an_encoder_cut_after_a_layer_gives_that_layer_of_the_whole(tiny, kind, layer):
    batch, whole = pack(segments([5, 40])), theirs_of(tiny(kind)).eval()
    cut = ours_of(tiny(kind), depth=layer + 1).eval()
    assert cut.config.num_hidden_layers == layer + 1
    with torch.no_grad():
        assert torch.allclose(cut(batch, [layer])[0], padded_states(whole, batch, layer), atol=1e-5)


@every_type
def test_several_layers_are_those_of_the_whole(tiny, kind):
    batch, whole = pack(segments([5, 40])), theirs_of(tiny(kind)).eval()
    with torch.no_grad():
        states = ours_of(tiny(kind)).eval()(batch, range(3))
        firsts = ours_of(tiny(kind)).eval().first(batch, range(3))
        for layer in range(3):
            expected = padded_states(whole, batch, layer)
            assert torch.allclose(states[layer], expected, atol=1e-5)
            assert torch.allclose(firsts[layer], expected[batch.bounds[:-1]], atol=1e-5)


@every_type
def test_every_dropout_has_the_name_that_the_type_gives_it(tiny, kind, caplog):
    caplog.set_level("INFO")
    encoder, adapter = Encoder.load(tiny(kind), dropout=0.25, attention_dropout=0.125), ADAPTERS[kind]
    config = encoder.config
    assert {getattr(config, name) for name in adapter.dropout} == ({0.25} if adapter.dropout else set())
    assert {getattr(config, name) for name in adapter.attention_dropout} == {0.125}
    assert ("dropout=0.25 has no effect" in caplog.text) == (not adapter.dropout)
    batch = pack(segments([40, 5]))
    encoder.train()
    assert not torch.equal(encoder(batch, [2])[0], encoder(batch, [2])[0])
    encoder.eval()
    assert torch.equal(encoder(batch, [2])[0], encoder(batch, [2])[0])


@every_type
def test_the_longest_window_runs_and_one_piece_more_does_not(tiny, kind):
    most = longest_window(encoder_config(tiny(kind)))
    run = Run(encoder=tiny(kind), window=most, truncation="head")
    check_encoder(run)
    with pytest.raises(ValueError, match=f"reads at most {most} word pieces"):
        check_encoder(replace(run, window=most + 1))
    batch = pack(segments([most, 3]))
    with torch.no_grad():
        states = ours_of(tiny(kind)).eval()(batch, [2])[0]
        theirs = padded_states(theirs_of(tiny(kind)).eval(), batch)
    assert (states - theirs).abs().max() < 1e-4


@every_type
def test_norms_and_biases_do_not_decay(tiny, kind):
    for name, module in ours_of(tiny(kind)).named_modules():
        for own, weight in module.named_parameters(recurse=False):
            is_matrix = isinstance(module, (torch.nn.Linear, torch.nn.Embedding)) and own == "weight"
            assert has_weight_decay(weight) == is_matrix, f"{name}.{own}"


@every_type
@pytest.mark.parametrize("window", [3, 40])
def test_a_document_alone_has_the_prediction_that_it_has_in_a_batch(tiny, kind, window):
    """Windows of one piece between [CLS] and [SEP], and full ones; alone, among 7 and among 64."""
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice([*"abcdefghij"], random.integers(1, 60))) for _ in range(64)]
    run = Run(encoder=tiny(kind), window=window, truncation="head", piece_pooling="mean")
    classifier = Classifier.build(run, ["a", "b", "c"]).eval()
    with torch.no_grad():
        classifier.head.weight.mul_(20)
    among_64, among_7 = classifier.predict(texts), classifier.predict(texts[:7])
    for number, text in enumerate(texts[:7]):
        alone = classifier.predict([text])
        assert alone.labels[0] == among_7.labels[number] == among_64.labels[number]
        for other in (among_7, among_64):
            assert np.abs(alone.probabilities[0] - other.probabilities[number]).max() < 1e-5
    assert len({tuple(row.round(3)) for row in among_64.probabilities}) > 5


@every_type
@pytest.mark.parametrize("attention_dropout", [0.0, 0.1])
def test_what_was_predicted_before_is_trained_on(tiny, kind, attention_dropout):
    """What prediction remembers of the lengths of a batch is no hindrance to a gradient."""
    name = tiny(kind)
    run = Run(encoder=name, window=24, truncation="head", attention_dropout=attention_dropout)
    classifier = Classifier.build(run, ["a", "b"])
    documents = [[ids] for (ids,) in segments([21, 5, 23, 5])]
    classifier.logits(documents)
    classifier.train()
    order = sorted(range(4), key=lambda index: len(documents[index][0]))
    classifier(pack([documents[index] for index in order])).sum().backward()
    assert all(weight.grad is not None for weight in classifier.encoder.layers[0].parameters())


@every_type
def test_a_saved_classifier_predicts_the_same(tiny, kind, tmp_path):
    run = Run(encoder=tiny(kind), window=40, truncation="head", layers="1")
    classifier = Classifier.build(run, ["a", "b"]).eval()
    classifier.save(tmp_path / "model")
    texts = ["a b c", "q " * 60, ""]
    assert np.array_equal(
        Classifier.load(tmp_path / "model").predict(texts).probabilities, classifier.predict(texts).probabilities
    )


def sentences(count=40):
    random = np.random.default_rng(1)
    return ["! ".join(" ".join(random.choice([*"abcde"], 6)) for _ in range(4)) + "!" for _ in range(count)]


@every_type
def test_masked_word_losses_equal_those_of_the_padded_model(tiny, kind):
    model, new = load_pretraining_model(tiny(kind))
    assert new  # the tiny weights have no head
    settings = Pretraining(tiny(kind), window=32, next_sentence=False, steps=1)
    tokenizer = load_tokenizer(tiny(kind))
    made = examples(sentence_ids(sentences(), tokenizer), settings, 0, tokenizer)[:9]
    masked = masked_batch(made, np.random.default_rng(0), tokenizer)
    whole = type(model).from_pretrained(tiny(kind), dtype=torch.float32)
    whole.load_state_dict(model.state_dict())
    ids, attention, square = square_labels(masked)
    with torch.no_grad():
        logits = whole.eval()(ids, attention_mask=attention)
        logits = getattr(logits, "prediction_logits", None) if "prediction_logits" in logits else logits.logits
        theirs = torch.nn.functional.cross_entropy(logits.flatten(0, 1), square.flatten())
        ours, _, _ = PretrainingModel(model, new).eval()(masked)
    assert ours.item() == pytest.approx(theirs.item(), rel=1e-4)


@every_type
def test_the_head_that_the_weights_lack_follows_from_the_seed(tiny, kind):
    heads = []
    for seed in (0, 0, 1):
        used = [torch.full((size,), float("inf")) for size in (32, 57, 1024, 57 * 32) for _ in range(50)]
        del used  # memory that a weight would have which nobody initialises
        model, new = load_pretraining_model(tiny(kind), seed)
        assert new
        below = {id(weight) for weight in model.base_model.parameters()}
        heads.append({name: one.detach().clone() for name, one in model.named_parameters() if id(one) not in below})
    assert all(torch.equal(heads[0][name], heads[1][name]) for name in heads[0])
    assert all(one.isfinite().all() for one in heads[0].values())
    assert not all(torch.equal(heads[0][name], heads[2][name]) for name in heads[0])


@every_type
def test_further_pretraining_lowers_the_loss_and_its_weights_are_fine_tuned(tiny, kind, tmp_path):
    settings = Pretraining(
        tiny(kind), steps=30, learning_rate=2e-3, batch_size=8, window=32, next_sentence=False, head_steps=6
    )
    model = PretrainingModel(*load_pretraining_model(tiny(kind)))
    before = {name: weight.clone() for name, weight in model.model.base_model.named_parameters()}
    history = pretrain(model, sentences(120), settings, looks=1, progress=False)
    assert history[-1]["loss"] < history[0]["loss"]
    moved = [
        name for name, weight in model.model.base_model.named_parameters() if not torch.equal(weight, before[name])
    ]
    assert len(moved) > 0.7 * len(before)
    model.model.save_pretrained(tmp_path / "further")
    load_tokenizer(tiny(kind)).save_pretrained(tmp_path / "further")
    assert not load_pretraining_model(str(tmp_path / "further"))[1]  # it has a head now
    batch = pack(segments([12, 5]))
    with torch.no_grad():
        kept = ours_of(str(tmp_path / "further")).eval()(batch, [2])[0]
        trained = Encoder(model.model.base_model).eval()(batch, [2])[0]
    assert torch.allclose(kept, trained, atol=1e-5)


LONG_DOCUMENT = """
import resource, sys
from bertstudy import Classifier, Run
from bertstudy.training.fine_tuning import fit

run = Run(encoder=sys.argv[1], window=8192, truncation="chunks", segment_pooling="mean", learning_rate=1e-4, epochs=1)
classifier = Classifier.build(run, ["a", "z"])
documents = classifier.segmenter(["a b c d e " * 4000, "q " * 30])
assert [len(document) for document in documents] == [3, 1]
history = fit(classifier, (documents, [0, 1]), progress=False)
print(history[0]["pieces"], history[0]["loss"], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20)
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="the memory of a process is told in other units elsewhere")
def test_a_document_of_20_000_pieces_is_trained_on_whole_in_windows_of_8_192(tmp_path):
    """Four layers of 256, two of them local, in under 4 GB: no attention keeps scores of 8,192 by 8,192."""
    encoder = make_encoder(tmp_path / "long", "modernbert", layers=4, hidden=256, positions=8192)
    command = [sys.executable, "-c", LONG_DOCUMENT, encoder]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    pieces, loss, gigabytes = map(float, done.stdout.split())
    assert pieces == 20_000 + 3 * 2 + 30 + 2
    assert np.isfinite(loss)
    assert gigabytes < 4


@every_type
def test_hidden_states_for_retention_are_there_for_every_layer(tiny, kind):
    model = PretrainingModel(*load_pretraining_model(tiny(kind))).eval()
    states = _states(model, [[2, 7, 8, 3], [2, 9, 3]])
    assert [tuple(state.shape) for state in states] == [(7, 32)] * 4 if kind != "albert" else len(states) == 4


def test_types_that_can_not_be_read_are_refused_with_the_reason(tiny, tmp_path):
    with pytest.raises(ValueError, match="of type 'xlnet', which was not trained to fill in masked words"):
        Classifier.build(Run(encoder=tiny("xlnet"), window=24, truncation="head"), ["a", "b"])
    AutoConfig.for_model("funnel").save_pretrained(tmp_path)
    load_tokenizer(tiny()).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="'funnel' do not say how long a window they read"):
        Classifier.build(Run(encoder=str(tmp_path), window=24, truncation="head"), ["a", "b"])


@pytest.mark.parametrize(
    ("files", "mean"),
    [
        ({}, False),
        ({"1_Pooling/config.json": {"pooling_mode_mean_tokens": True}}, True),
        ({"1_Pooling/config.json": {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}}, False),
        ({"config.json": {"classifier_pooling": "mean"}}, True),
        ({"config.json": {"classifier_pooling": "cls"}}, False),
    ],
    ids=str,
)
def test_a_folder_says_how_it_is_to_be_read(tiny, tmp_path, files, mean):
    folder = tmp_path / "encoder"
    shutil.copytree(tiny(), folder)
    for file, content in files.items():
        path = folder / file
        path.parent.mkdir(exist_ok=True)
        known = json.loads(path.read_text()) if path.is_file() else {}
        path.write_text(json.dumps({**known, **content}))
    assert reads_mean(str(folder)) == mean


@pytest.mark.parametrize("kind", ["longformer", "big_bird"])
def test_types_of_sparse_attention_run_padded(tiny, kind, caplog):
    for layers in ("last", "0"):
        run = Run(encoder=tiny(kind), window=24, truncation="head", layers=layers)
        classifier = Classifier.build(run, ["a", "b"]).eval()
        assert f"of type {kind!r} is run padded" in caplog.text
        together = classifier.predict(["a b c", "q " * 40]).probabilities
        assert np.abs(together[0] - classifier.predict(["a b c"]).probabilities[0]).max() < 1e-5


@pytest.mark.parametrize("kind", ["convbert", "mobilebert"])
def test_another_type_is_padded_and_says_so(tiny, kind, caplog):
    batch = pack(segments([5, 40, 1]))
    encoder = ours_of(tiny(kind)).eval()
    assert f"of type {kind!r} is run padded" in caplog.text
    with torch.no_grad():
        states = encoder(batch, [2])[0]
        ids, mask = pad(batch, 0)
        theirs = theirs_of(tiny(kind)).eval()(input_ids=ids, attention_mask=mask).last_hidden_state[mask.bool()]
        assert torch.allclose(states, theirs, atol=1e-5)
        assert torch.equal(encoder.first(batch, [2])[0], states[batch.bounds[:-1]])
