"""How the time of fine-tuning grows with documents, with their length and with layers: a table and a figure."""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from matplotlib.ticker import LogLocator

from ..analysis.drawing import STYLE, write_picture
from ..model.classifier import Classifier
from ..profiles import profile
from ..training.fine_tuning import fit
from .bench import deep_encoder

# What is varied, and what stays: documents, word pieces of each, layers.
USUAL = {"documents": 500, "length": 64, "layers": 3}
AXES = {
    "documents": (500, 1000, 2000, 5000, 10_000, 20_000),
    "length": (32, 64, 128, 256, 512),
    "layers": (1, 2, 4, 8, 12),
}
UNITS = {"documents": "documents", "length": "word pieces a document", "layers": "layers"}


def _documents(count, length):
    """Documents of one segment of so many random word pieces each."""
    return [[ids] for ids in np.random.default_rng(0).integers(200, 8000, (count, length)).tolist()]


def _seconds(encoder, documents, length, layers):
    """Of an epoch with a new classifier, once it is built."""
    base = replace(profile("control").base, encoder=encoder, epochs=1, min_steps=0, window=length, truncation="head")
    classifier, labels = Classifier.build(replace(base, layers=str(layers - 1)), ["a", "b"]), np.arange(documents) % 2
    texts = _documents(documents, length)
    begin = time.perf_counter()
    fit(classifier, (texts, labels.tolist()), progress=False)
    return time.perf_counter() - begin


def growth(rounds: int = 3, axes: dict[str, tuple[int, ...]] = AXES) -> pd.DataFrame:
    """Time an epoch for each size along each axis, in turn: axis, size, seconds (the least of the rounds)."""
    with tempfile.TemporaryDirectory() as folder:
        encoder = deep_encoder(folder, window=max(axes["length"]))
        _seconds(encoder, **USUAL)  # a first time takes longer
        timed = [
            {"axis": axis, "size": size, "seconds": _seconds(encoder, **USUAL | {axis: size})}
            for _ in range(rounds)
            for axis, sizes in axes.items()
            for size in sizes
        ]
    return pd.DataFrame(timed).groupby(["axis", "size"], sort=False, as_index=False).min()


def growths(table: pd.DataFrame) -> Iterator[tuple[str, float]]:
    """(axis, how many times as long a unit takes at the largest size as at the smallest): 1 where growth is linear."""
    for axis, rows in table.groupby("axis", sort=False):
        unit = (rows["seconds"] / rows["size"]).to_numpy()
        yield axis, float(unit[-1] / unit[0])


def draw(table: pd.DataFrame) -> plt.Figure:
    """Seconds against size, a panel an axis, beside the line of proportional growth through the smallest size."""
    with plt.style.context(STYLE):
        figure, panels = plt.subplots(1, table["axis"].nunique(), figsize=(9, 3.2), layout="constrained")
        for panel, (axis, rows) in zip(panels, table.groupby("axis", sort=False), strict=True):
            size, seconds = rows["size"], rows["seconds"]
            panel.loglog(size, seconds.iloc[0] * size / size.iloc[0], color="0.6", ls="--", label="proportional")
            panel.loglog(size, seconds, marker="o", label="measured")
            panel.set_xticks(size, [f"{one:,}" for one in size], rotation=45)
            panel.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            panel.yaxis.set_major_formatter("{x:g}")
            panel.minorticks_off()
            panel.set(xlabel=UNITS[axis], ylabel="seconds an epoch")
        panels[0].legend()
    return figure


def report(table: pd.DataFrame, out: str) -> str:
    """The table in words, a line an axis; the figure is written to `out`."""
    write_picture(draw(table), out)
    lines = [f"growth: an epoch of {USUAL}, one of them varied, {torch.get_num_threads()} threads"]
    for axis, ratio in growths(table):
        rows = table[table["axis"] == axis]
        sizes = ", ".join(
            f"{size:,}: {seconds:.2f} s" for size, seconds in zip(rows["size"], rows["seconds"], strict=True)
        )
        lines.append(f"  {UNITS[axis]} {sizes}; a unit takes {ratio:.2f} times as long at the most as at the least")
    return "\n".join([*lines, f"  {Path(out)}"])
