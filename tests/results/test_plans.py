import json
import logging
import os
import random
import re
import signal
import subprocess
import sys
import time
import weakref
from dataclasses import asdict, replace
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import NO_TORCH, forked

from bertstudy import grid, load_corpus
from bertstudy.data.corpora import LIBRARY
from bertstudy.model.locations import folder_hash
from bertstudy.paths import ROOT
from bertstudy.results import execution, plans, rows, tables
from bertstudy.training.methods import fine_tune
from bertstudy.versions import STAGES


@pytest.fixture
def counted(monkeypatch):
    """Count the runs that are really carried out."""
    made, compute = [], execution.compute

    def counting(run, *rest):
        made.append(run)
        return compute(run, *rest)

    monkeypatch.setattr(execution, "compute", counting)
    return made


def test_a_row_is_made_once_and_says_all(small, reports, counted):
    row = plans.run(small, "smoke", progress=False)
    again = plans.run(small, "smoke", progress=False)
    assert row == again
    assert len(counted) == 1
    assert row["run"] == asdict(small)
    assert row["fingerprint"] == load_corpus(small.corpus).fingerprint
    assert row["documents"] == {"train": 108, "dev": 12, "test": 60}
    predictions, truth = rows.unsqueeze(row["predictions"]), rows.unsqueeze(row["truth"])
    assert truth.tolist() == load_corpus(small.corpus).test.classes.tolist()
    assert row["error"] == pytest.approx(100 * (predictions != truth).mean())
    kept = row["history"][row["epoch"] - 1]
    assert (kept["dev_error"], kept["dev_loss"]) == min((one["dev_error"], one["dev_loss"]) for one in row["history"])
    assert row["seconds"]["train"] > 0 < row["seconds"]["test"]
    assert row["seconds"]["train"] + row["seconds"]["test"] < row["seconds"]["all"] < 600
    assert row["pieces_per_second"] > 0
    assert {"torch", "transformers", "python"} <= set(row["versions"])
    assert row["device"].startswith("cpu")
    assert row["arithmetic"] == "float32"
    assert row["stages"] == {stage: STAGES[stage] for stage in ("documents", "segments", "encoder", "fine_tuning")}
    assert row["made_from"]["weights"] == folder_hash(small.encoder)


def test_no_text_of_the_corpus_is_in_a_row(small, reports):
    plans.run(small, "smoke", progress=False)
    stored = next((reports / "smoke" / "rows").glob("*.json")).read_text()
    corpus = load_corpus(small.corpus)
    assert not any(text in stored for text in [*corpus.train.texts, *corpus.test.texts])


def test_a_plan_is_completed_from_where_it_stopped(small, reports, counted, caplog):
    caplog.set_level(logging.INFO, "bertstudy")
    plan = grid(small, truncation=["head", "tail"], seed=range(2))
    plans.run(plan[2], "smoke", progress=False)
    assert plans.missing(plan, "smoke") == [plan[0], plan[1], plan[3]]
    table = plans.run_all(plan, "smoke", progress=False)
    assert len(counted) == 4
    assert "4 runs: 3 made now, 1 read" in caplog.text
    assert table["truncation"].tolist() == ["head", "head", "tail", "tail"]
    assert table["seed"].tolist() == [0, 1, 0, 1]
    assert plans.missing(plan, "smoke") == []


def test_an_interruption_loses_the_run_in_progress_and_no_other_and_says_so(small, reports, monkeypatch, caplog):
    plan, compute = grid(small, seed=range(3)), execution.compute

    def interrupted(run, *rest):
        if run.seed == 1:
            raise KeyboardInterrupt
        return compute(run, *rest)

    monkeypatch.setattr(execution, "compute", interrupted)
    with pytest.raises(KeyboardInterrupt):
        plans.run_all(plan, "smoke", progress=False)
    assert "Interrupted. 1 of 3 runs are kept in" in caplog.text
    written = list((reports / "smoke").rglob("*"))
    assert [path.suffix for path in written if path.is_file()] == [".json"]
    monkeypatch.setattr(execution, "compute", compute)
    assert len(plans.run_all(plan, "smoke", progress=False)) == 3


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "row.json"
    rows.write_json(path, {"a": 1})
    with pytest.raises(TypeError):
        rows.write_json(path, {"a": object()})
    assert json.loads(path.read_text()) == {"a": 1}


def test_json_files_are_sorted_indented_and_readable(tmp_path):
    rows.write_json(tmp_path / "row.json", {"b": "新", "a": 1})
    assert (tmp_path / "row.json").read_text(encoding="utf-8") == '{\n "a": 1,\n "b": "新"\n}\n'


def test_cores_are_the_threads_of_a_cpu_and_one_for_a_gpu():
    devices = {"cpu: Intel, Inc., 2 threads": 2, "cpu: x86_64, 16 threads": 16, "cuda: NVIDIA H200, 8 threads": 1}
    assert [rows.cores_of({"device": device}) for device in devices] == list(devices.values())


@pytest.mark.slow
def test_two_processes_given_the_same_plan_share_it(small, tmp_path):
    code = (
        "import sys, json; from bertstudy import Run, grid; from bertstudy.results import execution, plans;"
        "made = []; compute = execution.compute;"
        "execution.compute = lambda run, *rest: (made.append(run.seed), compute(run, *rest))[1];"
        "plans.run_all(grid(Run(**json.loads(sys.argv[1])), seed=range(3)), 'smoke', progress=False);"
        "print('made', len(made))"
    )
    environment = {
        "BERTSTUDY_REPORTS": str(tmp_path / "r"),
        "BERTSTUDY_RUNS": str(tmp_path / "x"),
        "PATH": "/usr/bin:/bin",
    }
    command = [sys.executable, "-c", code, json.dumps(asdict(small))]
    running = [
        subprocess.Popen(command, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True) for _ in range(2)
    ]
    made = [int(one.communicate(timeout=240)[0].split("made ")[-1]) for one in running]
    assert [one.returncode for one in running] == [0, 0]
    assert sum(made) == 3
    assert len(list((tmp_path / "r" / "smoke" / "rows").glob("*.json"))) == 3


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="processes are forked")
def test_two_processes_killed_again_and_again_lose_nothing_and_repeat_nothing(small, tmp_path, monkeypatch):
    """Both are given the same plan, and are killed at random moments, 20 times each; then one goes on to the end."""
    store, log = rows.Store(tmp_path / "rows"), tmp_path / "log"
    plan = [replace(small, seed=seed, epochs=1, fraction=0.5, test_size=10) for seed in range(60)]
    write = rows.Store.write

    def logged(self, row):
        write(self, row)
        with open(log, "a") as file:
            file.write(f"{row['id']}\n")

    monkeypatch.setattr(rows.Store, "write", logged)
    plans.run(plan[0], store, progress=False)  # imports, which would take longer than the runs
    moments = random.Random(0)

    for _ in range(20):
        children = [forked(lambda: plans.run_all(plan, store, progress=False)) for _ in range(2)]
        for child in children:
            time.sleep(moments.uniform(0.05, 0.6))
            os.kill(child, signal.SIGKILL)
        for child in children:
            os.waitpid(child, 0)
        for row_id in store.ids():
            assert store.read(row_id)["id"] == row_id  # whole
    table = plans.run_all(plan, store, progress=False)
    assert table["seed"].tolist() == list(range(60))
    finished = log.read_text().split()
    assert len(finished) == len(set(finished))
    assert len(store.ids()) == 60


def test_how_long_rows_took_is_said(small, reports, caplog):
    caplog.set_level(logging.INFO, "bertstudy")
    plans.run_all([small], "smoke", progress=False)
    assert re.search(r"they took \d+\.\d minutes\.", caplog.text)
    store = rows.Store.of("smoke")
    row = store.read(*store.ids())
    store.write({**row, "seconds": {**row["seconds"], "all": 5400}})
    plans.stored([small], "smoke")
    assert "One after the other they took 1.5 hours." in caplog.text


def test_nothing_is_printed(small, reports, capsys):
    plans.run_all([small], "smoke", progress=False)
    plans.stored([small], "smoke")
    assert capsys.readouterr() == ("", "")


def test_ids_are_stable_and_of_every_field_and_of_the_corpus(small):
    fixed = replace(small, corpus="imdb", encoder="minilm")
    assert rows.run_id(replace(fixed), "0" * 16) == rows.run_id(fixed, "0" * 16)
    assert rows.run_id(fixed, "1" * 16) != rows.run_id(fixed, "0" * 16)
    changes = {"seed": 1, "truncation": "head", "learning_rate": 1e-5, "bias_correction": False, "encoder": "control"}
    ids = {rows.run_id(replace(fixed, **{name: value}), "0" * 16) for name, value in changes.items()}
    assert len(ids | {rows.run_id(fixed, "0" * 16)}) == 6


def test_a_run_by_two_names_is_one_run(small, tmp_path, counted):
    run = replace(small, encoder="control", window=40)  # which has four layers
    names = [rows.name_of(replace(run, layers=layers)) for layers in ("last", "3", "2")]
    assert names[0] == names[1] != names[2]
    assert names[1].run.layers == "last"
    assert rows.name_of(replace(run, learning_rate=1e-4)) == rows.name_of(replace(run, learning_rate=0.0001))
    plan, store = [replace(run, layers="3"), replace(run, layers="last")], rows.Store(tmp_path / "rows")
    assert len(plans.missing(plan, store)) == 1
    assert len(plans.run_all(plan, store, progress=False)) == len(plans.stored(plan, store)) == len(counted) == 1


@pytest.mark.parametrize("fields", [{"truncation": "head+tail:08"}, {"layers": "03"}, {"layers": "mean:2-2"}])
def test_what_has_one_name_can_not_be_written_in_another_way(small, fields):
    with pytest.raises(ValueError, match="unknown|whole number|give one layer"):
        replace(small, **fields)


@pytest.mark.parametrize("count", [1, 60, 25_000])
def test_predictions_are_kept_in_a_compact_form(count):
    classes = np.random.default_rng(0).integers(0, 14, count)
    text = rows.squeeze(classes)
    assert rows.unsqueeze(text).tolist() == classes.tolist()
    assert len(text) < 40 + count


def test_reading_rows_needs_neither_torch_nor_the_corpus(small, reports):
    plans.run(small, "smoke", progress=False)
    code = NO_TORCH + "import bertstudy as bs; table = bs.rows('smoke'); print(len(table), table['error'].iloc[0] >= 0)"
    environment = {"BERTSTUDY_REPORTS": str(reports), "PATH": "/usr/bin:/bin"}
    root = ROOT
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["1", "True"]


def test_describe_counts_seeds_and_leaves_out_what_is_shared(small):
    plan = grid(small, truncation=["head", "tail"], seed=range(3))
    table = tables.describe(plan + plan[:2])  # runs that two questions share are counted once
    assert table.to_dict("list") == {"truncation": ["head", "tail"], "seeds": [3, 3]}


def test_tasks_are_not_fine_tuned_together_by_several_processes(small, monkeypatch):
    monkeypatch.setattr(fine_tune, "PartialState", lambda: SimpleNamespace(num_processes=2))
    with pytest.raises(ValueError, match="with 2 processes.*without `accelerate launch`"):
        fine_tune.untrained(replace(small, multitask="movies+topics"), LIBRARY.of(small))


def test_a_plan_whose_rows_are_stored_is_read_without_the_libraries_that_learn(small, reports):
    plans.run(small, "smoke", progress=False)
    code = (
        "import sys, json; import bertstudy as bs; from bertstudy.study import study;"
        "print(len(bs.run_all([bs.Run(**json.loads(sys.argv[1]))], 'smoke', progress=False)));"
        "print(sorted({'transformers.modeling_utils', 'sklearn', 'torch._dynamo'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(asdict(small))],
        env={"BERTSTUDY_REPORTS": str(reports), "PATH": "/usr/bin:/bin"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split("\n")[:2] == ["1", "[]"]


def test_a_run_does_not_keep_the_model_of_the_one_before_in_memory(small):
    before, _ = execution.train(small, progress=False)
    kept = weakref.ref(before.encoder)
    del before
    execution.train(replace(small, seed=1), progress=False)
    assert kept() is None
