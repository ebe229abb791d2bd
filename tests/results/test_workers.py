import os
import shutil
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from joblib import delayed, parallel_config

from bertstudy import grid
from bertstudy.paths import runs
from bertstudy.results import execution, plans, workers
from bertstudy.results.rows import unsqueeze
from bertstudy.runs import by_method

PRETRAINED = dict(
    further_pretraining="within_task", pretraining_steps=3, pretraining_window=32, pretraining_batch_size=4
)
TIMES = ("seconds", "made", "pieces_per_second", "pretraining", "history")


@pytest.fixture
def plan(small):
    further = replace(small, next_sentence=False, **PRETRAINED)
    return grid(small, seed=range(2)) + grid(further, seed=range(2))


@pytest.mark.slow
def test_processes_make_the_same_rows_as_one_after_the_other(plan):
    apart = plans.run_all(plan, "apart", progress=False, workers=2).to_dict("records")
    shutil.rmtree(runs() / "pretrained")
    alone = plans.run_all(plan, "alone", progress=False).to_dict("records")
    for one, other in zip(apart, alone, strict=True):
        assert {name: value for name, value in one.items() if name not in TIMES} == {
            name: value for name, value in other.items() if name not in TIMES
        }
        assert [epoch["loss"] for epoch in one["history"]] == [epoch["loss"] for epoch in other["history"]]


def test_runs_that_make_an_encoder_come_first_and_those_that_read_it_late(plan):
    plain, further = plan[:2], plan[2:]
    together = [replace(run, multitask="movies+topics") for run in plan]
    order = workers.in_order([*together, *plain, *further])
    assert order == [*together[:2], further[0], *plain, further[1], *together[2:]]
    assert workers.in_order(plain) == plain
    elsewhere = [replace(run, corpus="topics", further_pretraining=run.corpus) for run in further]
    assert workers.in_order([*elsewhere, *further, *plain]) == [elsewhere[0], *plain, elsewhere[1], *further]
    shared = [replace(plain[0], multitask="movies+topics", learning_rate=rate) for rate in (1e-3, 2e-3)]
    assert workers.in_order([*further, *shared])[2:] == [shared[1], further[1]]  # what is pretrained takes longer


@pytest.mark.slow
def test_a_shared_encoder_is_made_once(plan):
    plans.run_all(plan, "shared", progress=False, workers=2)
    assert len(list((runs() / "pretrained").glob("*/history.json"))) == 1


@pytest.mark.slow
def test_processes_have_the_environment_of_the_call(monkeypatch):
    for folder in ("one", "other", "one"):
        monkeypatch.setenv("BERTSTUDY_DATA", folder)
        with parallel_config(backend="loky"):
            assert list(workers.processes(2)(delayed(os.getenv)("BERTSTUDY_DATA") for _ in range(3))) == [folder] * 3


@pytest.mark.slow
def test_a_failing_run_is_told_and_the_rows_that_were_made_stay(small):
    plan = grid(small, seed=range(3)) + [replace(small, window=100_000)]
    with pytest.raises(ValueError, match="window"):
        plans.run_all(plan, "failing", progress=False, workers=2)
    plans.run_all(plan[:3], "failing", progress=False, workers=2)
    assert plans.missing(plan, "failing") == plan[3:]


def test_small_encoders_compute_with_one_thread_and_others_with_all(small, tiny, monkeypatch):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with workers.few_threads(small):
            assert torch.get_num_threads() == 1
        assert torch.get_num_threads() == 2
        monkeypatch.setattr(workers, "SMALL", 1)
        with workers.few_threads(small):
            assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_an_encoder_of_256_units_is_small_on_a_cpu_and_none_is_anywhere(small, monkeypatch):
    sizes, gpu = {"small": 256, "large": 257}, False
    monkeypatch.setattr(workers, "encoder_config", lambda name: SimpleNamespace(hidden_size=sizes[name]))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: gpu)
    assert [workers.is_small(replace(small, encoder=name)) for name in sizes] == [True, False]
    gpu = True
    assert not workers.is_small(replace(small, encoder="small"))
    assert workers.is_small(by_method(small, "words"))


def test_how_many_processes(small, monkeypatch):
    monkeypatch.setattr(workers, "cpu_count", lambda: 7)
    assert workers.how_many([small]) == 7
    assert workers.how_many([small], 3) == 3
    minilm = replace(small, encoder="minilm")
    assert workers.how_many([small, minilm]) == 1
    assert workers.how_many([minilm], 2) == 2


@pytest.mark.slow
def test_a_row_does_not_depend_on_the_threads_there_are(small, reports):
    before, made = torch.get_num_threads(), []
    try:
        for threads in (1, 2):
            torch.set_num_threads(threads)
            made.append(execution.compute(small, progress=False))
    finally:
        torch.set_num_threads(before)
    assert np.array_equal(*(unsqueeze(row["predictions"]) for row in made))
    assert made[0]["loss"] == made[1]["loss"]
