"""The runs that a notebook would make, or that a file lists, without making them."""

import json
import os
from collections.abc import Mapping
from contextlib import redirect_stdout
from functools import lru_cache
from io import StringIO
from typing import Any

import nbformat

from ..registry import no_such
from ..results.plan_files import SUFFIX, read_plan
from ..runs import Run
from .modes import PLANNING
from .pages import notebook_path
from .study import Planned


@lru_cache
def plan_of(notebook: str, profile: str) -> list[Run]:
    """The runs of a notebook's plan in a profile."""
    return planned(notebook, profile).runs


def planned(plan: str, profile: str, parameters: Mapping[str, Any] | None = None) -> Planned:
    """The runs of a plan, each once, and the library of their corpora.

    plan: a notebook's name, whose cells are carried out with these parameters up to the one that would make the runs;
    or a file of runs (`results.plan_files`), which takes no parameters. Raises ValueError for what is neither, and for
    a parameter that the notebook does not declare.
    """
    if plan.endswith(SUFFIX):
        if parameters:
            raise ValueError(f"{plan} lists its runs, and takes no parameters: leave out -p {next(iter(parameters))}.")
        return Planned(read_plan(plan))
    before = os.environ.get(PLANNING)
    os.environ[PLANNING] = "1"
    try:
        with redirect_stdout(StringIO()):  # what a reader of the notebook is told
            _carry_out(plan, {**(parameters or {}), "profile": profile})
    except Planned as found:
        return found
    finally:
        os.environ.pop(PLANNING) if before is None else os.environ.update({PLANNING: before})
    return Planned([])


def _carry_out(notebook, parameters):
    names = {}
    for cell in nbformat.read(notebook_path(notebook), as_version=4).cells:
        if cell.cell_type == "code":
            exec(compile(cell.source, notebook, "exec"), names)
            if "parameters" in cell.metadata.get("tags", ()):
                names |= _checked(parameters, names)


def _checked(parameters, names):
    declared = [name for name in names if not name.startswith("__")]
    for name in parameters:
        if name not in declared:
            raise no_such("parameter", name, declared)
    return parameters


def value_of(text: str) -> Any:
    """A parameter's value as a command line gives it: a number, true or false, else the text itself."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, (bool, int, float)) else text
