"""What a researcher adds in one place works like ours: in this process, in worker processes, in a saved classifier."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from bertstudy import Classifier, Run, grid
from bertstudy.choices.methods import METHODS, method
from bertstudy.choices.pooling import LAYER_POOLINGS
from bertstudy.choices.truncation import TRUNCATIONS, truncation
from bertstudy.model.pooling import LayerPooling
from bertstudy.model.pooling import layer_pooling as pooling_over_layers
from bertstudy.registry import Registry
from bertstudy.results import plans
from bertstudy.training.methods.fine_tune import FineTune

pytestmark = pytest.mark.slow

TIMES = ("seconds", "made", "pieces_per_second", "history")


@pytest.fixture
def sliding():
    """Windows that overlap by half."""

    @truncation("sliding", many=True)
    def sliding(ids, room):
        return [ids[start : start + room] for start in range(0, max(1, len(ids) - room // 2), room // 2)]

    yield "sliding"
    del TRUNCATIONS["sliding"]


@pytest.fixture
def scalar_mix():
    """ELMo's mix: softmax(w) over layers, times a scale (Peters et al., 2018)."""

    @pooling_over_layers("scalar_mix")
    class ScalarMix(LayerPooling):
        def __init__(self, layers, hidden):
            super().__init__(layers, hidden)
            self.weights = nn.Parameter(torch.zeros(layers))
            self.scale = nn.Parameter(torch.ones(()))

        def forward(self, states):
            return self.scale * torch.einsum("l,lsh->sh", self.weights.softmax(0), states)

    yield "scalar_mix"
    del LAYER_POOLINGS["scalar_mix"]


@pytest.fixture
def frozen():
    """Fine-tuning that leaves embeddings and the lower layers as they are (Lee et al., 2019)."""

    @method("frozen_lower_layers")
    class FrozenLowerLayers(FineTune):
        def prepare(self, classifier):
            classifier.encoder.requires_grad_(False)
            classifier.encoder.layers[-1].requires_grad_(True)

    yield "frozen_lower_layers"
    del METHODS["frozen_lower_layers"]


def same_in_workers(plan):
    """The rows of a plan, after two processes have made the same."""
    alone = plans.run_all(plan, "alone", progress=False).to_dict("records")
    apart = plans.run_all(plan, "apart", progress=False, workers=2).to_dict("records")
    for one, other in zip(alone, apart, strict=True):
        assert {name: one[name] for name in one if name not in TIMES} == {
            name: other[name] for name in other if name not in TIMES
        }
    return alone


def test_a_truncation_of_several_segments_is_refused_without_a_pooling(small, sliding):
    with pytest.raises(ValueError, match="segment_pooling='none' with truncation='sliding'.*mean, max, attention"):
        replace(small, truncation=sliding)
    with pytest.raises(ValueError, match="has no effect with truncation='head'.*chunks, sliding"):
        replace(small, truncation="head", segment_pooling="mean")


def test_all_six_overlapping_windows_count(small, sliding, reports):
    run = replace(small, truncation=sliding, segment_pooling="mean", window=10)
    classifier = Classifier.build(run, ["a", "z"]).eval()
    (document,) = classifier.segmenter(["a b c d e f g h i j k l m n o p q r s t u v w x y z"])
    assert [len(segment) for segment in document] == [10, 10, 10, 10, 10, 8]
    before = classifier.logits([document])
    for place in range(6):
        changed = [list(segment) for segment in document]
        changed[place][1:-1] = changed[place][-2:0:-1]
        assert not torch.allclose(classifier.logits([changed]), before, atol=1e-6)
    rows = same_in_workers(grid(run, seed=range(2)))
    assert all(set(row["made_from"]["functions"]) == {"truncation"} for row in rows)


def test_a_truncation_that_hides_its_segments_is_told(small):
    @truncation("hiding")
    def hiding(ids, room):
        return [ids[:room], ids[room:]]

    try:
        classifier = Classifier.build(replace(small, truncation="hiding"), ["a", "z"])
        with pytest.raises(ValueError, match="'hiding' gave 2 segments of one document: register it with many=True"):
            classifier.segmenter(["a b c d e"])
    finally:
        del TRUNCATIONS["hiding"]


def test_a_layer_pooling_with_weights_learns_them_and_is_saved(small, scalar_mix, tmp_path, reports):
    run = replace(small, layers="scalar_mix:0-2", learning_rate=1e-2)
    rows = same_in_workers(grid(run, seed=range(2)))
    assert all(set(row["made_from"]["functions"]) == {"layers"} for row in rows)
    from bertstudy import train

    classifier, row = train(run, progress=False)
    assert (classifier.pool_layers.weights != 0).all()
    assert classifier.pool_layers.scale != 1
    classifier.save(tmp_path / "model", row)
    loaded = Classifier.load(tmp_path / "model")
    assert torch.equal(loaded.pool_layers.weights, classifier.pool_layers.weights)
    texts = ["a b c", "x y z"]
    assert np.allclose(loaded.predict(texts)[1], classifier.predict(texts)[1], atol=1e-6)


def test_a_method_in_one_place_changes_what_learns(small, frozen, reports):
    from bertstudy import train

    run = replace(small, method=frozen)
    rows = same_in_workers(grid(run, seed=range(2)))
    assert all(row["stages"].keys() == {"documents", "segments", "encoder", "fine_tuning"} for row in rows)
    classifier, _ = train(run, progress=False)
    fresh = Classifier.build(small, ["a", "z"])
    moved = {
        name
        for name, weight in classifier.encoder.named_parameters()
        if not torch.equal(weight, fresh.encoder.state_dict()[name])
    }
    assert moved
    assert all("layer.2." in name for name in moved)


def test_a_method_says_which_parts_of_a_run_it_reads():
    @method("words_of_one_kind", reads=("documents",), stages=())
    class Words:
        pass

    try:
        with pytest.raises(ValueError, match="epochs=9 has no effect with method='words_of_one_kind', which reads doc"):
            Run(method="words_of_one_kind", encoder="none", epochs=9)
    finally:
        del METHODS["words_of_one_kind"]


def test_what_can_not_be_sent_to_other_processes_is_refused_with_the_reason(small, reports):
    import threading

    lock = threading.Lock()

    @truncation("locked")
    def locked(ids, room):
        with lock:
            return [ids[:room]]

    try:
        plan = grid(replace(small, truncation="locked"), seed=range(2))
        with pytest.raises(ValueError, match="truncation='locked' can't be sent to other processes.*Use workers=1"):
            plans.run_all(plan, "locked", progress=False, workers=2)
        assert len(plans.run_all(plan[:1], "locked", progress=False)) == 1
    finally:
        del TRUNCATIONS["locked"]


@pytest.mark.parametrize("name", ["Mine", "my-choice", "a b", "", "head:5"])
def test_names_are_plain(name):
    with pytest.raises(ValueError, match="use lower-case letters, digits and _ only"):
        Registry("a kind")(name)


def test_an_unknown_trait_is_told():
    with pytest.raises(ValueError, match="trait='mane' is unknown. Did you mean 'many'"):
        truncation("mine", mane=True)
