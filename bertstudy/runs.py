"""A run is a value: every field that decides a result, declared where it stands, and grids of runs.

Importing this loads no torch.
"""

import operator
import os
import re
from collections.abc import Callable, Iterable
from dataclasses import Field, asdict, dataclass, field, fields, replace
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from .choices.methods import METHODS, PARTS
from .choices.metrics import METRICS
from .choices.pooling import PIECE_POOLINGS, SEGMENT_POOLINGS, parse_layers
from .choices.schedules import SCHEDULES
from .choices.task_sampling import SAMPLINGS
from .choices.truncation import TRUNCATIONS
from .registry import REGISTRIES, brief, no_such

FILE_TYPES = (".csv", ".tsv", ".jsonl", ".parquet", ".json", ".xlsx")  # each also gzipped, as in .csv.gz
PRECISIONS = ("fp32", "bf16")
CLASS_WEIGHTS = ("none", "balanced")
LARGEST_SEED = 2**31
BOUNDS = {
    "above": (operator.gt, "above {}"),
    "least": (operator.ge, "{} or more"),
    "below": (operator.lt, "below {}"),
    "most": (operator.le, "up to {}"),
}
NUMBER = re.compile(r"\s*(\d*\.?\d+(?:e-?\d+)?)\s*(%?)\s*")
NO_ENCODER = "none"  # what `encoder` is for a method that reads none
CONTROL = ("control", "control-large")  # the embedded encoders
CONTROL_RATE = 10  # times what others learn at: they are small and little trained


def file_type(path: str | Path) -> str:
    """The ending that says how a file is written: ".csv" of "reviews.CSV.gz"."""
    path = Path(path)
    return Path(path.stem if path.suffix.lower() == ".gz" else path.name).suffix.lower()


def is_path(corpus: str) -> bool:
    """Whether a corpus is the reader's own file or folder rather than a name."""
    return file_type(corpus) in FILE_TYPES or os.sep in corpus or "/" in corpus


class Off(NamedTuple):
    """When a field has no effect: where `field` has `value`, and what to do about it."""

    field: str
    value: Any
    hint: str

    def holds(self, run: "Run") -> bool:
        """Whether this run has that value."""
        value = getattr(run, self.field)
        return not is_path(value) if self.value is is_path else value == self.value

    def reason(self, run: "Run") -> str:
        """Why the field has no effect in this run, such as "dev_fraction=0.0: there is no dev part"."""
        return f"{self.field}={getattr(run, self.field)!r}{self.hint}"


NO_FILE = Off("corpus", is_path, ": columns are named for files only, as in corpus='data/reviews.csv'")
NO_DEV = Off("dev_fraction", 0.0, ": there is no dev part")
NO_DECAY = Off("layer_decay", 1.0, ": there is no decay to exempt from")
NO_PRETRAINING = Off("further_pretraining", "none", ": choose within_task, in_domain, cross_domain or corpora by name")
NO_TASKS = Off("multitask", "none", ": name the tasks, as in 'movies+topics'")


def knob(
    default: Any,
    *,
    part: str,
    above: float | None = None,
    least: float | None = None,
    below: float | None = None,
    most: float | None = None,
    names: Iterable[str] | None = None,
    check: Callable[[Any], Any] | None = None,
    off: Off | None = None,
    corpora: str = "",
    added: bool = False,
) -> Any:
    """Declare a field of Run: all that is known of it, from which every check and table follows.

    part: what it belongs to (`choices.methods.PARTS`); a method that doesn't read this part leaves it without effect.
    above, least, below, most: its range. names: the strings allowed. check: raises ValueError for an invalid value.
    off: when it has no effect. corpora: "one" where it names a corpus, "several" for some joined by "+". added: it came
    after the first rows, and stays out of a run's identity while it has its default, so that rows made before keep
    their ids.
    """
    bounds = {"above": above, "least": least, "below": below, "most": most}
    return field(
        default=default,
        metadata={"part": part, "bounds": bounds, "names": names, "check": check, "off": off, "corpora": corpora}
        | {"added": added},
    )


@dataclass(frozen=True)
class Run:
    """One fine-tuning, complete: two equal runs give the same row.

    Plain scalars and strings only. Raises TypeError for an unknown field or a value of the wrong type, ValueError
    for an unknown name, a number out of range, and a field that the others leave without effect.
    """

    # the documents
    corpus: str = knob("imdb", part="documents", corpora="one")  # a name, a folder in data_dir, a file
    text_column: str = knob("text", part="documents", off=NO_FILE)
    label_column: str = knob("label", part="documents", off=NO_FILE)
    # of the training documents, dev included; smaller samples lie inside larger ones (§5.6)
    fraction: float = knob(1.0, above=0, most=1, part="documents")
    # of these, set aside to choose the epoch; 0: none, and the last epoch is kept
    dev_fraction: float = knob(0.1, least=0, most=0.5, part="documents")
    test_size: int = knob(0, least=0, part="documents")  # test documents that are scored, the same in all runs; 0: all
    # the corpus whose test documents are scored, of the same classes; "": its own
    tested_on: str = knob("", part="documents", corpora="one", added=True)
    # sample, dev split, head's first weights, order, dropout
    seed: int = knob(0, least=0, below=LARGEST_SEED, part="documents")
    # sample and dev split alone, so that runs with other seeds learn from the same documents; -1: those of `seed`
    sample_seed: int = knob(-1, least=-1, below=LARGEST_SEED, part="documents", added=True)

    method: str = knob("fine_tune", check=METHODS.check, part="documents", added=True)  # "lora:8"

    # what the encoder sees (§5.3.1) and what is read of it (§5.3.2)
    # "control", "minilm", a folder, a hub id, or "id@revision"
    encoder: str = knob("google-bert/bert-base-uncased", part="encoder")
    truncation: str = knob("head+tail:128", check=TRUNCATIONS.check, part="segments")
    window: int = knob(512, least=3, part="segments")  # word pieces with [CLS] and [SEP]
    # put before each segment, as encoders want it that were trained with instructions: "classification: "
    prefix: str = knob("", part="segments", added=True)
    layers: str = knob("last", check=parse_layers, part="encoder")  # "11", "last", "concat:8-11", "mean:0-3"
    # of a segment's pieces: the state of [CLS], or the mean or maximum of all
    piece_pooling: str = knob("cls", check=PIECE_POOLINGS.check, part="vector", added=True)
    segment_pooling: str = knob("none", check=SEGMENT_POOLINGS.check, part="segments")  # of several segments

    # optimisation (§5.2, §5.3.3, §5.3.4)
    learning_rate: float = knob(2e-5, above=0, below=1, part="training")
    layer_decay: float = knob(1.0, above=0, most=1, part="fine_tuning")  # ξ: a layer's rate over that of the one above
    # False: embeddings at the base rate, as in the authors' code
    decay_embeddings: bool = knob(True, off=NO_DECAY, part="fine_tuning")
    schedule: str = knob("slanted_triangular", check=SCHEDULES.check, part="training")
    warmup: float = knob(0.1, least=0, below=1, part="training")  # share of the steps
    epochs: int = knob(4, least=1, part="training")
    min_steps: int = knob(0, least=0, part="training")  # more epochs where `epochs` make fewer steps than this
    batch_size: int = knob(24, least=1, part="training")  # documents
    weight_decay: float = knob(0.01, least=0, below=1, part="training")
    bias_correction: bool = knob(True, part="training")  # False: the paper's BERTAdam
    max_grad_norm: float = knob(1.0, above=0, part="training")  # over all parameters together; float('inf'): none
    dropout: float = knob(0.1, least=0, below=1, part="fine_tuning")  # on hidden states
    attention_dropout: float = knob(0.0, least=0, below=1, part="fine_tuning")  # the paper's is 0.1; 0 is faster
    head_dropout: float = knob(0.1, least=0, below=1, part="head")
    # bf16: half precision where the hardware multiplies in it, else float32; the row records which it was
    precision: str = knob("fp32", names=PRECISIONS, part="encoder")
    # of the classes in the loss: "balanced" gives all classes the same total weight, whatever their sizes
    class_weights: str = knob("none", names=CLASS_WEIGHTS, part="head", added=True)

    # further pretraining of the encoder (§4.2, §5.4): on the texts of this corpus ("within_task"), of all of its kind
    # ("in_domain"), of all ("cross_domain"), or of corpora by name ("movies+restaurants")
    further_pretraining: str = knob("none", part="pretraining", corpora="several", added=True)
    pretraining_steps: int = knob(0, least=0, part="pretraining", off=NO_PRETRAINING, added=True)
    # the unlabelled texts of these corpora too
    pretraining_unlabelled: bool = knob(False, part="pretraining", off=NO_PRETRAINING, added=True)
    pretraining_learning_rate: float = knob(5e-5, above=0, below=1, part="pretraining", off=NO_PRETRAINING, added=True)
    pretraining_batch_size: int = knob(32, least=1, part="pretraining", off=NO_PRETRAINING, added=True)  # segments
    pretraining_window: int = knob(128, least=8, part="pretraining", off=NO_PRETRAINING, added=True)
    # this many steps come first, for the masked-LM head alone, where the weights lack it
    pretraining_head_steps: int = knob(0, least=0, part="pretraining", off=NO_PRETRAINING, added=True)
    pretraining_seed: int = knob(0, least=0, below=LARGEST_SEED, part="pretraining", off=NO_PRETRAINING, added=True)
    next_sentence: bool = knob(True, part="pretraining", off=NO_PRETRAINING, added=True)  # not for single sentences
    whole_word: bool = knob(False, part="pretraining", off=NO_PRETRAINING, added=True)  # mask all pieces of a word

    # fine-tuning on several tasks before that on the run's own (§4.3, §5.5): corpora by name ("movies+topics")
    multitask: str = knob("none", part="multitask", corpora="several", added=True)
    # documents of each of the other tasks, dev included; 0: all; of the run's own task: `fraction`
    multitask_documents: int = knob(0, least=0, part="multitask", off=NO_TASKS, added=True)
    # as many steps as it takes to read all tasks' documents this many times
    multitask_epochs: int = knob(4, least=1, part="multitask", off=NO_TASKS, added=True)
    multitask_learning_rate: float = knob(2e-5, above=0, below=1, part="multitask", off=NO_TASKS, added=True)
    multitask_sampling: str = knob("proportional", check=SAMPLINGS.check, part="multitask", off=NO_TASKS, added=True)

    # what is measured, and what epochs and strengths are chosen by on dev
    metric: str = knob("error", check=METRICS.check, part="documents", off=NO_DEV, added=True)
    evaluations: int = knob(1, least=1, part="head", off=NO_DEV, added=True)  # on dev in an epoch; the best is kept
    # measures masked-LM loss after the last step, on these texts ("general" or a corpus) and on the task's own
    retention: str = knob("none", part="retention", corpora="one", added=True)

    def __post_init__(self):
        for declared in fields(self):
            object.__setattr__(self, declared.name, _typed(declared, getattr(self, declared.name)))
            _check_value(declared, getattr(self, declared.name))
        self._check_method()
        for name, reason in unused_fields(self).items():
            if getattr(self, name) != DEFAULTS[name]:
                raise ValueError(f"{name}={getattr(self, name)!r} has no effect with {reason}.")
        self._check_segments()
        self._check_steps()

    def _check_method(self):
        reads_encoder = "encoder" in METHODS.entry(self.method).reads
        if reads_encoder == (self.encoder == NO_ENCODER):
            needs = "it needs one" if reads_encoder else f"it reads none, and takes encoder={NO_ENCODER!r}"
            raise ValueError(f"method={self.method!r} with encoder={self.encoder!r}: {needs}.")

    def _check_segments(self):
        TRUNCATIONS.find(self.truncation)([], self.window - 2)  # a ValueError where the window has no room
        several = TRUNCATIONS.entry(self.truncation).many
        if several and not SEGMENT_POOLINGS.entry(self.segment_pooling).many:
            poolings = ", ".join(name for name, entry in SEGMENT_POOLINGS.items() if entry.many)
            raise ValueError(
                f"segment_pooling={self.segment_pooling!r} with truncation={self.truncation!r}, which may give several "
                f"segments a document: choose one of {poolings}."
            )
        if not several and SEGMENT_POOLINGS.entry(self.segment_pooling).many:
            whole = ", ".join(name for name, entry in TRUNCATIONS.items() if entry.many)
            raise ValueError(
                f"segment_pooling={self.segment_pooling!r} has no effect with truncation={self.truncation!r}, which "
                f"leaves one segment a document: use segment_pooling='none', or a truncation that keeps several "
                f"({whole})."
            )

    def _check_steps(self):
        if self.further_pretraining != "none" and self.pretraining_steps == 0:
            raise ValueError(
                f"further_pretraining={self.further_pretraining!r} with pretraining_steps=0 changes nothing: say how "
                f"many steps (the paper's best is 100,000), or further_pretraining='none'."
            )
        if self.retention != "none" and self.layers != "last":
            raise ValueError(
                f"retention={self.retention!r} puts the pretrained head back onto the last layer: it needs "
                f"layers='last', not {self.layers!r}."
            )


DEFAULTS = {declared.name: declared.default for declared in fields(Run)}


def fields_of(*parts: str) -> tuple[str, ...]:
    """The names of the fields of Run that belong to these parts, in their order."""
    return tuple(declared.name for declared in fields(Run) if declared.metadata["part"] in parts)


def with_corpora(run: Run, name: Callable[[str], str]) -> Run:
    """The run with name(corpus) in place of each corpus that its fields name."""
    kinds = {declared.name: declared.metadata["corpora"] for declared in fields(run) if declared.metadata["corpora"]}
    named = {
        field: getattr(run, field).split("+") if kind == "several" else [getattr(run, field)]
        for field, kind in kinds.items()
    }
    return replace(run, **{field: "+".join(map(name, names)) for field, names in named.items()})


def unused_fields(run: Run) -> dict[str, str]:
    """The fields that have no effect given a run's other fields, and why: a dict of name to reason."""
    reads, reasons = entry.reads if (entry := METHODS.known(run.method)) else PARTS, {}
    for declared in fields(Run):
        off = declared.metadata["off"]
        if declared.metadata["part"] not in reads and declared.name != "encoder":
            reasons[declared.name] = f"method={run.method!r}, which reads {', '.join(reads)} only"
        elif off and off.holds(run):
            reasons[declared.name] = off.reason(run)
    return reasons


def outside_functions(run: Run) -> dict[str, str]:
    """The digests of the sources of a run's choices from outside the package: a dict of field to digest.

    Raises ValueError for one whose source can't be read.
    """
    specs = {kind: getattr(run, kind) for kind in REGISTRIES if kind in DEFAULTS} | {
        "layers": parse_layers(run.layers)[0]
    }
    digests = {kind: REGISTRIES[kind].entry(spec).source_digest() for kind, spec in specs.items()}
    return {kind: digest for kind, digest in digests.items() if digest}


def by_method(run: Run, method: str) -> Run:
    """The run of another method on the same documents.

    Fields that have no effect there get their defaults, and those of the method's `settings` its own values, of which
    a learning rate is CONTROL_RATE times as high for the embedded encoders.
    """
    entry = METHODS.entry(method)
    settings = {"encoder": NO_ENCODER} if "encoder" not in entry.reads else {}
    settings |= entry.settings
    if "learning_rate" in settings and run.encoder in CONTROL:
        settings["learning_rate"] *= CONTROL_RATE
    copied = {name: getattr(run, name) for name in fields_of(*entry.reads)}
    return Run(**copied | settings | {"method": method})


def check_field(name: str, value: Any) -> Any:
    """A value for a field of Run, as its declared type. Raises TypeError and ValueError as Run does for this field."""
    declared = next(one for one in fields(Run) if one.name == name)
    value = _typed(declared, value)
    _check_value(declared, value)
    return value


def _check_value(one: Field, value: Any) -> None:
    """Raise ValueError for a value out of its field's range, or a name that is unknown."""
    if isinstance(value, str) and not value.strip() and one.default:
        raise ValueError(f"{one.name}={value!r}: it can't be blank; give a name, as in {one.name}={one.default!r}.")
    bounds = {name: bound for name, bound in one.metadata["bounds"].items() if bound is not None}
    if not all(BOUNDS[name][0](value, bound) for name, bound in bounds.items()):
        allowed = ", ".join(BOUNDS[name][1].format(bound) for name, bound in bounds.items())
        raise ValueError(f"{one.name}={value}: allowed is {allowed}, as in {one.name}={one.default!r}.")
    if one.metadata["names"] and value not in one.metadata["names"]:
        raise no_such(one.name, value, one.metadata["names"])
    if one.metadata["check"]:
        one.metadata["check"](value)


def _typed(one: Field, value: Any) -> Any:
    """The field's value as its declared type; whole numbers may stand for floats, numpy scalars for Python's."""
    value = value.item() if hasattr(value, "item") else value
    if one.type is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if type(value) is not one.type:
        raise TypeError(
            f"{one.name}={brief(value)}: expected {one.type.__name__}, got {type(value).__name__}. Write it as in "
            f"{one.name}={_meant(one, value)!r}."
        )
    return value


def _meant(one, value):
    """A value that a field takes: what a text was meant to be, as 0.04 by "4%", or else the default."""
    number = NUMBER.fullmatch(value) if isinstance(value, str) and one.type in (int, float) else None
    return one.type(float(number[1]) / (100 if number[2] else 1)) if number else one.default


def identity(run: Run) -> dict[str, Any]:
    """The fields that name a run: all of the first version, and later ones where they differ from their default."""
    return {
        declared.name: getattr(run, declared.name)
        for declared in fields(run)
        if not declared.metadata.get("added") or getattr(run, declared.name) != declared.default
    }


def grid(base: Run, **axes: Iterable) -> list[Run]:
    """All combinations of the axes' values over `base`, the last axis fastest: a plan.

    >>> plan = grid(Run(), fraction=[0.004, 0.01], seed=range(3))  # 6 runs

    Raises TypeError for an axis that is no field of Run and for a value given without a list.
    """
    base_fields = asdict(base)
    for name, values in axes.items():
        if name not in base_fields:
            raise no_such("field", name, base_fields, TypeError)
        if isinstance(values, str) or not hasattr(values, "__iter__"):
            raise TypeError(f"{name}={values!r}: a grid takes a list of values, as in {name}=[{values!r}].")
    return [replace(base, **dict(zip(axes, values, strict=True))) for values in product(*axes.values())]
