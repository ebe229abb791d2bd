"""Table 8 (§5.7): a larger encoder compared with that of the profile."""

import logging
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from ..analysis import paper
from ..analysis.claims import PRETRAINING, Claim, Contrast, after
from ..analysis.drawing import figure
from ..analysis.experiment import declare, text, whole, words
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


def encoders(study: Any, tasks: list[str]) -> list[str]:
    """The base run's encoder and the larger one; without a larger one in the profile, the first alone, which is logged.

    Raises ValueError for a task in a language that the base run's encoder does not read.
    """
    for task in tasks:
        if (needed := study.reading(task).encoder) != study.base.encoder:
            raise ValueError(
                f"tasks={' '.join(tasks)!r}: {task} is in a language that encoder={study.base.encoder!r} does not "
                f"read. Name both encoders, as in encoder={needed!r}, larger='xlm-roberta-base'."
            )
    if not study.scale.larger:
        LOG.info("Profile %s has no larger encoder to compare with: name one as `larger`.", study.profile.name)
    return [study.base.encoder, *([study.scale.larger] if study.scale.larger else [])]


EXPERIMENT = declare(
    name="large",
    notebook="09_large",
    question="Is a larger encoder better?",
    parameters={"steps": whole, "tasks": words, "larger": text},
    scales={
        "control": {"seeds": 3, "labelled": 100, "tasks": ["movies"], "larger": "control-large", "steps": 150},
        "compact": {"seeds": 3, "labelled": 500, "tasks": ["imdb"], "larger": "mpnet"},
        "paper": {
            "seeds": 5,
            "tasks": ["imdb", "yelp_polarity", "yelp_full", "ag_news", "dbpedia"],
            "larger": "google-bert/bert-large-uncased",
            "steps": 120_000,
        },
        "smoke": {"seeds": 2, "labelled": 40, "tasks": ["movies"], "larger": "control-large"},
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
                    after("within_task", encoder="base"), after("within_task", encoder="large"), ("encoder",), 0.16
                ),
                Contrast(after("none", encoder="large"), after("within_task", encoder="large"), PRETRAINING, 0.65),
            ),
        ),
    ),
)
