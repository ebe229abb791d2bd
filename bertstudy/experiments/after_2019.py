"""What came after 2019: methods found since, each beside the recipe, on the same samples."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from .. import stats
from ..analysis.claims import FRACTIONS, LONG, MAIN, Claim, Contrast
from ..analysis.drawing import STYLE, effects_across, figure
from ..analysis.experiment import declare, numbers, words
from ..choices.methods import METHODS
from ..results.rows import unsqueeze, wrong
from ..runs import Run, by_method
from .ways import floors, handles_of, to_a_classifier

RECIPE, VOTE = "the recipe", "a vote of the recipe's seeds"


@dataclass(frozen=True)
class Way:
    """A method found since, beside the recipe.

    choice: the field of Run and the value that it is. source: who found it. reports: what effect. statement: what is
    claimed of it, of a kind (see `Claim`); "" for nothing. long: for long texts only. few: for few labels only.
    """

    name: str
    choice: tuple[str, str]
    source: str
    reports: str
    statement: str = ""
    kind: str = "better"
    long: bool = False
    few: bool = False

    @property
    def free(self) -> tuple[str, ...]:
        """The fields of Run in which its runs differ from the recipe's."""
        return (self.choice[0], *self.settings)

    @property
    def settings(self) -> Mapping[str, Any]:
        """Fields that a method has its own values of."""
        name, value = self.choice
        return METHODS.entry(value).settings if name == "method" else {}

    def of(self, run: Run) -> Run:
        """The recipe's run, changed."""
        name, value = self.choice
        return by_method(run, value) if name == "method" else replace(run, **{name: value})

    def has(self, row: Any) -> bool:
        """Whether a row is one of its runs."""
        name, value = self.choice
        is_tuned = name == "method" or _is_plain(row)
        is_so = all(getattr(row, field) == own for field, own in self.settings.items() if field != "learning_rate")
        return is_tuned and is_so and _kind(getattr(row, name)) == _kind(value)


def _kind(spec):
    return spec.partition(":")[0]


def _is_plain(row):
    return METHODS.known(row.method) is METHODS["fine_tune"]


HEAD_FIRST = Way(
    "head first",
    ("method", "probe_first"),
    "Kumar et al. 2022",
    "better on other distributions, as good on the same",
    "Fitting the head first is as good on the distribution that is trained on.",
    "as good",
)
WAYS = (
    Way(
        "top layers anew",
        ("method", "reinit_layers:2"),
        "Zhang et al. 2021",
        "RTE + 3.1 points of accuracy",
        "Where labels are few, fine-tuning is better when its top layers begin anew.",
    ),
    Way(
        "lowest layers frozen",
        ("method", "freeze_layers:3"),
        "Lee et al. 2019",
        "a quarter of the layers gives 90 % of the gain",
        "Freezing the lowest three layers costs nothing.",
        "as good",
    ),
    Way(
        "gradual unfreezing",
        ("method", "unfreezing"),
        "Howard and Ruder 2018",
        "a part of an LSTM's gain; for BERT mostly none",
        "Letting the layers learn one after another, from the top, is better.",
    ),
    HEAD_FIRST,
    Way(
        "LoRA",
        ("method", "lora:8"),
        "Hu et al. 2021",
        "GLUE + 0.8 points",
        "Low-rank adapters are as good as training all weights.",
        "as good",
    ),
    Way(
        "label smoothing",
        ("method", "label_smoothing:0.1"),
        "Desai and Durrett 2020",
        "better probabilities",
        "Label smoothing costs no error.",
        "as good",
    ),
    Way("R-Drop", ("method", "r_drop:1"), "Liang et al. 2021", "GLUE + 1.2 points", "R-Drop is better."),
    Way(
        "mean of the weights",
        ("method", "ema:0.95"),
        "Polyak and Juditsky 1992",
        "small gains",
        "Keeping a running mean of the weights is better.",
    ),
    Way(
        "drawn to the pretrained weights",
        ("method", "pretrained_decay:0.01"),
        "Li et al. 2018; Lee et al. 2020",
        "RTE + 2 points, fewer failed runs",
        "Drawing the weights back to the pretrained ones is better.",
    ),
    Way(
        "small changes to the texts",
        ("method", "eda:1"),
        "Wei and Zou 2019; Longpre et al. 2020",
        "+ 3 points for 500 texts; none for pretrained encoders",
        "Cheap augmentation gains nothing with a pretrained encoder.",
        "no better",
    ),
    Way(
        "contrastive pairs",
        ("method", "contrastive:10"),
        "Tunstall et al. 2022",
        "better below some 64 labels a class",
        "Where labels are few, contrastive pairs with a linear head are better than fine-tuning.",
        few=True,
    ),
    Way(
        "key sentences",
        ("truncation", "key_sentences"),
        "Park et al. 2022",
        "no gain over the head",
        "Choosing a long text's key sentences gains nothing over its head and tail.",
        "no better",
        long=True,
    ),
    Way(
        "random sentences",
        ("truncation", "random_sentences"),
        "Park et al. 2022",
        "as good as key sentences",
        long=True,
    ),
)
FLOORS = {"words": "words (TF-IDF, linear)", "embeddings": "frozen embeddings, linear"}
LINEAR, TICKS = 3, (-20, -2, 0, 2, 20)  # of the figure's axis, in points
ORDER = (RECIPE, *(way.name for way in WAYS), VOTE, *FLOORS.values())


def plan_for(recipe: Run, is_few: bool) -> Iterator[Run]:
    """The recipe's run, that of which several vote, each method's on the same documents, and what all have to beat.

    Voters learn from one sample, whatever their seeds: with samples of their own they would know more labels.
    """
    yield recipe
    yield replace(recipe, sample_seed=0)
    for way in WAYS:
        if (is_few or not way.few) and (recipe.corpus in LONG or not way.long):
            yield way.of(recipe)
    yield from floors(recipe)


def plan_elsewhere(recipe: Run, corpus: str) -> Iterator[Run]:
    """The runs whose training is on the recipe's corpus and whose test is on another one of the same classes."""
    elsewhere = replace(recipe, tested_on=corpus)
    yield elsewhere
    yield HEAD_FIRST.of(elsewhere)
    yield from floors(elsewhere)


def _way(row):
    """The name of a row's way."""
    if row.sample_seed >= 0:
        return VOTE
    return FLOORS.get(row.method) or next((way.name for way in WAYS if way.has(row)), RECIPE)


def _with_ways(rows):
    labelled = pd.Series([one["train"] + one["dev"] for one in rows["documents"]], rows.index)
    rows = rows.assign(way=[_way(row) for row in rows.itertuples()], labelled=labelled)
    elsewhere = rows["corpus"] + ", tested on " + rows["tested_on"]
    rows["labelled"] = rows.groupby(["corpus", "fraction"])["labelled"].transform("max")
    return rows.assign(corpus=rows["corpus"].where(rows["tested_on"] == "", elsewhere))


def _vote(rows):
    """Whether the majority of several runs errs on each test document: 0 or 1 (documents). Of a tie the first class."""
    truth = unsqueeze(rows["truth"].iloc[0])
    predicted = np.stack([unsqueeze(one) for one in rows["predictions"]])
    votes = np.stack([(predicted == one).sum(0) for one in range(int(max(truth.max(), predicted.max())) + 1)])
    return (votes.argmax(0) != truth).astype(int)


def _beside(recipe, rows):
    """A way's error and loss, and its effect: how many points less error it has than the recipe on the same seeds."""
    seeds = recipe.index.intersection(rows.index)
    first, second = ([wrong(row).astype(int) for row in side.loc[seeds].to_dict("records")] for side in (recipe, rows))
    line = {"seeds": len(seeds), **rows.loc[seeds, ["error", "loss"]].mean()}
    effect = stats.paired(first, second)
    told = {"effect": effect.effect, "low": effect.low, "high": effect.high}
    return line | (told if rows is not recipe else {"effect": 0.0})


def beside_the_recipe_data(rows: pd.DataFrame) -> pd.DataFrame:
    """Each way beside the recipe: corpus, labelled, way, seeds, error (mean, %), loss (mean cross-entropy, nats),
    effect (points less error than the recipe on the same seeds) with its 95 % interval over seeds and documents,
    seconds (to a classifier, the fastest), source and what it reports. A vote is of the recipe's runs on one sample:
    it stands beside their mean, with the interval over documents alone, takes as long as all of them, and has no loss.
    """
    lines = []
    for (corpus, labelled), group in _with_ways(rows).groupby(["corpus", "labelled"], sort=False):
        recipe = group[group["way"] == RECIPE].drop_duplicates("seed").set_index("seed")
        for way, part in group[group["way"] != VOTE].groupby("way"):
            part = part.drop_duplicates("seed").set_index("seed") if way != RECIPE else recipe
            seconds = float(min(to_a_classifier(part)))
            if len(recipe.index.intersection(part.index)):
                lines.append({"corpus": corpus, "labelled": labelled, "way": way, **_beside(recipe, part)})
                lines[-1]["seconds"] = seconds
        voters = group[group["way"] == VOTE]
        if len(voters) > 2:
            lines.append({"corpus": corpus, "labelled": labelled, "way": VOTE, **_of_vote(voters)})
    found = {way.name: {"source": way.source, "reports": way.reports} for way in WAYS}
    table = pd.DataFrame([{**line, **found.get(line["way"], {})} for line in lines])
    place = table["way"].map(ORDER.index)
    corpora = table["corpus"].map(table["corpus"].unique().tolist().index)
    return table.iloc[np.lexsort([place, table["labelled"], corpora])].reset_index(drop=True)


def _of_vote(voters):
    """The line of a vote: against the mean over its runs, document by document."""
    vote, alone = _vote(voters), np.mean([wrong(row) for row in voters.to_dict("records")], axis=0)
    gain, low, high = (100 * value for value in stats.mean_interval(alone - vote))
    line = {"seeds": len(voters), "error": 100 * vote.mean(), "effect": gain, "low": low, "high": high}
    return {**line, "seconds": float(sum(to_a_classifier(voters)))}


@figure(
    beside_the_recipe_data,
    point="{way} on {corpus} with {labelled} labels",
    value="effect",
    what="gain over the recipe",
    unit="points",
)
def beside_the_recipe(rows: pd.DataFrame) -> plt.Figure:
    """Points of test error that each method saves against the recipe, with 95 % intervals; negative: it errs more.

    A panel a corpus, a mark a number of labels; to the right of zero a method is better than the recipe. The axis is
    linear between -3 and 3 and logarithmic beyond.
    """
    data = beside_the_recipe_data(rows)
    data = data[data["way"] != RECIPE]
    corpora = data["corpus"].unique().tolist()
    ways = [way for way in ORDER if way in set(data["way"])]
    sizes = sorted(data["labelled"].unique())
    low, high = min(-LINEAR, data["low"].min()), max(LINEAR, data["high"].max())
    with plt.style.context(STYLE):
        size = (7.4, 1.4 + 0.36 * len(ways))
        chart, panels = plt.subplots(1, len(corpora), figsize=size, sharey=True, squeeze=False)
        for axes, corpus in zip(panels[0], corpora, strict=True):
            effects_across(axes, low, high, LINEAR, TICKS)
            for color, labelled, shift in zip(
                sns.color_palette(), sizes, np.linspace(-0.15, 0.15, len(sizes)) * (len(sizes) > 1), strict=False
            ):
                part = data[(data["corpus"] == corpus) & (data["labelled"] == labelled)]
                bars = [part["effect"] - part["low"], part["high"] - part["effect"]]
                y = [ways.index(way) + shift for way in part["way"]]
                label = f"{labelled:,} labels"
                axes.errorbar(part["effect"], y, xerr=bars, fmt="o", color=color, capsize=3, markersize=5, label=label)
            axes.set_ylim(len(ways) - 0.5, -0.5)
            axes.set_title(corpus.replace(", tested on ", ",\ntested on\n"))
            axes.set_yticks(range(len(ways)), ways)
        panels[0, len(corpora) // 2].set_xlabel(f"points less error than the recipe\n(beyond {LINEAR} logarithmic)")
        handles = handles_of(panels)
        chart.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=len(handles))
    return chart


def _is_recipe(row):
    is_cut = _kind(row.truncation) == "head+tail"
    is_ours = row.corpus in (*MAIN, *LONG) and row.fraction in FRACTIONS
    return _is_plain(row) and is_cut and not row.measured and is_ours


def _claim(way):
    return Claim(way.name, way.statement, way.source, "12_after_2019", (_contrast(way),), way.kind)


def _contrast(way, **more):
    return Contrast(_is_recipe, way.has, way.free, float("nan"), over="fraction", **more)


ELSEWHERE = Claim(
    "head first, elsewhere",
    "Where the test is of another domain than the training, fitting the head first is better.",
    HEAD_FIRST.source,
    "12_after_2019",
    (_contrast(HEAD_FIRST, elsewhere=True),),
)


EXPERIMENT = declare(
    name="after_2019",
    notebook="12_after_2019",
    question="Which advice of 2019 still stands beside what was found since?",
    parameters={"corpora": words, "labels": numbers(int, "100 500")},
    scales={
        "control": {"seeds": 3, "corpora": ["movies"], "labels": [100], "elsewhere": "restaurants"},
        "compact": {
            "seeds": 5,
            "corpora": ["imdb", "trec", "ag_news"],
            "labels": [100, 500],
            "elsewhere": "yelp_polarity",
        },
        "paper": {
            "seeds": 5,
            "corpora": ["imdb", "trec", "ag_news"],
            "labels": [100, 500, 2000],
            "elsewhere": "yelp_polarity",
        },
        "smoke": {"seeds": 2, "corpora": ["movies"], "labels": [40], "elsewhere": "restaurants"},
    },
    claims=(*(_claim(way) for way in WAYS if way.statement), ELSEWHERE),
)
