"""The canary runs, and that they sing: a changed value without a changed number fails, and names the stage."""

import json
from dataclasses import replace

import canaries
import numpy as np
import pytest

from bertstudy.choices.methods import METHODS
from bertstudy.choices.pooling import LAYER_POOLINGS, PIECE_POOLINGS, SEGMENT_POOLINGS, parse_layers
from bertstudy.choices.schedules import SCHEDULES
from bertstudy.choices.task_sampling import SAMPLINGS
from bertstudy.choices.truncation import TRUNCATIONS
from bertstudy.data.corpora import LIBRARY
from bertstudy.training import examples, optim
from bertstudy.versions import STAGES

WRITTEN = json.loads(canaries.FILE.read_text(encoding="utf-8"))


@pytest.fixture(autouse=True)
def apart(tmp_path, monkeypatch):
    """Encoders are made anew, not read from what other tests left."""
    monkeypatch.setenv("BERTSTUDY_RUNS", str(tmp_path))


def now(name):
    return dict(zip(("values", "predictions"), canaries.trace(canaries.CANARIES[name], LIBRARY), strict=True))


def complaint(name):
    return canaries.complaint(name, WRITTEN["canaries"][name], now(name), WRITTEN["stages"])


@pytest.mark.parametrize("name", canaries.CANARIES)
def test_values_are_those_written_down(name):
    assert complaint(name) == ""
    assert len(WRITTEN["canaries"][name]["predictions"]) > 20


def test_every_choice_and_every_stage_is_passed_by_a_canary():
    runs = canaries.CANARIES.values()
    passed = {stage for one in WRITTEN["canaries"].values() for stage in one["values"]}
    assert passed == set(STAGES)
    assert {run.truncation.partition(":")[0] for run in runs} == set(TRUNCATIONS)
    assert {run.piece_pooling for run in runs} == set(PIECE_POOLINGS)
    assert {run.segment_pooling for run in runs} == set(SEGMENT_POOLINGS)
    assert {parse_layers(run.layers)[0] for run in runs} == set(LAYER_POOLINGS)
    assert {run.schedule for run in runs} == set(SCHEDULES)
    assert {run.method.partition(":")[0] for run in runs} == set(METHODS)
    assert {run.multitask_sampling for run in runs if run.multitask != "none"} == set(SAMPLINGS)


def test_another_eps_of_adam_is_told(monkeypatch):
    monkeypatch.setattr(optim, "EPS", 1e-3)
    assert "stage fine_tuning computes something else" in complaint("head")
    assert "stage pretraining computes" in complaint("next sentences")


@pytest.mark.slow
def test_another_share_of_masked_words_is_told(monkeypatch):
    monkeypatch.setattr(examples, "MASKED", 0.3)
    assert "stage pretraining computes something else" in complaint("whole words")
    assert "stage retention" in complaint("retention")
    assert complaint("head") == ""


def test_another_truncation_is_told_as_another_stage(monkeypatch):
    entry = TRUNCATIONS["tail"]
    monkeypatch.setitem(TRUNCATIONS, "tail", replace(entry, call=lambda ids, room: [ids[-room + 1 :]]))
    assert "stage segments computes something else" in complaint("tail")


def test_a_raised_number_asks_for_values_written_anew(monkeypatch):
    monkeypatch.setitem(STAGES, "tfidf", "2.0")
    assert "the number of tfidf was changed: python tests/canaries.py write" in complaint("tfidf")
    monkeypatch.setitem(STAGES, "tfidf", "1.1")
    assert "the number of tfidf was changed" in complaint("tfidf")


def test_changed_values_are_not_written_before_a_number_is_raised(monkeypatch, tmp_path):
    monkeypatch.setattr(canaries, "CANARIES", {"tfidf": canaries.CANARIES["tfidf"]})
    monkeypatch.setattr(canaries, "FILE", tmp_path / "canaries.json")
    changed = json.loads(json.dumps(WRITTEN["canaries"]["tfidf"]))
    changed["values"]["tfidf"][-1] *= 1.01
    canaries.FILE.write_text(json.dumps({"stages": dict(STAGES), "canaries": {"tfidf": changed}}))
    with pytest.raises(ValueError, match="stage tfidf computes something else"):
        canaries.write()
    monkeypatch.setitem(STAGES, "tfidf", "2.0")
    canaries.write()
    assert complaint_of_file("tfidf") == ""


def complaint_of_file(name):
    written = json.loads(canaries.FILE.read_text(encoding="utf-8"))
    return canaries.complaint(name, written["canaries"][name], now(name), written["stages"])


def test_rounding_does_not_differ_and_a_thousandth_does():
    before = WRITTEN["canaries"]["head"]
    values = before["values"] | {"fine_tuning": (np.array(before["values"]["fine_tuning"]) * (1 + 2e-5)).tolist()}
    assert canaries.differing(before, {**before, "values": values}) == ""
    values = before["values"] | {"fine_tuning": (np.array(before["values"]["fine_tuning"]) * 1.001).tolist()}
    assert canaries.differing(before, {**before, "values": values}) == "fine_tuning"
    other = {one: 1 - label for one, label in before["predictions"].items()}
    assert canaries.differing(before, {**before, "predictions": other}) == "fine_tuning"
