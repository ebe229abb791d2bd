"""Independent runs of a plan over the cores.

An encoder as small as the control encoders computes with one thread, whatever the machine: its threads would wait for
each other longer than they compute, and a row would depend on their number. So the cores are filled with processes,
and the rows are those that one process would have made.
"""

from contextlib import contextmanager

import torch
from joblib import Parallel, cpu_count, delayed, parallel_config

from . import multitask, optim, pooling, truncation
from .corpora import sources
from .encoder import encoder_config
from .pretraining import further_pretrained, settings_of

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


def _prepare(run, together=False):
    with few_threads(run):
        pretrained = further_pretrained(run, progress=False)
        if together:
            multitask.fine_tuned_together(run, pretrained, progress=False)


def _stages(runs):
    """The runs in three groups, each with a run of every encoder that has to be made before it, and is shared.

    Those that start from the encoder as it is need none; those that further pretrain it share it by sources and
    settings; those that fine-tune on several tasks before, by all that this phase reads.
    """
    further = {(settings_of(run), *sources(run), run.corpus): run for run in runs if run.further_pretraining != "none"}
    together = {tuple(multitask.settings_of(run).items()): run for run in runs if run.multitask != "none"}
    yield [], [run for run in runs if run.further_pretraining == "none" and run.multitask == "none"]
    yield further.values(), [run for run in runs if run.further_pretraining != "none" and run.multitask == "none"]
    yield together.values(), [run for run in runs if run.multitask != "none"]


def share(runs, work, workers):
    """Do work(run) for every run in so many processes; yields what each gives when it is done, in no order.

    Encoders that runs share are made first, each once, beside the runs that need none of them.
    """
    (_, plain), (pretrained, further), (shared, together) = _stages(runs)
    with parallel_config(backend="loky", inner_max_num_threads=1):
        processes = Parallel(n_jobs=workers, return_as="generator_unordered")
        for makers, ready in ((pretrained, plain), (shared, further), ([], together)):
            jobs = [delayed(_prepare)(run, together=makers is shared) for run in makers]
            yield from (one for one in processes([*jobs, *(delayed(work)(run) for run in ready)]) if one is not None)
