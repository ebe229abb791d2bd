"""What Tables 6, 7 and 8 share: ways to use an encoder, compared over several corpora."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from ..analysis.drawing import STYLE, bars_of, grid_across, per_point, span
from ..runs import Run, by_method

BASELINES = {"tfidf": "TF-IDF", "words": "Words", "embeddings": "Embeddings", "features": "BERT-Feat"}
BASELINES |= {"contrastive": "Contrastive"}
PRETRAINED = {"none": "", "within_task": "ITPT-", "in_domain": "IDPT-", "cross_domain": "CDPT-"}
ARMS = ("TF-IDF", "Words", "Embeddings", "BERT-Feat", "FiT", "ITPT-FiT", "IDPT-FiT")
ARMS += ("MFiT-FiT", "CDPT-FiT", "CDPT-MFiT-FiT")
REFERENCE = "BERT-Feat"  # of Table 6's mean gains
PRINTED = {"imdb": "IMDb", "yelp_polarity": "Yelp P.", "yelp_full": "Yelp F.", "trec": "TREC", "ag_news": "AG"}
PRINTED |= {"yahoo_answers": "Yah. A.", "dbpedia": "DBP", "sogou": "Sogou"}  # the paper's column of a corpus
PRINTED_ENCODERS = {"bert-base-uncased": "BERT-base", "bert-large-uncased": "BERT-large"}  # and its row of an encoder


def floors(run: Run) -> list[Run]:
    """What every way has to beat on a run's documents: the best classifier of words, and frozen embeddings."""
    return [by_method(run, "words"), by_method(run, "embeddings")]


def arm_of(method: str, further_pretraining: str = "none", multitask: str = "none") -> str:
    """The paper's name for a way to use an encoder, such as "ITPT-FiT"; corpora joined by + count as across domains."""
    if (kind := method.partition(":")[0]) in BASELINES:
        return BASELINES[kind]
    crossing = "cross_domain" if "+" in further_pretraining else further_pretraining
    prefix = PRETRAINED.get(crossing, f"{crossing}, ")
    return prefix + ("MFiT-" if multitask != "none" else "") + "FiT"


def with_arms(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows with a column `arm`: the name of their way (see `arm_of`)."""
    settings = zip(rows["method"], rows["further_pretraining"], rows["multitask"], strict=True)
    return rows.assign(arm=[arm_of(*setting) for setting in settings])


def to_a_classifier(rows: pd.DataFrame) -> list[float]:
    """Seconds of each run from texts to a classifier, with the further pretraining that it made itself."""
    return [one["all"] - one["test"] for one in rows["seconds"]]


def _minutes(row):
    """Minutes of a run's training, including the further pretraining and the multi-task phase that it starts from."""
    before = [row["pretraining"] or [], (row["multitasked"] or {}).get("history", [])]
    return (row["seconds"]["train"] + sum(part[-1]["seconds"] for part in before if part)) / 60


def points_of(rows: pd.DataFrame, key: str) -> pd.DataFrame:
    """Error with interval by corpus and `key`, minutes of training, and documents_per_second in prediction.

    Times are those of the fastest run, since other work on the machine can only slow a run; ways that predict by the
    same computation, such as FiT and ITPT-FiT, share one speed.
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


def ordered(points: pd.DataFrame, key: str, order: Sequence[str]) -> pd.DataFrame:
    """Points sorted by corpus, as these first come, and then by `key` in this order; names that it lacks come last."""
    place = {name: number for number, name in enumerate(order)}
    corpora = points["corpus"].unique().tolist()
    ranks = [points["corpus"].map(corpora.index), points[key].map(lambda name: place.get(name, len(place)))]
    return points.iloc[np.lexsort(ranks[::-1])].reset_index(drop=True)


def beside(points: pd.DataFrame, key: str, table: pd.DataFrame, name: Callable[[str], str]) -> pd.DataFrame:
    """Points with a column `paper`, the paper's number or NaN: `name` maps a value of `key` to its row in the table."""
    printed = [
        pd.to_numeric(table.at[name(value), PRINTED[corpus]], errors="coerce")
        if corpus in PRINTED and name(value) in table.index and PRINTED[corpus] in table
        else np.nan
        for corpus, value in zip(points["corpus"], points[key], strict=True)
    ]
    return points.assign(paper=printed)


def handles_of(panels: np.ndarray) -> dict[str, Any]:
    """What a legend of several panels (an array of axes) has: a dict of label to handle, each once."""
    return {
        label: handle for axes in panels.flat for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)
    }


def panels(data: pd.DataFrame, key: str, order: Sequence[str]) -> plt.Figure:
    """One panel per corpus, one line per value of `key`: error with its interval; hollow points are the paper's."""
    corpora, names = data["corpus"].unique().tolist(), [name for name in order if name in set(data[key])]
    names += [name for name in data[key].unique() if name not in names]
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
        handles = handles_of(panels)
        chart.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=2)
    return chart
