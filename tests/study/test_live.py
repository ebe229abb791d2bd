"""A run as it goes: curves follow the numbers."""

import re
from dataclasses import replace

import pytest

import bertstudy as bs
from bertstudy.study import live
from bertstudy.training import log


@pytest.fixture
def watching(monkeypatch):
    """A Live that is not displayed, and is drawn at each number."""
    monkeypatch.setattr(live, "display", lambda picture: None)
    monkeypatch.setattr(live, "EVERY", -1.0)
    return live.Live()


def points(picture):
    return [line.split() for line in re.findall(r'points="([^"]*)"', picture)]


def test_the_curves_grow_with_the_steps_and_begin_anew_with_a_run(watching):
    for step in range(1, 26):
        watching("train/loss", 2.0 - step / 25, step)
    watching("dev/error", 30.0, 25)
    (losses, errors) = points(watching.svg())
    assert len(losses) == 3  # two groups of ten steps, and five
    heights = [float(one.split(",")[1]) for one in losses]
    assert heights == sorted(heights)  # a loss that falls goes down, where y is larger
    assert float(losses[-1].split(",")[0]) == live.WIDTH - live.EDGE
    assert len(errors) == 1
    assert "step 25, loss 1.080, dev error 30.0 %" in watching.picture.value
    watching("train/loss", 0.7, 1)
    assert len(points(watching.svg())) == 1
    assert "step 1, loss 0.700" in watching.picture.value


def test_a_run_tells_its_listeners_every_step(small, watching, monkeypatch):
    monkeypatch.setattr(log, "LISTENERS", [watching])
    _, row = bs.train(replace(small, dev_fraction=0.2), progress=False)
    assert [step for step, _ in watching.losses] == list(range(1, row["history"][-1]["step"] + 1))
    assert [error for _, error in watching.errors] == [entry["dev_error"] for entry in row["history"]]


def test_outside_of_a_notebook_nothing_is_drawn():
    with live.watched():
        assert log.LISTENERS == []
