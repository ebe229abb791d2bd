"""What has been found since the paper: each method changes what it says, by the number that its formula gives."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from accelerate import PartialState
from pandas.testing import assert_frame_equal
from torch import nn
from torch.nn.functional import cross_entropy

from bertstudy import Classifier, grid, train
from bertstudy.choices.methods import METHODS
from bertstudy.data.files import PAIR
from bertstudy.data.sampling import Split
from bertstudy.results import execution, plans
from bertstudy.training.fine_tuning import fit
from bertstudy.training.methods.contrastive import Contrastive, pair_loss, pairs, tune
from bertstudy.training.methods.eda import changed
from bertstudy.training.methods.ema import Ema
from bertstudy.training.methods.pretrained_decay import PretrainedDecay
from bertstudy.training.methods.r_drop import RDrop
from bertstudy.training.methods.unfreezing import Unfreezing
from bertstudy.training.optim import Optimizer

SPECS = [
    "contrastive:2",
    "eda:1",
    "ema:0.9",
    "freeze_layers:2",
    "label_smoothing:0.2",
    "lora:2",
    "pretrained_decay:0.05",
    "probe_first",
    "r_drop:2",
    "reinit_layers:1",
    "unfreezing",
]
OTHERS = {"fine_tune", "features", "embeddings", "words", "tfidf"}
TEXTS = ["a b c", "x y z u", "f e d", "v w u"] * 6
CLASSES = [0, 1, 0, 1] * 6
TIMES = ["seconds", "made", "pieces_per_second", "history"]


def of(run, spec):
    """The run by a method; its classifier, untrained; the method."""
    run = replace(run, method=spec)
    return Classifier.build(run, ["a", "z"]), METHODS.find(spec)()


def trained(run, spec="fine_tune", **options):
    """A classifier after fine-tuning by a method on TEXTS, and the method."""
    classifier, technique = of(run, spec)
    documents = (classifier.segmenter(TEXTS), CLASSES)
    technique.begin(classifier, documents)
    fit(classifier, documents, progress=False, technique=technique, **options)
    return classifier, technique


def weights_of(classifier):
    return {name: weight.detach().clone() for name, weight in classifier.encoder.named_parameters()}


def moved(before, after):
    return {name for name in before if not torch.equal(before[name], after[name])}


class Stopped(Exception):
    pass


@pytest.mark.parametrize("spec", SPECS)
def test_a_method_stops_before_its_first_step(small, spec, monkeypatch):
    def stop():
        raise Stopped

    steps = []
    monkeypatch.setattr(Optimizer, "step", lambda self: steps.append(self))
    with pytest.raises(Stopped):
        execution.train(replace(small, method=spec), progress=False, stop=stop)
    assert steps == []


def test_a_field_that_a_method_does_not_use_is_an_error(small):
    with pytest.raises(ValueError, match="head_dropout=0.5 has no effect with method='contrastive:2'"):
        replace(small, method="contrastive:2", head_dropout=0.5)


def test_every_method_is_tried_here():
    assert {spec.partition(":")[0] for spec in SPECS} | OTHERS == set(METHODS)
    assert all(METHODS[name].number for name in {*METHODS} - {"fine_tune"})


@pytest.mark.parametrize("spec", SPECS)
def test_a_method_moves_something_and_is_taken_home(small, spec, tmp_path):
    run = replace(small, epochs=4)
    plain, row = train(run, progress=False)
    last = row["history"][-1]
    assert row["pieces_per_second"] == pytest.approx(last["pieces"] / last["seconds"])
    classifier, row = train(replace(run, method=spec), progress=False)
    texts = ["a b c d", "u v w x", "m n"]
    theirs = classifier.predict(texts).probabilities
    assert not np.allclose(plain.predict(texts).probabilities, theirs, atol=1e-4)
    assert row["error"] < 50
    assert row["stages"][spec.partition(":")[0]] == METHODS.entry(spec).number
    classifier.save(tmp_path / "model", row)
    loaded = Classifier.load(tmp_path / "model")
    assert np.allclose(loaded.predict(texts).probabilities, theirs, atol=1e-6)


@pytest.mark.slow
def test_every_method_gives_the_same_rows_in_workers(small, reports):
    plan = grid(small, method=SPECS, seed=range(2))
    alone = plans.run_all(plan, "alone", progress=False).drop(columns=TIMES)
    apart = plans.run_all(plan, "apart", progress=False, workers=2).drop(columns=TIMES)
    assert_frame_equal(alone, apart, check_exact=True)


@pytest.mark.parametrize(
    ("spec", "says"),
    [
        ("lora", "a whole number above zero, as in lora:8"),
        ("lora:0.5", "a whole number above zero, as in lora:8"),
        ("ema:1.0", "a number above zero, as in ema:0.95"),  # 1 and 1.0 would be two names for one
        ("label_smoothing:-1", "a number above zero, as in label_smoothing:0.1"),
        ("unfreezing:3", "'unfreezing' takes no number"),
        ("lorra:8", "Did you mean 'lora'"),
    ],
)
def test_a_number_that_a_method_does_not_take_is_told(small, spec, says):
    with pytest.raises(ValueError, match=says):
        replace(small, method=spec)


@pytest.mark.parametrize(
    "spec", ["ema:1", "label_smoothing:2", "pretrained_decay:1", "reinit_layers:3", "freeze_layers:4"]
)
def test_a_number_out_of_range_is_told_before_training(small, spec):
    with pytest.raises(ValueError, match=f"method='{spec}'"):
        train(replace(small, method=spec), progress=False)


def test_the_top_layer_is_drawn_anew(small):
    plain, _ = of(small, "fine_tune")
    anew, _ = of(small, "reinit_layers:1")
    assert {name.split(".")[3] for name in moved(weights_of(plain), weights_of(anew))} == {"2"}
    drawn = torch.cat([weight.flatten() for weight in anew.encoder.layers[-1].parameters() if weight.ndim > 1])
    assert abs(drawn.std().item() - 0.3) < 0.01
    assert abs(drawn.mean().item()) < 0.01
    for module in anew.encoder.layers[-1].modules():
        if isinstance(module, nn.LayerNorm):
            assert (module.weight == 1).all()
        if isinstance(module, (nn.LayerNorm, nn.Linear)):
            assert (module.bias == 0).all()
    other, _ = of(replace(small, seed=1), "reinit_layers:1")
    assert len(moved(weights_of(anew), weights_of(other))) > 4


def test_frozen_layers_stay_and_the_others_learn(small):
    before = weights_of(of(small, "freeze_layers:2")[0])
    after = weights_of(trained(small, "freeze_layers:2")[0])
    assert {".".join(name.split(".")[1:4]) for name in moved(before, after)} == {"encoder.layer.2"}
    every, _ = trained(small, "freeze_layers:3")
    assert moved(before, weights_of(every)) == set()
    assert every.head.weight.requires_grad


def test_a_norm_above_the_last_layer_is_frozen_and_joins_with_that_layer(small, tiny):
    of_pre_norm = replace(small, encoder=tiny("modernbert"))
    weight = [of(of_pre_norm, f"freeze_layers:{n}")[0].encoder.norm.weight.requires_grad for n in (2, 3)]
    assert weight == [True, False]
    classifier, _ = of(of_pre_norm, "unfreezing")
    joined = []
    for done in (0.0, 0.11, 0.5):
        Unfreezing().before_step(classifier, done)
        level = [classifier.encoder.norm, classifier.encoder.layers[-1], classifier.encoder.layers[0]]
        joined.append([all(one.requires_grad for one in module.parameters()) for module in level])
    assert joined == [[False, False, False], [True, True, False], [True, True, True]]


def test_layers_join_from_the_top(small):
    classifier, _ = of(small, "unfreezing")
    technique = Unfreezing()

    def learning(done):
        technique.before_step(classifier, done)
        layers = [all(one.requires_grad for one in layer.parameters()) for layer in classifier.encoder.layers]
        return [next(classifier.encoder.parameters()).requires_grad, *layers]

    assert learning(0.0) == [False, False, False, False]
    assert learning(0.11) == [False, False, False, True]
    assert learning(0.21) == [False, False, True, True]
    assert learning(0.41) == [True, True, True, True]
    assert learning(0.99) == [True, True, True, True]
    assert classifier.head.weight.requires_grad
    before = weights_of(of(small, "unfreezing")[0])
    assert len(moved(before, weights_of(trained(small, "unfreezing")[0]))) == len(before)


def test_layers_that_join_late_need_one_process_and_bias_correction(small, monkeypatch):
    with pytest.raises(ValueError, match="bias_correction=False: layers that join late need True"):
        trained(replace(small, bias_correction=False), "unfreezing")
    monkeypatch.setitem(PartialState._shared_state, "num_processes", 2)
    with pytest.raises(ValueError, match="with 2 processes: layers join in one process only"):
        trained(small, "unfreezing")


def test_a_very_long_document_trains_the_head_alone_where_all_else_is_frozen(small):
    run = replace(small, truncation="chunks:4", segment_pooling="mean", window=8, method="freeze_layers:3", epochs=1)
    classifier, technique = of(run, run.method)
    documents = classifier.segmenter(["a b c x y z u v w " * 2] * 4)
    before, head = weights_of(classifier), classifier.head.weight.detach().clone()
    fit(classifier, (documents, [0, 1, 0, 1]), progress=False, technique=technique, budget=6)
    assert moved(before, weights_of(classifier)) == set()
    assert not torch.equal(head, classifier.head.weight)


def test_the_head_is_fitted_before_the_first_step(small):
    classifier, technique = of(small, "probe_first")
    documents = (classifier.segmenter(TEXTS), CLASSES)
    before = weights_of(classifier)
    technique.begin(classifier, documents)
    assert classifier.logits(documents[0]).argmax(-1).tolist() == CLASSES
    assert moved(before, weights_of(classifier)) == set()


def test_adapters_are_low_rank_changes_of_frozen_matrices(small):
    classifier, _ = trained(replace(small, learning_rate=1e-2), "lora:2")
    plain, _ = of(small, "fine_tune")
    changed_weights = 0
    adapted = dict(classifier.encoder.model.named_modules())
    with torch.no_grad():
        for name, module in plain.encoder.model.named_modules():
            if isinstance(module, nn.Linear):
                beside = adapted[name]
                assert torch.equal(beside.base_layer.weight, module.weight)
                low, high = beside.lora_A["default"].weight, beside.lora_B["default"].weight
                assert low.shape[0] == high.shape[1] == 2
                module.weight += 2 * high @ low
                changed_weights += bool(high.abs().sum() > 0)
        assert changed_weights == 3 * 6
        plain.head.load_state_dict(classifier.head.state_dict())
    documents = plain.segmenter(TEXTS[:4])
    assert torch.allclose(plain.logits(documents), classifier.logits(documents), atol=1e-5)
    learns = [name for name, weight in classifier.named_parameters() if weight.requires_grad]
    assert all("lora" in name or name.startswith("head") for name in learns)


def test_smoothed_targets():
    logits, truth = torch.tensor([[2.0, 0.0, -1.0], [0.0, 1.0, 0.0]]), torch.tensor([0, 2])
    shares = logits.log_softmax(-1).numpy()
    targets = np.full((2, 3), 0.2 / 3) + 0.8 * np.eye(3)[truth]
    loss = METHODS.find("label_smoothing:0.2")().loss(logits, truth, None)
    assert loss.item() == pytest.approx(-(targets * shares).sum(), rel=1e-6)


def test_two_dropouts_have_to_agree():
    logits, truth = torch.tensor([[2.0, 0.0], [0.5, 1.0], [1.0, 0.0], [0.0, 3.0]]), torch.tensor([0, 1])
    one, other = logits[:2].softmax(-1).numpy(), logits[2:].softmax(-1).numpy()
    right = -(np.log(one[[0, 1], truth]) + np.log(other[[0, 1], truth])).sum() / 2
    apart = ((one * np.log(one / other)).sum() + (other * np.log(other / one)).sum()) / 2
    assert RDrop(3.0).loss(logits, truth, None).item() == pytest.approx(right + 1.5 * apart, rel=1e-6)
    assert RDrop(3.0).loss(logits[:2].repeat(2, 1), truth, None).item() == pytest.approx(
        cross_entropy(logits[:2], truth, reduction="sum").item(), rel=1e-6
    )


def test_both_copies_of_a_document_have_a_dropout_of_their_own_and_micro_batches_change_nothing(small, monkeypatch):
    seen = []
    monkeypatch.setattr(RDrop, "loss", lambda self, logits, *rest: seen.append(logits.detach()) or logits.sum())
    trained(replace(small, epochs=1), "r_drop:2")
    one, other = seen[0].chunk(2)
    assert one.shape == (8, 2)
    assert not torch.allclose(one, other)
    seen.clear()
    trained(replace(small, epochs=1, dropout=0.0, head_dropout=0.0), "r_drop:2", budget=30)
    assert len(seen) > 3
    assert all(torch.allclose(*logits.chunk(2), atol=1e-5) for logits in seen)


def test_the_mean_of_the_weights_is_kept_and_scored(small, monkeypatch):
    steps, own = [], Ema.after_step

    def after_step(self, classifier, optimizer):
        steps.append(classifier.head.weight.detach().clone())
        own(self, classifier, optimizer)

    monkeypatch.setattr(Ema, "after_step", after_step)
    classifier, technique = trained(small, "ema:0.9")
    shares = 0.9 ** torch.arange(len(steps) - 1, -1, -1.0)
    mean = torch.einsum("s,sij->ij", shares / shares.sum(), torch.stack(steps))
    assert torch.allclose(classifier.head.weight, mean, atol=1e-6)
    assert not torch.allclose(classifier.head.weight, steps[-1], atol=1e-4)
    dev = (classifier.segmenter(TEXTS[:4]), CLASSES[:4])
    scored, technique = of(small, "ema:0.9")
    documents = (scored.segmenter(TEXTS), CLASSES)
    technique.begin(scored, documents)
    history = fit(scored, documents, dev, progress=False, technique=technique)
    loss = cross_entropy(scored.logits(dev[0]), torch.tensor(dev[1])).item()
    assert loss == pytest.approx(min(entry["dev_loss"] for entry in history), rel=1e-5)


def test_weights_are_drawn_back_by_their_share(small, monkeypatch):
    classifier, technique = of(small, "pretrained_decay:0.05")
    technique.begin(classifier, ([], []))
    before = weights_of(classifier)
    with torch.no_grad():
        for weight in classifier.encoder.parameters():
            weight += 1

    class Halfway:
        learning_rate, base = 0.5, 1.0

    technique.after_step(classifier, Halfway)
    for name, weight in classifier.encoder.named_parameters():
        assert torch.allclose(weight, before[name] + 0.975, atol=1e-5)


def test_copies_with_small_changes_stand_behind_the_documents(small):
    technique = METHODS.find("eda:2")()
    split = Split(["a b c d e f g h i j k l m n o p q r s t", "one", "x y"], np.array([0, 1, 0]))
    more = technique.documents(split, small)
    assert more.texts[:3] == split.texts
    assert more.classes.tolist() == [0, 1, 0] * 3
    assert more.texts[4] == "one"
    assert more.texts == technique.documents(split, small).texts
    assert more.texts != technique.documents(split, replace(small, seed=1)).texts
    kinds = Counter()
    for number in range(300):
        words = changed(split.texts[0], np.random.default_rng(number)).split()
        kinds[len(words)] += 1
        assert set(words) <= set(split.texts[0].split())
        assert split.texts[0].split() != words or len(words) == 20
    assert set(kinds) == {18, 20, 22}  # two of twenty words are deleted, swapped or said again
    assert min(kinds.values()) > 60


def test_of_a_pair_of_texts_each_is_changed_on_its_own():
    words = "a b c d e f g h i j", "k l m n o p q r s t"
    for number in range(20):
        halves = changed(PAIR.join(words), np.random.default_rng(number)).split(PAIR)
        assert len(halves) == 2
        for half, own in zip(halves, words, strict=True):
            assert half != own
            assert set(half.split()) <= set(own.split())


def test_pairs_are_alike_and_not_in_equal_number():
    classes = np.array([0, 0, 0, 1, 1, 2])
    drawn = pairs(classes, 4, np.random.default_rng(0))
    assert len(drawn) == 6 * 8
    assert all((classes[one] == classes[other]) == bool(target) for one, other, target in drawn)
    assert sum(target for *_, target in drawn) == 24
    assert all(one != other or classes[one] == 2 for one, other, _ in drawn)


def test_the_loss_of_pairs_is_that_of_sentence_transformers(small):
    from sentence_transformers.sentence_transformer.losses import CosineSimilarityLoss

    vectors, targets = (
        torch.randn(12, 8, generator=torch.Generator().manual_seed(0)),
        torch.tensor([1.0, 0, 1, 0, 0, 1]),
    )

    class Given(nn.Module):
        def forward(self, features):
            return {"sentence_embedding": features["vectors"]}

    theirs = CosineSimilarityLoss(Given())([{"vectors": part} for part in vectors.chunk(2)], targets)
    assert pair_loss(vectors, targets).item() / 6 == pytest.approx(theirs.item(), abs=1e-5)


def test_pairs_bring_documents_of_a_class_together(small):
    run = replace(small, method="contrastive:4", piece_pooling="mean", dropout=0.0, epochs=1)
    classifier = Classifier.build(run, ["a", "z"])
    documents, classes = classifier.segmenter(TEXTS[:12]), np.array(CLASSES[:12])
    drawn = pairs(classes, 4, np.random.default_rng(0))

    def apart():
        vectors = classifier.embed(documents)
        cosines = torch.nn.functional.cosine_similarity(vectors[:, None], vectors[None], dim=-1).numpy()
        alike = classes[:, None] == classes
        return cosines[~alike].mean() - cosines[alike & ~np.eye(12, dtype=bool)].mean()

    before, losses = apart(), tune(classifier, documents, drawn, progress=False)
    assert apart() < before - 0.2
    assert len(losses) == 12
    assert np.mean(losses[-3:]) < np.mean(losses[:3])


def test_pairs_in_parts_have_the_gradient_of_all(small, monkeypatch):
    run = replace(small, method="contrastive:1", dropout=0.0, epochs=1, max_grad_norm=1e9)
    heads = []
    for budget in (10_000, 40):
        classifier = Classifier.build(run, ["a", "z"])
        monkeypatch.setattr(Classifier, "budget", budget)
        documents = classifier.segmenter(TEXTS[:8])
        drawn = pairs(np.array(CLASSES[:8]), 1, np.random.default_rng(0))
        tune(classifier, documents, drawn, progress=False)
        heads.append(weights_of(classifier))
    assert all(torch.allclose(heads[0][name], heads[1][name], atol=1e-4) for name in heads[0])


def test_pairs_read_the_training_documents_only(small, monkeypatch):
    seen = []
    own = Contrastive.encoder
    monkeypatch.setattr(
        "bertstudy.training.methods.contrastive.tune", lambda classifier, documents, *_: seen.append(len(documents))
    )
    _, row = train(replace(small, method="contrastive:1"), progress=False)
    assert seen == [row["documents"]["train"]]
    assert own is Contrastive.encoder
    assert isinstance(METHODS.find("pretrained_decay:0.1")(), PretrainedDecay)
