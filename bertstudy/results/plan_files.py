"""Plans as files, a run a line, for processes and machines that are to share one. Needs no torch."""

import json
from collections.abc import Iterable
from pathlib import Path

from ..runs import DEFAULTS, Run
from ..whole import write_text
from .rows import resolved

SUFFIX = ".jsonl"


def write_plan(plan: Iterable[Run], path: Path | str) -> Path:
    """Write runs as JSON Lines: of each the fields that differ from the defaults, with absolute paths. Gives the path.

    >>> write_plan(grid(study.base, seed=range(20)), "plan.jsonl")
    """
    if not str(path).endswith(SUFFIX):
        raise ValueError(f"{path}: a plan's file ends in {SUFFIX}.")
    return write_text(path, "".join(f"{json.dumps(_told(resolved(run)))}\n" for run in plan))


def _told(run):
    return {name: value for name, value in vars(run).items() if value != DEFAULTS[name]}


def read_plan(path: Path | str) -> list[Run]:
    """The runs of a file that `write_plan` wrote. Raises ValueError that names the line of one that can't be read."""
    runs = []
    for number, line in enumerate(Path(path).read_text(encoding="utf-8").splitlines(), 1):
        try:
            runs.append(Run(**json.loads(line)))
        except (TypeError, ValueError) as error:
            raise ValueError(f"{path}, line {number}: {error}") from error
    return runs
