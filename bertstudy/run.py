"""A run is a value: every field that decides a result, the profiles that fill them in, and grids of runs."""

import os
from dataclasses import asdict, dataclass, field, fields, replace
from itertools import product
from pathlib import Path

from .registry import no_such

PRECISIONS = ("fp32", "bf16")
METHODS = ("fine_tune", "features", "tfidf")
# The only fields that TF-IDF with logistic regression reads, and those without effect on an encoder that is frozen.
OF_THE_DATA = ("corpus", "text_column", "label_column", "fraction", "dev_fraction", "test_size", "seed", "method")
OF_FINE_TUNING = ("dropout", "attention_dropout", "layer_decay", "decay_embeddings", "retention")
FILE_TYPES = (".csv", ".tsv", ".jsonl", ".parquet")


def is_path(corpus):
    """Whether a corpus is the reader's own file or folder rather than a name."""
    return Path(corpus).suffix.lower() in FILE_TYPES or os.sep in corpus or "/" in corpus


def later(default, version="0.1"):
    """A field that came after the first rows: it stays out of a run's identity while it has its default."""
    return field(default=default, metadata={"added": version})


@dataclass(frozen=True)
class Run:
    """One fine-tuning, complete: two equal runs give the same row.

    Plain scalars and strings only. Raises TypeError for an unknown field or a value of the wrong type, ValueError
    for an unknown name, a number out of range, and a field that the others leave without effect. A field added
    in a later version carries `metadata={"added": version}`, so that rows made before keep their ids.
    """

    # the documents
    corpus: str = "imdb"  # a name (see corpora.CORPORA), a folder in data_dir, or the path of a file
    text_column: str = "text"  # of the reader's own file
    label_column: str = "label"
    fraction: float = 1.0  # of the training documents, dev included; smaller samples lie inside larger ones (§5.6)
    dev_fraction: float = 0.1  # of these, set aside to choose the epoch; 0: none, and the last epoch is kept
    test_size: int = 0  # documents of the test set that are scored, the same in all runs; 0: all
    seed: int = 0  # sample, dev split, head's first weights, order, dropout

    method: str = later("fine_tune")  # "features": a reader on the frozen encoder; "tfidf": no encoder (encoder="none")

    # what the encoder sees (§5.3.1) and what is read of it (§5.3.2)
    encoder: str = "google-bert/bert-base-uncased"  # "control", "minilm", a folder or a hub id
    truncation: str = "head+tail:128"
    window: int = 512  # word pieces with [CLS] and [SEP]
    layers: str = "last"  # "11", "last", "concat:8-11", "mean:0-3", "max:0-11"
    segment_pooling: str = "none"  # with truncation="chunks": "mean", "max", "attention"

    # optimisation (§5.2, §5.3.3, §5.3.4)
    learning_rate: float = 2e-5
    layer_decay: float = 1.0  # ξ: each layer learns at ξ times the rate of the layer above
    decay_embeddings: bool = True  # False: embeddings at the base rate, as in the authors' code
    schedule: str = "slanted_triangular"
    warmup: float = 0.1  # share of the steps
    epochs: int = 4
    min_steps: int = 0  # more epochs where the documents are so few that `epochs` makes fewer steps than this
    batch_size: int = 24  # documents
    weight_decay: float = 0.01
    bias_correction: bool = True  # False: the paper's BERTAdam
    max_grad_norm: float = 1.0  # over all parameters together
    dropout: float = 0.1  # on hidden states
    attention_dropout: float = 0.0  # the paper has 0.1; 0 is what fused attention allows
    head_dropout: float = 0.1
    precision: str = "fp32"

    # further pretraining of the encoder (§4.2, §5.4): on the texts of this corpus ("within_task"), of all of its kind
    # ("in_domain"), of all ("cross_domain"), or of corpora by name ("movies+restaurants")
    further_pretraining: str = later("none")
    pretraining_steps: int = later(0)
    pretraining_unlabelled: bool = later(False)  # their unlabelled texts too
    pretraining_learning_rate: float = later(5e-5)
    pretraining_batch_size: int = later(32)  # segments
    pretraining_window: int = later(128)
    pretraining_head_steps: int = later(0)  # first so many for the masked-LM head alone, where the weights lack it
    pretraining_seed: int = later(0)
    next_sentence: bool = later(True)  # off for texts of one sentence
    whole_word: bool = later(False)  # mask all pieces of a word together

    # fine-tuning on several tasks before that on the run's own (§4.3, §5.5): corpora by name ("movies+topics")
    multitask: str = later("none")
    multitask_documents: int = later(0)  # of each of the other tasks, dev included; 0: all; of the own one: `fraction`
    multitask_epochs: int = later(4)  # as many steps as it takes to read all documents so often
    multitask_learning_rate: float = later(2e-5)
    multitask_sampling: str = later("proportional")  # of tasks, to their documents or to the "square_root" of them

    # what is measured beside the error
    evaluations: int = later(1)  # times an epoch that dev is scored; the best of them is kept
    retention: str = later("none")  # masked-LM loss in the end on these texts, "general" or a corpus, and the task's

    def __post_init__(self):
        for one in fields(self):
            object.__setattr__(self, one.name, _typed(one, getattr(self, one.name)))
        self._check_numbers()
        self._check_names()
        self._check_effects()

    def _check_numbers(self):
        for name, holds, allowed in (
            ("fraction", 0 < self.fraction <= 1, "above 0, up to 1"),
            ("dev_fraction", 0 <= self.dev_fraction <= 0.5, "0 to 0.5"),
            ("test_size", self.test_size >= 0, "0 (all) or more"),
            ("seed", 0 <= self.seed < 2**31, "0 to 2147483647"),
            ("window", self.window >= 3, "3 or more ([CLS], a piece, [SEP])"),
            ("learning_rate", 0 < self.learning_rate < 1, "above 0, below 1 (the paper's is 2e-5)"),
            ("layer_decay", 0 < self.layer_decay <= 1, "above 0, up to 1 (1: no decay)"),
            ("warmup", 0 <= self.warmup < 1, "0 up to 1, as a share of the steps"),
            ("epochs", self.epochs >= 1, "1 or more"),
            ("min_steps", self.min_steps >= 0, "0 or more"),
            ("batch_size", self.batch_size >= 1, "1 or more"),
            ("weight_decay", 0 <= self.weight_decay < 1, "0 up to 1"),
            ("max_grad_norm", self.max_grad_norm > 0, "above 0 (float('inf'): no clipping)"),
            ("dropout", 0 <= self.dropout < 1, "0 up to 1"),
            ("attention_dropout", 0 <= self.attention_dropout < 1, "0 up to 1"),
            ("head_dropout", 0 <= self.head_dropout < 1, "0 up to 1"),
            ("pretraining_steps", self.pretraining_steps >= 0, "0 or more"),
            ("pretraining_learning_rate", 0 < self.pretraining_learning_rate < 1, "above 0, below 1"),
            ("pretraining_batch_size", self.pretraining_batch_size >= 1, "1 or more"),
            ("pretraining_window", self.pretraining_window >= 8, "8 or more"),
            ("pretraining_head_steps", self.pretraining_head_steps >= 0, "0 or more"),
            ("multitask_documents", self.multitask_documents >= 0, "0 (all) or more"),
            ("multitask_epochs", self.multitask_epochs >= 1, "1 or more"),
            ("multitask_learning_rate", 0 < self.multitask_learning_rate < 1, "above 0, below 1"),
            ("evaluations", self.evaluations >= 1, "1 or more"),
            ("pretraining_seed", 0 <= self.pretraining_seed < 2**31, "0 to 2147483647"),
        ):
            if not holds:
                raise ValueError(f"{name}={getattr(self, name)}: allowed is {allowed}.")

    def _check_names(self):
        from .training.multitask import SAMPLINGS
        from .training.optim import SCHEDULES
        from .model.pooling import SEGMENT_POOLINGS, parse_layers
        from .choices.truncation import TRUNCATIONS

        TRUNCATIONS.find(self.truncation)([], self.window - 2)
        SEGMENT_POOLINGS.find(self.segment_pooling)
        SCHEDULES.find(self.schedule)
        SAMPLINGS.find(self.multitask_sampling)
        if self.method not in METHODS:
            raise no_such("method", self.method, METHODS)
        parse_layers(self.layers, depth=10_000)  # how many there are is for the encoder to say
        if self.precision not in PRECISIONS:
            raise no_such("precision", self.precision, PRECISIONS)

    def _check_effects(self):
        self._check_method()
        chunked = self.truncation.partition(":")[0] == "chunks"
        if chunked and self.segment_pooling == "none":
            raise ValueError("segment_pooling='none' with truncation='chunks': choose mean, max or attention.")
        if not chunked and self.segment_pooling != "none":
            raise ValueError(
                f"segment_pooling={self.segment_pooling!r} has no effect with truncation={self.truncation!r}, which "
                f"leaves one segment a document: use truncation='chunks' or segment_pooling='none'."
            )
        if not self.decay_embeddings and self.layer_decay == 1:
            raise ValueError(
                "decay_embeddings=False has no effect with layer_decay=1: there is no decay to exempt from."
            )
        if self.evaluations > 1 and self.dev_fraction == 0:
            raise ValueError(f"evaluations={self.evaluations} has no effect with dev_fraction=0: there is no dev part.")
        if self.retention != "none" and self.layers != "last":
            raise ValueError(
                f"retention={self.retention!r} puts the pretrained head back onto the last layer: it needs "
                f"layers='last', not {self.layers!r}."
            )
        if self.further_pretraining == "none":
            self._check_defaults(
                [*_named("pretraining_"), "next_sentence", "whole_word"],
                "further_pretraining='none': choose within_task, in_domain, cross_domain or corpora by name",
            )
        elif self.pretraining_steps == 0:
            raise ValueError(
                f"further_pretraining={self.further_pretraining!r} with pretraining_steps=0 changes nothing: say how "
                f"many steps (the paper's best is 100,000), or further_pretraining='none'."
            )
        if self.multitask == "none":
            self._check_defaults(_named("multitask_"), "multitask='none': name the tasks, as in 'movies+topics'")
        if is_path(self.corpus):
            return
        for column in ("text_column", "label_column"):
            if getattr(self, column) != column.removesuffix("_column"):
                raise ValueError(
                    f"{column}={getattr(self, column)!r} has no effect with corpus={self.corpus!r}: columns are named "
                    f"for files only. For a file of your own give its path, as in corpus='data/reviews.csv'."
                )

    def _check_method(self):
        if (self.method == "tfidf") != (self.encoder == "none"):
            raise ValueError(
                f"method={self.method!r} with encoder={self.encoder!r}: method='tfidf' takes encoder='none', and it "
                f"alone does."
            )
        if self.method == "features":
            self._check_defaults(OF_FINE_TUNING, "method='features', whose encoder is frozen: leave it as it is")
        if self.method == "tfidf":
            others = [one.name for one in fields(self) if one.name not in (*OF_THE_DATA, "encoder")]
            self._check_defaults(others, "method='tfidf', which reads words: leave it as it is")

    def _check_defaults(self, names, reason):
        """Raise ValueError for the first of these fields that differs from its default: it would have no effect."""
        for one in fields(self):
            if one.name in names and getattr(self, one.name) != one.default:
                raise ValueError(f"{one.name}={getattr(self, one.name)!r} has no effect with {reason}.")


def _named(prefix):
    """The fields of Run whose names begin so."""
    return [one.name for one in fields(Run) if one.name.startswith(prefix)]


def idle(run):
    """The names of the fields that have no effect under a run's others."""
    names = set()
    if run.further_pretraining == "none":
        names |= {*_named("pretraining_"), "next_sentence", "whole_word"}
    if run.multitask == "none":
        names |= set(_named("multitask_"))
    if run.method == "features":
        names |= set(OF_FINE_TUNING)
    return {one.name for one in fields(Run)} - {*OF_THE_DATA, "encoder"} if run.method == "tfidf" else names


def baseline(run, method):
    """The run of a baseline, "features" or "tfidf", on the same documents: what has no effect there is left out."""
    own = [one.name for one in fields(run)]
    kept = OF_THE_DATA if method == "tfidf" else [name for name in own if name not in OF_FINE_TUNING]
    return replace(
        Run(**({"encoder": "none"} if method == "tfidf" else {}), method=method),
        **{name: getattr(run, name) for name in kept if name != "method"},
    )


def _typed(one, value):
    """The field's value as its declared type; whole numbers may stand for floats, numpy scalars for Python's."""
    value = value.item() if hasattr(value, "item") else value
    if one.type is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not one.type:
        raise TypeError(f"{one.name}={value!r}: expected {one.type.__name__}, got {type(value).__name__}.")
    return value


def identity(run):
    """The fields that name a run: all of the first version, and later ones where they differ from their default."""
    return {
        one.name: getattr(run, one.name)
        for one in fields(run)
        if "added" not in one.metadata or getattr(run, one.name) != one.default
    }


def grid(base, **axes):
    """All combinations of the axes' values over `base`, the last axis fastest: a plan.

    >>> plan = grid(Run(), fraction=[0.004, 0.01], seed=range(3))  # 6 runs

    Raises TypeError for an axis that is no field of Run and for a value given without a list.
    """
    known = asdict(base)
    for name, values in axes.items():
        if name not in known:
            raise no_such("field", name, known, TypeError)
        if isinstance(values, str) or not hasattr(values, "__iter__"):
            raise TypeError(f"{name}={values!r}: a grid takes a list of values, as in {name}=[{values!r}].")
    return [replace(base, **dict(zip(axes, values, strict=True))) for values in product(*axes.values())]


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
