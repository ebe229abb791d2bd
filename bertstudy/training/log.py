"""What happens in a run, step by step: for a notebook that looks on, and for TensorBoard.

The latter is asked for by BERTSTUDY_LOG=tensorboard, or `--log tensorboard`.
"""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.util import find_spec

from ..paths import runs
from ..registry import no_such
from ..runs import Run

LOG = "BERTSTUDY_LOG"  # the variable of the environment
KINDS = ("tensorboard",)

Scalar = Callable[[str, float, int], None]  # name, value, step
LISTENERS: list[Scalar] = []  # of the runs that this process carries out, beside the log


def silent(name: str, value: float, step: int) -> None:
    """A Scalar that writes nothing."""


def _to_all(scalars):
    def scalar(name, value, step):
        for one in scalars:
            one(name, value, step)

    return scalar


@contextmanager
def logged(run: Run, row_id: str) -> Iterator[tuple[Scalar, Callable[[float], None]]]:
    """Where a run's numbers go: (a Scalar, a function that takes the test error in percent when it is done).

    For TensorBoard they are in tensorboard/<id of the row>, in the folder of runs; the test error stands there beside
    the run's fields, its hyper-parameters. Without a log in the environment nothing is written.
    """
    _check()
    if not os.environ.get(LOG):
        yield _to_all(LISTENERS), lambda error: None
        return
    from torch.utils.tensorboard import SummaryWriter

    with SummaryWriter(str(runs() / KINDS[0] / row_id)) as writer:
        yield (
            _to_all([*LISTENERS, writer.add_scalar]),
            lambda error: writer.add_hparams(asdict(run), {"test/error": error}, run_name="."),
        )


def _check():
    """Raise ValueError where the environment asks for a log that is unknown, or whose package is missing."""
    if kind := os.environ.get(LOG):
        if kind not in KINDS:
            raise no_such(LOG, kind, KINDS)
        if find_spec(kind) is None:
            raise ValueError(f"{LOG}={kind}: {kind} is not installed: pip install 'bertstudy[log]'.")
