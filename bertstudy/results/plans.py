"""Plans: the rows of many runs, read where they exist, made and stored one by one where they don't.

Reading is quick, since torch and whatever else a run needs is imported only where a run is carried out.
"""

import logging
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import partial

import pandas as pd
from filelock import FileLock
from tqdm.auto import tqdm

from ..data.corpora import LIBRARY, Library
from ..paths import runs as runs_folder
from ..paths import shown
from ..registry import brief, no_such
from ..runs import Run
from ..whole import check_writable
from .rows import Store, as_table, name_of, stale_stages

LOG = logging.getLogger(__name__)
REMAKE = ("", "stale")
ADDRESS = re.compile(r"|auto|(ray://)?[\w.:\[\]-]+:\d+")  # of a cluster


def run(run: Run, profile: str | Store, progress: bool = True, remake: str = "", library: Library = LIBRARY) -> dict:
    """The row of a run: read where it exists, else computed and stored. Safe to call from several processes at once.

    With remake="stale" a stale row, one whose stages compute something else today, is made again.
    """
    _check_remake(remake)
    from . import execution

    return _row(name_of(run, library).id, Store.of(profile), remake, lambda: execution.compute(run, progress, library))


def _row(row_id, store, remake, compute):
    """The row of this id: read, or computed and written by one process while the others wait."""
    from accelerate import PartialState
    from accelerate.utils import broadcast_object_list

    state, locks = PartialState(), runs_folder() / "locks"
    locks.mkdir(parents=True, exist_ok=True)
    lock = FileLock(locks / f"{store.folder.parent.name}-{row_id}.lock")
    if state.is_main_process:  # in a distributed run only the first process locks and writes
        lock.acquire()
    try:
        exists = [not _is_missing(row_id, store, remake)]
        if state.num_processes > 1:
            broadcast_object_list(exists)
        if not exists[0]:
            row = compute()
            if row["id"] != row_id:
                raise ValueError(f"{row_id}: its corpus or encoder changed while it was made. Make the run again.")
            if state.is_main_process:
                store.write(row)
        state.wait_for_everyone()
    finally:
        lock.release()
    return store.read(row_id)


def _is_missing(row_id, store, remake):
    return row_id not in store or (remake == "stale" and bool(stale_stages(store.read(row_id))))


def missing(plan: Iterable[Run], profile: str | Store, remake: str = "", library: Library = LIBRARY) -> list[Run]:
    """The runs of a plan that have no row yet; with remake="stale" those with a stale row too."""
    _check_remake(remake)
    store = Store.of(profile)
    return [planned for row_id, planned in _named(plan, library).items() if _is_missing(row_id, store, remake)]


def _check_remake(remake):
    if remake not in REMAKE:
        raise no_such("remake", remake, map(repr, REMAKE))


def check_cluster(address: str) -> None:
    """Raise ValueError for what is no address of a cluster; "" is none."""
    if not isinstance(address, str) or not ADDRESS.fullmatch(address):
        raise ValueError(f"cluster={brief(address)}: expected auto, or an address as in cluster='10.0.0.1:6379'.")


def run_all(
    plan: Iterable[Run],
    profile: str | Store,
    progress: bool = True,
    workers: int = 1,
    remake: str = "",
    library: Library = LIBRARY,
    cluster: str = "",
) -> pd.DataFrame:
    """Carry out the runs of a plan that have no row yet, and give the rows of all as a table, each run once.

    Each row is stored when it is done: an interruption loses only the runs in progress. With `workers` above 1 that
    many processes share the runs; 0 is one a core where the encoders are small (see `workers.how_many`). With
    remake="stale" stale rows are made again. cluster: the address of a Ray cluster that carries the runs out instead,
    "auto" for the one that this machine belongs to; there a run that fails does not keep the others from being made.
    """
    store, names = Store.of(profile), _named(plan, library)
    _check_remake(remake)
    check_cluster(cluster)
    todo = {row_id: planned for row_id, planned in names.items() if _is_missing(row_id, store, remake)}
    rows = ()
    if todo:
        check_writable(store.folder, runs_folder())  # before the first run, not after it
        if cluster:
            rows = _made_on_cluster(todo, store, remake, library, cluster)
        else:
            rows = _made([*todo.values()], store, progress, workers, remake, library)
    try:
        for _ in tqdm(rows, total=len(todo), unit="run", leave=False, disable=not progress or not todo):
            pass
    except KeyboardInterrupt:
        there = sum(row_id in store for row_id in names)
        where = shown(store.folder)
        LOG.warning("Interrupted. %d of %d runs are kept in %s; the same call goes on.", there, len(names), where)
        raise
    LOG.info(
        "%d runs: %d made now, %d read from %s.", len(names), len(todo), len(names) - len(todo), shown(store.folder)
    )
    return _read(store, names)


def _named(plan, library):
    """The runs of a plan by id, each once: a run can be written in two ways, as "last" and as that layer's number."""
    names = {}
    for planned in plan:
        names.setdefault(name_of(planned, library).id, planned)
    return names


def stored(plan: Iterable[Run], profile: str | Store, library: Library = LIBRARY) -> pd.DataFrame:
    """The rows of a plan that exist, as `run_all` gives them; nothing is run.

    The ids of runs without a row are in the table's `attrs["missing"]`. Raises ValueError where there are runs and
    none has one.
    """
    ids, store = list(_named(plan, library)), Store.of(profile)
    there = [row_id for row_id in ids if row_id in store]
    lacking = sorted(set(ids) - set(there))
    if ids and not there:
        raise ValueError(f"None of the {len(ids)} runs of this plan has a row in {store.folder}: run the plan.")
    also = f", {len(lacking)} are missing and were not made" if lacking else ""
    LOG.info("%d runs: %d read from %s%s.", len(ids), len(there), shown(store.folder), also)
    table = _read(store, there)
    table.attrs["missing"] = lacking
    return table


def _read(store: Store, ids: Iterable[str]) -> pd.DataFrame:
    """Rows as a table; logs how long they took to make, and how many of them are stale by which stage."""
    rows = list(store.all(ids))
    minutes = sum(row["seconds"]["all"] for row in rows) / 60
    took = f"{minutes / 60:.1f} hours" if minutes >= 60 else f"{minutes:.1f} minutes"
    LOG.info("One after the other they took %s.", took)
    table = as_table(rows)
    stale = table["stale"][table["stale"] != ""]
    if len(stale):
        counts = Counter(stage for stages in stale for stage in stages.split(", "))
        LOG.info(
            "%d of them are stale: some stages compute something else today (%s). remake='stale' makes them again.",
            len(stale),
            ", ".join(f"{stage} {count}" for stage, count in counts.items()),
        )
    return table


def _made(todo, store, progress, workers, remake, library) -> Iterator[dict]:
    """Carry runs out, here or in other processes; yields the row of each when it is done."""
    from .workers import how_many, share

    processes = min(how_many(todo, workers), len(todo))
    options = {"profile": store, "remake": remake, "library": library}
    if processes > 1:
        yield from share(todo, partial(run, progress=False, **options), processes)
    else:
        yield from (run(planned, progress=progress, **options) for planned in todo)


def _made_on_cluster(todo, store, remake, library, address) -> Iterator[dict]:
    """Have a cluster carry runs out; yields the row of each when it is done and written."""
    from .cluster import connected, share
    from .workers import in_order

    ids = {planned: row_id for row_id, planned in todo.items()}
    with connected(address, library) as cluster:
        LOG.info("%d runs on a cluster: %s.", len(todo), cluster.told)
        work = lambda planned: _row(ids[planned], store, remake, lambda: cluster.compute(planned))  # noqa: E731
        yield from share({ids[planned]: planned for planned in in_order(todo.values())}, work)
