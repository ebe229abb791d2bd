"""Bars of long work: how much of it is done, and how long the rest takes."""

from tqdm.auto import tqdm

DELAY = 1.0  # seconds before a bar appears: what is done by then needs none


def ticking(what: str, total: int, unit: str, show: bool, done: int = 0) -> tqdm:
    """A bar over `total` units of which `done` are done, to be used in a `with` and moved on by `update(units)`.

    It shows what is done, the units a second and the time left, in a notebook and in a terminal, and goes when it ends.
    """
    return tqdm(desc=what, total=total, initial=done, unit=unit, disable=not show, leave=False, delay=DELAY)
