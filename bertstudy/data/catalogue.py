"""The corpora that are known by name: the paper's eight, and the composed ones beside them.

To add one, write an entry here.
"""

from dataclasses import dataclass

from .control.corpora import COMPOSED


@dataclass(frozen=True)
class Entry:
    """One of the paper's corpora: where it is on the hub, at which revision, and how large it has to be there.

    kind: its domain (§5.1). train, test: documents. text: the columns that are joined to one text. label: the column of
    the classes.
    """

    title: str
    kind: str
    train: int
    test: int
    hub: str = ""
    revision: str = ""
    text: tuple[str, ...] = ("text",)
    label: str = "label"
    language: str = "en"


CHINESE = "google-bert/bert-base-chinese"  # the paper's encoder for Chinese corpora

CORPORA = {
    "imdb": Entry("IMDb", "sentiment", 25_000, 25_000, "stanfordnlp/imdb", "e6281661ce1c48d982bc483cf8a173c1bbeb5d31"),
    "yelp_polarity": Entry(
        "Yelp P.", "sentiment", 560_000, 38_000, "fancyzhx/yelp_polarity", "bbf1c97a1f0cf005e5aded43839fd814654a1557"
    ),
    "yelp_full": Entry(
        "Yelp F.", "sentiment", 650_000, 50_000, "Yelp/yelp_review_full", "c1f9ee939b7d05667af864ee1cb066393154bf85"
    ),
    # The hub's main branch has only a loading script, so the branch of its conversion to Parquet is read, unpinned.
    "trec": Entry("TREC", "question", 5_452, 500, "CogComp/trec", "refs/convert/parquet", label="coarse_label"),
    "yahoo_answers": Entry(
        "Yahoo! Answers",
        "question",
        1_400_000,
        60_000,
        "community-datasets/yahoo_answers_topics",
        "6652a1e7c94f7260a0bfd0c9092dd48e2d536ea1",
        ("question_title", "question_content", "best_answer"),
        "topic",
    ),
    "ag_news": Entry(
        "AG's News", "topic", 120_000, 7_600, "fancyzhx/ag_news", "eb185aade064a813bc0b7f42de02595523103ca4"
    ),
    "dbpedia": Entry(
        "DBPedia",
        "topic",
        560_000,
        70_000,
        "fancyzhx/dbpedia_14",
        "9abd46cf7fc8b4c64290f26993c540b92aa145ac",
        ("title", "content"),
    ),
    "sogou": Entry("Sogou News", "topic", 54_000, 6_000, language="zh"),  # from raw files: see sogou.py
}


def _kinds():
    """Name of each English corpus -> ("composed" or "real", its kind)."""
    composed = {name: ("composed", corpus.kind) for name, corpus in COMPOSED.items() if corpus.language == "en"}
    return {**composed, **{name: ("real", entry.kind) for name, entry in CORPORA.items() if entry.language == "en"}}


def peers(corpus: str, reach: str) -> list[str]:
    """The English corpora of the same kind ("in_domain") or of all kinds ("cross_domain"), this one among them.

    Composed corpora are among composed ones and real ones among real ones. Gives [] for a corpus that is not listed.
    """
    kinds = _kinds()
    if corpus not in kinds:
        return []
    world, kind = kinds[corpus]
    return [
        name
        for name, (where, its_kind) in kinds.items()
        if where == world and (reach == "cross_domain" or its_kind == kind)
    ]
