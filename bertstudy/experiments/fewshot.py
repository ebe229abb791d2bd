"""Figure 4 (§5.6): how few labels are enough."""

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from ..analysis import paper
from ..analysis.claims import DOMAIN_WORDS, PRETRAINING, Claim, Contrast, after
from ..analysis.crossing import DRAWS, crossing, gains
from ..analysis.drawing import STYLE, bars_of, figure, names, per_point, span
from ..analysis.experiment import declare, numbers, words
from ..choices.methods import contrastive_for
from ..runs import Run, by_method, grid
from .ways import floors, to_a_classifier, with_arms

LOG = logging.getLogger(__name__)
FIGURE_4 = tuple(sorted(set(paper.few_shot()["fraction"])))

ARMS = {
    "FiT": "FiT (fine-tuned)",
    "ITPT-FiT": "ITPT-FiT (further pretrained first)",
    "Words": "words (TF-IDF, linear)",
    "Embeddings": "frozen embeddings, linear",
}
DRAWN = (*ARMS, "Contrastive")  # in the order of the style's colours


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
            axes.plot(x, y, "o", color=color, alpha=0.5, markersize=4, markeredgewidth=0, label=f"{arm}: each seed")
        axes.set_xscale("log")
        ticks = sorted({*theirs["documents"], *ours["labelled"]})
        axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks])
        axes.xaxis.set_minor_locator(plt.NullLocator())
        axes.set(xlabel=f"labelled documents ({names(rows)}), logarithmic", ylabel="test error (%)")
        axes.set_ylim(bottom=0)
        chart.legend(loc="outside lower center", ncols=2)
    return chart


RIVALS = {
    "Words": "words (TF-IDF, linear)",
    "Embeddings": "frozen embeddings, linear",
    "Contrastive": "contrastive pairs, linear",
    "FiT": "fine-tuned",
    "ITPT-FiT": "further pretrained, fine-tuned",
}
TUNED = ("FiT", "ITPT-FiT")
PLACE = {arm: place for place, arm in enumerate(RIVALS)}
FEWEST = 64  # labels a class: with more, contrastive pairs take hours
# errors that others published: means of ten draws, on all test documents (Tunstall et al. 2022)
PUBLISHED = pd.DataFrame(
    [
        ("ag_news", "Embeddings", 8, 25.7, "MPNet"),
        ("ag_news", "Embeddings", 64, 15.6, "MPNet"),
        ("ag_news", "Contrastive", 8, 16.9, "MiniLM-L6"),
        ("ag_news", "FiT", 8, 18.3, "RoBERTa-large"),
        ("ag_news", "FiT", 64, 11.6, "RoBERTa-large"),
    ],
    columns=["corpus", "arm", "each", "theirs", "their_encoder"],
)
THEIR_DRAWS = 10
BETTER, WORSE = ("labels", "low", "high"), ("worse", "worse_low", "worse_high")  # columns of a crossing
SOMEWHERE = ("better_at", "worse_at")  # and of the sizes where one is sure, whatever is with more labels


def plan_rivals(study: Any) -> list[Run]:
    """The curves of all rivals over the scale's labels a class, `each`, on its corpora, DRAWS draws or more.

    Further pretraining is on the base run's corpus only. Where others published a number there are as many draws as
    theirs.
    """
    plan, published = [], set(zip(PUBLISHED["corpus"], PUBLISHED["each"], strict=True))
    for name in study.reachable(study.scale.corpora):
        corpus = study.load(name)
        for each in study.scale.each:
            if (labelled := each * len(corpus.labels)) > len(corpus.train.texts):
                continue
            run = replace(study.reading(name), fraction=round(labelled / len(corpus.train.texts), 6), dev_fraction=0.0)
            arms = [run, *floors(run)]
            if each <= FEWEST:
                arms.append(by_method(run, contrastive_for(labelled)))
            if name == study.base.corpus:
                arms.append(study.pretrained("within_task", run))
            draws = max(len(study.seeds), THEIR_DRAWS if (name, each) in published else DRAWS)
            plan += [one for arm in arms for one in grid(arm, seed=range(draws))]
    return plan


def _rivals(rows):
    rows = with_arms(rows)
    each = [
        documents["train"] / len(labels) for documents, labels in zip(rows["documents"], rows["labels"], strict=True)
    ]
    return rows.assign(each=np.round(each).astype(int))


def rivals_data(rows: pd.DataFrame) -> pd.DataFrame:
    """The curves of all rivals: corpus, classes, arm, each (labels a class), seeds (draws), error with interval, and
    seconds (from texts to a classifier, the fastest; further pretraining is shared and not among them).
    """
    rows = _rivals(rows)
    rows = rows.assign(classes=rows["labels"].map(len), seconds=to_a_classifier(rows))
    keys = ["corpus", "arm", "each"]
    more = rows.groupby(keys).agg({"classes": "first", "seconds": "min"}).reset_index()
    points = per_point(rows, keys).merge(more, on=keys)
    corpora = rows["corpus"].unique().tolist()
    place = [(corpora.index(point.corpus), PLACE[point.arm], point.each) for point in points.itertuples()]
    return points.iloc[sorted(range(len(points)), key=place.__getitem__)]


def published_data(rows: pd.DataFrame) -> pd.DataFrame:
    """What others published and what came out here: corpus, arm, each (labels a class), theirs (error, %),
    their_encoder, seeds (draws), error with interval; of the points that both have.
    """
    return _published(rivals_data(rows))


def _published(points):
    ours = points[["corpus", "arm", "each", "seeds", "error", "low", "high"]]
    return PUBLISHED.merge(ours, on=["corpus", "arm", "each"])


def crossings_data(rows: pd.DataFrame) -> pd.DataFrame:
    """From how many labels a class on fine-tuning is better than each rival: corpus, rival, labels with a 95 % interval
    (`crossing`), from how many on it is worse (worse, worse_low, worse_high), at which sizes it is better and worse by
    the 95 % interval of that size (better_at, worse_at: tuples), draws, most and fewest (the sizes with DRAWS draws or
    more). inf: nowhere up to that.
    """
    lines = []
    for corpus, group in _rivals(rows).groupby("corpus", sort=False):
        curves = {arm: part.pivot_table("error", "seed", "each") for arm, part in group.groupby("arm")}
        for rival in [arm for arm in RIVALS if {arm, "FiT"} <= curves.keys() and arm not in TUNED]:
            first, second = curves[rival].align(curves["FiT"], join="inner")
            draws = (first.notna() & second.notna()).sum()
            first, second = first.loc[:, draws >= DRAWS], second.loc[:, draws >= DRAWS]
            if first.shape[1] > 1:
                sizes, band = first.columns.to_numpy(float), gains(first.to_numpy(), second.to_numpy())
                mean, low, high = band
                better, worse = crossing(sizes, band), crossing(sizes, np.stack([-mean, -high, -low]))
                tried = {"draws": int(draws[first.columns].min()), "most": int(sizes.max()), "fewest": int(sizes.min())}
                somewhere = tuple(sizes[low > 0]), tuple(sizes[high < 0])
                found = zip((*BETTER, *WORSE, *SOMEWHERE), (*better, *worse, *somewhere), strict=True)
                lines.append({"corpus": corpus, "rival": rival, **dict(found), **tried})
    return pd.DataFrame(lines, columns=["corpus", "rival", *BETTER, *WORSE, *SOMEWHERE, "draws", "most", "fewest"])


def crossings(rows: pd.DataFrame) -> dict[str, dict[str, str]]:
    """What `crossings_data` says, in words: a dict of corpus and rival to a line of a table."""
    told = {}
    for line in crossings_data(rows).to_dict("records"):
        sides = {"better": [line[name] for name in BETTER], "worse": [line[name] for name in WORSE]}
        sure = [_from_on(name, *side, line["fewest"]) for name, side in sides.items() if side[-1] < float("inf")]
        text = sure[0] if sure else _at({name: line[f"{name}_at"] for name in sides})
        tried = f"{line['fewest']:,} to {line['most']:,}"
        told[f"{Path(line['corpus']).name}: {RIVALS[line['rival']]}"] = {"fine-tuning is": text, "tried": tried}
    return told


def _at(sides):
    """Where it is better and where worse, a tuple of sizes each."""
    told = [f"{name} at {', '.join(f'{size:,.0f}' for size in sizes)}" for name, sizes in sides.items() if sizes]
    if not told:
        return "undecided at every size tried"
    return f"{' and '.join(told)} labels a class, else undecided"


def _from_on(name, labels, low, high, fewest):
    if high == fewest:
        return f"{name} at every size tried"
    if labels == fewest:
        return f"{name} from {fewest:,} labels a class or fewer, for sure from {high:,.0f}"
    return f"{name} from about {labels:,.0f} labels a class (95 % interval: {low:,.0f} to {high:,.0f})"


@figure(rivals_data, point="{arm} on {corpus} with {each} labels a class")
def rivals(rows: pd.DataFrame) -> plt.Figure:
    """Test error of all rivals against the number of labels a class, means over draws with 95 % intervals (t).

    Below each panel's curves a bar marks from how many labels on fine-tuning is better than the rival of that colour,
    with its 95 % interval. Hollow points are what others published, of other encoders.
    """
    data, crossed = rivals_data(rows), crossings_data(rows)
    published = _published(data)
    is_between = (crossed["high"] < float("inf")) & (crossed["high"] > crossed["fewest"])
    corpora, crossed = data["corpus"].unique().tolist(), crossed[is_between]
    marks = crossed["corpus"].value_counts().max() if len(crossed) else 0
    with plt.style.context(STYLE):
        chart, panels = plt.subplots(1, len(corpora), figsize=(7.4, 4.4), squeeze=False)
        colors = dict(zip(DRAWN, sns.color_palette(), strict=False))
        for axes, corpus in zip(panels[0], corpora, strict=True):
            part = data[data["corpus"] == corpus]
            for shift, arm in enumerate(RIVALS):
                points = part[part["arm"] == arm]
                x = points["each"] * (1 + 0.03 * (shift - 2))
                axes.errorbar(
                    x, points["error"], bars_of(points), marker="o", color=colors[arm], capsize=2, markersize=4
                )
                theirs = published[(published["corpus"] == corpus) & (published["arm"] == arm)]
                axes.plot(theirs["each"], theirs["theirs"], "o", color=colors[arm], markerfacecolor="white")
            top = axes.get_ylim()[1]
            for place, line in enumerate(crossed[crossed["corpus"] == corpus].to_dict("records")):
                y = -top * (0.04 + 0.045 * place)
                reach = [[line["labels"] - line["low"]], [line["high"] - line["labels"]]]
                axes.errorbar(line["labels"], y, xerr=reach, fmt="|", color=colors[line["rival"]], capsize=3, ms=9)
            ticks = sorted(set(part["each"]))
            axes.set(xscale="log", title=Path(corpus).name, ylim=(-top * 0.045 * (marks + bool(marks)), top))
            axes.set_xticks(ticks, [f"{tick:,}" for tick in ticks], rotation=45 if len(ticks) > 5 else 0)
            axes.set_yticks([tick for tick in axes.get_yticks() if 0 <= tick <= top])
            axes.xaxis.set_minor_locator(plt.NullLocator())
        panels[0, 0].set_ylabel("test error (%)")
        below = "\nbelow: from where on fine-tuning is better, 95 % interval" if marks else ""
        panels[0, len(corpora) // 2].set_xlabel(f"labels a class, logarithmic{below}")
        drawn = [arm for arm in RIVALS if arm in set(data["arm"])]
        handles = [plt.Line2D([], [], color=colors[arm], marker="o", label=RIVALS[arm]) for arm in drawn]
        if len(published):
            hollow = dict(color="#888888", marker="o", markerfacecolor="white", linestyle="")
            handles.append(plt.Line2D([], [], **hollow, label="other encoders (Tunstall et al. 2022)"))
        chart.legend(handles=handles, loc="outside lower center", ncols=2)
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


def _few_or_more(source):
    return lambda row: after(source)(row) and row.fraction in (0.004, 0.02)


EXPERIMENT = declare(
    name="fewshot",
    notebook="05_fewshot",
    question="How few labels are enough?",
    parameters={"each": numbers(int, "8 16 32"), "corpora": words},
    scales={
        # most: points of the curve with more documents than this are left to the larger profiles. each: labels a class
        # of the rivals' curves
        "control": {"seeds": 3, "most": 500, "corpora": ["movies"], "each": [8, 32, 128]},
        "compact": {
            "seeds": 5,
            "most": 2500,
            "corpora": ["imdb", "ag_news", "trec"],
            "each": [8, 16, 32, 64, 125, 250, 500, 1250],
        },
        "paper": {"seeds": 5, "corpora": ["imdb", "ag_news", "trec"], "each": [8, 32, 128, 512, 2000]},
        "smoke": {"seeds": 2, "most": 250, "corpora": ["movies"], "each": [8]},
    },
    claims=(
        Claim(
            "few labels gain most",
            "Further pretraining within the task is worth more with 100 labels (0.4 % of IMDb's) than with 500 (2 %).",
            "§5.6, Figure 4",
            "05_fewshot",
            (
                Contrast(
                    _few_or_more("none"), _few_or_more("within_task"), PRETRAINING, 5.33, over="fraction", less=True
                ),
            ),
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
