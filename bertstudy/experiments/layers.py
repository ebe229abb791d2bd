"""Table 3 (§5.3.2): which layer to read."""

import re

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from ..analysis import paper
from ..analysis.claims import MAIN, Claim, Contrast
from ..analysis.drawing import STYLE, bars_of, figure, grid_across, names, per_point, span
from ..analysis.experiment import declare

PAPER_DEPTH = 12
POOLED = ("First 4 Layers + concat", "First 4 Layers + mean", "First 4 Layers + max")
POOLED += ("Last 4 Layers + concat", "Last 4 Layers + mean", "Last 4 Layers + max", "All 12 Layers + concat")


def _numbered(rows):
    """What is read in each row, with the number of the last layer in the place of "last"."""
    return rows["layers"].mask(rows["layers"] == "last", str(int(rows["depth"].max()) - 1))


def _single(rows):
    rows = rows.assign(layers=_numbered(rows))
    return rows[rows["layers"].str.fullmatch(r"\d+")].assign(layer=lambda table: table["layers"].astype(int))


def layer_depth_data(rows: pd.DataFrame) -> pd.DataFrame:
    """Error by layer: layer from 0, seeds, error with interval, seconds of training, the paper's error.

    Seconds are those of the fastest seed; the paper's error is that of its layer at the same share of the depth.
    """
    rows = _single(rows)
    points = per_point(rows, ["layer"], pooled=True)
    seconds = rows.assign(train=[times["train"] for times in rows["seconds"]]).groupby("layer")["train"].min()
    depth, printed = int(rows["depth"].max()), paper.layers()
    theirs = [f"Layer-{round(PAPER_DEPTH * (layer + 1) / depth) - 1}" for layer in points["layer"]]
    return points.assign(seconds=points["layer"].map(seconds), paper=[printed[name] for name in theirs])


@figure(layer_depth_data, point="layer {layer}")
def layer_depth(rows: pd.DataFrame) -> plt.Figure:
    """Table 3's single layers: test error and training time by how deep the encoder is read and computed.

    Hollow points are the paper's twelve layers (IMDb, BERT-base, single runs). Times are the fastest seed's: a busy
    machine makes a run slower, never faster.
    """
    data = layer_depth_data(rows)
    depth = int(rows["depth"].max())
    share = 100 * (data["layer"] + 1) / depth
    with plt.style.context(STYLE):
        ours, theirs, third = sns.color_palette()[:3]
        chart, (axes, times) = plt.subplots(1, 2, figsize=(8.6, 4.2), width_ratios=[1.6, 1])
        bars = bars_of(data)
        label = f"{names(rows)}: {span(data['seeds'])}, 95 % interval"
        axes.errorbar(share, data["error"], bars, color=ours, marker="o", capsize=4, label=label)
        printed = [paper.layers()[f"Layer-{layer}"] for layer in range(PAPER_DEPTH)]
        x = 100 * np.arange(1, PAPER_DEPTH + 1) / PAPER_DEPTH
        label = "paper: IMDb, BERT-base, one run"
        axes.plot(x, printed, "o:", color=theirs, markerfacecolor="white", linewidth=1, label=label)
        axes.set(ylabel="test error (%)", ylim=(0, None))
        times.plot(share, data["seconds"], "o-", color=third)
        times.set(ylabel="training time (s), fastest run", ylim=(0, None))
        times.set_title("runs may be of unlike machines", fontsize=9)
        for panel in (axes, times):
            panel.set(xlabel="depth read (% of the layers)", xlim=(0, 105))
        chart.legend(loc="outside lower center", ncols=2)
    return chart


def pooled_name(layers: str, depth: int) -> str | None:
    """The paper's name for a pooling over layers, a third of the depth standing for its four of twelve; else None."""
    match = re.fullmatch(r"([a-z]+):(\d+)-(\d+)", layers)
    if match is None:
        return None
    pooling, first, last = match[1], int(match[2]), int(match[3])
    if last - first + 1 == depth:
        return f"All 12 Layers + {pooling}"
    return f"{'First' if first == 0 else 'Last'} 4 Layers + {pooling}"


def _in_words(layers):
    """What is read, such as "mean of 4 to 5" and "5 alone"."""
    pooling, _, numbers = layers.rpartition(":")
    return f"{pooling} of {numbers.replace('-', ' to ')}" if pooling else f"{numbers} alone"


def layer_pooling_data(rows: pd.DataFrame) -> pd.DataFrame:
    """Pooled layers and the last alone: reading (the paper's name), layers, seeds, error with interval, read (layers in
    words), the paper's error."""
    depth, rows = int(rows["depth"].max()), rows.assign(layers=_numbered(rows))
    readings = {layers: pooled_name(layers, depth) for layers in rows["layers"]}
    readings[str(depth - 1)] = "Layer-11"
    rows = rows.assign(reading=rows["layers"].map(readings))
    points = per_point(rows[rows["reading"].notna()], ["reading", "layers"], pooled=True)
    points["paper"] = points["reading"].map(paper.layers())
    points["read"] = points["layers"].map(_in_words)
    order = {name: place for place, name in enumerate((*POOLED, "Layer-11"))}
    return points.sort_values("reading", key=lambda column: column.map(order), ignore_index=True)


@figure(layer_pooling_data, point="layers read: {read}")
def layer_pooling(rows: pd.DataFrame) -> plt.Figure:
    """Table 3's poolings over layers beside the last layer alone, with 95 % intervals; hollow points: the paper's."""
    data = layer_pooling_data(rows)
    with plt.style.context(STYLE):
        ours, theirs = sns.color_palette()[:2]
        chart, axes = plt.subplots(figsize=(7.4, 4.2))
        grid_across(axes)
        bars, y = bars_of(data), np.arange(len(data))
        label = f"{names(rows)}: {span(data['seeds'])}, 95 % interval"
        axes.errorbar(data["error"], y, xerr=bars, fmt="o", color=ours, capsize=4, label=label)
        label = "paper: IMDb, BERT-base, one run"
        axes.plot(data["paper"], y - 0.2, "o", color=theirs, markerfacecolor="white", label=label)
        axes.set_yticks(y, data["read"])
        axes.set(xlabel="test error (%)", ylabel="layers read", xlim=(0, None), ylim=(len(data) - 0.5, -0.5))
        chart.legend(loc="outside lower center", ncols=2)
    return chart


def _layer(place):
    """A condition: whether a row reads one layer: the first, the last but one, or the last."""
    return lambda row: row.corpus in MAIN and row.layers == {
        "first": "0", "last but one": f"{row.top_layer - 1:g}", "last": "last"
    }[place]  # fmt: skip


def _pooled_last(pooling):
    return lambda row: row.corpus in MAIN and row.layers.startswith(f"{pooling}:") and row.layers.endswith(
        f"-{row.top_layer:g}"
    ) and not row.layers.startswith(f"{pooling}:0-")  # fmt: skip


EXPERIMENT = declare(
    name="layers",
    notebook="02_layers",
    question="Which layer should be read?",
    parameters={},
    scales={
        "control": {"seeds": 3, "labelled": 400},
        "compact": {"seeds": 5, "labelled": 500},
        "paper": {"seeds": 5},
        "smoke": {"seeds": 1, "labelled": 40},
    },
    claims=(
        Claim(
            "last layer",
            "The last layer is better to read than the one below it.",
            "§5.3.2, Table 3",
            "02_layers",
            (Contrast(_layer("last but one"), _layer("last"), ("layers",), 0.04),),
        ),
        Claim(
            "depth",
            "The last layer is better to read than the first.",
            "§5.3.2, Table 3",
            "02_layers",
            (Contrast(_layer("first"), _layer("last"), ("layers",), 5.65),),
        ),
        Claim(
            "last four",
            "Pooling the last third of the layers is no better than reading the last.",
            "§5.3.2, Table 3",
            "02_layers",
            tuple(
                Contrast(_layer("last"), _pooled_last(pooling), ("layers",), effect, name=pooling)
                for pooling, effect in (("concat", -0.01), ("mean", -0.02), ("max", 0.0))
            ),
            "no better",
        ),
    ),
)
