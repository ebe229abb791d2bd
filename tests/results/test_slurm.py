"""Plans as files, and the array script for SLURM, whose tasks are run with this machine as the scheduler."""

import os
import subprocess
from dataclasses import replace

import pytest

from bertstudy import cli, grid
from bertstudy.results import plans, slurm
from bertstudy.results.plan_files import read_plan, write_plan
from bertstudy.results.rows import Store, resolved


def test_a_plan_is_read_as_it_was_written(small, tmp_path):
    plan = [*grid(small, seed=range(3), truncation=["head", "tail"]), replace(small, corpus="movies")]
    path = write_plan(plan, tmp_path / "plan.jsonl")
    assert read_plan(path) == [resolved(run) for run in plan]
    assert len(path.read_text().splitlines()) == 7
    assert "warmup" not in path.read_text()  # a default


@pytest.mark.parametrize(
    ("line", "said"), [('{"seed": "x"}', "seed="), ('{"sed": 1}', "sed"), ("[", "Expecting value")]
)
def test_a_line_that_is_no_run_is_told_by_its_number(tmp_path, line, said):
    path = tmp_path / "plan.jsonl"
    path.write_text(f'{{"seed": 1}}\n{line}\n')
    with pytest.raises(ValueError, match=f"plan.jsonl, line 2: .*{said}"):
        read_plan(path)


def test_a_plan_needs_its_ending(small, tmp_path):
    with pytest.raises(ValueError, match="a plan's file ends in .jsonl"):
        write_plan([small], tmp_path / "plan.json")


def test_parts_are_the_plan_each_run_once():
    plan = list(range(11))
    parts = [slurm.part_of(plan, f"{number}/4") for number in range(4)]
    assert parts[1] == [1, 5, 9]
    assert sorted(sum(parts, [])) == plan


@pytest.mark.parametrize("part", ["4/4", "-1/4", "1", "a/b", "1/0"])
def test_what_is_no_part_is_told(part):
    with pytest.raises(ValueError, match="give a number from 0 and how many parts there are"):
        slurm.part_of([1], part)


def test_the_script_passes_on_what_the_runs_are_made_with(tmp_path, monkeypatch):
    monkeypatch.delenv("BERTSTUDY_DATA", raising=False)
    asked = ["-p", "data_dir", str(tmp_path), "--remake", "stale", "--workers", "2", "--log", "tensorboard"]
    monkeypatch.setenv("BERTSTUDY_LOG", "")  # which --log sets
    cli.main(["run", "11_seeds", "--profile", "smoke", *asked, "--slurm", str(tmp_path / "job.sh")])
    script = (tmp_path / "job.sh").read_text()
    assert f"export BERTSTUDY_DATA={tmp_path}\n" in script
    assert "--profile smoke --remake=stale --workers=2 --log=tensorboard --part" in script


@pytest.mark.slow
def test_the_tasks_of_the_array_make_all_rows(small, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BERTSTUDY_REPORTS", str(tmp_path / "reports"))
    monkeypatch.setenv("BERTSTUDY_RUNS", str(tmp_path / "runs"))
    plan, script = write_plan(grid(small, seed=range(5)), tmp_path / "mine.jsonl"), tmp_path / "a job.sh"
    asked = ["--tasks", "2", "--sbatch=--partition=gpu", "--sbatch=--gpus=1"]
    cli.main(["run", str(plan), "--profile", "smoke", "--slurm", str(script), *asked])
    assert f"Submit them in 2 parts: sbatch {script}" in capsys.readouterr().out
    head = [line for line in script.read_text().splitlines() if line.startswith("#SBATCH")]
    assert {"#SBATCH --array=0-1", "#SBATCH --partition=gpu", "#SBATCH --gpus=1"} < set(head)
    without = {name: value for name, value in os.environ.items() if not name.startswith("BERTSTUDY_")}
    for task in range(2):  # as the scheduler does, on another machine
        subprocess.run(["bash", str(script)], env={**without, "SLURM_ARRAY_TASK_ID": str(task)}, check=True)
        assert len(Store.of("smoke").ids()) == [3, 5][task]
    assert plans.missing(grid(small, seed=range(5)), "smoke") == []
