"""One run to one row: the engine that makes all rows, those of the study and those of a reader's own data."""

import gc
import platform
import time
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np
import torch

from ..choices.methods import METHODS
from ..data.corpora import LIBRARY, Library
from ..data.sampling import Documents, draw
from ..model.loading import encoder_commit
from ..model.locations import weights_hash
from ..model.precision import arithmetic
from ..runs import NO_ENCODER, Run
from ..training.job import Job, Outcome
from ..training.log import logged
from ..versions import STAGES
from .rows import name_of, squeeze, stages_of
from .workers import few_threads

PACKAGES = ("torch", "transformers", "accelerate", "numpy")


def train(
    run: Run,
    progress: bool = True,
    library: Library = LIBRARY,
    stop: Callable[[], None] | None = None,
) -> tuple[Any, dict]:
    """Carry a run out and give (classifier, row). Nothing is stored: `save` the classifier with its row.

    It is a `Classifier` or a `WordsClassifier`; with method="tfidf" a scikit-learn pipeline, whose classes are places
    in the row's labels. `stop` is called before every batch, and stops the run by raising.
    """
    gc.collect()  # models of earlier runs, which are in cycles with their optimizers: a hundred MB of each and more
    begin, name = time.perf_counter(), name_of(run, library)
    corpus = library.of(run)
    documents = draw(corpus, run)
    method = METHODS.find(run.method)()
    with few_threads(run), logged(run, name.id) as (log, tell):
        done = method.carry_out(Job(run, corpus, documents, library, progress, stop, log))
        tell(done.error)
        device, dtype = device_of(done.classifier), arithmetic_of(done.classifier, run)
    row = {
        "id": name.id,
        "run": asdict(name.run),
        "fingerprint": name.fingerprint,
        "made_from": name.made_from,
        "labels": list(corpus.labels),
        "stages": {stage: STAGES[stage] for stage in stages_of(run)},
        "device": device,
        "arithmetic": dtype,
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "encoder_commit": None if run.encoder == NO_ENCODER else encoder_commit(run.encoder),
        "weights": None if run.encoder == NO_ENCODER else weights_hash(run.encoder),
        **_told(done, documents),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    row["seconds"] = {"train": done.history[-1]["seconds"], **done.seconds}
    row["seconds"]["all"] = time.perf_counter() - begin + row["seconds"].pop("saved", 0.0)
    return done.classifier, row


def compute(run: Run, progress: bool = True, library: Library = LIBRARY) -> dict:
    """Carry a run out and give its row. Nothing is stored."""
    return train(run, progress, library)[1]


def device_of(classifier: Any) -> str:
    """The device that a classifier was computed on, its name, and the number of threads, as a row records it."""
    device = getattr(classifier, "device", torch.device("cpu"))
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return f"{device.type}: {name}, {torch.get_num_threads()} threads"


def arithmetic_of(classifier: Any, run: Run) -> str | None:
    """The type of number that an encoder's matrices are multiplied in: "bfloat16", "float32"; None without encoder."""
    if not hasattr(classifier, "device"):
        return None
    return str(arithmetic(classifier.device, run.precision)).removeprefix("torch.")


def _told(done: Outcome, documents: Documents) -> dict:
    """The entries of a row that come from the outcome."""
    history = done.history
    ranked = [entry for entry in history if entry.get("dev_rank") is not None]
    chosen = min(ranked, key=lambda entry: (entry["dev_rank"], entry["dev_loss"])) if ranked else history[-1]
    arrays = {"truth": documents.test.classes, "predictions": done.predicted}
    return {
        "documents": {name: len(split.texts) for name, split in zip(documents._fields, documents, strict=True)},
        "history": history,
        "epoch": chosen["epoch"],
        "error": done.error,
        "loss": done.loss,
        **{name: squeeze(values) for name, values in arrays.items()},
        **{name: squeeze(value) if isinstance(value, np.ndarray) else value for name, value in done.more.items()},
    }
