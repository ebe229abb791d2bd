"""Runs of a plan on a Ray cluster: a worker gets a run with all that it reads, and gives back its row.

The machines of the cluster need the package, and a run's machine the CPUs or the GPU that it asks for. Only the process
that asks writes rows. Ray tries a run again whose machine is lost (https://docs.ray.io).
"""

import logging
import socket
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any

from ..data.corpora import Library
from ..runs import Run
from . import parcels
from .workers import SMALL, width_of

try:
    import ray
except ImportError:
    raise ValueError("Runs on a cluster need Ray: pip install 'bertstudy[cluster]'.") from None

LOG = logging.getLogger(__name__)
AT_ONCE = 256  # runs that wait for a machine or are on one
RETRIES = 3  # of a run whose machine or process is lost
THREADS = 4  # of a run on a CPU, at most: batches of a BERT don't fill more
NARROW = 384  # hidden size
SHARING = 4  # runs of encoders up to NARROW that share a GPU


@contextmanager
def connected(address: str, library: Library) -> Iterator["Cluster"]:
    """The cluster at an address, "auto" for the one that this machine belongs to; the connection ends with the context.

    A connection that there is already is used, and stays. Raises ValueError where there is no cluster.
    """
    ours = not ray.is_initialized()
    if ours:
        try:
            _knock(address)
            ray.init(address=address, log_to_driver=False, logging_level="error")
        except (OSError, RuntimeError, ValueError) as error:
            raise ValueError(
                f"cluster={address!r}: there is no Ray cluster ({str(error).splitlines()[0]}). Start one with "
                f"`ray start --head`, and on each other machine `ray start --address=HOST:6379`."
            ) from None
    cluster = Cluster(library)
    try:
        yield cluster
    finally:
        cluster.cancel()
        if ours:
            ray.shutdown()


def _knock(address):
    """Raise OSError where nobody listens at HOST:PORT; Ray itself would ask again for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if port.isdecimal():
        socket.create_connection((host, int(port)), timeout=10).close()


class Cluster:
    """A Ray cluster that this process is connected to."""

    def __init__(self, library: Library):
        nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
        cpus = [int(node["CPU"]) for node in nodes if node.get("CPU")]
        gpus = sum(node.get("GPU", 0) for node in nodes)
        self.has_gpus, self.threads = gpus > 0, min([THREADS, *cpus])
        self.told = f"nodes {len(nodes)}, CPUs {sum(cpus)}, GPUs {gpus:.0f}"
        self._packer, self._given = parcels.Packer(library, ray.put), set()

    def asks(self, run: Run) -> dict[str, float]:
        """What a run takes of a machine, as Ray names it.

        An encoder takes a GPU where the cluster has some, of which narrow ones share one; else CPUs. Small encoders
        (`workers.SMALL`) and methods without an encoder take a single CPU.
        """
        width = width_of(run)
        if self.has_gpus and width:
            return {"num_cpus": 1, "num_gpus": 1 if width > NARROW else 1 / SHARING}
        return {"num_cpus": self.threads if width > SMALL else 1}

    def compute(self, run: Run) -> dict:
        """The row of a run, carried out there; called from several threads at once. Raises what the run does."""
        asked = self.asks(run)
        task = ray.remote(_task).options(max_retries=RETRIES, name=f"{run.method} on {run.corpus}", **asked)
        given = task.remote(self._packer.pack(run), asked["num_cpus"])
        self._given.add(given)
        try:
            return ray.get(given)
        except ray.exceptions.RayTaskError as error:
            raise error.cause from None
        finally:
            self._given.discard(given)

    def cancel(self) -> None:
        """Give up the runs that are on their way."""
        for given in [*self._given]:
            ray.cancel(given, force=True)


def _task(parcel: parcels.Parcel, threads: int) -> dict:
    return parcels.carry_out(parcel, ray.get, threads)


def share(runs: dict[str, Run], work: Callable[[Run], Any]) -> Iterator[Any]:
    """Do work(run) for runs by id, AT_ONCE at a time; yields what each gives, in the order in which they finish.

    One that fails is logged with its id, and the others go on. Raises ValueError at the end where some did.
    """
    failed = []
    pool = ThreadPoolExecutor(AT_ONCE)
    try:
        ids = {pool.submit(work, run): row_id for row_id, run in runs.items()}
        for future in as_completed(ids):
            if error := future.exception():
                failed.append(f"run {ids[future]}: {type(error).__name__}: {' '.join(str(error).split())}")
                LOG.error("Failed: %s", failed[-1])
            else:
                yield future.result()
    finally:
        pool.shutdown(wait=False, cancel_futures=True)
    if failed:
        raise ValueError(
            f"{len(failed)} of {len(runs)} runs failed; the rows of the others are kept, and the same call tries these "
            f"again. The first: {failed[0]}"
        )
