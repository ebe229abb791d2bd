"""Half precision: asked for by a run, computed where the hardware has it, told by the row."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch

from bertstudy import load_corpus
from bertstudy.data.sampling import draw
from bertstudy.model import precision
from bertstudy.model.classifier import Classifier
from bertstudy.results.execution import arithmetic_of, compute
from bertstudy.training.fine_tuning import fit
from bertstudy.training.optim import Optimizer
from tests.conftest import LETTERS

CPU, CUDA = torch.device("cpu"), torch.device("cuda")


@pytest.mark.parametrize(
    ("known", "expected"),
    [
        ({"avx2": True, "avx512_bf16": False}, None),
        ({"avx2": True, "avx512_f": True}, None),
        ({"avx512_bf16": True}, torch.bfloat16),
        ({"amx_bf16": True}, torch.bfloat16),
        ({"avx_ne_convert": True}, torch.bfloat16),
        ({"neon": True, "bf16": True}, torch.bfloat16),
        ({"neon": True}, None),
    ],
    ids=str,
)
def test_a_processor_computes_in_bf16_where_it_has_the_instructions(known, expected, monkeypatch):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: known, raising=False)
    assert precision.half_precision(CPU) == expected


def test_an_older_torch_that_does_not_tell_computes_in_float32(monkeypatch):
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert precision.half_precision(CPU) is None


@pytest.mark.parametrize(("capability", "expected"), [((6, 1), None), ((7, 0), torch.float16), ((7, 5), torch.float16)])
def test_an_older_gpu_computes_in_fp16_where_that_is_faster(capability, expected, monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation)
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    assert precision.half_precision(CUDA) is expected


def test_a_newer_gpu_computes_in_bf16(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: True)
    assert precision.half_precision(CUDA) is torch.bfloat16


def test_fp32_stays_float32_where_there_is_half_precision(half_everywhere):
    assert precision.arithmetic(CPU, "fp32") is torch.float32
    assert precision.arithmetic(CPU, "bf16") is torch.bfloat16
    left, right = torch.ones(2, 2), torch.ones(2, 2)
    with precision.autocast(CPU, "fp32"):
        assert (left @ right).dtype is torch.float32
    with precision.autocast(CPU, "bf16"):
        assert (left @ right).dtype is torch.bfloat16


def test_without_the_instructions_a_bf16_run_is_an_fp32_run_and_its_row_says_so(small, monkeypatch):
    monkeypatch.setattr(precision, "half_precision", lambda device: None)
    asked, plain = (compute(replace(small, precision=name), progress=False) for name in ("bf16", "fp32"))
    assert asked["id"] != plain["id"]
    assert asked["predictions"] == plain["predictions"]
    assert asked["loss"] == plain["loss"]
    assert asked["arithmetic"] == "float32"


def test_with_them_the_row_says_bfloat16_and_the_logits_differ(small, half_everywhere):
    texts = [" ".join(LETTERS[:length]) for length in range(3, 12)]
    logits = []
    for name in ("bf16", "fp32"):
        run = replace(small, precision=name)
        classifier = Classifier.build(run, ["a", "b"])
        logits.append(classifier.logits(classifier.segmenter(texts)))
        assert arithmetic_of(classifier, run) == {"bf16": "bfloat16", "fp32": "float32"}[name]
    assert 0 < (logits[0] - logits[1]).abs().max() < 0.05 * logits[1].abs().max()


@pytest.fixture
def fp16(monkeypatch):
    monkeypatch.setattr(precision, "half_precision", lambda device: torch.float16)


def test_gradients_are_scaled_in_fp16_alone(fp16):
    assert precision.grad_scaler(CPU, "bf16").is_enabled()
    assert not precision.grad_scaler(CPU, "fp32").is_enabled()


def test_training_in_fp16_comes_to_what_it_does_in_float32(small, fp16):
    """Also clipping, which has to see gradients as they are: without it being undone they are 65,536 times as large."""
    losses = []
    for name in ("bf16", "fp32"):
        run = replace(small, precision=name, dropout=0.0, head_dropout=0.0, epochs=2, max_grad_norm=0.5)
        documents = draw(load_corpus(run.corpus), run)
        classifier = Classifier.build(run, ["a", "z"])
        train = classifier.segmenter(documents.train.texts), documents.train.classes.tolist()
        losses.append([entry["loss"] for entry in fit(classifier, train, progress=False)])
    assert losses[0] != losses[1]
    assert losses[0] == pytest.approx(losses[1], rel=0.02)


def test_gradients_that_overflow_in_fp16_skip_a_step():
    weight = torch.nn.Parameter(torch.ones(3))
    settings = SimpleNamespace(schedule="constant", warmup=0.0, learning_rate=0.1, bias_correction=True)
    scaler = torch.amp.GradScaler("cpu")
    optimizer = Optimizer([{"params": [weight], "lr": 0.1, "weight_decay": 0.0}], settings, 10, scaler)
    scaler.scale((weight * float("inf")).sum()).backward()
    before = scaler.get_scale()
    optimizer.clip([weight], 1.0)
    optimizer.step()
    assert torch.equal(weight, torch.ones(3))
    assert scaler.get_scale() == before / 2
    scaler.scale(weight.sum()).backward()
    optimizer.clip([weight], 1.0)
    optimizer.step()
    assert (weight < 1).all()
