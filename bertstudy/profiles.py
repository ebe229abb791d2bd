"""The scales that the study is run at: control, compact, paper, and smoke for tests."""

import os
from dataclasses import dataclass, replace

from .registry import no_such
from .runs import Run

SHOWS = {  # what the results of a profile may be taken for
    "control": "Composed texts and a small embedded encoder, to check the instrument by and to show how the study "
    "runs. Nothing in it is evidence about language.",
    "compact": "Real corpora, sampled, and MiniLM-L6 (22 million parameters). It shows real effects at a small "
    "scale; error rates are not comparable with BERT-base's on whole corpora.",
    "paper": "The paper's setting: BERT-base, whole corpora, over several seeds, the epoch chosen on dev.",
    "smoke": "The control profile at its smallest, for tests. Nothing in it is a result.",
}


@dataclass(frozen=True)
class Profile:
    """A scale to run the study at: what a run starts from, how many seeds, and what its results may be taken for."""

    name: str
    base: Run
    seeds: int
    table_seeds: int  # for the larger tables, of 02, 07 and 08
    sweep_seeds: int  # for the many settings of 03 and 04
    documents: int | None  # to train on in these, dev included; None: all
    long: tuple[str, ...]  # corpora with long documents
    rates: tuple[float, ...]  # Figure 2's learning rates
    general: str  # texts that are not of the task, to measure what is retained on
    most_documents: int | None  # points of a learning curve beyond this are left to the larger profiles
    pretraining: dict  # the fields of Run that further pretraining takes at this scale
    tasks: tuple[str, ...]  # Table 5's columns
    sources: tuple[str, ...]  # texts to pretrain on beside those of the tasks
    compared: tuple[str, ...]  # Table 6's columns
    few: int | None  # documents to train on in Tables 6, 7 and 8, dev included; None: all
    pretrainings: tuple[str, ...]  # and its rows that are further pretrained
    features: dict  # the fields of Run that a reader on frozen features takes
    together: tuple[str, ...]  # Table 7's tasks
    crossing: str  # and the texts of its further pretraining, across domains
    enlarged: tuple[str, ...]  # Table 8's columns
    enlarged_steps: int  # and the steps of its further pretraining; 0: as elsewhere
    larger: str  # and its larger encoder; "": none, a reader may name one

    @property
    def shows(self):
        """What its results may be taken for."""
        return SHOWS[self.name]


def _profiles():
    control = Run(
        corpus="movies",
        encoder="control",
        window=64,
        truncation="head+tail:24",
        learning_rate=1e-3,
        epochs=3,
        min_steps=28,
        batch_size=16,
        test_size=1000,
    )
    return [
        Profile(
            "control",
            control,
            seeds=3,
            table_seeds=2,
            sweep_seeds=1,
            documents=400,
            long=("long_reviews",),
            rates=(5e-4, 1e-3, 2.5e-3, 1e-2),
            general="general",
            most_documents=500,
            pretraining=dict(
                pretraining_steps=250,
                pretraining_learning_rate=2e-3,
                pretraining_window=64,
                next_sentence=False,
            ),
            tasks=("movies", "topics"),
            sources=(),
            compared=("movies", "questions"),
            few=100,
            pretrainings=("within_task", "in_domain", "cross_domain"),
            features=dict(learning_rate=2e-3),
            together=("movies", "restaurants", "questions", "topics"),
            crossing="cross_domain",
            enlarged=("movies",),
            enlarged_steps=150,
            larger="control-large",
        ),
        Profile(
            "compact",
            replace(
                control,
                corpus="imdb",
                encoder="minilm",
                window=512,
                truncation="head+tail:128",
                learning_rate=1e-4,
                epochs=3,
                min_steps=80,
                batch_size=24,
                test_size=2000,
                precision="bf16",
            ),
            seeds=3,
            table_seeds=3,
            sweep_seeds=1,
            documents=500,
            long=("imdb",),
            rates=(1e-4, 2.5e-4, 5e-4, 2e-3),
            general="ag_news",
            most_documents=1000,
            pretraining=dict(
                pretraining_steps=1000,
                pretraining_batch_size=16,
                pretraining_learning_rate=1e-4,
                pretraining_head_steps=300,
            ),
            tasks=("imdb", "trec"),
            sources=("yelp_polarity", "ag_news"),
            compared=("imdb", "trec", "ag_news", "yelp_polarity"),
            few=500,
            pretrainings=("within_task",),
            features=dict(learning_rate=1e-3, epochs=10),
            together=("imdb", "yelp_polarity"),
            crossing="imdb+trec+ag_news+yelp_polarity",
            enlarged=("imdb",),
            enlarged_steps=0,
            larger="",
        ),
        Profile(
            "paper",
            Run(attention_dropout=0.1, precision="bf16"),
            seeds=5,
            table_seeds=5,
            sweep_seeds=3,
            documents=None,
            long=("imdb", "sogou"),
            rates=(2e-5, 5e-5, 1e-4, 4e-4),
            general="dbpedia",
            most_documents=None,
            pretraining=dict(pretraining_steps=100_000),
            tasks=("imdb", "yelp_polarity", "yelp_full", "trec", "yahoo_answers", "ag_news", "dbpedia"),
            sources=("in_domain", "cross_domain"),
            compared=("imdb", "yelp_polarity", "yelp_full", "trec", "yahoo_answers", "ag_news", "dbpedia", "sogou"),
            few=None,
            pretrainings=("within_task", "in_domain", "cross_domain"),
            features=dict(learning_rate=1e-3, epochs=10),
            together=("imdb", "yelp_polarity", "ag_news", "dbpedia"),
            crossing="cross_domain",
            enlarged=("imdb", "yelp_polarity", "yelp_full", "ag_news", "dbpedia"),
            enlarged_steps=120_000,
            larger="google-bert/bert-large-uncased",
        ),
        Profile(
            "smoke",
            replace(control, epochs=1, min_steps=0, test_size=60),
            seeds=2,
            table_seeds=1,
            sweep_seeds=1,
            documents=40,
            long=("long_reviews",),
            rates=(5e-4, 1e-2),
            general="general",
            most_documents=250,
            pretraining=dict(pretraining_steps=4, pretraining_batch_size=4, pretraining_window=64, next_sentence=False),
            tasks=("movies",),
            sources=("questions",),
            compared=("movies", "topics"),
            few=40,
            pretrainings=("within_task",),
            features=dict(learning_rate=2e-3),
            together=("movies", "topics"),
            crossing="movies+topics",
            enlarged=("movies",),
            enlarged_steps=0,
            larger="control-large",
        ),
    ]


def profile(name="auto"):
    """A profile by name. "auto" is paper where a CUDA device is seen, else control; BERTSTUDY_PROFILE overrules it.

    Raises ValueError for an unknown name.
    """
    import torch

    known = {one.name: one for one in _profiles()}
    if name == "auto":
        name = os.environ.get("BERTSTUDY_PROFILE") or ("paper" if torch.cuda.is_available() else "control")
    if name not in known:
        raise no_such("profile", name, ["auto", *known])
    return known[name]
