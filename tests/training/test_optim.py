from dataclasses import replace

import pytest
import torch
from torch import nn

from bertstudy import Classifier, Run
from bertstudy.choices.schedules import SCHEDULES, layer_rates
from bertstudy.training.optim import BETAS, EPS, Optimizer, has_weight_decay, parameter_groups


def rates(name, steps=100, warmup=0.1):
    return [SCHEDULES.find(name)(step, steps, warmup) for step in range(steps)]


@pytest.mark.parametrize("name", SCHEDULES)
@pytest.mark.parametrize("warmup", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("steps", [1, 2, 7, 1000])
def test_every_schedule_stays_between_zero_and_one(name, warmup, steps):
    values = rates(name, steps, warmup)
    assert all(0 <= value <= 1 for value in values)
    assert max(values) > 0 or steps == 1  # the authors' one begins at 0, and a single step is its beginning


def test_slanted_triangular_is_howard_and_ruders():
    values = rates("slanted_triangular")
    assert values[0] == pytest.approx(1 / 32)
    assert values[10] == 1
    assert values[5] == pytest.approx((1 + 0.5 * 31) / 32)
    assert values[55] == pytest.approx((1 + 0.5 * 31) / 32)
    assert values[-1] == pytest.approx((1 + 31 / 90) / 32)


def test_the_authors_warmup_linear_drops_at_the_end_of_the_warm_up():
    values = rates("warmup_linear")
    assert values[9] == pytest.approx(0.9)
    assert values[10] == pytest.approx(0.9)
    assert values[5] == pytest.approx(0.5)
    assert values[60] == pytest.approx(0.4)


def test_linear_and_constant():
    assert rates("linear")[10] == 1
    assert rates("linear")[55] == pytest.approx(0.5)
    assert rates("constant")[5] == pytest.approx(0.5)
    assert set(rates("constant")[10:]) == {1.0}


def test_layer_rates_follow_equation_2():
    assert layer_rates(3, 1.0, 0.5, True) == [0.125, 0.25, 0.5, 1.0]
    assert layer_rates(3, 1.0, 0.5, False) == [1.0, 0.25, 0.5, 1.0]


def test_groups_hold_every_parameter_once_at_its_layers_rate(tiny):
    run = Run(encoder=tiny(), learning_rate=1e-3, layer_decay=0.5, weight_decay=0.02)
    classifier = Classifier.build(run, ["a", "b"])
    groups = parameter_groups(classifier, run)
    grouped = [id(weight) for group in groups for weight in group["params"]]
    assert sorted(grouped) == sorted(id(weight) for weight in classifier.parameters())
    by_name = {group["name"]: group["lr"] for group in groups}
    expected = {"embeddings": 1.25e-4, "layer 0": 2.5e-4, "layer 1": 5e-4, "layer 2": 1e-3, "head": 1e-3}
    assert by_name == pytest.approx(expected)
    spared = {id(weight) for group in groups if group["weight_decay"] == 0 for weight in group["params"]}
    for name, weight in classifier.named_parameters():
        assert (id(weight) in spared) == (name.endswith("bias") or "LayerNorm" in name), name


@pytest.mark.parametrize(("kind", "norm"), [("modernbert", "final_norm"), ("eurobert", "norm")])
def test_a_norm_above_the_last_layer_learns_at_that_layers_rate(tiny, kind, norm):
    run = Run(encoder=tiny(kind), learning_rate=1e-3, layer_decay=0.5)
    classifier = Classifier.build(run, ["a", "b"])
    above = classifier.encoder.model.get_submodule(norm).weight
    (group,) = [one for one in parameter_groups(classifier, run) if any(above is weight for weight in one["params"])]
    assert group["name"] == "layer 2"
    assert group["lr"] == 1e-3


def test_biases_of_an_lstm_and_norms_of_any_name_have_no_weight_decay():
    module = nn.ModuleDict({"lstm": nn.LSTM(3, 2), "norm1": nn.LayerNorm(3), "linear": nn.Linear(3, 2)})
    decays = {name for name, weight in module.named_parameters() if has_weight_decay(weight)}
    assert decays == {"lstm.weight_ih_l0", "lstm.weight_hh_l0", "linear.weight"}


def bert_adam(weight, gradients, rate, decay):
    """The paper's optimiser, spelled out: no bias correction, eps outside the root, decay beside the update."""
    weight, first, second = weight.clone(), torch.zeros_like(weight), torch.zeros_like(weight)
    for gradient in gradients:
        first = BETAS[0] * first + (1 - BETAS[0]) * gradient
        second = BETAS[1] * second + (1 - BETAS[1]) * gradient**2
        weight = weight - rate * (first / (second.sqrt() + EPS) + decay * weight)
    return weight


@pytest.mark.parametrize("corrected", [False, True])
def test_without_bias_correction_it_is_bert_adam(corrected):
    generator = torch.Generator().manual_seed(0)
    start, gradients = torch.randn(50, generator=generator), torch.randn(8, 50, generator=generator)
    weight = torch.nn.Parameter(start.clone())
    run = Run(learning_rate=1e-2, schedule="constant", warmup=0.0, bias_correction=corrected)
    optimizer = Optimizer([{"params": [weight], "lr": 1e-2, "weight_decay": 0.1}], run, steps=8)
    for gradient in gradients:
        weight.grad = gradient.clone()
        optimizer.step()
    if corrected:
        reference = torch.nn.Parameter(start.clone())
        adamw = torch.optim.AdamW([reference], lr=1e-2, weight_decay=0.1, betas=BETAS, eps=EPS)
        for gradient in gradients:
            reference.grad = gradient.clone()
            adamw.step()
        expected = reference.detach()
    else:
        expected = bert_adam(start, gradients, 1e-2, 0.1)
    assert torch.allclose(weight.detach(), expected, atol=1e-6)


def test_clipping_reads_gradients_without_their_scale_also_of_weights_that_are_not_stepped():
    scaler = torch.amp.GradScaler("cpu", init_scale=8.0)
    own, other, unread = (nn.Parameter(torch.zeros(1)) for _ in range(3))
    group = {"params": [own], "lr": 1.0, "weight_decay": 0.0}
    optimizer = Optimizer([group], Run(), steps=1, scaler=scaler)
    scaler.scale(3 * own + 4 * other).backward()
    optimizer.clip([own, other, unread], most=1.0)
    assert (own.grad.item(), other.grad.item()) == pytest.approx((3 / 5, 4 / 5))


def test_layer_decay_on_shared_layers_is_an_error(tmp_path):
    from conftest import make_encoder

    run = Run(encoder=make_encoder(tmp_path / "albert", "albert"), layer_decay=0.9)
    classifier = Classifier.build(replace(run, layer_decay=1.0), ["a", "b"])
    with pytest.raises(ValueError, match="share their weights"):
        parameter_groups(classifier, run)
