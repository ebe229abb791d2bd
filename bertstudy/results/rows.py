"""A result is a row: one JSON file a run, named by a hash of the run and of its corpus; made once, kept for good."""

import base64
import hashlib
import json
import os
import platform
import time
import zlib
from collections import Counter
from dataclasses import asdict, fields, replace
from datetime import UTC, datetime
from functools import lru_cache, partial
from importlib.metadata import version
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
from filelock import FileLock

from ..run import Run, identity, idle
from ..paths import PACKAGE, REPORTS, RUNS

# The files a result depends on: another hash of them marks a row as made by other code.
RESULT_CODE = (
    "baselines",
    "batching",
    "corpora",
    "encoder",
    "model",
    "multitask",
    "optim",
    "pooling",
    "pretraining",
    "retention",
    "sentences",
    "training",
    "truncation",
)
LONGEST = 65_535  # pieces a test document is told to have
PACKAGES = ("torch", "transformers", "accelerate", "numpy")


def folder(profile, kind="rows"):
    """Where a profile's rows are, or with kind "corpora" its surveys of corpora (`survey.stored`)."""
    return REPORTS / profile / kind


@lru_cache(maxsize=1)
def code_hash():
    """Twelve hex digits of the source that decides results."""
    digest = hashlib.sha256()
    for name in RESULT_CODE:
        digest.update((PACKAGE / f"{name}.py").read_bytes())
    return digest.hexdigest()[:12]


def run_id(run, fingerprint):
    """Sixteen hex digits that name a run on a corpus of this fingerprint."""
    text = json.dumps({**identity(run), "fingerprint": fingerprint}, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def squeeze(numbers):
    """n whole numbers below 65,536, such as classes, as a short text, for a row."""
    return base64.b85encode(zlib.compress(np.asarray(numbers, dtype=np.uint16).tobytes(), 9)).decode()


def unsqueeze(text):
    """The numbers again: (n) uint16."""
    return np.frombuffer(zlib.decompress(base64.b85decode(text)), dtype=np.uint16)


def wrong(row):
    """Which test documents of a row are errors: (n) of bool, in the order that all rows with these documents have."""
    return unsqueeze(row["predictions"]) != unsqueeze(row["truth"])


def write(path, value):
    """Write a JSON file whole or not at all."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(f".{os.getpid()}.part")
    part.write_text(json.dumps(value, indent=1, ensure_ascii=False, sort_keys=True) + "\n", encoding="utf-8")
    part.replace(path)


def _device(device):
    import torch

    name = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    return f"{device.type}: {name}, {torch.get_num_threads()} threads"


def _path(run, profile):
    """Where the row of a run is, or will be."""
    from ..data.corpora import corpus_of

    return folder(profile) / f"{run_id(run, corpus_of(run).fingerprint)}.json"


def compute(run, corpus, progress=True):
    """Carry a run out and give its row. Nothing is stored here."""
    return _carried_out(run, corpus, progress)[1]


def train(run, progress=True):
    """Carry a run out and keep the classifier: (Classifier, row). Nothing is stored; `save` it with its row.

    With method="tfidf" it is a scikit-learn pipeline, whose classes are numbers into the row's labels.
    """
    from ..data.corpora import corpus_of

    return _carried_out(run, corpus_of(run), progress)


def _carried_out(run, corpus, progress):
    from ..data.corpora import draw

    begin = time.perf_counter()
    documents = draw(corpus, run)
    carry_out = _of_words if run.method == "tfidf" else _of_an_encoder
    classifier, found = carry_out(run, corpus.labels, documents, progress)
    history, seconds = found["history"], found.pop("seconds")
    kept = min(history, key=lambda one: (one["dev_error"], one["dev_loss"])) if documents.dev.texts else history[-1]
    return classifier, {
        "id": run_id(run, corpus.fingerprint),
        "run": asdict(run),
        "fingerprint": corpus.fingerprint,
        "labels": list(corpus.labels),
        "documents": {name: len(split.texts) for name, split in zip(documents._fields, documents, strict=True)},
        "epoch": kept["epoch"],
        "truth": squeeze(documents.test.classes),
        "seconds": {**seconds, "train": history[-1]["seconds"], "all": time.perf_counter() - begin},
        "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        "code": code_hash(),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        **found,
    }


def _of_words(run, labels, documents, progress):
    """TF-IDF with logistic regression: (pipeline, what a row tells of it)."""
    import torch

    from ..training.methods.tfidf import floor, score

    model, history = floor(documents, len(labels))
    begin = time.perf_counter()
    error, loss, predicted = score(model, documents.test, len(labels))
    return model, {
        "history": history,
        "error": error,
        "loss": loss,
        "predictions": squeeze(predicted),
        "seconds": {"test": time.perf_counter() - begin},
        "device": _device(torch.device("cpu")),
    }


def _of_an_encoder(run, labels, documents, progress):
    """An encoder's fine-tuning, or a reader on its features: (Classifier, what a row tells of it)."""
    from .workers import few_threads

    with few_threads(run):
        return _fine_tuned(run, labels, documents, progress)


def untrained(run, labels, progress=True):
    """A run's classifier before its fine-tuning: the encoder as further pretraining and other tasks have left it.

    Gives (classifier, folder of the further pretrained encoder or None, folder of the multi-task one or None).
    """
    from accelerate import PartialState

    from ..model.classifier import Classifier
    from ..training.multitask import fine_tuned_together, take_head
    from ..training.pretraining import further_pretrained

    if run.multitask != "none" and PartialState().num_processes > 1:
        raise ValueError(
            f"multitask={run.multitask!r} with {PartialState().num_processes} processes: the tasks are fine-tuned "
            f"together in one. Make this run without `accelerate launch` first."
        )
    pretrained = further_pretrained(run, progress)
    shared = fine_tuned_together(run, pretrained, progress)
    classifier = Classifier.build(run, labels, shared or pretrained)
    if shared:
        take_head(classifier, shared)
    return classifier, pretrained, shared


def _fine_tuned(run, labels, documents, progress):
    from ..training.retention import measure
    from ..training.fine_tuning import evaluate, fit

    classifier, pretrained, shared = untrained(run, labels, progress)
    train, dev = ((classifier.segmenter(split.texts), split.classes.tolist()) for split in documents[:2])
    retained = []
    at_end = (lambda: retained.append(measure(classifier, run, pretrained))) if run.retention != "none" else None
    history = fit(classifier, train, dev if dev[0] else None, progress=progress, at_end=at_end)
    tested = time.perf_counter()
    pieces = classifier.segmenter.pieces(documents.test.texts)
    error, loss, predicted = evaluate(classifier, classifier.segmenter.segments(pieces), documents.test.classes)
    return classifier, {
        "pretraining": pretrained and json.loads((pretrained / "history.json").read_text(encoding="utf-8")),
        "multitasked": shared and json.loads((shared / "multitask.json").read_text(encoding="utf-8")),
        "depth": classifier.encoder.config.num_hidden_layers,
        "history": history,
        "error": error,
        "loss": loss,
        "retention": retained[0] if retained else None,
        "predictions": squeeze(predicted),
        "lengths": squeeze(np.minimum([len(ids) for ids in pieces], LONGEST)),
        "seconds": {"test": time.perf_counter() - tested},
        "pieces_per_second": history[-1]["pieces"] / history[-1]["seconds"],
        "device": _device(classifier.device),
    }


def run(run, profile, progress=True):
    """The row of a run: read where it exists, else computed and stored. Safe to call from several processes at once."""
    from accelerate import PartialState
    from accelerate.utils import broadcast_object_list

    from ..data.corpora import corpus_of

    state, path = PartialState(), _path(run, profile)
    (RUNS / "locks").mkdir(parents=True, exist_ok=True)
    lock = FileLock(RUNS / "locks" / f"{profile}-{path.stem}.lock")
    if state.is_main_process:  # of a distributed run only the first process locks and writes
        lock.acquire()
    try:
        found = [path.is_file()]
        if state.num_processes > 1:
            broadcast_object_list(found)
        if not found[0]:
            row = compute(run, corpus_of(run), progress)
            if state.is_main_process:
                write(path, row)
        state.wait_for_everyone()
    finally:
        lock.release()
    return json.loads(path.read_text(encoding="utf-8"))


def missing(plan, profile):
    """The runs of a plan that have no row yet."""
    return [one for one in plan if not _path(one, profile).is_file()]


def run_all(plan, profile, progress=True, workers=1):
    """Carry out what is missing of a plan and give the rows of all of it as a table; a run that is there twice, once.

    Each row is stored when it is done: an interruption loses the runs in progress and no other. With `workers` above
    1 so many processes share the runs; 0 is one a core where the encoders are small (see `workers.how_many`).
    """
    from tqdm.auto import tqdm

    plan = list(dict.fromkeys(plan))
    todo = missing(plan, profile)
    made = _made(todo, profile, progress, workers)
    for _ in tqdm(made, total=len(todo), unit="run", leave=False, disable=not progress or not todo):
        pass
    place = folder(profile).relative_to(REPORTS.parent)
    print(f"{len(plan)} runs: {len(todo)} made now, {len(plan) - len(todo)} read from {place}.")
    return _told(rows(profile, [_path(one, profile).stem for one in plan]))


def stored(plan, profile):
    """The rows of a plan that are there, as `run_all` gives them; nothing is run.

    The ids of runs without a row are in the table's `attrs["missing"]`. Raises ValueError where no run has one.
    """
    plan = list(dict.fromkeys(plan))
    ids = [_path(one, profile).stem for one in plan]
    there = present(profile, ids)
    lacking = sorted(set(ids) - set(there))
    if not there:
        raise ValueError(f"None of the {len(plan)} runs of this plan has a row in {folder(profile)}: run the plan.")
    missing_too = f", {len(lacking)} are missing, and none was made" if lacking else ""
    print(f"{len(plan)} runs: {len(there)} read from {folder(profile).relative_to(REPORTS.parent)}{missing_too}.")
    table = _told(rows(profile, there))
    table.attrs["missing"] = lacking
    return table


def _told(table):
    """The rows, after it is said how long they took, and how many of them other code has made."""
    minutes = sum(seconds["all"] for seconds in table["seconds"]) / 60
    print(
        f"One after the other they took {f'{minutes / 60:.1f} hours' if minutes >= 60 else f'{minutes:.1f} minutes'}."
    )
    other = int((table["code"] != code_hash()).sum())
    if other:
        print(
            f"{other} of them were made by other code than this; to make them again delete those files, and in runs/ "
            f"what they were made from: pretrained and multitask."
        )
    return table


def _made(todo, profile, progress, workers):
    """Carry runs out, here or in other processes; yields after each."""
    from .workers import how_many, share

    processes = min(how_many(todo, workers), len(todo))
    if processes > 1:
        yield from share(todo, partial(run, profile=profile, progress=False), processes)
    else:
        yield from (run(one, profile, progress) for one in todo)


def present(profile, ids, kind="rows"):
    """Those of these ids that have a row, or a survey."""
    return [one for one in ids if (folder(profile, kind) / f"{one}.json").is_file()]


def _read(paths):
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def rows(profile, ids=None, kind="rows"):
    """Stored rows as a table: a column for each field of the run, then id, error, documents, history and the rest.

    With `ids` those rows, in that order; with kind "corpora" surveys. Reads files only: neither torch nor a corpus is
    needed.
    """
    place = folder(profile, kind)
    paths = [place / f"{one}.json" for one in ids] if ids is not None else sorted(place.glob("*.json"))
    loaded = _read(paths)
    if kind != "rows":
        return pd.DataFrame(loaded)
    added = {one.name: one.default for one in fields(Run) if "added" in one.metadata}  # rows made before them
    told = dict.fromkeys(("pretraining", "multitasked", "retention", "lengths", "depth", "pieces_per_second"))
    return pd.DataFrame([{**added, **one.pop("run"), **told, **one} for one in loaded])


def describe(plan):
    """A plan as a table: what all its runs share is left out, runs that differ in the seed alone are counted.

    A field is blank in runs where it has no effect, and left out where all others share it.
    """
    counted = Counter(replace(one, seed=0) for one in plan)
    return _varied(counted).assign(seeds=list(counted.values()))


def behind(profile, ids):
    """Stored rows as a table to read: id, the fields in which their runs differ, error, test documents, made, code."""
    loaded = _read(folder(profile) / f"{one}.json" for one in ids)
    defaults = {one.name: one.default for one in fields(Run)}  # of fields added after a row; a Run would need torch
    told = _varied(SimpleNamespace(**defaults | one["run"]) for one in loaded)
    told.insert(0, "id", list(ids))
    return told.assign(
        error=[one["error"] for one in loaded],
        documents=[one["documents"]["test"] for one in loaded],
        made=[one["made"][:10] for one in loaded],
        code=[one["code"] for one in loaded],
    )


def _varied(runs):
    """The fields in which runs differ, a line each, blank where a field has no effect."""
    table = pd.DataFrame([{name: value for name, value in vars(one).items() if name not in idle(one)} for one in runs])
    shown = table[[name for name in table if table[name].nunique() > 1]].astype(object)
    return shown.map(lambda value: f"{value:g}" if isinstance(value, float) else value).where(shown.notna(), "")
