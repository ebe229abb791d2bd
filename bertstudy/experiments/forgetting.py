"""Figure 2 (§5.3.3): what the learning rate does, and what is left of the pretraining."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from ..analysis import paper
from ..analysis.claims import MAIN, Claim, Contrast
from ..analysis.drawing import STYLE, figure, grid_across, names
from ..analysis.experiment import declare, numbers

CHANGES = {
    "warmup": "warm-up {:.0%}".format,
    "bias_correction": {True: "with bias correction", False: "without bias correction"}.get,
    "max_grad_norm": "clipping at {:g}".format,
}


def rate_curves_data(rows: pd.DataFrame) -> pd.DataFrame:
    """Error against steps: learning_rate, step, train and dev error in percent, means over seeds."""
    lines = [
        {
            "learning_rate": row["learning_rate"],
            "step": point["step"],
            "train": point["train_error"],
            "dev": point["dev_error"],
        }
        for _, row in rows.iterrows()
        for point in row["history"]
    ]
    return pd.DataFrame(lines).groupby(["learning_rate", "step"], as_index=False).mean()


@figure(rate_curves_data, point="learning rate {learning_rate:g} at step {step}", value="dev", what="error on dev")
def rate_curves(rows: pd.DataFrame) -> plt.Figure:
    """Figure 2: error on training documents (dashed) and on dev (solid) against steps, one panel per learning rate.

    Hollow points are the paper's dev errors, read off its plot, at the same share of its 5,000 steps. Its rates are
    2e-5, 5e-5, 1e-4 and 4e-4; a panel shows the one whose ratio to the lowest is nearest to the panel's own.
    """
    data, theirs = rate_curves_data(rows), paper.forgetting()
    rates, printed = sorted(set(data["learning_rate"])), sorted(set(theirs["learning_rate"]))
    with plt.style.context(STYLE):
        ours, reference = sns.color_palette()[:2]
        chart, panels = plt.subplots(1, len(rates), figsize=(9.2, 3.8), sharey=True, squeeze=False)
        for axes, rate in zip(panels[0], rates, strict=True):
            part = data[data["learning_rate"] == rate]
            axes.plot(part["step"], part["dev"], color=ours, label="dev error")
            axes.plot(part["step"], part["train"], color=ours, linestyle="--", linewidth=1.2, label="training error")
            near = min(printed, key=lambda candidate: abs(candidate / printed[0] - rate / rates[0]))
            points = theirs[theirs["learning_rate"] == near]
            x = points["step"] / 5000 * part["step"].max()
            label = "paper: dev error (IMDb), at the same share of its steps"
            axes.plot(x, points["dev"], "o", color=reference, markerfacecolor="white", label=label)
            axes.set(title=f"{rate:g} (paper: {near:g})", xlabel="steps")
        panels[0][0].set(ylabel="error (%)", ylim=(0, 1.05 * max(data[["dev", "train"]].max().max(), 10)))
        chart.suptitle(f"{names(rows)}: by learning rate", x=0.01, ha="left", fontsize=11)
        chart.legend(*panels[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return chart


def retained_data(rows: pd.DataFrame) -> pd.DataFrame:
    """What is retained: learning_rate, layer (0: embeddings), cka, and masked-LM losses in nats, means over seeds."""
    lines = [
        {"learning_rate": row["learning_rate"], "layer": layer, "cka": cka, **losses}
        for _, row in rows[rows["retention"].notna()].iterrows()
        for losses in [{key: value for key, value in row["retention"].items() if key != "cka"}]
        for layer, cka in enumerate(row["retention"]["cka"])
    ]
    return pd.DataFrame(lines).groupby(["learning_rate", "layer"], as_index=False).mean()


@figure(
    retained_data,
    point="learning rate {learning_rate:g}",
    value="general_after",
    what="masked-LM loss on general texts",
    unit="nats",
)
def retained(rows: pd.DataFrame) -> plt.Figure:
    """Left: the masked-LM loss of the fine-tuned encoder under the head it had before (MiniLM: one trained on it,
    frozen); dotted: before fine-tuning.

    Right: linear CKA between the hidden states before and after fine-tuning, layer by layer; 1 is unchanged.
    """
    data = retained_data(rows)
    rates = sorted(set(data["learning_rate"]))
    losses = data.drop_duplicates("learning_rate").set_index("learning_rate").loc[rates]
    with plt.style.context(STYLE):
        chart, (left, right) = plt.subplots(1, 2, figsize=(9.2, 4.2))
        for color, name, words in zip(
            sns.color_palette(), ("general", "domain"), ("general", "the task's"), strict=False
        ):
            left.plot(range(len(rates)), losses[f"{name}_after"], "o-", color=color, label=f"{words} texts, after")
            before = losses[f"{name}_before"].mean()
            left.axhline(before, color=color, linestyle=":", linewidth=1.2, label=f"{words} texts, before")
        left.set_xticks(range(len(rates)), [f"{rate:g}" for rate in rates])
        left.set(xlabel="learning rate", ylabel="masked-LM loss (nats a piece)", ylim=(0, None))
        below = dict(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.15))
        left.legend(ncols=2, **below)
        for color, rate in zip(sns.color_palette("viridis_r", len(rates)), rates, strict=True):
            part = data[data["learning_rate"] == rate]
            right.plot(part["layer"], part["cka"], "o-", color=color, markersize=4, label=f"{rate:g}")
        depth = int(data["layer"].max())
        right.set_xticks(range(depth + 1), ["emb.", *map(str, range(depth))])
        right.set(xlabel="layer", ylabel="linear CKA with the pretrained encoder", ylim=(0, 1.03))
        right.legend(title="learning rate", ncols=len(rates), **below)
    return chart


def rescues_data(rows: pd.DataFrame) -> pd.DataFrame:
    """The highest rate under other settings: change, dev error after the last step (percent), seeds, learning_rate."""
    rate = rows["learning_rate"].max()
    base = rows[rows["learning_rate"] < rate].iloc[0]
    lines = []
    for _, row in rows[rows["learning_rate"] == rate].iterrows():
        changed = [words(row[name]) for name, words in CHANGES.items() if row[name] != base[name]]
        lines.append({"change": ", ".join(changed) or "nothing changed", "error": row["history"][-1]["dev_error"]})
    table = pd.DataFrame(lines).groupby("change", sort=False)
    return table.mean().assign(seeds=table.size(), learning_rate=rate).reset_index()


@figure(rescues_data, point="{change}", what="error on dev")
def rescues(rows: pd.DataFrame) -> plt.Figure:
    """Dev error after the last step at the highest rate, with one setting changed (after Mosbach et al., 2021)."""
    data = rescues_data(rows)
    with plt.style.context(STYLE):
        chart, axes = plt.subplots(figsize=(7.4, 1.2 + 0.5 * len(data)))
        grid_across(axes)
        y = np.arange(len(data))
        axes.plot(data["error"], y, "o", color=sns.color_palette()[0], label="dev error after the last step")
        lowest = rows[rows["learning_rate"] == rows["learning_rate"].min()]
        reference = np.mean([history[-1]["dev_error"] for history in lowest["history"]])
        label = f"at {rows['learning_rate'].min():g}"
        axes.axvline(reference, color="#555555", linestyle=":", linewidth=1.2, label=label)
        axes.set_yticks(y, data["change"])
        axes.set(xlabel="dev error (%)", xlim=(0, None), ylim=(len(data) - 0.5, -0.5))
        axes.set_title(f"{names(rows)}, learning rate {data['learning_rate'].iloc[0]:g}")
        chart.legend(loc="outside lower center", ncols=2)
    return chart


def _rate(place):
    """A condition: whether a row is Figure 2's, with the learning rate at this place: 0 the lowest, -1 the highest."""
    return lambda row: row.corpus in MAIN and row.rates > 1 and row.rate_place == (row.rates + place) % row.rates


EXPERIMENT = declare(
    name="forgetting",
    notebook="03_forgetting",
    question="Does a high learning rate make BERT forget?",
    parameters={"rates": numbers(float, "1e-4 5e-4", "learning_rate")},
    scales={
        # `general`: texts from outside the task, on which retention is measured
        "control": {"seeds": 3, "labelled": 400, "rates": [5e-4, 1e-3, 2.5e-3, 1e-2], "general": "general"},
        "compact": {"seeds": 3, "labelled": 500, "rates": [1e-4, 2.5e-4, 5e-4, 2e-3], "general": "ag_news"},
        "paper": {"seeds": 3, "rates": [2e-5, 5e-5, 1e-4, 4e-4], "general": "dbpedia"},
        "smoke": {"seeds": 1, "labelled": 40, "rates": [5e-4, 1e-2], "general": "general"},
    },
    claims=(
        Claim(
            "low rate",
            "The lowest of the learning rates is better than the next.",
            "§5.3.3, Figure 2",
            "03_forgetting",
            (Contrast(_rate(1), _rate(0), ("learning_rate",), np.nan),),
        ),
        Claim(
            "high rate fails",
            "The lowest of the learning rates is better than the highest, even at the best epoch of that.",
            "§5.3.3, Figure 2",
            "03_forgetting",
            (Contrast(_rate(-1), _rate(0), ("learning_rate",), np.nan),),
            planted="The highest rate is twenty times one that works.",
        ),
    ),
)
