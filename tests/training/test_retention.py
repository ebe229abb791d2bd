from dataclasses import replace

import numpy as np
import pytest
import torch

from bertstudy import load_corpus
from bertstudy.data.sources import texts_of
from bertstudy.results import execution
from bertstudy.training.retention import linear_cka


@pytest.fixture
def base(small):
    """The control encoder, which has its masked-LM head, on few documents of a composed corpus."""
    return replace(
        small, corpus="movies", encoder="control", window=64, fraction=0.002, test_size=20, retention="general"
    )


def retained(run):
    return execution.compute(run, progress=False)["retention"]


def test_a_rotation_keeps_cka_at_one_and_noise_lowers_it():
    random = np.random.default_rng(0)
    states = torch.tensor(random.normal(size=(300, 8)))
    rotation, _ = np.linalg.qr(random.normal(size=(8, 8)))
    assert linear_cka(states, 3 * states @ torch.tensor(rotation) + 5) == pytest.approx(1)
    assert linear_cka(states, torch.tensor(random.normal(size=(300, 8)))) < 0.1


def test_it_is_the_closed_form_over_gram_matrices():
    random = np.random.default_rng(1)
    first, second = random.normal(size=(2, 40, 5))
    centre = np.eye(40) - 1 / 40
    one, two = centre @ first @ first.T @ centre, centre @ second @ second.T @ centre
    expected = (one * two).sum() / np.sqrt((one * one).sum() * (two * two).sum())
    assert linear_cka(torch.tensor(first), torch.tensor(second)) == pytest.approx(expected)


@pytest.mark.slow
def test_an_encoder_that_did_not_move_retains_everything(base):
    kept = retained(replace(base, learning_rate=1e-12, epochs=1))
    assert kept["general_after"] == pytest.approx(kept["general_before"], abs=1e-4)
    assert kept["domain_after"] == pytest.approx(kept["domain_before"], abs=1e-4)
    assert kept["cka"] == pytest.approx([1.0] * 5, abs=1e-6)


@pytest.mark.slow
def test_the_further_it_moved_the_less_it_retains(base):
    little, much = (retained(replace(base, learning_rate=rate, epochs=6)) for rate in (1e-4, 5e-3))
    assert little["general_before"] == much["general_before"] < 2.5
    assert little["general_before"] < little["general_after"] + 0.01
    assert little["general_after"] + 0.3 < much["general_after"]
    assert much["cka"][-1] < little["cka"][-1] < 1
    assert len(much["cka"]) == 5


def test_an_encoder_without_a_head_gets_one_that_is_trained_alone(base, monkeypatch, tiny):
    from bertstudy.training import retention

    monkeypatch.setattr(retention, "HEAD_STEPS", 3)
    kept = retained(replace(base, encoder=tiny(), learning_rate=1e-12, epochs=1, window=24))
    assert kept["general_after"] == pytest.approx(kept["general_before"], abs=1e-4)


def test_texts_of_a_corpus_are_its_training_texts():
    assert texts_of("questions") == load_corpus("questions").train.texts
    assert len(texts_of("general")) == 20_000
