"""The race on the reader's own data, within a number of minutes: words, frozen embeddings, fine-tuned recipes.

All are trained on the same documents and judged on those set aside ("dev"); the test documents are not read here.
Words take seconds and are always tried; for embeddings the encoder reads each text once; fine-tuned recipes are tried
by successive halving, so that the last is trained on all labels. The plan is made from the speed that is measured. Rows
are kept in runs/your_data: what was run once is read the next time, so that a longer race continues a shorter one.
"""

import logging
import time
from dataclasses import replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from ..choices.methods import METHODS, contrastive_for
from ..choices.metrics import METRICS
from ..choices.truncation import TRUNCATIONS
from ..data.corpora import Corpus
from ..model.adapters import ADAPTERS
from ..model.batching import size
from ..model.classifier import Classifier
from ..model.loading import encoder_config, longest_window
from ..results import execution
from ..results.rows import name_of, stale_stages, unsqueeze
from ..results.workers import few_threads
from ..runs import Run, by_method
from ..training.fine_tuning import epochs_of, fit
from ..training.metrics import rank
from . import budget
from .checks import BEYOND, beyond, measure_lengths
from .documents import YourData
from .figures import EMBEDDINGS, FEW, PAIRS, TUNED, WORDS, chosen, is_tuned, measured, your_recipes_data
from .findings import Finding

LOG = logging.getLogger(__name__)
HALVINGS = (4, 2)  # of the documents, for the learning curve of words
WORDS_SHARE, EMBEDDINGS_SHARE = 0.15, 0.25  # of the minutes
PROBE_SHARE, TEST_SHARE = 0.05, 0.1  # for measuring the speed, for scoring test
OVERHEAD = 1.0  # seconds of a run that are neither training nor prediction
RATES = (2.0, 1.0, 4.0)  # times the profile's learning rate
WINDOWS = (32, 64, 128, 256, 512)  # word pieces
COVERED = 0.95  # share of the documents that has to fit the window
SHORTEST = 128  # the window is shortened down to this before epochs are taken away
ENOUGH = 50_000  # with at least this many word pieces of text, further pretraining is worth trying
PRETRAINING = 2.0  # what a piece costs in masked-LM training, in pieces of fine-tuning


class Recipe(NamedTuple):
    """A way to fine-tune: its name in tables, and the run on all documents."""

    name: str
    run: Run


def is_stored(run: Run, data: YourData, corpus: Corpus) -> bool:
    """Whether there is a row of a run on this corpus of the data that is not stale."""
    row_id = name_of(run, data.library(corpus)).id
    return row_id in data.store and not stale_stages(data.store.read(row_id))


def carry_out(run: Run, data: YourData, corpus: Corpus, stop: Any = None) -> dict:
    """The row of a run on one of the data's corpora: read where it is stored, else made and stored.

    A classifier that was trained here goes into data.classifiers. `stop` is called before every batch, and may raise.
    """
    library = data.library(corpus)
    row_id = name_of(run, library).id
    if not is_stored(run, data, corpus):
        classifier, row = execution.train(run, data.progress, library, stop)
        data.store.write(row)
        data.classifiers[row_id] = classifier
    return data.store.read(row_id)


def _tried(run, data, recipe, stop=None):
    """The row of a run on train, scored on dev, under the recipe's name; it is added to data.rows."""
    told = {"recipe": recipe, "available": len(data.train.texts), "metric": data.metric}
    row = carry_out(run, data, data.corpus, stop) | told
    placed = rank(data.metric, unsqueeze(row["truth"]), unsqueeze(row["predictions"]), row["loss"])
    row["rank"] = (placed, row["loss"])  # the lowest is the best
    data.rows = [other for other in data.rows if other["id"] != row["id"]] + [row]
    return row


def best(data: YourData) -> dict:
    """The row that is kept, by dev and data.metric: see `figures.chosen`."""
    return chosen(rows(data)).to_dict()


def rows(data: YourData) -> pd.DataFrame:
    """What has been tried so far as a table for figures, one line per row: recipe, documents, predictions on dev, …"""
    return pd.DataFrame(data.rows)


def tried(data: YourData) -> pd.DataFrame:
    """What has been tried so far, one line per recipe, on its most labels: see `figures.your_recipes_data`."""
    return your_recipes_data(rows(data))


def _leave_out(data, recipe, labelled, seconds, why):
    line = {"recipe": recipe, "labelled": labelled, "minutes": seconds / 60 if seconds else None, "why": why}
    rest = [entry for entry in data.left_out if (entry["recipe"], entry["labelled"]) != (recipe, labelled)]
    data.left_out = [*rest, line]


def _sample(run, data, labelled):
    return replace(run, fraction=labelled / len(data.train.texts))


def _told(data, recipe):
    """The rows of one recipe as a table: recipe, labelled, error on dev with its interval, macro-F1."""
    table = measured(rows(data))
    return table[table["recipe"] == recipe].sort_values("labelled")


def words(data: YourData) -> pd.DataFrame:
    """Try TF-IDF with the best of some linear classifiers, on all labels, and on a quarter and half where it is quick.

    Gives a table: recipe, labelled, error on dev (percent) with its interval, macro-F1.
    """
    run, total = by_method(data.base, "words"), len(data.train.texts)
    took = _tried(run, data, WORDS)["seconds"]["all"]
    for labelled in [total // part for part in HALVINGS]:
        if took <= WORDS_SHARE * data.clock.seconds / 4 and _learnable(data, labelled):
            _tried(_sample(run, data, labelled), data, WORDS)
    return _told(data, WORDS)


def _learnable(data, labelled):
    """Whether a sample of this many documents has at least a few of the two commonest classes."""
    second = np.sort(np.bincount(data.train.classes))[-2] / len(data.train.classes)
    return labelled >= 20 and labelled * second >= 3


def embeddings(data: YourData) -> pd.DataFrame:
    """Try the frozen encoder's mean over pieces with a linear head, on all labels; gives a table as `words` does.

    Where reading all texts would take more than EMBEDDINGS_SHARE of the time left, they are cut shorter; where that is
    not enough, it is left out.
    """
    _prepare(data)
    run = by_method(data.base, "embeddings")
    documents = len(data.train.texts) + len(data.dev.texts)
    for window in sorted({run.window, *(w for w in WINDOWS[1:3] if w < run.window)}, reverse=True):
        run = _cut(run, window)
        seconds = data.speed.of(0, documents * pieces_of(data, run))
        if is_stored(run, data, data.corpus) or seconds <= EMBEDDINGS_SHARE * data.clock.left:
            _tried(run, data, EMBEDDINGS)
            return _told(data, EMBEDDINGS)
    _leave_out(data, EMBEDDINGS, len(data.train.texts), seconds, "not enough minutes")
    return _told(data, EMBEDDINGS)


def _cut(run, window):
    """The run with another window; of longer texts a quarter of it is read from the head, the rest from the tail."""
    return replace(run, window=window, truncation=f"head+tail:{window // 4}")


def _prepare(data):
    """Measure lengths and speed, once, and shorten the window to what the texts need."""
    if data.speed:
        return
    if data.lengths is None:
        measure_lengths(data)
    needed = np.quantile(data.lengths, COVERED) + 2
    window = next((w for w in WINDOWS if w >= needed), data.base.window)
    if window < data.base.window:
        data.base = _cut(data.base, window)
    measure(data)


@lru_cache(maxsize=64)
def _kept(truncation, window, lengths):
    cut, room = TRUNCATIONS.find(truncation), window - 2
    documents = ([[0] * length] if TRUNCATIONS.entry(truncation).sentences else [0] * length for length in lengths)
    return float(np.mean([sum(len(segment) + 2 for segment in cut(document, room)) for document in documents]))


def pieces_of(data: YourData, run: Run) -> float:
    """Mean number of word pieces per document, [CLS] and [SEP] included, that the run's truncation keeps."""
    return _kept(run.truncation, run.window, tuple(data.lengths.tolist()))


def seconds_of(run: Run, data: YourData, labelled: int, scored: int) -> float:
    """Seconds that a run takes to train on `labelled` documents and predict `scored`, by the speed measured last."""
    pieces = pieces_of(data, run)
    training = METHODS.find(run.method)().read(run, labelled) * pieces
    if run.further_pretraining != "none":
        steps = run.pretraining_steps + run.pretraining_head_steps
        training += PRETRAINING * steps * run.pretraining_batch_size * run.pretraining_window
    return OVERHEAD + data.speed.of(training, scored * pieces)


def measure(data: YourData) -> None:
    """Set data.speed, that of this encoder on this machine, from a few steps of training and prediction."""
    size_of_batch, labels = data.base.batch_size, data.train.classes.tolist()
    chosen = [index % len(labels) for index in range(4 * size_of_batch)]
    begin = time.perf_counter()
    with few_threads(data.base):
        classifier = Classifier.build(replace(data.base, epochs=1, min_steps=0), data.labels)
        documents = classifier.segmenter([data.train.texts[index] for index in chosen])
        steps = []
        for part in (slice(0, size_of_batch), slice(size_of_batch, None)):  # the first step is slower than the others
            train = documents[part], [labels[index] for index in chosen[part]]
            steps.append(fit(classifier, train, progress=False)[-1])
            if time.perf_counter() - begin > PROBE_SHARE * data.clock.seconds:
                break
        predicting = time.perf_counter()
        classifier.logits(documents[-size_of_batch:])
        predicting = time.perf_counter() - predicting
    last = steps[-1]
    data.speed = budget.Speed(last["seconds"] / last["pieces"], predicting / sum(map(size, documents[-size_of_batch:])))


def recipes(data: YourData) -> list[Recipe]:
    """What to fine-tune, the most promising first: the default, then recipes that each change one thing of it.

    Learning rates; an unweighted loss where the default's is balanced, as it is for a metric that weighs classes
    alike; the other vector ([CLS] or the mean); the head alone (§5.3.1) where documents exceed the window, and a longer
    window where the profile's and the encoder's are longer; further pretraining (§5.4) where unlabelled texts are given
    and there is enough text; more epochs and contrastive pairs where labels are few.
    """
    rate = data.base.learning_rate
    default = replace(data.base, learning_rate=RATES[0] * rate)
    balanced = METRICS.entry(data.metric).balanced
    if balanced:
        default = replace(default, class_weights="balanced")
    changes = [("", {})]
    changes += [(f"learning rate {factor * rate:g}", {"learning_rate": factor * rate}) for factor in RATES[1:]]
    if balanced:
        changes.append(("unweighted classes", {"class_weights": "none"}))
    longer, most = 2 * default.window, longest_window(encoder_config(default.encoder))
    if beyond(data, default.window) > BEYOND:
        if longer <= min(most, data.profile.own_base.window):
            cut = {"window": longer, "truncation": f"head+tail:{longer // 4}"}
            changes.insert(1, (f"window {longer}", cut))
        changes.append(("head only", {"truncation": "head"}))
    if data.unlabelled and _text_pieces(data) >= ENOUGH and encoder_config(default.encoder).model_type in ADAPTERS:
        settings = data.profile.pretraining | {"next_sentence": False, "further_pretraining": "within_task"}
        settings["pretraining_window"] = min(settings.get("pretraining_window", 128), default.window)
        changes.insert(1, ("pretrained further", settings | {"pretraining_unlabelled": True}))
    if len(data.train.texts) < FEW:
        doubled = {"epochs": 2 * default.epochs, "min_steps": 2 * default.min_steps}
        changes.insert(1, ("twice the epochs", doubled))
    vectors = {"mean": "mean over pieces", "cls": "[CLS]"}
    changes += [(told, {"piece_pooling": name}) for name, told in vectors.items() if name != default.piece_pooling]
    names = [TUNED, *(f"{TUNED}, {name}" for name, _ in changes[1:])]
    tried = [Recipe(name, replace(default, **change)) for name, (_, change) in zip(names, changes, strict=True)]
    if len(data.train.texts) < FEW:
        tried.insert(1, Recipe(PAIRS, by_method(default, contrastive_for(len(data.train.texts)))))
    return tried


def _text_pieces(data):
    """Roughly how many word pieces there are to pretrain on."""
    return float(data.lengths.mean()) * (len(data.train.texts) + len(data.unlabelled))


def _affordable(data):
    """The rungs of the plan; data.base is made cheaper until they fit on all labels.

    First its window is shortened, then its steps and epochs are lowered. Where that is not enough, the rungs are for as
    many labels as fit; [] where that leaves too few.
    """
    total = len(data.train.texts)

    def ladder(labelled=total):
        tried = recipes(data)
        cost = lambda number, size: seconds_of(tried[number].run, data, size, len(data.dev.texts))  # noqa: E731
        return budget.rungs(cost, data.clock.left, len(tried), labelled)

    while not (found := ladder()):
        base = data.base
        if base.window > SHORTEST:
            data.base = _cut(base, max(SHORTEST, base.window // 2))
        elif base.min_steps and epochs_of(base, total) > base.epochs:
            data.base = replace(base, min_steps=base.min_steps // 2)
        elif base.epochs > 1:
            data.base = replace(base, epochs=base.epochs - 1)
        else:
            break
    labelled = total
    if not found:
        data.base = replace(data.base, min_steps=0)
    while not found and _learnable(data, labelled := int(0.8 * labelled)):
        found = ladder(labelled)
    return found


def plan(data: YourData) -> Finding:
    """Plan the fine-tuned runs by the speed measured: a Finding with a table of them (recipe, labelled, minutes).

    As many recipes as fit are tried on a quarter of the labels, the better half of them on half, the best on all; with
    few labels, all on all (`budget.rungs`). Where not even one fits, the plan is empty, and the words say so. `values`:
    rungs, speed.
    """
    _prepare(data)
    data.left_out = [line for line in data.left_out if line["recipe"] == EMBEDDINGS]
    finals = max((row["seconds"]["all"] for row in data.rows if row["recipe"] == WORDS), default=0.0)
    to_test = data.speed.of(0, len(data.test.texts) * pieces_of(data, data.base))
    data.clock.reserve = 3 + finals + min(to_test, TEST_SHARE * data.clock.seconds) + 0.02 * data.clock.seconds
    data.plan, tried, total = _affordable(data), recipes(data), len(data.train.texts)
    lines = []
    for number, rung in enumerate(data.plan):
        seconds = seconds_of(tried[0].run, data, rung.labelled, len(data.dev.texts))
        names = [one.name for one in tried[: rung.recipes]] if number == 0 else [f"the best {rung.recipes}"]
        lines += [(name, rung.labelled, seconds / 60) for name in names]
    in_plan = data.plan[0].recipes if data.plan else 0
    for name, run in tried[in_plan:]:
        _leave_out(data, name, total, seconds_of(run, data, total, len(data.dev.texts)), "not enough minutes")
    speeds = (f"{1 / speed:,.0f}" for speed in (data.speed.training, data.speed.prediction))
    text = "Word pieces a second in training and in prediction: {} and {}.".format(*speeds)
    text += f" Window: {data.base.window} word pieces; {data.base.epochs} epochs."
    if not data.plan:
        text += " The minutes are too few to fine-tune: only words and embeddings are compared."
    elif data.plan[-1].labelled < total:
        text += f" The minutes suffice for {data.plan[-1].labelled:,} of the {total:,} labelled documents."
        seconds = seconds_of(tried[0].run, data, total, len(data.dev.texts))
        _leave_out(data, f"{TUNED}, all labels", total, seconds, "not enough minutes")
    table = pd.DataFrame(lines, columns=["recipe", "labelled", "minutes"])
    return Finding(text, table, {"rungs": data.plan, "speed": data.speed})


def _try(recipe, data, labelled):
    """The row of a recipe on `labelled` documents; None where there is no time for it, which is noted as left out."""
    run = _sample(recipe.run, data, labelled)
    seconds = seconds_of(run, data, labelled, len(data.dev.texts))
    if not is_stored(run, data, data.corpus) and not data.clock.fits(seconds / budget.SPARE):
        return _leave_out(data, recipe.name, labelled, seconds, "not enough minutes")
    try:
        row = _tried(run, data, recipe.name, data.clock.stop)
    except budget.TimeIsUp:
        return _leave_out(data, recipe.name, labelled, seconds, "stopped: the machine has become slower")
    kept = best(data)["id"]  # encoders are large: only the best stays in memory
    data.classifiers = {key: one for key, one in data.classifiers.items() if key == kept or not hasattr(one, "encoder")}
    last = row["history"][-1]
    if "pieces" in last:
        data.speed = budget.Speed(last["seconds"] / last["pieces"], data.speed.prediction)
    return row


def run_all(data: YourData) -> pd.DataFrame:
    """Carry the plan out, as far as the minutes allow. Gives the rows of all that was tried, as `rows` does."""
    running = recipes(data)
    for rung in data.plan:
        results = [(recipe, _try(recipe, data, rung.labelled)) for recipe in running[: rung.recipes]]
        done = [(row["rank"], number) for number, (_, row) in enumerate(results) if row]
        running = [results[number][0] for _, number in sorted(done)] or running
    _use_what_is_left(data)
    left = max(0, data.clock.left) / 60
    LOG.info("%d runs; the best on dev: %s. %.1f minutes are left.", len(data.rows), best(data)["recipe"], left)
    return rows(data)


def _use_what_is_left(data):
    """Where runs were faster than planned, try further recipes on all labels.

    Enough time is left to train the best once more, with the documents set aside added.
    """
    total, names = len(data.train.texts), {row["recipe"] for row in data.rows}
    if not data.plan or data.plan[-1].labelled < total:
        return
    for recipe in recipes(data):
        seconds = seconds_of(recipe.run, data, total, len(data.dev.texts))
        again = seconds if is_tuned(best(data)["run"]["method"]) else 0.0
        if recipe.name not in names and data.clock.fits(seconds + again):
            _try(recipe, data, total)
            tried = {(row["recipe"], row["documents"]["train"]) for row in data.rows}
            data.left_out = [line for line in data.left_out if (line["recipe"], line["labelled"]) not in tried]
