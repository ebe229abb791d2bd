"""The report's notebooks: executed side by side, a page each."""

import os
from collections.abc import Iterator
from pathlib import Path

from joblib import cpu_count, delayed, parallel_config

from ..paths import notebooks, reports, runs
from ..profiles import profile as find_profile
from ..whole import check_writable
from .pages import execute, notebook_path

OWN_DATA = "10_your_data"  # the notebook on a reader's own labels, of which no rows are stored


def names_of(asked: list[str], stored: bool = False) -> list[str]:
    """The names of the notebooks that are asked for, or of all, in their order; with `stored` less the one on a
    reader's own data, which has no stored rows. Raises ValueError for a name that no notebook has."""
    every = sorted(path.stem for path in notebooks().glob("*.ipynb"))
    return [notebook_path(name).stem for name in asked] or [one for one in every if not (stored and one == OWN_DATA)]


def make(
    names: list[str], profile: str = "auto", stored: bool = False, remake: str = ""
) -> Iterator[tuple[Path, float]]:
    """Execute notebooks (all where no names are given) and render their pages; yields (page, seconds) as each is done.

    Where the profile's encoder is small, as many run side by side as there are cores, so that no core waits while a
    notebook works between its runs; of two that need the same encoder or row, one makes it. With `stored` nothing is
    run (`pages.execute`).
    """
    from ..results.workers import is_small, processes  # here, since torch is not needed for the names

    names = names_of(names, stored)
    chosen = find_profile(profile)
    check_writable(reports(), runs())
    abreast = min(len(names), cpu_count()) if is_small(chosen.base) else 1
    cores = cpu_count() // abreast
    with parallel_config(backend="loky", inner_max_num_threads=cores):
        yield from processes(abreast)(
            delayed(_execute)(name, cores, stored, remake, profile=chosen.name) for name in names
        )


def _execute(name, cores, stored, remake, **parameters):
    os.environ["LOKY_MAX_CPU_COUNT"] = str(cores)  # the kernel's processes for runs (`workers.how_many`)
    return execute(name, stored, remake, **parameters)
