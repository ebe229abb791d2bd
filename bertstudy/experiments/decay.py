"""Table 4 (§5.3.4): layer-wise decreasing learning rates."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from ..analysis import paper
from ..analysis.claims import MAIN, Claim, Contrast
from ..analysis.drawing import STYLE, figure, names, per_point, span
from ..analysis.experiment import declare, numbers
from ..choices.schedules import SCHEDULES, layer_rates

POINTS = 100  # of a schedule that is drawn


def decay_grid_data(rows: pd.DataFrame) -> pd.DataFrame:
    """Table 4's numbers: learning_rate, layer_decay, documents, decay_embeddings, seeds, error with interval, paper.

    The paper has two rates, 2.5e-5 and 2e-5: ours are set beside them in the same order.
    """
    rows = rows.assign(train=[documents["train"] + documents["dev"] for documents in rows["documents"]])
    rows["train"] = rows.groupby("fraction")["train"].transform("max")
    points = per_point(rows, ["train", "decay_embeddings", "learning_rate", "layer_decay"], pooled=True)
    theirs = paper.decay()
    ours, printed = (sorted(set(table["learning_rate"])) for table in (points, theirs))
    same = dict(zip(ours, printed, strict=False))
    lookup = theirs.set_index(["learning_rate", "layer_decay"])["error"]
    keys = zip(points["learning_rate"].map(same), points["layer_decay"], strict=True)
    return points.assign(paper=[lookup.get(key, np.nan) for key in keys])


@figure(decay_grid_data, point="learning rate {learning_rate:g} and ξ = {layer_decay:g} with {train} documents")
def decay_grid(rows: pd.DataFrame) -> plt.Figure:
    """Table 4: test error by base rate and ξ, one panel per number of training documents; the paper's in brackets.

    Runs whose embeddings keep the base rate have lines of their own. A colour means the same error in all panels. The
    paper's errors are from the whole of IMDb.
    """
    data = decay_grid_data(rows)
    suffixes = data["decay_embeddings"].map({True: "", False: "\nembeddings at base"})
    data["line"] = [f"{rate:g}{suffix}" for rate, suffix in zip(data["learning_rate"], suffixes, strict=True)]
    sizes = sorted(set(data["train"]))
    with plt.style.context(STYLE):
        lines = data.groupby("train")["line"].nunique()
        scale = {"vmin": data["error"].min(), "vmax": data["error"].max()}
        chart, panels = plt.subplots(
            len(sizes),
            1,
            figsize=(7.6, 1.0 + 0.65 * lines.sum() + 0.85 * len(sizes)),
            squeeze=False,
            height_ratios=lines[sizes],
        )
        for axes, size in zip(panels[:, 0], sizes, strict=True):
            part = data[data["train"] == size]
            table, theirs = (
                part.pivot(index="line", columns="layer_decay", values=column) for column in ("error", "paper")
            )
            words = table.map("{:.2f}".format) + theirs.map(lambda error: f"\n({error:.2f})" if error == error else "")
            words = words.where(table.notna(), "")
            colors = dict(cmap="viridis_r", linewidths=1.5, cbar=False)
            sns.heatmap(table, annot=words, fmt="", ax=axes, annot_kws={"fontsize": 9}, **scale, **colors)
            axes.grid(False)
            brackets = "\nin brackets the paper's, whole IMDb" if theirs.notna().any(axis=None) else ""
            axes.set(xlabel=f"ξ, the decay from layer to layer{brackets}", ylabel="learning rate")
            axes.set_title(f"{names(rows)}, {size:,} training documents, {span(part['seeds'])}")
            axes.tick_params(axis="y", rotation=0)
        chart.colorbar(panels[0, 0].collections[0], ax=panels[:, 0].tolist(), label="test error (%)", aspect=30)
    return chart


def rates_over_time_data(rows: pd.DataFrame) -> pd.DataFrame:
    """The learning rates of a run, of the row with most decay: layer ("embeddings" first), steps (percent), rate."""
    row = rows.loc[rows["layer_decay"].idxmin()]
    depth, shape = int(rows["depth"].max()), SCHEDULES.find(row["schedule"])
    rates = layer_rates(depth, row["learning_rate"], row["layer_decay"], row["decay_embeddings"])
    lines = [
        {"layer": name, "steps": 100 * step / POINTS, "rate": rate * shape(step, POINTS, row["warmup"])}
        for name, rate in zip(["embeddings", *(f"layer {layer}" for layer in range(depth))], rates, strict=True)
        for step in range(POINTS)
    ]
    return pd.DataFrame(lines).assign(layer_decay=row["layer_decay"])


@figure(rates_over_time_data, value="")
def rates_over_time(rows: pd.DataFrame) -> plt.Figure:
    """The learning rate of each layer over the steps of a run, for the strongest decay in the plan (Equation 2)."""
    data = rates_over_time_data(rows)
    layers = data["layer"].unique().tolist()
    with plt.style.context(STYLE):
        chart, axes = plt.subplots(figsize=(7.4, 4.0))
        for color, layer in zip(sns.color_palette("viridis_r", len(layers)), layers, strict=True):
            part = data[data["layer"] == layer]
            axes.plot(part["steps"], part["rate"], color=color, label=layer, linewidth=1.4)
        axes.set(xlabel="steps (% of the run)", ylabel="learning rate", ylim=(0, None))
        axes.set_title(f"ξ = {data['layer_decay'].iloc[0]:g}")
        axes.legend(fontsize=8, ncols=2)
    return chart


def _decay(xi):
    return lambda row: row.corpus in MAIN and row.layer_decay == xi and row.decay_embeddings and row.layers == "last"


DECAYS = [1.0, 0.95, 0.9, 0.85, 0.5]

EXPERIMENT = declare(
    name="decay",
    notebook="04_decay",
    question="Should lower layers learn more slowly?",
    parameters={"decays": numbers(float, "1 0.9 0.5", "layer_decay")},
    scales={
        # fraction: what the finding is judged at, not on the quarter of it
        "control": {"seeds": 3, "fraction": 0.02, "decays": DECAYS},
        "compact": {"seeds": 3, "fraction": 0.02, "decays": [1.0, 0.95, 0.85]},
        "paper": {"seeds": 3, "fraction": 1.0, "decays": DECAYS},
        "smoke": {"seeds": 1, "labelled": 40, "decays": DECAYS},
    },
    claims=(
        Claim(
            "decay",
            "Learning rates that fall by 0.95 a layer are better than the same rate for all.",
            "§5.3.4, Table 4",
            "04_decay",
            (Contrast(_decay(1.0), _decay(0.95), ("layer_decay",), 0.02, over="learning_rate"),),
        ),
    ),
)
