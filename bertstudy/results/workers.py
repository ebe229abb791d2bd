"""Independent runs of a plan over the cores.

An encoder as small as the control encoders computes with one thread, whatever the machine: its threads would wait for
each other longer than they compute, and a row would depend on their number. So the cores are filled with processes
instead, and the rows are the same as from a single process.
"""

import os
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import cloudpickle
import torch
from joblib import Parallel, cpu_count, delayed, parallel_config

from ..choices.methods import METHODS
from ..data.sources import sources
from ..model.loading import encoder_config
from ..registry import REGISTRIES, outside
from ..runs import Run, fields_of

SMALL = 256  # hidden size

# A process that has grown by more than joblib likes is replaced between two runs: nothing is lost, nothing to be done.
warnings.filterwarnings("ignore", message="A worker stopped while some jobs were given to the executor")


def width_of(run: Run) -> int:
    """The hidden size of the encoder that a run reads; 0 where its method reads none."""
    return encoder_config(run.encoder).hidden_size if "encoder" in METHODS.entry(run.method).reads else 0


def is_small(run: Run) -> bool:
    """Whether a run is computed with one thread: a small encoder, or none, on a CPU."""
    return not (width := width_of(run)) or (not torch.cuda.is_available() and width <= SMALL)


@contextmanager
def few_threads(run: Run) -> Iterator[None]:
    """A context in which torch computes with one thread if the run `is_small`."""
    before = torch.get_num_threads()
    torch.set_num_threads(1 if is_small(run) else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def cores() -> int:
    """How many cores there are to share: a machine with a GPU computes on that, as one."""
    return 1 if torch.cuda.is_available() else cpu_count()


def how_many(runs: list[Run], asked: int = 0) -> int:
    """How many processes to use for these runs: `asked`; with 0, one a core where all encoders are small, else one."""
    return asked or (cpu_count() if all(map(is_small, runs)) else 1)


def pretrained_of(run: Run) -> tuple:
    """What names the further pretrained encoder that a run starts from; () where it asks for none.

    Two corpora that name the same sources are taken to share the encoder. They do, unless a test text of one of them is
    among the sources, where it is left out for that corpus.
    """
    if run.further_pretraining == "none":
        return ()
    settings = [getattr(run, name) for name in fields_of("pretraining") if name != "further_pretraining"]
    return run.encoder, *settings, *sorted(sources(run))


def _makes(run):
    """What names each encoder that has to be made before a run can begin: none, one or two."""
    if first := pretrained_of(run):
        yield first
    if run.multitask != "none":
        yield first, run.seed, *[getattr(run, name) for name in fields_of("multitask", "encoder", "segments")]


def in_order(runs: Iterable[Run]) -> list[Run]:
    """The runs in an order in which those that share an encoder seldom wait for it.

    First one run for every encoder that can be made at once, which makes it; then those that need none; then those
    that find theirs made (last those with further pretraining, which takes long); and last those that make a second
    encoder from a first, and those that share it.
    """
    available, levels = set(), []
    for run in sorted(runs, key=lambda run: len(list(_makes(run)))):
        needed = set(_makes(run))
        new = needed - available
        available |= needed
        level = 0 if needed and new == needed else 1 + 2 * len(needed) - len(new)
        levels.append((level, run.further_pretraining != "none", run))
    return [run for *_, run in sorted(levels, key=lambda ranked: ranked[:2])]


def packed() -> list[tuple[str, bytes]]:
    """(kind, pickled entry) of every choice that was registered outside the package, to be sent to other processes.

    The functions themselves are pickled, not their names. Raises ValueError for one that can't be sent, and says why.
    """
    packed = []
    for kind, entry in outside():
        module = sys.modules.get(entry.module)
        by_value = module is not None and entry.module != "__main__"
        if by_value:
            cloudpickle.register_pickle_by_value(module)
        try:
            packed.append((kind, cloudpickle.dumps(entry)))
        except (TypeError, AttributeError, ValueError, RuntimeError) as error:
            raise ValueError(
                f"{kind}={entry.name!r} can't be sent to other processes ({error}). Use workers=1, or define it "
                f"without what can't be pickled."
            ) from None
        finally:
            if by_value:
                cloudpickle.unregister_pickle_by_value(module)
    return packed


def begin(settings: dict[str, str], choices: list[tuple[str, bytes]]) -> None:
    """Give this process these environment variables, and the choices that `packed` packed."""
    os.environ.update(settings)
    for kind, pickled in choices:
        entry = cloudpickle.loads(pickled)
        REGISTRIES[kind][entry.name] = entry


def processes(number: int) -> Parallel:
    """A joblib Parallel over `number` processes, which have the present BERTSTUDY_ variables and registered choices.

    The processes of an earlier call are used again where theirs are the same. It yields what the jobs give, in the
    order in which they finish, and raises what they raise.
    """
    settings = {name: value for name, value in os.environ.items() if name.startswith("BERTSTUDY_")}
    return Parallel(n_jobs=number, return_as="generator_unordered", initializer=begin, initargs=(settings, packed()))


def share(runs: list[Run], work: Callable[[Run], Any], workers: int) -> Iterator[Any]:
    """Do work(run) for every run in `workers` processes; yields what each gives, in the order in which they finish.

    An encoder that several need is made by the first; the others wait at its lock.
    """
    with parallel_config(backend="loky", inner_max_num_threads=max(1, cpu_count() // workers)):
        yield from processes(workers)(delayed(work)(run) for run in in_order(runs))
