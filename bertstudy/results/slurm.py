"""An array script for SLURM: each of its tasks does a part of a plan. Needs no torch.

The tasks write rows themselves, each row whole, so the folders of rows and runs are to be on a file system that all
machines see. https://slurm.schedmd.com/job_array.html
"""

import os
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path

from ..paths import reports
from ..paths import runs as runs_folder
from ..whole import write_text
from .plan_files import SUFFIX

SET = ("BERTSTUDY_DATA", "BERTSTUDY_ENCODERS")  # passed on where they are set


def write_script(
    path: Path | str,
    profile: str,
    tasks: int,
    options: Iterable[str] = (),
    further: Iterable[str] = (),
    data_dir: str = "",
) -> Path:
    """Write the script of an array job whose tasks share the plan beside it (its name with the ending of plans).

    profile: whose rows these are. tasks: how many parts the plan is in. options: further ones of sbatch, such as
    "--partition=gpu" or "--gpus=1"; further: of `bertstudy run`, such as "--remake=stale". data_dir: the folder of the
    plan's corpora; "": the one that BERTSTUDY_DATA names. Gives the path; `sbatch` submits it.
    """
    path, plan = Path(path).absolute(), plan_beside(path)
    places = {"BERTSTUDY_REPORTS": reports().absolute(), "BERTSTUDY_RUNS": runs_folder().absolute()}
    places |= {name: Path(os.environ[name]).expanduser().absolute() for name in SET if os.environ.get(name)}
    places |= {"BERTSTUDY_DATA": data_dir} if data_dir else {}
    options_of_run = "".join(f" {shlex.quote(option)}" for option in further)
    asked = ["--job-name=bertstudy", f"--array=0-{tasks - 1}", f"--output={path.with_suffix('')}-%a.log", *options]
    lines = [
        "#!/bin/bash",
        *(f"#SBATCH {option}" for option in asked),
        *(f"export {name}={shlex.quote(str(place))}" for name, place in places.items()),
        f"exec {shlex.quote(sys.executable)} -m bertstudy run {shlex.quote(str(plan))} --profile {profile}"
        f'{options_of_run} --part "$SLURM_ARRAY_TASK_ID/{tasks}"',
    ]
    return write_text(path, "\n".join(lines) + "\n")


def plan_beside(path: Path | str) -> Path:
    """Where the plan of a script is. Raises ValueError for a script that has the ending of plans itself."""
    if Path(path).suffix == SUFFIX:
        raise ValueError(f"{path}: a script of this name would take its plan's place. Name it as in job.sh.")
    return Path(path).absolute().with_suffix(SUFFIX)


def part_of(plan: list, part: str) -> list:
    """The part I/N of a plan: every Nth run, beginning with run I. Raises ValueError for what is no part."""
    number, _, parts = part.partition("/")
    if not (number.isdecimal() and parts.isdecimal() and int(number) < int(parts)):
        raise ValueError(f"part={part!r}: give a number from 0 and how many parts there are, as in 0/40.")
    return plan[int(number) :: int(parts)]
