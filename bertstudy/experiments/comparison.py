"""Table 6 (§5.4.3): ways to use an encoder, compared with each other and with words: what each gains and costs."""

from dataclasses import replace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.ticker import LogLocator, NullFormatter

from .. import stats
from ..analysis import paper
from ..analysis.drawing import STYLE, figure, grid_across, names, span
from ..analysis.experiment import declare, whole, words
from ..data.catalogue import peers
from ..runs import Run, by_method
from .ways import ARMS, PRINTED, REFERENCE, beside, floors, ordered, panels, points_of, with_arms


def comparison_data(rows: pd.DataFrame) -> pd.DataFrame:
    """Table 6's numbers: corpus, arm, seeds, error with interval, minutes of training, documents predicted per second,
    and the paper's error on the same corpus."""
    points = ordered(points_of(with_arms(rows), "arm"), "arm", ARMS)
    return beside(points, "arm", paper.comparison(), lambda arm: arm if arm.startswith("BERT") else f"BERT-{arm}")


@figure(comparison_data, point="{arm} on {corpus}")
def comparison(rows: pd.DataFrame) -> plt.Figure:
    """Table 6: test error of each way, one panel per corpus, with 95 % intervals (t, one variance per corpus)."""
    return panels(comparison_data(rows), "arm", ARMS)


def _complete(rows):
    """The rows of the corpora that all arms have been run on, with the seeds that every arm has on each of them."""
    cells = rows.pivot_table(index=["corpus", "seed"], columns="arm", values="error").dropna().index
    corpora = set(cells.get_level_values("corpus"))
    seeds = [seed for seed in set(rows["seed"]) if all((corpus, seed) in cells for corpus in corpora)]
    return rows[rows["corpus"].isin(corpora) & rows["seed"].isin(seeds)]


def gains_data(rows: pd.DataFrame, reference: str = REFERENCE) -> pd.DataFrame:
    """Mean gain over a reference, in percent of its error, over the corpora that all arms have been run on.

    One line per arm: corpora, seeds, gain with its t interval over the arm's seeds, minutes of training and documents
    predicted per second (medians over the same corpora), and the paper's mean gain over these corpora (NaN where it
    lacks one). Empty where no corpus and seed has all arms, or where the reference is not among them.
    """
    rows = _complete(with_arms(rows))
    columns = ["arm", "corpora", "seeds", "gain", "low", "high", "minutes", "documents_per_second", "paper"]
    if reference not in set(rows["arm"]):
        return pd.DataFrame(columns=columns)
    errors = rows.pivot_table(index=["corpus", "seed"], columns="arm", values="error")
    gains = errors.apply(lambda arm: 100 * (errors[reference] - arm) / errors[reference]).groupby("seed").mean()
    corpora = sorted(set(rows["corpus"]))
    printed = paper.comparison().reindex(columns=[PRINTED.get(corpus, corpus) for corpus in corpora])
    theirs = printed.apply(pd.to_numeric, errors="coerce").T
    speed = points_of(rows, "arm").groupby("arm")[["minutes", "documents_per_second"]].median()
    lines = []
    for arm in sorted(gains, key=lambda way: ARMS.index(way) if way in ARMS else len(ARMS)):
        gain, low, high = stats.mean_interval(gains[arm]) if arm != reference else (0.0, 0.0, 0.0)
        name, ours = f"BERT-{arm}", f"BERT-{reference.removeprefix('BERT-')}"
        of_paper = 100 * (1 - theirs[name] / theirs[ours]).mean(skipna=False) if name in theirs else np.nan
        line = {"arm": arm, "corpora": len(corpora), "seeds": len(gains), "gain": gain, "low": low, "high": high}
        lines.append({**line, **speed.loc[arm], "paper": of_paper})
    return pd.DataFrame(lines, columns=columns)


@figure(gains_data, point="{arm}", value="gain", what="gain over BERT-Feat")
def gains(rows: pd.DataFrame) -> plt.Figure:
    """Mean gain over BERT-Feat, in percent of its error, and its cost: minutes to train, documents per second.

    Intervals are over seeds; each seed's gain is a mean over the corpora that all ways were run on. Hollow points are
    the paper's, over the same corpora.
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
        label = f"here, {names(_complete(with_arms(rows)))}; {span(data['seeds'])}{interval}"
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


PAPER_TASKS = ["imdb", "yelp_polarity", "yelp_full", "trec", "yahoo_answers", "ag_news", "dbpedia", "sogou"]
ALL_REACHES = ["within_task", "in_domain", "cross_domain"]


def arms(study: Any, run: Run) -> list[Run]:
    """Table 6's ways for a run: words, embeddings, features, the run itself, and it after each further pretraining.

    Pretraining in the domain or across domains is left out where there is no other corpus for it.
    """
    features = replace(by_method(run, "features"), **study.scale.features)
    further = [
        study.pretrained(reach, run)
        for reach in study.scale.reaches
        if reach == "within_task" or len(peers(run.corpus, reach)) > 1
    ]
    return [by_method(run, "tfidf"), *floors(run), features, run, *further]


EXPERIMENT = declare(
    name="comparison",
    notebook="08_comparison",
    question="What is each way worth, compared with words?",
    parameters={"steps": whole, "tasks": words},
    scales={
        # `reaches`: Table 6's rows with further pretraining; `features`: the fields of Run that BERT-Feat changes
        "control": {
            "seeds": 3,
            "labelled": 100,
            "tasks": ["movies", "questions"],
            "reaches": ALL_REACHES,
            "features": {"learning_rate": 2e-3},
        },
        "compact": {
            "seeds": 3,
            "labelled": 500,
            "tasks": ["imdb", "trec", "ag_news", "yelp_polarity"],
            "reaches": ["within_task"],
            "features": {"learning_rate": 1e-3, "epochs": 10},
        },
        "paper": {
            "seeds": 5,
            "tasks": PAPER_TASKS,
            "reaches": ALL_REACHES,
            "features": {"learning_rate": 1e-3, "epochs": 10},
        },
        "smoke": {
            "seeds": 1,
            "labelled": 40,
            "tasks": ["movies", "topics"],
            "reaches": ["within_task"],
            "features": {"learning_rate": 2e-3},
        },
    },
)
