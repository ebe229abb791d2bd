"""Rows to figures. Nothing here trains, loads a model or imports torch; a figure is a function of stored rows."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from . import paper, stats

STYLE = Path(__file__).with_name("figures.mplstyle")
PAPER_ARMS = {"none": "FiT", "within_task": "ITPT-FiT", "in_domain": "IDPT-FiT", "cross_domain": "CDPT-FiT"}
ARMS = {"FiT": "FiT (fine-tuned)", "ITPT-FiT": "ITPT-FiT (further pretrained first)"}
FIGURES = {}


def figure(draw):
    """Register a figure: draw(rows) gives a matplotlib figure, and `draw.data(rows)` the numbers in it as a table."""
    FIGURES[draw.__name__] = draw
    return draw


def _per_point(rows, keys):
    """Mean error with its interval over seeds, a line for each combination of the keys."""
    lines = []
    for values, group in rows.groupby(keys, sort=True):
        mean, low, high = stats.mean_interval(group["error"])
        if len(group) == 1:  # one seed: all that is known is the sampling error of the test set
            n = group["documents"].iloc[0]["test"]
            low, high = stats.wilson(round(mean * n / 100), n)
        lines.append(
            {**dict(zip(keys, values, strict=True)), "seeds": len(group), "error": mean, "low": low, "high": high}
        )
    return pd.DataFrame(lines)


def arm_of(further_pretraining):
    """The paper's name for a row: FiT, ITPT-FiT, IDPT-FiT, CDPT-FiT; corpora by name stay as they are."""
    return PAPER_ARMS.get(further_pretraining, f"{further_pretraining}, then FiT")


def few_shot_data(rows):
    """Figure 4's numbers, ours beside the paper's: arm, labelled documents, seeds, error with interval, paper."""
    rows = rows.assign(
        arm=rows["further_pretraining"].map(arm_of),
        labelled=[round(one["train"] + one["dev"]) for one in rows["documents"]],
    )
    rows["labelled"] = rows.groupby("fraction")["labelled"].transform("max")  # dev loses a few duplicates
    points = _per_point(rows, ["arm", "fraction", "labelled"])
    theirs = paper.few_shot().rename(columns={"error": "paper"})[["arm", "fraction", "paper"]]
    return points.merge(theirs, on=["arm", "fraction"], how="left")


@figure
def few_shot(rows):
    """Figure 4: test error against the number of labelled documents, on a logarithmic axis.

    A small dot beside its point is a seed; a line joins the means; bars are 95 % intervals (t over seeds; Wilson's
    where there is one seed). Hollow points are the paper's (IMDb, BERT-base, single runs).
    """
    ours, theirs = few_shot_data(rows), paper.few_shot()
    with plt.style.context(STYLE):
        chart, axes = plt.subplots()
        for arm, color in zip(ARMS, sns.color_palette(), strict=False):
            points, reference = ours[ours["arm"] == arm], theirs[theirs["arm"] == arm]
            x, y = reference["documents"], reference["error"]
            axes.plot(x, y, color=color, alpha=0.5, linewidth=1, linestyle=":")
            name = f"paper: {arm}, IMDb, BERT-base, one run"
            axes.plot(x, y, "o", color=color, markerfacecolor="white", markersize=7, label=name)
            if points.empty:
                continue
            seeds = rows[rows["further_pretraining"].map(arm_of) == arm].merge(points[["fraction", "labelled"]])
            x, y = 1.06 * seeds["labelled"], seeds["error"]
            axes.plot(x, y, "o", color=color, alpha=0.5, markersize=4, markeredgewidth=0)
            bars = [points["error"] - points["low"], points["high"] - points["error"]]
            name = f"{ARMS[arm]}: mean of {_span(points['seeds'])}, 95 % interval"
            axes.errorbar(points["labelled"], points["error"], bars, color=color, marker="o", capsize=4, label=name)
        axes.set_xscale("log")
        ticks = sorted({*theirs["documents"], *ours["labelled"]})
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        axes.xaxis.set_minor_locator(plt.NullLocator())
        axes.set(xlabel=f"labelled documents ({_names(rows)}), logarithmic", ylabel="test error (%)")
        axes.set_ylim(bottom=0)
        chart.legend(loc="outside lower center", ncols=2)
    return chart


few_shot.data = few_shot_data


def pretraining_steps_data(rows):
    """Figure 3's numbers: steps of further pretraining (0: none), seeds, error with interval, held-out loss."""
    points = _per_point(rows, ["pretraining_steps"])
    loss = {
        one["pretraining_steps"]: one["pretraining"][-1]["loss"] for _, one in rows.iterrows() if one["pretraining"]
    }
    return points.assign(held_out_loss=points["pretraining_steps"].map(loss))


@figure
def pretraining_steps(rows):
    """Figure 3: test error after fine-tuning, against the steps of further pretraining within the task.

    The band is the error without further pretraining, with its 95 % interval. Hollow points are the paper's, which
    fine-tuned on the whole of IMDb; its line without pretraining is dotted.
    """
    points, theirs = pretraining_steps_data(rows), paper.pretraining_steps()
    with plt.style.context(STYLE):
        chart, axes = plt.subplots()
        ours, other = sns.color_palette()[:2]
        without, after = (points[points["pretraining_steps"] == 0], points[points["pretraining_steps"] > 0])
        if len(without):
            none = without.iloc[0]
            axes.axhspan(none["low"], none["high"], color=ours, alpha=0.12, linewidth=0)
            axes.axhline(none["error"], color=ours, linestyle="--", linewidth=1.2, label="here, no further pretraining")
        bars = [after["error"] - after["low"], after["high"] - after["error"]]
        name = f"here: mean of {_span(points['seeds'])}, 95 % interval"
        axes.errorbar(after["pretraining_steps"], after["error"], bars, color=ours, marker="o", capsize=4, label=name)
        axes.axhline(
            theirs["error"].iloc[0], color=other, linestyle=":", linewidth=1.2, label="paper, no further pretraining"
        )
        x, y = theirs["steps"][1:], theirs["error"][1:]
        axes.plot(x, y, "o:", color=other, markerfacecolor="white", linewidth=1, label="paper: whole IMDb, BERT-base")
        axes.set_xscale("log")
        share = 100 * rows["fraction"].max()
        axes.set(xlabel="steps of further pretraining, logarithmic", ylabel="test error (%)", ylim=(0, None))
        axes.set_title(f"{_names(rows)}, fine-tuned on {share:g} % of its training documents")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        chart.legend(loc="outside lower center", ncols=2)
    return chart


pretraining_steps.data = pretraining_steps_data


def pretraining_sources_data(rows):
    """Table 5's numbers: source of pretraining ("none" first), task, seeds, error with interval, gain over "none".

    The gain is in points of error, paired by seed, with its t interval over seeds.
    """
    points = _per_point(rows, ["further_pretraining", "corpus"])
    plain = rows[rows["further_pretraining"] == "none"][["corpus", "seed", "error"]]
    pairs = rows.merge(plain, on=["corpus", "seed"], suffixes=("", "_none"))
    pairs["gain"] = pairs["error_none"] - pairs["error"]
    gains = [
        dict(zip(("further_pretraining", "corpus"), key, strict=True))
        | dict(zip(("gain", "gain_low", "gain_high"), stats.mean_interval(group["gain"]), strict=True))
        for key, group in pairs.groupby(["further_pretraining", "corpus"])
    ]
    return points.merge(pd.DataFrame(gains), how="left").sort_values(
        ["further_pretraining", "corpus"], ignore_index=True
    )


@figure
def pretraining_sources(rows):
    """Table 5: test error by pretraining corpus and task; the colour is the gain over no further pretraining."""
    data = pretraining_sources_data(rows)
    order = sorted(set(data["further_pretraining"]), key=lambda name: (name != "none", "+" in name, name))
    table, gain = (
        data.pivot(index="further_pretraining", columns="corpus", values=one).loc[order] for one in ("error", "gain")
    )
    low, high = (
        data.pivot(index="further_pretraining", columns="corpus", values=f"gain_{one}").loc[order]
        for one in ("low", "high")
    )
    sure = ((low > 0) | (high < 0)) & (gain != 0)  # the row without further pretraining gains nothing
    words = np.where(sure, table.map("{:.1f} *".format), table.map("{:.1f}".format))
    with plt.style.context(STYLE):
        chart, axes = plt.subplots(figsize=(7.2, 0.6 * len(order) + 1.6))
        scale = max(1.0, float(gain.abs().max().max()))
        colors = dict(cmap="PuOr", center=0, vmin=-scale, vmax=scale)
        bar = {"label": "points gained over none"}
        sns.heatmap(gain, annot=words, fmt="", ax=axes, linewidths=1.5, cbar_kws=bar, **colors)
        axes.set(xlabel="task", ylabel="further pretraining on")
        axes.set_yticks(axes.get_yticks(), [name.replace("+", " +\n") for name in order], rotation=0)
        axes.set_title("Test error (%); * the 95 % interval of the gain leaves out zero")
    return chart


pretraining_sources.data = pretraining_sources_data


def _span(counts):
    low, high = counts.min(), counts.max()
    if low != high:
        return f"{low} to {high} seeds"
    return f"{low} seeds" if low > 1 else "1 seed"


def _names(rows):
    return ", ".join(Path(name).name for name in sorted(set(rows["corpus"])))


def incomplete(chart, missing):
    """Mark a figure whose plan has runs without rows, and say which."""
    chart.suptitle(
        f"INCOMPLETE: {len(missing)} runs missing ({'; '.join(missing[:3])}{'; …' * (len(missing) > 3)})",
        color="#b00020",
        fontsize=9,
    )
    return chart


def save(chart, data, path):
    """Write a figure as SVG and PNG and its numbers as CSV, beside each other; the same rows give the same bytes."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with plt.style.context(STYLE):
        chart.savefig(path.with_suffix(".svg"), metadata={"Date": None, "Creator": None})
        chart.savefig(path.with_suffix(".png"), metadata={"Software": None})
    data.to_csv(path.with_suffix(".csv"), index=False, float_format="%.4f")
