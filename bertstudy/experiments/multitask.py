"""Table 7 (§5.5): fine-tuning on several tasks together, with and without further pretraining."""

from dataclasses import replace
from typing import Any

import matplotlib.pyplot as plt
import pandas as pd

from ..analysis import paper
from ..analysis.claims import MULTITASK, PRETRAINING, Claim, Contrast, after
from ..analysis.drawing import figure
from ..analysis.experiment import declare, one_of, whole, words
from ..choices.task_sampling import SAMPLINGS
from ..runs import Run
from .ways import ARMS, beside, ordered, panels, points_of, with_arms


def multitask_data(rows: pd.DataFrame) -> pd.DataFrame:
    """Table 7's numbers: corpus, arm, seeds, error with interval, minutes, documents per second, the paper's error."""
    points = ordered(points_of(with_arms(rows), "arm"), "arm", ARMS)
    return beside(points, "arm", paper.multitask(), "BERT-{}".format)


@figure(multitask_data, point="{arm} on {corpus}")
def multitask(rows: pd.DataFrame) -> plt.Figure:
    """Table 7: test error with and without fine-tuning on all tasks together first, one panel per task."""
    return panels(multitask_data(rows), "arm", ARMS)


def _crossing(source):
    return source == "cross_domain" or "+" in source


PAPER_TASKS = ["imdb", "yelp_polarity", "ag_news", "dbpedia"]
CONTROL_TASKS = ["movies", "restaurants", "questions", "topics"]
PROPORTIONAL = {"sampling": "proportional"}


def joined(name: str, value: str) -> str:
    """Corpora separated by blanks, as one source: joined by "+"."""
    return "+".join(words(name, value))


def together(study: Any, run: Run, tasks: list[str]) -> Run:
    """A run that is first fine-tuned on all tasks together, then on its own at half the learning rate (§5.5).

    The other tasks give as many documents as the scale has labelled ones, or all. Raises ValueError for fewer than two
    tasks, a task given twice, and tasks that need different encoders.
    """
    given = f"tasks={' '.join(tasks)!r}"
    if len(set(tasks)) < max(2, len(tasks)):
        raise ValueError(f"{given}: name two or more corpora, each once, as in 'movies topics'.")
    encoders = {study.reading(task).encoder for task in tasks}
    if len(encoders) > 1:
        raise ValueError(
            f"{given}: they are in several languages, but have to share one encoder ({' or '.join(sorted(encoders))}). "
            f"Name tasks in one language, or an encoder that reads all of them, as in encoder='xlm-roberta-base'."
        )
    return replace(
        run,
        multitask="+".join(tasks),
        multitask_documents=getattr(study.scale, "labelled", None) or 0,
        multitask_sampling=study.scale.sampling,
        multitask_epochs=run.epochs,
        multitask_learning_rate=run.learning_rate,
        learning_rate=run.learning_rate / 2,
    )


EXPERIMENT = declare(
    name="multitask",
    notebook="07_multitask",
    question="Does it help to fine-tune on several tasks together?",
    parameters={
        "steps": whole,
        "tasks": words,
        "sources": joined,
        "sampling": one_of(SAMPLINGS),
    },
    scales={
        # `sources`: the texts of further pretraining, across domains
        "control": {**PROPORTIONAL, "seeds": 3, "labelled": 100, "tasks": CONTROL_TASKS, "sources": "cross_domain"},
        "compact": {
            **PROPORTIONAL,
            "seeds": 3,
            "labelled": 500,
            "tasks": ["imdb", "yelp_polarity"],
            "sources": "imdb+trec+ag_news+yelp_polarity",
        },
        "paper": {**PROPORTIONAL, "seeds": 5, "tasks": PAPER_TASKS, "sources": "cross_domain"},
        "smoke": {
            **PROPORTIONAL,
            "seeds": 1,
            "labelled": 40,
            "tasks": ["movies", "topics"],
            "sources": "movies+topics",
        },
    },
    claims=(
        Claim(
            "multi-task",
            "Fine-tuning on several tasks together before lowers the error.",
            "§5.5, Table 7",
            "07_multitask",
            (Contrast(after("none"), after("none", multitask=True), MULTITASK, 0.04, over="fraction"),),
        ),
        Claim(
            "multi-task or pretraining",
            "Further pretraining across domains lowers the error more than fine-tuning on several tasks does.",
            "§5.5, Table 7",
            "07_multitask",
            (
                Contrast(
                    after("none", multitask=True), after(_crossing), (*MULTITASK, *PRETRAINING), 0.18, over="fraction"
                ),
            ),
        ),
    ),
)
