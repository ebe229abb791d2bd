"""Table 8 (§5.7): larger and other encoders compared with that of the profile."""

import logging
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

from ..analysis import paper
from ..analysis.claims import PRETRAINING, Claim, Contrast, after
from ..analysis.drawing import STYLE, bars_of, figure, span
from ..analysis.experiment import declare, whole, words
from .ways import (
    PRINTED_ENCODERS,
    beside,
    ordered,
    panels,
    points_of,
)

LOG = logging.getLogger(__name__)


def _encoders(rows):
    """(rows with `way`: the encoder, and whether it was further pretrained; all ways, the shallowest encoder first)."""
    further = [" + ITPT" if source == "within_task" else "" for source in rows["further_pretraining"]]
    order = rows.groupby("encoder")["depth"].max().sort_values(kind="stable").index
    ways = [f"{Path(name).name}{suffix}" for name in order for suffix in ("", " + ITPT")]
    return rows.assign(way=[Path(name).name for name in rows["encoder"]] + pd.Series(further, rows.index)), ways


def larger_data(rows: pd.DataFrame) -> pd.DataFrame:
    """Table 8's numbers: corpus, way (encoder, with ITPT or without), seeds, error with interval, minutes of training,
    documents predicted per second, and the paper's error where the encoder is one of its two."""
    rows, ways = _encoders(rows)
    points = ordered(points_of(rows, "way"), "way", ways)
    return beside(points, "way", paper.larger(), _printed_way)


def _printed_way(way):
    """The name of a way's row in Table 8; "" where its encoder is not one of the paper's."""
    encoder, plus, suffix = way.partition(" + ")
    return f"{PRINTED_ENCODERS[encoder]}{plus}{suffix}" if encoder in PRINTED_ENCODERS else ""


@figure(larger_data, point="{way} on {corpus}")
def larger(rows: pd.DataFrame) -> plt.Figure:
    """Table 8: test error of a smaller and a larger encoder, as they are and further pretrained within the task."""
    return panels(larger_data(rows), "way", _encoders(rows)[1])


def which_encoder_data(rows: pd.DataFrame) -> pd.DataFrame:
    """What an encoder costs and gives, without further pretraining: corpus, encoder, seeds, error with interval,
    parameters (millions, embeddings among them; nan for rows of before they were counted), seconds (of training, the
    fastest run) and documents_per_second (in prediction).
    """
    rows = rows[rows["further_pretraining"] == "none"]
    points = points_of(rows, "encoder").rename(columns={"minutes": "seconds"})
    millions = rows.assign(millions=rows["parameters"].astype(float) / 1e6).groupby("encoder")["millions"].max()
    encoder = [Path(name).name for name in points["encoder"]]
    return points.assign(seconds=60 * points["seconds"], parameters=points["encoder"].map(millions), encoder=encoder)


@figure(which_encoder_data, point="{encoder} on {corpus}")
def which_encoder(rows: pd.DataFrame) -> plt.Figure:
    """Test error of each encoder, without further pretraining, against the seconds that its training takes and, where
    they are known, against its parameters."""
    data = which_encoder_data(rows)
    axes_of = {"seconds": "seconds of training, fastest run", "parameters": "parameters (millions)"}
    shown = {name: label for name, label in axes_of.items() if data[name].notna().any()}
    with plt.style.context(STYLE):
        chart, panels = plt.subplots(1, len(shown), figsize=(7.4, 4.2), sharey=True, squeeze=False)
        for axes, (name, label) in zip(panels[0], shown.items(), strict=True):
            for color, (corpus, group) in zip(sns.color_palette(), data.groupby("corpus", sort=False), strict=False):
                told = f"{Path(corpus).name}: {span(group['seeds'])}, 95 % interval"
                axes.errorbar(group[name], group["error"], bars_of(group), fmt="o", color=color, capsize=4, label=told)
                for point in group.itertuples():
                    place = (getattr(point, name), point.error)
                    axes.annotate(point.encoder, place, xytext=(7, 5), textcoords="offset points", fontsize=9)
            axes.set(xlabel=f"{label}, logarithmic", xscale="log", ylim=(0, None))
            axes.margins(x=0.3)
            ticks = sorted(data[name].dropna().unique())
            axes.set_xticks(ticks, [f"{tick:,.0f}" if tick >= 100 else f"{tick:.3g}" for tick in ticks], rotation=45)
            axes.minorticks_off()
        panels[0, 0].set_ylabel("test error (%)")
        chart.legend(*panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    return chart


def encoders(study: Any, tasks: list[str]) -> list[str]:
    """The base run's encoder and the others; without others in the profile, the first alone, which is logged.

    Raises ValueError for a task in a language that the base run's encoder does not read.
    """
    for task in tasks:
        if (needed := study.reading(task).encoder) != study.base.encoder:
            raise ValueError(
                f"tasks={' '.join(tasks)!r}: {task} is in a language that encoder={study.base.encoder!r} does not "
                f"read. Name both encoders, as in encoder={needed!r}, larger='xlm-roberta-base'."
            )
    if not study.scale.larger:
        LOG.info("Profile %s has no other encoder to compare with: name some as `larger`.", study.profile.name)
    return [study.base.encoder, *(study.scale.larger or [])]


EXPERIMENT = declare(
    name="large",
    notebook="09_large",
    question="Which encoder, and is a larger one better?",
    parameters={"steps": whole, "tasks": words, "larger": words},
    scales={
        "control": {"seeds": 3, "labelled": 100, "tasks": ["movies"], "larger": ["control-large"], "steps": 150},
        "compact": {"seeds": 3, "labelled": 500, "tasks": ["imdb"], "larger": ["mpnet"]},
        "paper": {
            "seeds": 5,
            "tasks": ["imdb", "yelp_polarity", "yelp_full", "ag_news", "dbpedia"],
            "larger": ["google-bert/bert-large-uncased"],
            "steps": 120_000,
        },
        "smoke": {"seeds": 2, "labelled": 40, "tasks": ["movies"], "larger": ["control-large"]},
    },
    claims=(
        Claim(
            "large",
            "A larger encoder is better.",
            "§5.7, Table 8",
            "09_large",
            (Contrast(after("none", encoder="base"), after("none", encoder="large"), ("encoder",), 0.54),),
        ),
        Claim(
            "large, pretrained further",
            "After further pretraining within the task too the larger encoder is better, and better than without.",
            "§5.7, Table 8",
            "09_large",
            (
                Contrast(
                    after("within_task", encoder="base"),
                    after("within_task", encoder="large"),
                    ("encoder",),
                    0.16,
                    name="than the smaller",
                ),
                Contrast(
                    after("none", encoder="large"),
                    after("within_task", encoder="large"),
                    PRETRAINING,
                    0.65,
                    name="than without",
                ),
            ),
        ),
    ),
)
