"""A run as it goes, in JupyterLab: loss and dev error as curves that grow."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

import ipywidgets
from IPython import get_ipython
from IPython.display import display

from ..training.log import LISTENERS
from .modes import PUBLISHING

WIDTH, HEIGHT, EDGE = 480, 120, 6  # of the picture, in pixels
EVERY = 0.5  # seconds between two pictures
SMOOTH = 10  # steps whose mean loss is a point of the curve
LOSS, DEV = "#0072b2", "#d55e00"


class Live:
    """The curves of the run that is carried out now; a run that begins takes the place of the one before.

    It is a `training.log.Scalar`. picture: a widget, displayed with the first number. JupyterLab's own button stops the
    run; those that are done are kept.
    """

    def __init__(self):
        self.losses, self.errors, self.drawn, self.shown = [], [], 0.0, False
        self.picture = ipywidgets.HTML()

    def __call__(self, name: str, value: float, step: int) -> None:
        if not self.shown:
            display(self.picture)
            self.shown = True
        if name == "train/loss":
            if self.losses and step <= self.losses[-1][0]:
                self.losses, self.errors = [], []
            self.losses.append((step, value))
        elif name == "dev/error":
            self.errors.append((step, value))
            self.drawn = 0.0
        if self.losses and time.monotonic() - self.drawn > EVERY:
            self.drawn, self.picture.value = time.monotonic(), self.svg()

    def svg(self) -> str:
        """The curves as a picture: the mean loss of every few steps, and dev's error after each look at it."""
        groups = [self.losses[start : start + SMOOTH] for start in range(0, len(self.losses), SMOOTH)]
        means = [(group[-1][0], sum(loss for _, loss in group) / len(group)) for group in groups]
        most = max(step for step, _ in [*means, *self.errors])
        told = f"step {self.losses[-1][0]}, loss {means[-1][1]:.3f}"
        told += f", dev error {self.errors[-1][1]:.1f} %" if self.errors else ""
        lines = [_line(curve, most, color) for curve, color in ((means, LOSS), (self.errors, DEV)) if curve]
        key = f'<span style="color: {LOSS}">loss</span>, <span style="color: {DEV}">dev error</span>, each from 0 up'
        words = f"<div>{told} ({key}). ■ above the notebook stops; runs that are done are kept.</div>"
        size = f'width="{WIDTH}" height="{HEIGHT}" role="img" aria-label="{told}"'
        return f"{words}<svg {size}>{''.join(lines)}</svg>"


def _line(points, most, color):
    """A curve through points (step, value), as wide as the picture is for `most` steps, from 0 up to its highest."""
    highest = max(max(value for _, value in points), 1e-9)
    places = [
        (EDGE + step / most * (WIDTH - 2 * EDGE), HEIGHT - EDGE - value / highest * (HEIGHT - 2 * EDGE))
        for step, value in points
    ]
    marks = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{color}"/>' for x, y in places)
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
    return f'<polyline points="{line}" fill="none" stroke="{color}" stroke-width="1.5"/>{marks}'


@contextmanager
def watched() -> Iterator[None]:
    """In a notebook that somebody looks at, the runs inside are drawn as they go; elsewhere nothing is."""
    if os.environ.get(PUBLISHING) or not getattr(get_ipython(), "kernel", None):
        yield
        return
    live = Live()
    LISTENERS.append(live)
    try:
        yield
    finally:
        LISTENERS.remove(live)
