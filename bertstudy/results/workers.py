"""Independent runs of a plan over the cores.

An encoder as small as the control encoders computes with one thread, whatever the machine: its threads would wait for
each other longer than they compute, and a row would depend on their number. So the cores are filled with processes,
and the rows are those that one process would have made.
"""

import os
from contextlib import contextmanager

import torch
from joblib import Parallel, cpu_count, delayed, parallel_config

from ..training import multitask
from ..training import optim
from ..model import pooling
from ..choices import truncation
from ..data.corpora import sources
from ..model.encoder import encoder_config
from ..training.pretraining import settings_of

SMALL = 256  # hidden size


def is_small(run):
    """Whether a run is computed with one thread: a small encoder, or none, on a CPU."""
    return run.encoder == "none" or not torch.cuda.is_available() and encoder_config(run.encoder).hidden_size <= SMALL


@contextmanager
def few_threads(run):
    """Inside, torch computes with one thread where the run's encoder is small."""
    before = torch.get_num_threads()
    torch.set_num_threads(1 if is_small(run) else before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def how_many(runs, asked=0):
    """Processes for these runs: as many as asked for; 0 is one a core where all encoders are small, else one.

    A truncation, pooling or schedule that was registered outside the package is known in its own process alone.
    """
    known = (truncation.TRUNCATIONS, pooling.LAYER_POOLINGS, pooling.SEGMENT_POOLINGS, optim.SCHEDULES)
    if not all(choice.__module__.startswith(f"{__package__}.") for registry in known for choice in registry.values()):
        return 1
    return asked or (cpu_count() if all(map(is_small, runs)) else 1)


def _makes(run):
    """What names each encoder that has to be made before a run can begin: none, one or two.

    Two corpora that name the same sources are taken to share the encoder. They do unless a test text of one stands
    among the sources, which is left out for that one.
    """
    first = ()
    if run.further_pretraining != "none":
        yield (first := (settings_of(run), *sorted(sources(run))))
    if run.multitask != "none":
        yield first, *multitask.settings_of(run).items()


def in_order(runs):
    """The runs in an order in which those that share an encoder seldom wait for it.

    First one run for every encoder that can be made at once, which makes it; then those that need none; then those
    that find theirs made, after further pretraining the later, for that takes long; and last those that make a second
    encoder from a first, and share that.
    """
    made, levels = set(), []
    for run in sorted(runs, key=lambda run: len(list(_makes(run)))):
        needed = set(_makes(run))
        new = needed - made
        made |= needed
        level = 0 if needed and new == needed else 1 + 2 * len(needed) - len(new)
        levels.append((level, run.further_pretraining != "none", run))
    return [run for *_, run in sorted(levels, key=lambda one: one[:2])]


def _begin(settings):
    os.environ.update(settings)


def processes(number):
    """So many processes, whose environment is the present one; those of an earlier call are taken if theirs was, too.

    Gives joblib's Parallel, which yields what jobs give when they are done, in no order, and raises what they raise.
    """
    settings = {name: value for name, value in os.environ.items() if name.startswith("BERTSTUDY_")}
    return Parallel(n_jobs=number, return_as="generator_unordered", initializer=_begin, initargs=(settings,))


def share(runs, work, workers):
    """Do work(run) for every run in so many processes; yields what each gives when it is done, in no order.

    An encoder that several need is made by the first; the others wait at its lock.
    """
    with parallel_config(backend="loky", inner_max_num_threads=1):
        yield from processes(workers)(delayed(work)(run) for run in in_order(runs))
