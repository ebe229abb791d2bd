"""Figure 3 and Table 5 (§5.4): what further pretraining is worth."""

from dataclasses import replace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns

from .. import stats
from ..analysis import paper
from ..analysis.claims import DOMAIN_WORDS, PRETRAINING, Claim, Contrast, after
from ..analysis.drawing import STYLE, bars_of, figure, names, per_point, span
from ..analysis.experiment import declare, whole, words
from ..registry import unique
from ..runs import Run


def pretraining_steps_data(rows: pd.DataFrame) -> pd.DataFrame:
    """Figure 3's numbers: steps of further pretraining (0: none), seeds, error with interval, held-out loss."""
    points = per_point(rows, ["pretraining_steps"])
    loss = {
        row["pretraining_steps"]: row["pretraining"][-1]["loss"] for _, row in rows.iterrows() if row["pretraining"]
    }
    return points.assign(held_out_loss=points["pretraining_steps"].map(loss))


@figure(pretraining_steps_data, point="{pretraining_steps} steps of further pretraining")
def pretraining_steps(rows: pd.DataFrame) -> plt.Figure:
    """Figure 3: test error after fine-tuning, against the steps of further pretraining within the task.

    The band is the error without further pretraining, with its 95 % interval. Hollow points are the paper's, which
    fine-tuned on the whole of IMDb; its line without pretraining is dotted.
    """
    points, theirs = pretraining_steps_data(rows), paper.pretraining_steps()
    with plt.style.context(STYLE):
        chart, axes = plt.subplots()
        ours, reference = sns.color_palette()[:2]
        without, after = (points[points["pretraining_steps"] == 0], points[points["pretraining_steps"] > 0])
        if len(without):
            none = without.iloc[0]
            axes.axhspan(none["low"], none["high"], color=ours, alpha=0.12, linewidth=0)
            axes.axhline(none["error"], color=ours, linestyle="--", linewidth=1.2, label="here, no further pretraining")
        bars = bars_of(after)
        name = f"here: mean of {span(points['seeds'])}, 95 % interval"
        axes.errorbar(after["pretraining_steps"], after["error"], bars, color=ours, marker="o", capsize=4, label=name)
        axes.axhline(
            theirs["error"].iloc[0],
            color=reference,
            linestyle=":",
            linewidth=1.2,
            label="paper, no further pretraining",
        )
        x, y = theirs["steps"][1:], theirs["error"][1:]
        axes.plot(
            x, y, "o:", color=reference, markerfacecolor="white", linewidth=1, label="paper: whole IMDb, BERT-base"
        )
        axes.set_xscale("log")
        share = 100 * rows["fraction"].max()
        axes.set(xlabel="steps of further pretraining, logarithmic", ylabel="test error (%)", ylim=(0, None))
        axes.set_title(f"{names(rows)}, fine-tuned on {share:g} % of its training documents")
        axes.xaxis.set_major_formatter("{x:,.0f}")
        chart.legend(loc="outside lower center", ncols=2)
    return chart


WORDS_ALONE = ",\nmasked words alone"
SAID = {"in_domain": "its domain", "cross_domain": "all domains"}


def pretraining_sources_data(rows: pd.DataFrame) -> pd.DataFrame:
    """Table 5's numbers: source of pretraining, task, seeds, error with interval, gain over "none" with interval.

    The gain is in points of error, paired by seed, with its t interval over seeds. Pretraining within the task is
    listed under the name of the task's corpus; a source that was also read without next sentences is listed twice.
    """
    within = rows["further_pretraining"] == "within_task"
    twice = rows.groupby(["corpus", "further_pretraining"])["next_sentence"].transform("nunique") > 1
    source = rows["corpus"].where(within, rows["further_pretraining"])
    rows = rows.assign(further_pretraining=source.mask(twice & ~rows["next_sentence"], source + WORDS_ALONE))
    points = per_point(rows, ["further_pretraining", "corpus"])
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


@figure(pretraining_sources_data, point="pretrained further on {further_pretraining}, task {corpus}")
def pretraining_sources(rows: pd.DataFrame) -> plt.Figure:
    """Table 5: test error by pretraining corpus and task; the colour is the gain over no further pretraining."""
    data = pretraining_sources_data(rows)
    order = sorted(set(data["further_pretraining"]), key=lambda name: (name != "none", "+" in name, name))
    table, gain = (
        data.pivot(index="further_pretraining", columns="corpus", values=column).loc[order]
        for column in ("error", "gain")
    )
    low, high = (
        data.pivot(index="further_pretraining", columns="corpus", values=f"gain_{bound}").loc[order]
        for bound in ("low", "high")
    )
    sure = ((low > 0) | (high < 0)) & (gain != 0)  # the row without further pretraining gains nothing
    words = np.where(sure, table.map("{:.1f} *".format), table.map("{:.1f}".format))
    with plt.style.context(STYLE):
        chart, axes = plt.subplots(figsize=(7.2, 0.6 * len(order) + 1.6))
        scale = max(3.0, float(gain.abs().max().max()))  # small gains are to look small
        colors = dict(cmap="PuOr", center=0, vmin=-scale, vmax=scale)
        bar = {"label": "points gained over none"}
        sns.heatmap(gain, annot=words, fmt="", ax=axes, linewidths=1.5, cbar_kws=bar, **colors)
        axes.set(xlabel="task", ylabel="further pretraining on")
        axes.set_yticks(axes.get_yticks(), [SAID.get(name, name).replace("+", " +\n") for name in order], rotation=0)
        axes.set_title("Test error (%)\n*: the 95 % interval of the gain leaves out zero")
    return chart


def _unrelated(source):
    return source in ("topics", "ag_news")


SOURCE = tuple(name for name in PRETRAINING if name != "next_sentence")  # what differs between the texts of two sources


def plan_sources(study: Any, task: str) -> list[Run]:
    """A task's run without further pretraining, after that on its own texts, and after that on each other one's.

    Where texts of another one have no next sentences, the task's own are read without them too, for a fair contrast.
    """
    run, others = study.reading(task), dict.fromkeys([*study.scale.tasks, *study.scale.sources])
    own, *further = (study.pretrained(source, run) for source in ["within_task", *others] if source != task)
    alike = [replace(own, next_sentence=own.next_sentence and one.next_sentence) for one in further]
    return unique([run, own, *alike, *further])


PAPER_TASKS = ["imdb", "yelp_polarity", "yelp_full", "trec", "yahoo_answers", "ag_news", "dbpedia"]

EXPERIMENT = declare(
    name="further_pretraining",
    notebook="06_further_pretraining",
    question="Does further pretraining help, and on which texts?",
    parameters={"steps": whole, "tasks": words, "sources": words},
    scales={
        "control": {"seeds": 3, "fraction": 0.004, "tasks": ["movies", "topics"], "sources": ["in_domain"]},
        "compact": {"seeds": 5, "fraction": 0.02, "tasks": ["imdb"], "sources": ["in_domain", "ag_news"]},
        "paper": {"seeds": 5, "fraction": 0.004, "tasks": PAPER_TASKS, "sources": ["in_domain", "cross_domain"]},
        "smoke": {"seeds": 2, "fraction": 0.004, "tasks": ["movies"], "sources": ["questions"]},
    },
    claims=(
        Claim(
            "within the task",
            "Further pretraining on the task's own texts lowers the error.",
            "§5.4.1, Table 5",
            "06_further_pretraining",
            (Contrast(after("none"), after("within_task"), PRETRAINING, 1.03, over="fraction"),),
            planted=DOMAIN_WORDS,
        ),
        Claim(
            "own texts",
            "Further pretraining on the task's own texts is better than as many steps on texts of another domain.",
            "§5.4.2, Table 5",
            "06_further_pretraining",
            (Contrast(after(_unrelated), after("within_task"), SOURCE, 1.60, over="fraction"),),
            planted=DOMAIN_WORDS,
        ),
        Claim(
            "more steps",
            "All the steps of further pretraining are better than a third of them.",
            "§5.4.1, Figure 3",
            "06_further_pretraining",
            (
                Contrast(
                    lambda row: after("within_task")(row) and row.step_place == 0 and row.step_places > 1,
                    lambda row: after("within_task")(row) and row.step_place == row.step_places - 1,
                    ("pretraining_steps",),
                    0.55,
                    over="fraction",
                ),
            ),
            planted=DOMAIN_WORDS,
        ),
        Claim(
            "in the domain",
            "Further pretraining in the domain is as good as within the task (the paper: on average, not on IMDb).",
            "§5.4.2, Tables 5 and 6",
            "06_further_pretraining",
            (Contrast(after("within_task"), after("in_domain"), PRETRAINING, -0.51, over="fraction"),),
            "as good",
        ),
        Claim(
            "another domain",
            "Further pretraining on texts of another domain does not lower the error.",
            "§5.4.2, Table 5",
            "06_further_pretraining",
            (Contrast(after("none"), after(_unrelated), PRETRAINING, -0.57, over="fraction"),),
            "no better",
        ),
    ),
)
