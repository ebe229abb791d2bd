"""Advice on the reader's own data, within a number of minutes: which error to expect, which recipe to use.

The documents set aside ("dev") draw the learning curve and choose the recipe; the test documents are scored once, by
the recipe that was chosen. What fits into the minutes is planned by the speed that is measured. Rows are kept in
runs/your_data: what was run once is read the next time, so that more minutes go on where fewer stopped.
"""

import logging
import time
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from itertools import product
from math import ceil
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from ..analysis.drawing import FIGURES
from ..choices.truncation import TRUNCATIONS
from ..model.batching import size
from ..model.classifier import Classifier
from ..model.encoder import PRETRAINED_AS, encoder_config
from ..results import execution
from ..results.rows import name_of, stale_stages
from ..results.workers import few_threads
from ..runs import Run, baseline
from ..training.fine_tuning import epochs_of, fit
from . import budget
from .documents import BEYOND, YourData, beyond, measure_lengths
from .figures import DEFAULT, WORDS, your_curve_data
from .findings import Finding

LOG = logging.getLogger(__name__)
FEW = 1000  # labels, below which learning rate and epochs are worth trying
ENOUGH = 50_000  # word pieces of text, from where on further pretraining is worth trying
CURVE_SHARE = 0.6  # of the minutes, where there are recipes to try beside the default
WORDS_SHARE, TEST_SHARE = 0.1, 0.1  # for a fit of the floor, for scoring test
PROBE_SHARE, DEV_SHARE = 0.05, 0.04  # for measuring the speed, for scoring dev in a run
SMALLER_DEV = (800, 400, 200)  # documents
OVERHEAD = 1.0  # seconds of a run that are neither training nor prediction
WORTH = 1.2  # times the labels, from where on it is worth training once more
PRETRAINING = 2.0  # what a piece costs in masked-LM training, in pieces of fine-tuning


def _is_stored(run, data):
    """Whether there is a row of a run, made as it would be made today."""
    row_id = name_of(run, data.library).id
    return row_id in data.store and not stale_stages(data.store.read(row_id))


def _row(run, data, recipe, stop=None):
    """The row of a run: read, or made and written. `recipe` is its name in tables."""
    row_id = name_of(run, data.library).id
    if not _is_stored(run, data):
        data.classifier, row = execution.train(run, progress=False, library=data.library, stop=stop)
        data.store.write(row)
    row = data.store.read(row_id) | {"recipe": recipe, "available": len(data.train.texts)}
    data.rows = [tried for tried in data.rows if (tried["id"], tried["recipe"]) != (row["id"], recipe)] + [row]
    return row


def rows(data: YourData) -> pd.DataFrame:
    """What has been tried so far as a table, for figures: recipe, documents, predictions on dev, and the rest."""
    return pd.DataFrame(data.rows)


def figure(name: str, tried: pd.DataFrame) -> plt.Figure:
    """Draw a registered figure of rows."""
    chart = FIGURES[name](tried)
    plt.close(chart)
    return chart


def _leave_out(data, recipe, labelled, seconds, why):
    line = {"recipe": recipe, "labelled": labelled, "minutes": seconds / 60 if seconds else None, "why": why}
    rest = [entry for entry in data.left_out if (entry["recipe"], entry["labelled"]) != (recipe, labelled)]
    data.left_out = [*rest, line]


def _least(data):
    """The smallest number of documents that is trained on: a few of the two commonest classes at the least."""
    second = np.sort(np.bincount(data.train.classes))[-2] / len(data.train.classes)
    return min(len(data.train.texts), max(20, 2 * len(data.labels), ceil(3 / second)))


def _sample(data, labelled, **changes):
    """The base run on so many of the training documents."""
    return replace(data.base, fraction=labelled / len(data.train.texts), **changes)


def floor(data: YourData) -> pd.DataFrame:
    """The floor: TF-IDF with logistic regression on ever more documents. A table: labelled, error on dev, interval.

    It ends with all documents, or before the fit that would take more than its share of the minutes.
    """
    total, took = len(data.train.texts), 0.0
    for labelled in [total // part for part in budget.HALVINGS if total // part >= _least(data)]:
        run = baseline(_sample(data, labelled, test_size=0), "tfidf")
        if 2.5 * took > WORDS_SHARE * data.clock.seconds and not _is_stored(run, data):
            _leave_out(data, WORDS, labelled, 2.5 * took, "not enough minutes")
            break
        row = _row(run, data, WORDS)
        took = row["seconds"]["all"]
    return your_curve_data(pd.DataFrame(floors(data)))[["labelled", "error", "low", "high"]]


def floors(data: YourData) -> list[dict]:
    """The rows of the floor."""
    return [row for row in data.rows if row["recipe"] == WORDS]


@lru_cache(maxsize=16)
def _kept(truncation, window, lengths):
    cut, room = TRUNCATIONS.find(truncation), window - 2
    return float(np.mean([sum(len(segment) + 2 for segment in cut([0] * length, room)) for length in lengths]))


def pieces_of(data: YourData, run: Run) -> float:
    """Word pieces of a document on average, as the run's truncation leaves them."""
    return _kept(run.truncation, run.window, tuple(data.lengths.tolist()))


def seconds_of(run: Run, data: YourData) -> float:
    """Seconds that a run takes, by the speed measured last; 0 where its row exists."""
    if _is_stored(run, data):
        return 0.0
    labelled, pieces = round(run.fraction * len(data.train.texts)), pieces_of(data, run)
    training = epochs_of(run, labelled) * labelled * pieces
    if run.further_pretraining != "none":
        steps = run.pretraining_steps + run.pretraining_head_steps
        training += PRETRAINING * steps * run.pretraining_batch_size * run.pretraining_window
    return OVERHEAD + data.speed.of(training, (run.test_size or len(data.dev.texts)) * pieces)


def measure(data: YourData) -> None:
    """The speed of this encoder on this machine with these documents: a few steps of training and prediction."""
    run, labels = replace(data.base, epochs=1, min_steps=0), data.train.classes.tolist()
    begin, room = time.perf_counter(), PROBE_SHARE * data.clock.seconds
    with few_threads(run):
        classifier = Classifier.build(run, data.labels)
        for start in range(0, 4 * run.batch_size, run.batch_size):  # the first steps are slower than those that follow
            chosen = [index % len(labels) for index in range(start, start + run.batch_size)]
            documents = classifier.segmenter([data.train.texts[index] for index in chosen])
            last = fit(classifier, (documents, [labels[index] for index in chosen]), progress=False)[-1]
            if time.perf_counter() - begin > room:
                break
        predicting = time.perf_counter()
        classifier.logits(documents)
    predicting = time.perf_counter() - predicting
    data.speed = budget.Speed(last["seconds"] / last["pieces"], predicting / sum(map(size, documents)))


def candidates(data: YourData, labelled: int) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """What may be better than the default with so many labels, by worth: (kind, name, changes to the run).

    Truncation (§5.3.1) where documents exceed the window; further pretraining on the task's own texts (§5.4) where
    there is text enough; learning rate and epochs where labels are few.
    """
    if beyond(data) > BEYOND:
        for name, truncation, pooling in (
            ("all, in chunks", "chunks", "attention"),
            ("head only", "head", "none"),
            ("tail only", "tail", "none"),
        ):
            yield "truncation", name, {"truncation": truncation, "segment_pooling": pooling}
    if _text_pieces(data) >= ENOUGH and encoder_config(data.base.encoder).model_type in PRETRAINED_AS:
        settings = data.profile.pretraining | {"next_sentence": False, "further_pretraining": "within_task"}
        settings["pretraining_window"] = min(settings.get("pretraining_window", 128), data.base.window)
        yield "pretraining", "pretrained further", settings | {"pretraining_unlabelled": bool(data.unlabelled)}
    if labelled < FEW:
        rate = data.base.learning_rate
        yield "rate", "twice the learning rate", {"learning_rate": 2 * rate}
        yield "rate", "half the learning rate", {"learning_rate": rate / 2}
        doubled = {"epochs": 2 * data.base.epochs, "min_steps": 2 * data.base.min_steps}
        yield "epochs", "twice the epochs", doubled


def _text_pieces(data):
    """Word pieces there are to pretrain on, about."""
    return float(data.lengths.mean()) * (len(data.train.texts) + len(data.unlabelled))


def _shorten_dev(data, pieces):
    """Score a sample of dev where all takes too large a share of the minutes; of few sizes, so that rows are found."""
    affordable = DEV_SHARE * data.clock.seconds / (data.speed.prediction * pieces)
    if affordable < len(data.dev.texts):
        shorter = [number for number in SMALLER_DEV if number < len(data.dev.texts)]
        fitting = [number for number in shorter if number <= affordable] or shorter[-1:] or [0]
        data.base = replace(data.base, test_size=fitting[0])


def _sizes(data, cost, shares=(CURVE_SHARE, 1.0)):
    """The sizes of the curve that fits. Rather than to read few documents over and over, take fewer steps.

    shares: of the minutes, those that are tried, the first that will do is taken.
    """
    usual, total = data.base.min_steps, len(data.train.texts)
    for steps, share in product((usual, usual // 2, usual // 4, 0), shares):
        data.base = replace(data.base, min_steps=steps)
        sizes = budget.curve(cost, share * data.clock.left, total, _least(data))
        if sizes and (sizes[-1] == total or epochs_of(data.base, sizes[-1]) <= 2 * data.base.epochs):
            if steps < usual:
                LOG.info(f"The minutes are too few for {usual} steps a run, this profile's least: {steps} are taken.")
            return sizes
    return []


def _room(data, sizes, cost):
    """Whether beside a curve of these sizes there is time for a recipe that may be better."""
    left = data.clock.left - budget.SPARE * sum(map(cost, sizes))
    tried = (_sample(data, sizes[-1], **changes) for _, _, changes in candidates(data, sizes[-1]))
    return any(budget.SPARE * seconds_of(run, data) <= left for run in tried)


def plan(data: YourData) -> Finding:
    """Measure the speed, plan the runs, and give a table of them: recipe, labelled, minutes, whether it fits.

    First the default recipe on ever more labels, then what may be better, one after the other, each a change to the
    best so far. What an earlier plan has tried is forgotten. Raises ValueError where not even the smallest run fits
    into the minutes.
    """
    if data.lengths is None:
        measure_lengths(data)
    data.base = replace(data.base, test_size=0, min_steps=data.profile.base.min_steps)
    data.rows = floors(data)
    data.left_out = [line for line in data.left_out if line["recipe"] == WORDS]
    measure(data)
    pieces, total = pieces_of(data, data.base), len(data.train.texts)
    _shorten_dev(data, pieces)
    words = max((row["seconds"]["all"] for row in floors(data)), default=0.0)  # it is fitted again for the test
    to_test = min(data.speed.of(0, len(data.test.texts) * pieces), TEST_SHARE * data.clock.seconds)
    data.clock.reserve = 3 + words + to_test + 0.02 * data.clock.seconds
    cost = lambda labelled: seconds_of(_sample(data, labelled), data)  # noqa: E731
    sizes = _sizes(data, cost)
    if not sizes:
        gone = data.clock.seconds - data.clock.left
        needed = ceil((budget.SPARE * cost(_least(data)) + gone) / 60 + 1)
        raise ValueError(
            f"budget_minutes={data.clock.seconds / 60:g}: the smallest useful run, {_least(data)} labelled documents "
            f"with encoder={data.base.encoder!r}, takes {cost(_least(data)) / 60:.1f} minutes by the speed of this "
            f"machine, and {gone / 60:.1f} are gone or set aside since the setup. Give {needed} minutes or more, or a "
            f"smaller encoder; where the time went into reading this page, run all cells again from the setup."
        )
    if sizes[-1] < total and not _room(data, sizes, cost):
        sizes = _sizes(data, cost, shares=(1.0,)) or sizes
    data.sizes, left, lines = sizes, data.clock.left, []
    for recipe, run in [(DEFAULT, _sample(data, number)) for number in sizes] + [
        (name, _sample(data, sizes[-1], **changes)) for _, name, changes in candidates(data, sizes[-1])
    ]:
        seconds = seconds_of(run, data)
        fits = budget.SPARE * seconds <= left
        left -= budget.SPARE * seconds if fits else 0.0
        labelled = round(run.fraction * total)
        lines.append((recipe, labelled, seconds / 60, "yes" if fits else "no, unless runs are faster than planned"))
    speeds = (f"{1 / speed:,.0f}" for speed in (data.speed.training, data.speed.prediction))
    words = "Word pieces a second in training and in prediction: {} and {}.".format(*speeds)
    if sizes[-1] < total:
        words += f" All {total:,} documents would take {cost(total) / 60:,.1f} minutes: {sizes[-1]:,} are trained on."
        _leave_out(data, DEFAULT, total, cost(total), "not enough minutes")
    if _text_pieces(data) < ENOUGH:
        few = f"{_text_pieces(data):,.0f} word pieces of text, of {ENOUGH:,} that it takes: give unlabelled texts"
        _leave_out(data, "pretrained further", sizes[-1], None, few)
    table = pd.DataFrame(lines, columns=["recipe", "labelled", "minutes", "in the plan"])
    return Finding(words, table, {"sizes": sizes, "speed": data.speed})


def _try(run, data, recipe):
    """The row of a run if there is time for it, else None, and it is noted as left out.

    A row that is better than the best so far takes its place: of the default's, the one with the most labels.
    """
    labelled, before = round(run.fraction * len(data.train.texts)), data.classifier
    seconds = seconds_of(run, data)
    if not _is_stored(run, data) and not data.clock.fits(seconds):
        return _leave_out(data, recipe, labelled, seconds, "not enough minutes")
    data.classifier = None
    try:
        row = _row(run, data, recipe, data.clock.stop)
        _learn_speed(row, run, data)
    except budget.TimeIsUp:
        data.classifier = before
        return _leave_out(data, recipe, labelled, seconds, "stopped: the machine has become slower")
    if data.best is None or labelled > data.best["documents"]["train"] or row["error"] < data.best["error"]:
        data.best = row
    else:
        data.classifier = before
    return row


def _learn_speed(row, run, data):
    """Take the speed of a run that was just made for that of the next."""
    if data.classifier is not None:
        last, scored = row["history"][-1], row["documents"]["test"] * pieces_of(data, run)
        data.speed = budget.Speed(last["seconds"] / last["pieces"], row["seconds"]["test"] / scored)


def run_all(data: YourData) -> pd.DataFrame:
    """Carry the plan out, as far as the minutes go. Gives the rows of all that was tried.

    Raises ValueError where the machine has become so slow that nothing was finished.
    """
    data.best = None
    for labelled in data.sizes:
        _try(_sample(data, labelled), data, DEFAULT)
    if data.best is None:
        raise ValueError(
            f"budget_minutes={data.clock.seconds / 60:g}: no run was finished in time; the machine is slower than it "
            f"was measured to be. Give more minutes."
        )
    labelled, changes, names = data.best["documents"]["train"], {}, {}
    for kind, name, change in candidates(data, labelled):
        row = _try(_sample(data, labelled, **changes | change), data, " + ".join({**names, kind: name}.values()))
        if row and row is data.best:
            changes, names = changes | change, {**names, kind: name}
    _on_more_labels(data)
    left = max(0, data.clock.left) / 60
    LOG.info("%d runs; chosen: %s. %.1f minutes are left.", len(data.rows), data.best["recipe"], left)
    return rows(data)


def best_run(data: YourData) -> Run:
    """The run of the best row, with the corpus as it is known here."""
    return replace(Run(**data.best["run"]), corpus=data.base.corpus)


def _on_more_labels(data):
    """Where time is left and labels are, train the chosen recipe on as many of them as fit."""
    run, labelled, total = best_run(data), data.best["documents"]["train"], len(data.train.texts)
    on = lambda labels: replace(run, fraction=labels / total)  # noqa: E731
    room = data.clock.left
    size = budget.largest(lambda labels: seconds_of(on(labels), data), room, total, WORTH * labelled)
    recipe = data.best["recipe"]
    if size and _try(on(size[0]), data, f"{recipe}, {size[0]:,} labels"):
        data.left_out = [line for line in data.left_out if (line["recipe"], line["labelled"]) != (recipe, size[0])]
