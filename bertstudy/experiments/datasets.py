"""Table 1 (§5.1): how long the documents of the corpora are, and how even their classes."""

import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.ticker import LogLocator, NullLocator

from ..analysis.drawing import STYLE, figure, grid_across
from ..analysis.experiment import declare, whole
from ..analysis.surveys import DOCUMENTS
from ..data.catalogue import CORPORA
from ..data.control.corpora import COMPOSED

CHARACTER = 1.0  # percent of a bar's width that a character of a class's name takes


def lengths_data(rows: pd.DataFrame) -> pd.DataFrame:
    """Documents by length: corpus, word pieces (from, to), documents of the sample, their share in percent."""
    lines = [
        {"corpus": row["corpus"], **entry, "percent": 100 * entry["documents"] / row["measured"]}
        for row in rows.to_dict("records")
        for entry in row["by length"]
    ]
    return pd.DataFrame(lines)


@figure(lengths_data, value="", kind="corpora")
def lengths(rows: pd.DataFrame) -> plt.Figure:
    """Lengths of documents in word pieces, one panel per corpus; its title has the share beyond the window (shaded).

    The window also holds [CLS] and [SEP], so that two pieces less are left for the text.
    """
    data = lengths_data(rows)
    lines = 1 if len(rows) < 4 else 2
    columns = math.ceil(len(rows) / lines)
    low, high = data["from"].min() / 1.3, 1.3 * data["to"].max()
    with plt.style.context(STYLE):
        ours, limit = sns.color_palette()[:2]
        chart, panels = plt.subplots(
            lines, columns, figsize=(8.6, 0.8 + 2.2 * lines), sharex=True, sharey=True, squeeze=False
        )
        for axes, row in zip(panels.flat, rows.to_dict("records"), strict=False):
            part = data[data["corpus"] == row["corpus"]]
            room = row["window"] - 2
            axes.bar(part["from"], part["percent"], part["to"] + 1 - part["from"], align="edge", color=ours)
            axes.axvline(room, color=limit, zorder=0.6)
            axes.axvspan(room, max(high, room), color=limit, alpha=0.12, linewidth=0, zorder=0.5)
            beyond = f"{row['beyond the window, %']:.1f} % beyond {room}"
            axes.set_title(f"{row['corpus']}\n{beyond}", fontsize=10, parse_math=False)
        axes.set(xscale="log", xlim=(low, max(high, 1.3 * room)), ylim=(0, 1.05 * data["percent"].max()))
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 3) if high / low < 200 else (1,)))
        axes.xaxis.set_major_formatter("{x:,.0f}")
        axes.xaxis.set_minor_locator(NullLocator())
        for axes in panels.flat[len(rows) :]:
            axes.set_visible(False)
        for column in panels.T:
            [axes for axes in column if axes.get_visible()][-1].tick_params(labelbottom=True)
        chart.supxlabel("length of a document (word pieces); shaded: beyond the window", fontsize=11)
        chart.supylabel("documents (%)", fontsize=11)
    return chart


def balance_data(rows: pd.DataFrame) -> pd.DataFrame:
    """Classes: corpus, label, documents of the class in train and test, and their shares of either part in percent."""
    lines = []
    for row in rows.to_dict("records"):
        for entry in row["by class"]:
            shares = {f"{part}_percent": 100 * entry[part] / row[part] for part in ("train", "test")}
            lines.append({"corpus": row["corpus"], **entry, **shares})
    return pd.DataFrame(lines)


@figure(
    balance_data,
    point="{label} in {corpus}",
    value="train_percent",
    what="share of the training documents",
    kind="corpora",
)
def balance(rows: pd.DataFrame) -> plt.Figure:
    """The share of each class in train and test, two bars per corpus, the classes in the corpus's order.

    A class is named where its name fits into its bar.
    """
    data = balance_data(rows)
    corpora = list(rows["corpus"])
    with plt.style.context(STYLE):
        shades = sns.color_palette()[0], sns.color_palette()[5]
        chart, axes = plt.subplots(figsize=(8.6, 1 + 0.62 * len(corpora)))
        grid_across(axes)
        for place, corpus in enumerate(corpora):
            group = data[data["corpus"] == corpus]
            room = group[["train_percent", "test_percent"]].min(axis=1)
            for part, y in (("train", place - 0.19), ("test", place + 0.19)):
                shares = group[f"{part}_percent"]
                starts = shares.cumsum() - shares
                colors = [shades[number % 2] for number in range(len(group))]
                axes.barh(y, shares, 0.34, left=starts, color=colors, edgecolor="white", linewidth=0.8)
                axes.text(101, y, part, va="center", fontsize=8)
                for number, (label, middle, width) in enumerate(
                    zip(group["label"], starts + shares / 2, room, strict=True)
                ):
                    if CHARACTER * (len(label) + 1) < width:
                        color = "black" if number % 2 else "white"
                        axes.text(
                            middle, y, label, color=color, ha="center", va="center", fontsize=8,
                            parse_math=False,
                        )  # fmt: skip
        axes.set_yticks(np.arange(len(corpora)), corpora, parse_math=False)
        axes.set(xlabel="share of the documents (%)", xlim=(0, 100), ylim=(len(corpora) - 0.5, -0.5))
    return chart


EXPERIMENT = declare(
    name="datasets",
    notebook="00_datasets",
    question="What are the corpora like?",
    parameters={"documents": whole},
    scales={
        profile: {"documents": DOCUMENTS, "corpora": corpora}
        for profile, corpora in {"control": COMPOSED, "compact": CORPORA, "paper": CORPORA, "smoke": COMPOSED}.items()
    },
)
