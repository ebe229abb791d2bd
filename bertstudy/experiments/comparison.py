"""Tables 6, 7 and 8: ways to use an encoder beside each other, over several corpora."""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.ticker import LogLocator, NullFormatter

from .. import stats
from ..analysis import paper
from ..analysis.drawing import STYLE, bars_of, figure, grid_across, names, per_point, span

BASELINES = {"tfidf": "TF-IDF", "features": "BERT-Feat"}
PRETRAINED = {"none": "", "within_task": "ITPT-", "in_domain": "IDPT-", "cross_domain": "CDPT-"}
ARMS = ("TF-IDF", "BERT-Feat", "FiT", "ITPT-FiT", "IDPT-FiT", "MFiT-FiT", "CDPT-FiT", "CDPT-MFiT-FiT")
REFERENCE = "BERT-Feat"  # of Table 6's mean gains
PRINTED = {"imdb": "IMDb", "yelp_polarity": "Yelp P.", "yelp_full": "Yelp F.", "trec": "TREC", "ag_news": "AG"}
PRINTED |= {"yahoo_answers": "Yah. A.", "dbpedia": "DBP", "sogou": "Sogou"}  # the paper's column of a corpus
PRINTED_ENCODERS = {"bert-base-uncased": "BERT-base", "bert-large-uncased": "BERT-large"}  # and its row of an encoder


def arm_of(method, further_pretraining="none", multitask="none"):
    """The paper's name for a way to use an encoder; corpora joined by + count as pretraining across domains."""
    if method in BASELINES:
        return BASELINES[method]
    crossing = "cross_domain" if "+" in further_pretraining else further_pretraining
    prefix = PRETRAINED.get(crossing, f"{crossing}, ")
    return prefix + ("MFiT-" if multitask != "none" else "") + "FiT"


def _arms(rows):
    told = zip(rows["method"], rows["further_pretraining"], rows["multitask"], strict=True)
    return rows.assign(arm=[arm_of(*one) for one in told])


def _minutes(row):
    """Minutes of a run's training, with the further pretraining and the multi-task phase that it starts from."""
    before = [row["pretraining"] or [], (row["multitasked"] or {}).get("history", [])]
    return (row["seconds"]["train"] + sum(part[-1]["seconds"] for part in before if part)) / 60


def _points(rows, key):
    """Error with interval by corpus and `key`, minutes of training and documents a second predicted.

    Both are of the fastest run, since other work on the machine only slows; ways that predict by the same computation,
    such as FiT and ITPT-FiT, have one speed.
    """
    tables = [per_point(group, ["corpus", key], pooled=True) for _, group in rows.groupby("corpus", sort=False)]
    speed = rows.assign(
        minutes=[_minutes(row) for _, row in rows.iterrows()],
        documents_per_second=[row["documents"]["test"] / row["seconds"]["test"] for _, row in rows.iterrows()],
    )
    alike = speed.groupby(["corpus", "method", "encoder"])["documents_per_second"]
    speed["documents_per_second"] = alike.transform("max")
    fastest = speed.groupby(["corpus", key]).agg({"minutes": "min", "documents_per_second": "max"}).reset_index()
    return pd.concat(tables).merge(fastest, on=["corpus", key])


def _ordered(points, key, order):
    """In the order of corpora as they came and of `order`; names that it lacks stand last."""
    place = {name: number for number, name in enumerate(order)}
    corpora = list(dict.fromkeys(points["corpus"]))
    ranks = [points["corpus"].map(corpora.index), points[key].map(lambda name: place.get(name, len(place)))]
    return points.iloc[np.lexsort(ranks[::-1])].reset_index(drop=True)


def _beside(points, key, table, name):
    """With the paper's number, NaN where it has none: `name` gives the printed row of a value of `key`."""
    printed = [
        pd.to_numeric(table.at[name(one), PRINTED[corpus]], errors="coerce")
        if corpus in PRINTED and name(one) in table.index and PRINTED[corpus] in table
        else np.nan
        for corpus, one in zip(points["corpus"], points[key], strict=True)
    ]
    return points.assign(paper=printed)


def _panels(data, key, order):
    """A panel a corpus, a line a value of `key`: error with its interval, the paper's numbers hollow."""
    corpora, names = list(dict.fromkeys(data["corpus"])), [one for one in order if one in set(data[key])]
    names += [one for one in dict.fromkeys(data[key]) if one not in names]
    across = min(len(corpora), 2)
    down = -(-len(corpora) // across)
    with plt.style.context(STYLE):
        ours, theirs = sns.color_palette()[:2]
        size = (7.4, down * (1.1 + 0.34 * len(names)) + 0.5)
        chart, panels = plt.subplots(down, across, figsize=size, sharey=True, squeeze=False)
        for axes in panels.flat[len(corpora) :]:
            axes.set_visible(False)
        for axes, corpus in zip(panels.flat, corpora, strict=False):
            part = data[data["corpus"] == corpus]
            y = part[key].map(names.index)
            grid_across(axes)
            label = f"{span(data['seeds'])}, 95 % interval"
            axes.errorbar(part["error"], y, xerr=bars_of(part), fmt="o", color=ours, capsize=4, label=label)
            if part["paper"].notna().any():
                hollow = dict(color=theirs, markerfacecolor="white", label="paper: whole corpora, one run")
                axes.plot(part["paper"], y + 0.22, "o", **hollow)
            axes.set(title=Path(corpus).name, xlim=(0, None), ylim=(len(names) - 0.5, -0.5), xlabel="test error (%)")
            axes.set_yticks(range(len(names)), names)
        handles = {
            label: handle for one in panels.flat for handle, label in zip(*one.get_legend_handles_labels(), strict=True)
        }
        chart.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=2)
    return chart


def comparison_data(rows):
    """Table 6's numbers: corpus, arm, seeds, error with interval, minutes of training, documents predicted a second,
    and the paper's error on the same corpus."""
    points = _ordered(_points(_arms(rows), "arm"), "arm", ARMS)
    return _beside(points, "arm", paper.comparison(), lambda arm: arm if arm.startswith("BERT") else f"BERT-{arm}")


@figure(comparison_data)
def comparison(rows):
    """Table 6: test error of each way, a panel a corpus, with 95 % intervals whose variance a corpus's arms share."""
    return _panels(comparison_data(rows), "arm", ARMS)


def _complete(rows):
    """The rows of the corpora that all arms have been run on, with the seeds that all arms have there in each."""
    cells = rows.pivot_table(index=["corpus", "seed"], columns="arm", values="error").dropna().index
    corpora = set(cells.get_level_values("corpus"))
    seeds = [seed for seed in set(rows["seed"]) if all((corpus, seed) in cells for corpus in corpora)]
    return rows[rows["corpus"].isin(corpora) & rows["seed"].isin(seeds)]


def gains_data(rows, reference=REFERENCE):
    """Mean gain over a reference, in percent of its error, over the corpora that all arms have been run on.

    A line an arm: corpora, seeds, gain with its interval over seeds (t's, of the arm alone), minutes of training and
    documents predicted a second (medians over the same corpora), and the paper's mean gain over these corpora (NaN
    where it lacks one). No line where no corpus and seed has all arms, or where the reference is not among them.
    """
    rows = _complete(_arms(rows))
    columns = ["arm", "corpora", "seeds", "gain", "low", "high", "minutes", "documents_per_second", "paper"]
    if reference not in set(rows["arm"]):
        return pd.DataFrame(columns=columns)
    errors = rows.pivot_table(index=["corpus", "seed"], columns="arm", values="error")
    gains = errors.apply(lambda arm: 100 * (errors[reference] - arm) / errors[reference]).groupby("seed").mean()
    corpora = sorted(set(rows["corpus"]))
    printed = paper.comparison().reindex(columns=[PRINTED.get(one, one) for one in corpora])
    theirs = printed.apply(pd.to_numeric, errors="coerce").T
    speed = _points(rows, "arm").groupby("arm")[["minutes", "documents_per_second"]].median()
    lines = []
    for arm in sorted(gains, key=lambda one: ARMS.index(one) if one in ARMS else len(ARMS)):
        gain, low, high = stats.mean_interval(gains[arm]) if arm != reference else (0.0, 0.0, 0.0)
        name, ours = f"BERT-{arm}", f"BERT-{reference.removeprefix('BERT-')}"
        of_paper = 100 * (1 - theirs[name] / theirs[ours]).mean(skipna=False) if name in theirs else np.nan
        line = {"arm": arm, "corpora": len(corpora), "seeds": len(gains), "gain": gain, "low": low, "high": high}
        lines.append({**line, **speed.loc[arm], "paper": of_paper})
    return pd.DataFrame(lines, columns=columns)


@figure(gains_data)
def gains(rows):
    """Mean gain over BERT-Feat, in percent of its error, and what it costs: minutes to train, documents a second.

    Intervals are over seeds, each seed's gain a mean over the corpora that all ways were run on. Hollow points are the
    paper's, over the same corpora.
    """
    data = gains_data(rows)
    if data.empty:
        chart, axes = plt.subplots(figsize=(8.6, 1.6))
        axes.axis("off")
        axes.text(0.5, 0.4, f"No corpus has runs of all ways and of {REFERENCE} yet.", ha="center", va="center")
        return chart
    y = np.arange(len(data))
    with plt.style.context(STYLE):
        ours, theirs, third = sns.color_palette()[:3]
        chart, (gain, minutes, speed) = plt.subplots(1, 3, figsize=(8.6, 1.6 + 0.36 * len(data)), sharey=True)
        bars = [data["gain"] - data["low"], data["high"] - data["gain"]]
        interval = ", 95 % interval" if data["seeds"].iloc[0] > 1 else ""
        label = f"here, {names(_complete(_arms(rows)))}; {span(data['seeds'])}{interval}"
        gain.errorbar(data["gain"], y, xerr=bars, fmt="o", color=ours, capsize=4, label=label)
        if data["paper"].notna().any():
            gain.plot(data["paper"], y + 0.22, "o", color=theirs, markerfacecolor="white", label="paper")
        gain.axvline(0, color="#888888", linewidth=1)
        gain.set(xlabel=f"mean gain over {REFERENCE} (%)", ylim=(len(data) - 0.5, -0.5))
        gain.set_yticks(y, data["arm"])
        for axes, column, label in (
            (minutes, "minutes", "training (minutes)"),
            (speed, "documents_per_second", "prediction (documents/s)"),
        ):
            axes.plot(data[column], y, "D", color=third)
            axes.set(xscale="log", xlabel=f"{label},\nlogarithmic")
            wide = data[column].max() > 100 * data[column].min()
            axes.xaxis.set_major_locator(LogLocator(subs=(1,) if wide else (1, 3)))
            axes.xaxis.set_major_formatter("{x:g}")
            axes.xaxis.set_minor_formatter(NullFormatter())
        for axes in (gain, minutes, speed):
            grid_across(axes)
        chart.legend(*gain.get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return chart


def multitask_data(rows):
    """Table 7's numbers: corpus, arm, seeds, error with interval, minutes, documents a second, the paper's error."""
    points = _ordered(_points(_arms(rows), "arm"), "arm", ARMS)
    return _beside(points, "arm", paper.multitask(), "BERT-{}".format)


@figure(multitask_data)
def multitask(rows):
    """Table 7: test error with and without fine-tuning on all tasks together before, a panel a task."""
    return _panels(multitask_data(rows), "arm", ARMS)


def _encoders(rows):
    """Rows with `way`: the encoder, from the shallowest, and whether it was further pretrained within the task."""
    further = [" + ITPT" if one == "within_task" else "" for one in rows["further_pretraining"]]
    order = rows.groupby("encoder")["depth"].max().sort_values(kind="stable").index
    ways = [f"{Path(name).name}{more}" for name in order for more in ("", " + ITPT")]
    return rows.assign(way=[Path(name).name for name in rows["encoder"]] + pd.Series(further, rows.index)), ways


def larger_data(rows):
    """Table 8's numbers: corpus, way (encoder, with ITPT or without), seeds, error with interval, minutes, documents
    a second, and the paper's error where the encoder is one of its two."""
    rows, ways = _encoders(rows)
    points = _ordered(_points(rows, "way"), "way", ways)
    return _beside(points, "way", paper.larger(), _printed_way)


def _printed_way(way):
    """Table 8's row of a way: that of its encoder, "" where it is not one of the paper's."""
    encoder, plus, more = way.partition(" + ")
    return f"{PRINTED_ENCODERS[encoder]}{plus}{more}" if encoder in PRINTED_ENCODERS else ""


@figure(larger_data)
def larger(rows):
    """Table 8: test error of a smaller and a larger encoder, as they are and further pretrained within the task."""
    return _panels(larger_data(rows), "way", _encoders(rows)[1])
