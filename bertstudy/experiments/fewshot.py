"""Figure 4 (§5.6): how few labels are enough."""

import logging
from dataclasses import replace
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from ..analysis import paper
from ..analysis.claims import DOMAIN_WORDS, PRETRAINING, Claim, Contrast, after
from ..analysis.drawing import STYLE, bars_of, figure, names, per_point, span
from ..analysis.experiment import declare
from .ways import with_arms

LOG = logging.getLogger(__name__)
FIGURE_4 = tuple(sorted(set(paper.few_shot()["fraction"])))

ARMS = {
    "FiT": "FiT (fine-tuned)",
    "ITPT-FiT": "ITPT-FiT (further pretrained first)",
    "Words": "words (TF-IDF, linear)",
    "Embeddings": "frozen embeddings, linear",
}


def few_shot_data(rows: pd.DataFrame) -> pd.DataFrame:
    """Figure 4's numbers: arm, fraction, labelled documents, seeds, error with interval, and the paper's error."""
    rows = with_arms(rows).assign(
        labelled=[round(documents["train"] + documents["dev"]) for documents in rows["documents"]],
    )
    rows["labelled"] = rows.groupby("fraction")["labelled"].transform("max")  # dev loses a few duplicates
    points = per_point(rows, ["arm", "fraction", "labelled"])
    theirs = paper.few_shot().rename(columns={"error": "paper"})[["arm", "fraction", "paper"]]
    return points.merge(theirs, on=["arm", "fraction"], how="left")


@figure(few_shot_data, point="{arm} with {labelled} labels")
def few_shot(rows: pd.DataFrame) -> plt.Figure:
    """Figure 4: test error against the number of labelled documents, on a logarithmic axis.

    Each small dot beside a point is one seed; a line joins the means; bars are 95 % intervals (t over seeds; Wilson's
    where there is one seed). The second arm is drawn a little to the left. Words and frozen embeddings are dashed.
    Hollow points are the paper's (IMDb, BERT-base, single runs).
    """
    ours, theirs, rows = few_shot_data(rows), paper.few_shot(), with_arms(rows)
    with plt.style.context(STYLE):
        chart, axes = plt.subplots()
        for arm, color, shift in zip(ARMS, sns.color_palette(), (1.0, 0.93, 1.0, 1.0), strict=False):
            points, reference = ours[ours["arm"] == arm], theirs[theirs["arm"] == arm]
            if len(reference):
                x, y = reference["documents"], reference["error"]
                axes.plot(x, y, color=color, alpha=0.5, linewidth=1, linestyle=":")
                name = f"paper: {arm}, IMDb, BERT-base, one run"
                axes.plot(x, y, "o", color=color, markerfacecolor="white", markersize=7, label=name)
            if points.empty:
                continue
            name = f"{ARMS[arm]}: mean of {span(points['seeds'])}, 95 % interval"
            x, y, bars = shift * points["labelled"], points["error"], bars_of(points)
            if reference.empty:
                axes.errorbar(x, y, bars, color=color, marker="s", markersize=4, capsize=2, linestyle="--", label=name)
                continue
            axes.errorbar(x, y, bars, color=color, marker="o", capsize=4, label=name)
            seeds = rows[rows["arm"] == arm].merge(points[["fraction", "labelled"]])
            x, y = 1.04 * shift * seeds["labelled"], seeds["error"]
            axes.plot(x, y, "o", color=color, alpha=0.5, markersize=4, markeredgewidth=0)
        axes.set_xscale("log")
        ticks = sorted({*theirs["documents"], *ours["labelled"]})
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        axes.xaxis.set_minor_locator(plt.NullLocator())
        axes.set(xlabel=f"labelled documents ({names(rows)}), logarithmic", ylabel="test error (%)")
        axes.set_ylim(bottom=0)
        chart.legend(loc="outside lower center", ncols=2)
    return chart


def fractions(study: Any, fraction: float, points: tuple[float, ...] = FIGURE_4) -> list[float]:
    """The fractions of a learning curve: the one given, or with 0 all of `points` up to the scale's `most` documents.

    Logs which were left out. Raises ValueError for a fraction out of range.
    """
    if fraction:
        return [replace(study.base, fraction=fraction).fraction]
    most = getattr(study.scale, "most", None) or len(study.corpus.train.texts)
    allowed = [point for point in points if point * len(study.corpus.train.texts) <= most]
    if len(allowed) < len(points):
        LOG.info(
            f"Profile {study.profile.name} stops at {most:,} documents: {len(allowed)} of {len(points)} points. "
            f"To run a larger one all the same, name it, as in fraction={points[-1]}."
        )
    return allowed


EXPERIMENT = declare(
    name="fewshot",
    notebook="05_fewshot",
    question="How few labels are enough?",
    parameters={},
    scales={
        # `most`: points of the curve with more documents than this are left to the larger profiles
        "control": {"seeds": 3, "most": 500},
        "compact": {"seeds": 5, "most": 2500},
        "paper": {"seeds": 5},
        "smoke": {"seeds": 2, "most": 250},
    },
    claims=(
        Claim(
            "few labels gain most",
            "The fewer the labels, the more further pretraining within the task is worth.",
            "§5.6, Figure 4",
            "05_fewshot",
            (Contrast(after("none"), after("within_task"), PRETRAINING, 6.98, over="fraction", less=True),),
            least=1.0,
        ),
        Claim(
            "few labels suffice",
            "After further pretraining 100 labels (0.4 % of IMDb's) are better than 250 (1 %) without.",
            "§5.6, Figure 4",
            "05_fewshot",
            (
                Contrast(
                    after("none", fraction=0.01), after("within_task", fraction=0.004), (*PRETRAINING, "fraction"), 2.27
                ),
            ),
            planted=DOMAIN_WORDS,
        ),
    ),
)
