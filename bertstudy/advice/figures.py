"""The reader's own data: its learning curve, the recipes that were tried, and what is taken for what."""

from functools import lru_cache

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.font_manager import findfont
from matplotlib.ft2font import FT2Font

from .. import stats
from ..analysis.drawing import STYLE, bars_of, figure, grid_across
from ..analysis.extrapolation import extrapolate
from ..results.rows import unsqueeze, wrong

WORDS, DEFAULT = "words (TF-IDF)", "fine-tuned, default recipe"
MOST_CLASSES = 15  # in a picture
LONGEST_NAME = 18


def _measured(rows):
    """Rows with error in percent and Wilson's interval, of the documents that chose."""
    lines = []
    for row in rows.to_dict("records"):
        errors = wrong(row)
        low, high = stats.wilson(errors.sum(), len(errors))
        line = {"recipe": row["recipe"], "labelled": row["documents"]["train"]}
        lines.append(line | {"error": 100 * float(errors.mean()), "low": low, "high": high})
    return pd.DataFrame(lines)


def your_curve_data(rows: pd.DataFrame) -> pd.DataFrame:
    """The learning curves: recipe, labelled, error with interval, and whether it was measured or extrapolated.

    Extrapolated is the default recipe, to all labels where not all were trained on, and to twice as many; gain is in
    points from the law's error at the largest point. Points that are no better than always giving the commonest class
    are measured, but no part of the law; with fewer than two others nothing is extrapolated.
    """
    rows = rows[rows["recipe"].isin((WORDS, DEFAULT))]
    measured = _measured(rows).assign(kind="measured")
    default = rows[rows["recipe"] == DEFAULT]
    if default.empty:
        return measured
    errors = np.array([wrong(row) for row in default.to_dict("records")])
    truth = unsqueeze(default["truth"].iloc[0])
    learnt = errors.mean(1) < 1 - np.bincount(truth).max() / len(truth)
    labelled = np.array([documents["train"] for documents in default["documents"]])[learnt]
    if len(set(labelled)) < 2:
        return measured
    all_labels = int(default["available"].iloc[0])
    targets = [number for number in (all_labels, 2 * all_labels) if number > labelled.max()]
    further = extrapolate(labelled, errors[learnt], targets).assign(kind="extrapolated", recipe=DEFAULT)
    return pd.concat([measured, further], ignore_index=True)


@figure(your_curve_data)
def your_curve(rows: pd.DataFrame) -> plt.Figure:
    """Error on the documents set aside against labelled documents, and the default recipe's power law beyond them.

    Bars are Wilson's 95 % intervals; hollow points are extrapolated.
    """
    data = your_curve_data(rows)
    with plt.style.context(STYLE):
        chart, axes = plt.subplots()
        blue, red = sns.color_palette()[:2]
        for recipe, color in ((WORDS, red), (DEFAULT, blue)):
            points = data[(data["recipe"] == recipe) & (data["kind"] == "measured")].sort_values("labelled")
            x = points["labelled"] * (0.97 if recipe == WORDS else 1)
            axes.errorbar(x, points["error"], bars_of(points), color=color, marker="o", capsize=4, label=recipe)
        beyond = data[data["kind"] == "extrapolated"]
        if len(beyond):
            last = data[(data["recipe"] == DEFAULT) & (data["kind"] == "measured")].iloc[-1]
            x, y = [last["labelled"], *beyond["labelled"]], [last["error"], *beyond["error"]]
            axes.plot(x, y, color=blue, linestyle=":")
            bars = bars_of(beyond)
            look = dict(color=blue, marker="o", markerfacecolor="white", linestyle="none", capsize=4, alpha=0.7)
            axes.errorbar(beyond["labelled"], beyond["error"], bars, label="extrapolated, 95 % interval", **look)
        axes.set_xscale("log")
        ticks = sorted(set(data["labelled"]))
        spaced = [tick for tick, after in zip(ticks, [*ticks[1:], np.inf], strict=True) if after / tick > 1.25]
        axes.set_xticks(spaced, [f"{tick:,}" for tick in spaced])
        axes.xaxis.set_minor_locator(plt.NullLocator())
        axes.set(xlabel="labelled documents, logarithmic", ylabel="error on the documents set aside (%)")
        axes.set_ylim(bottom=0)
        chart.legend(loc="outside lower center", ncols=2)
    return chart


def your_recipes_data(rows: pd.DataFrame) -> pd.DataFrame:
    """What was tried with the most labels of the default recipe, or more: recipe, labelled, error, interval, chosen.

    Chosen is the first of the lowest errors among those with the most labels.
    """
    tuned = rows[rows["recipe"] != WORDS]
    labelled = pd.Series([documents["train"] for documents in tuned["documents"]], index=tuned.index)
    most = labelled[tuned["recipe"] == DEFAULT].max()
    data = _measured(pd.concat([rows[rows["recipe"] == WORDS].tail(1), tuned[labelled >= most]]))
    candidates = data[(data["recipe"] != WORDS) & (data["labelled"] == labelled.max())]
    return data.assign(chosen=data.index == candidates["error"].idxmin())


@figure(your_recipes_data)
def your_recipes(rows: pd.DataFrame) -> plt.Figure:
    """Error on the documents set aside of every recipe tried, with Wilson's 95 % interval; the filled one is chosen."""
    data = your_recipes_data(rows)
    with plt.style.context(STYLE):
        chart, axes = plt.subplots(figsize=(7.4, 1.4 + 0.42 * len(data)))
        grid_across(axes)
        for place, row in enumerate(data.to_dict("records")):
            color = sns.color_palette()[row["recipe"] == WORDS]
            face = color if row["chosen"] else "white"
            bars = [[row["error"] - row["low"]], [row["high"] - row["error"]]]
            axes.errorbar(row["error"], place, xerr=bars, color=color, marker="o", markerfacecolor=face, capsize=4)
        names = [f"{row['recipe']}, chosen" if row["chosen"] else row["recipe"] for row in data.to_dict("records")]
        axes.set_yticks(range(len(data)), names)
        axes.invert_yaxis()
        axes.set_xlim(left=0)
        axes.set(xlabel="error on the documents set aside (%)")
    return chart


def your_confusion_data(rows: pd.DataFrame) -> pd.DataFrame:
    """Test documents of one row by given and predicted class: given, predicted, documents."""
    row = rows.iloc[0]
    labels = row["labels"]
    pairs = zip(unsqueeze(row["truth"]), unsqueeze(row["predictions"]), strict=True)
    counts = pd.Series([(labels[given], labels[predicted]) for given, predicted in pairs]).value_counts()
    lines = [(given, predicted, int(counts.get((given, predicted), 0))) for given in labels for predicted in labels]
    return pd.DataFrame(lines, columns=["given", "predicted", "documents"])


@lru_cache(maxsize=1)
def _characters():
    """The characters that figures can show."""
    return set(FT2Font(findfont("DejaVu Sans")).get_charmap())


def _shown(labels, number):
    """A class's name in a picture: shortened; where the font lacks its characters, its place among the classes."""
    name = labels[number]
    if not _characters().issuperset(map(ord, name)):
        return f"class {number + 1}"
    return name if len(name) <= LONGEST_NAME else f"{name[: LONGEST_NAME - 1]}…"


@figure(your_confusion_data)
def your_confusion(rows: pd.DataFrame) -> plt.Figure:
    """Confusion matrix of the test documents; colours are shares of the given class.

    Of more than MOST_CLASSES classes those with the most errors are shown.
    """
    data = your_confusion_data(rows).pivot(index="given", columns="predicted", values="documents")
    labels = list(rows.iloc[0]["labels"])
    counts = data.loc[labels, labels].to_numpy()
    errors = counts.sum(1) + counts.sum(0) - 2 * np.diag(counts)
    shown = np.sort(np.argsort(-errors, kind="stable")[:MOST_CLASSES])
    part = counts[np.ix_(shown, shown)]
    shares = part / np.maximum(1, counts.sum(1)[shown])[:, None]
    names = [_shown(labels, number) for number in shown]
    with plt.style.context(STYLE):
        side = 2.6 + 0.42 * len(shown)
        chart, axes = plt.subplots(figsize=(side + 0.8, side))
        axes.grid(visible=False)
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        for (given, predicted), count in np.ndenumerate(part):
            color = "white" if shares[given, predicted] > 0.6 else "black"
            axes.text(
                predicted, given, f"{count:,}" if count else "", ha="center", va="center", color=color, fontsize=9
            )
        axes.set_xticks(range(len(shown)), names, rotation=45, ha="right", parse_math=False)
        axes.set_yticks(range(len(shown)), names, parse_math=False)
        axes.set(xlabel="predicted", ylabel="given")
        if len(shown) < len(labels):
            axes.set_title(f"The {len(shown)} of {len(labels)} classes with the most errors", fontsize=10)
    return chart
