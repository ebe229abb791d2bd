"""What the seed alone does: the spread of one recipe, what makes it smaller, and what one run can show."""

from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from scipy.special import ndtr

from .. import stats
from ..analysis.drawing import STYLE, figure, names
from ..analysis.experiment import declare, numbers
from ..results.rows import unsqueeze, wrong

PRINTED = 0.25  # points between the cells of the paper's Table 4
LEVEL = 0.05
USUAL = {"piece_pooling": "cls", "bias_correction": True, "longer": False, "one_sample": False}
WAYS = {  # what a run is called, by what it has
    "[CLS], twice the steps": {**USUAL, "longer": True},
    "[CLS], no bias correction": {**USUAL, "bias_correction": False},
    "[CLS]": USUAL,
    "[CLS], one sample": {**USUAL, "one_sample": True},
    "mean over pieces": {**USUAL, "piece_pooling": "mean"},
}


def _with_ways(rows):
    rows = rows.assign(longer=rows["epochs"] > rows["epochs"].min(), one_sample=rows["sample_seed"] >= 0)
    labelled = [documents["train"] + documents["dev"] for documents in rows["documents"]]
    rows = rows.assign(labelled=labelled, failed=[_failed(row) for row in rows.to_dict("records")])
    rows["labelled"] = rows.groupby("fraction")["labelled"].transform("max")  # a sample may lose a few duplicates
    ways = [
        next((way for way, has in WAYS.items() if all(row[name] == value for name, value in has.items())), None)
        for row in rows.to_dict("records")
    ]
    return rows.assign(way=ways).dropna(subset="way")


def _failed(row):
    """Whether a run is no better than always giving the commonest class."""
    counts = np.bincount(unsqueeze(row["truth"]))
    return wrong(row).sum() >= counts.sum() - counts.max()


def seed_spread_data(rows: pd.DataFrame) -> pd.DataFrame:
    """The spread of each way: way, labelled, seeds, error (mean, %) with its t interval, sd (points) with its interval,
    failed (runs no better than the commonest class), differ (percent of the pairs of its runs that McNemar's test calls
    different, at 0.05), beyond (percent of pairs of runs that lie more than PRINTED points apart, by this sd).
    """
    lines = []
    for (labelled, way), group in _with_ways(rows).groupby(["labelled", "way"]):
        errors = [wrong(row).astype(int) for row in group.to_dict("records")]
        p = [stats.mcnemar(first, second).p for first, second in combinations(errors, 2)]
        mean, low, high = stats.mean_interval(group["error"])
        sd = stats.sd_interval(group["error"])
        line = {"way": way, "labelled": labelled, "seeds": len(group), "error": mean, "low": low, "high": high}
        line |= dict(zip(("sd", "sd_low", "sd_high"), sd, strict=True)) | {"failed": int(group["failed"].sum())}
        line["differ"] = 100 * float(np.mean(np.array(p) <= LEVEL)) if p else np.nan
        line["beyond"] = 200 * float(ndtr(-PRINTED / (2**0.5 * sd[0]))) if sd[0] else np.nan
        lines.append(line)
    return pd.DataFrame(lines)


@figure(seed_spread_data, point="{way} with {labelled} labels", value="sd", what="standard deviation", unit="points")
def seed_spread(rows: pd.DataFrame) -> plt.Figure:
    """The test error of every seed of one recipe, at each number of labels; bars are means with 95 % intervals."""
    data, rows = seed_spread_data(rows), _with_ways(rows)
    sizes = sorted(set(data["labelled"]))
    ways = {size: [way for way in WAYS if way in set(data.loc[data["labelled"] == size, "way"])] for size in sizes}
    with plt.style.context(STYLE):
        heights = [len(ways[labelled]) + 1 for labelled in sizes]
        options = dict(sharex=True, squeeze=False, height_ratios=heights)
        chart, panels = plt.subplots(len(sizes), 1, figsize=(7.4, 1.2 + 0.42 * sum(heights)), **options)
        color = sns.color_palette()[0]
        for axes, labelled in zip(panels[:, 0], sizes, strict=True):
            for place, way in enumerate(ways[labelled]):
                part = rows[(rows["way"] == way) & (rows["labelled"] == labelled)]
                told = data[(data["way"] == way) & (data["labelled"] == labelled)]
                axes.plot(part["error"], np.full(len(part), place), "o", color=color, alpha=0.35, markeredgewidth=0)
                if len(told):
                    one = told.iloc[0]
                    bars = [[one["error"] - one["low"]], [one["high"] - one["error"]]]
                    axes.errorbar(one["error"], place + 0.28, xerr=bars, fmt="|", color="black", capsize=3, ms=9)
            axes.set_yticks(range(len(ways[labelled])), ways[labelled])
            axes.set_ylim(-0.5, len(ways[labelled]) - 0.3)
            axes.set_title(f"{names(rows)}, {labelled:,} labels, {_seeds(data, labelled)}", fontsize=10)
        panels[-1, 0].set(
            xlabel="test error (%): a dot is a run, a bar the mean with its 95 % interval", xlim=(0, None)
        )
    return chart


def _seeds(data, labelled):
    seeds = data.loc[data["labelled"] == labelled, "seeds"]
    return f"{seeds.min()} seeds" if seeds.nunique() == 1 else f"{seeds.min()} to {seeds.max()} seeds"


EXPERIMENT = declare(
    name="seeds",
    notebook="11_seeds",
    question="What does the seed alone do?",
    parameters={"labels": numbers(int, "100 500")},
    scales={
        "control": {"seeds": 20, "labels": [100, 500]},
        "compact": {"seeds": 20, "labels": [100, 500], "corpus": "trec"},  # whose texts are short
        "paper": {"seeds": 20, "labels": [100, 500, 2000]},
        "smoke": {"seeds": 2, "labels": [40]},
    },
)
