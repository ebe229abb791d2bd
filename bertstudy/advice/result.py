"""The result on the reader's labels: one test, the verdict, the classes, the outlook, the classifier to keep."""

import json
from dataclasses import replace
from math import ceil
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from .. import stats
from ..choices.methods import METHODS
from ..data.sampling import stratified_order
from ..model.classifier import Classifier
from ..model.words import WordsClassifier
from ..paths import ROOT, runs
from ..results.rows import digest, name_of, squeeze, stages_of, unsqueeze, write_json, wrong
from ..results.workers import few_threads
from ..runs import Run
from ..training.metrics import METRICS, cross_entropy, macro_f1
from ..versions import STAGES
from . import budget
from .certainty import calibrated, rounded, sharpened, sure
from .checks import SHOWN
from .documents import YourData
from .figures import WORDS, can_be_told, your_classes_data, your_curve_data
from .findings import Finding
from .race import TEST_SHARE, best, carry_out, is_stored, is_tuned, pieces_of, seconds_of

LEAST_TEST = 200  # test documents that are scored, however few the minutes
MADE_BY = "row.json"  # beside a saved classifier: the id of the row that it belongs to
DRAWS = 2000  # of the bootstrap of a metric


def outlook(tried: pd.DataFrame) -> Finding:
    """What more labels would bring, from the rows of all that was tried: in words, and the point as a table.

    `values` are those of twice the labels: labelled, error, low, high (percent), gain, gain_low, gain_high (points);
    {} where the outlook is inconclusive: the interval is wider than from half to twice the error, or the gain's
    interval includes zero.
    """
    data = your_curve_data(tried)
    further = data[data["kind"] == "extrapolated"]
    unknown = "Inconclusive: these runs don't show what more labels would bring. More minutes give a longer curve."
    if further.empty or not can_be_told(further.iloc[-1]):
        return Finding(unknown)
    last = further.iloc[-1]
    text = f"With {last['labelled']:,.0f} labels to train on, twice those there are, an error of {last['error']:.1f} % "
    text += f"is to be expected (95 % interval {last['low']:.1f} to {last['high']:.1f}), {last['gain']:.1f} points "
    text += f"less than today ({last['gain_low']:.1f} to {last['gain_high']:.1f}), by a power law through the "
    text += f"curve of {last['recipe']}."
    columns = ["labelled", "error", "low", "high", "gain", "gain_low", "gain_high"]
    return Finding(text, further[columns].tail(1), last[columns].to_dict())


def _on_all_labels(row: dict, data: YourData) -> Run:
    """The run of a row on train and dev together: how the classifier to keep is trained."""
    run = replace(Run(**row["run"]), corpus=data.base.corpus, fraction=1.0)
    return replace(run, test_size=1)  # test is scored elsewhere, for its probabilities


class Final(NamedTuple):
    """What is kept of a tried row: its own row, its classifier, and on how many labels it was trained."""

    row: dict
    classifier: Classifier | WordsClassifier
    labelled: int


def final(row: dict, data: YourData) -> Final:
    """A tried row as it is kept: trained once more, on train and dev together.

    A fine-tuned encoder is kept as it is where there is no time for that.
    """
    return _trained(*_kept(row, data), data)


def _trained(run, corpus, data):
    made = carry_out(run, data, corpus)
    return Final(made, _classifier(made, run, data, corpus), made["documents"]["train"])


def _kept(row, data):
    """The run by which a tried row is kept, and its corpus, by the minutes that are left."""
    run, corpus = _on_all_labels(row, data), data.whole
    seconds = seconds_of(run, data, len(corpus.train.texts), 0) if is_tuned(run.method) else 0.0
    if seconds and not is_stored(run, data, corpus) and not data.clock.fits(seconds):
        return replace(Run(**row["run"]), corpus=data.base.corpus), data.corpus
    return run, corpus


def _classifier(row, run, data, corpus) -> Classifier | WordsClassifier:
    """The classifier of a row: the one in memory, else the one saved in data.model_dir, else trained again."""
    if row["id"] not in data.classifiers:
        made_by = data.model_dir / MADE_BY
        if made_by.is_file() and json.loads(made_by.read_text(encoding="utf-8"))["id"] == row["id"]:
            data.classifiers[row["id"]] = Classifier.load(data.model_dir)
        else:
            from ..results import execution  # needs torch, which a stored result does not

            library = data.library(corpus)
            data.classifiers[row["id"]] = execution.train(run, data.progress, library)[0]
    return data.classifiers[row["id"]]


def _calibrated(winner, data):
    """What `certainty.calibrated` tells of the best classifier as it was before it was trained on all documents."""
    run = replace(Run(**winner["run"]), corpus=data.base.corpus)
    classifier = _classifier(winner, run, data, data.corpus)
    dev = data.dev.take(stratified_order(data.dev.classes, np.random.default_rng(0))[: _most(data, winner)])
    with few_threads(run):
        return calibrated(classifier, dev.texts, dev.classes)


def score(data: YourData) -> dict:
    """Score the best recipe and words on test, once: its row, kept, and read where they were scored before.

    Both are first trained on train and dev together (a fine-tuned encoder where there is time for it). The row has
    truth, predictions and those of words (squeezed), the probabilities of the classes predicted, before they were
    calibrated too (`unscaled`), what `certainty.calibrated` tells of the documents set aside, and the rows' numbers in
    the reader's file. Of very many documents a stratified sample is scored.
    """
    winner, floor = best(data), max((row for row in data.rows if row["recipe"] == WORDS), key=_labelled)
    order, most = stratified_order(data.test.classes, np.random.default_rng(0)), _most(data, winner)
    choices = [_kept(row, data) for row in (winner, floor)]  # once: the minutes run on
    path = _score_path(data, winner, choices, most)
    if not path.is_file():
        told = _calibrated(winner, data)
        kept, words = (_trained(*choice, data) for choice in choices)
        test = data.test.take(np.sort(order[:most]))
        with few_threads(kept.classifier.run):
            unscaled = kept.classifier.predict(test.texts).probabilities
        probabilities = sharpened(unscaled, told["scale"] / kept.classifier.scale)
        row = {"labels": list(data.labels), "recipe": winner["recipe"], "truth": squeeze(test.classes)}
        row |= {"predictions": squeeze(probabilities.argmax(1)), "id": kept.row["id"], "metric": data.metric}
        row |= {"words": squeeze(words.classifier.predict(test.texts).probabilities.argmax(1))}
        row |= told | {"probability": rounded(probabilities.max(1)), "unscaled": rounded(unscaled.max(1))}
        row |= {"loss": cross_entropy(probabilities, test.classes)}
        row |= {"sizes": np.bincount(data.whole.train.classes, minlength=len(data.labels)).tolist()}
        write_json(path, row | {"documents": len(data.test.texts), "labelled": [words.labelled, kept.labelled]})
    row = json.loads(path.read_text(encoding="utf-8"))
    return row | {"row": data.test.numbers[np.sort(order[: len(row["probability"])])].tolist()}


def _score_path(data, winner, choices, most):
    """Where a score is: its name is a hash of the classifiers, of what they were chosen by, and of the minutes where
    these do not suffice for all test documents."""
    stages = sorted({stage for run, _ in choices for stage in stages_of(run)})
    made_of = [winner["id"], *(name_of(run, data.library(corpus)).id for run, corpus in choices), data.metric]
    made_of += [[stage, STAGES[stage]] for stage in stages]
    made_of += [data.clock.seconds] if most < len(data.test.texts) else []
    return runs() / "your_data" / "scores" / f"{digest(made_of)}.json"


def _labelled(row):
    return row["documents"]["train"]


def _most(data, winner):
    """How many test documents may be scored: all by words; by an encoder as many as TEST_SHARE of the minutes allow."""
    run = Run(**winner["run"])
    if "encoder" not in METHODS.entry(run.method).reads:  # it takes no time
        return len(data.test.texts)
    return max(LEAST_TEST, int(TEST_SHARE * data.clock.seconds / (data.speed.prediction * pieces_of(data, run))))


def difference(metric: str, truth: np.ndarray, ours: np.ndarray, words: np.ndarray) -> tuple[float, float, float]:
    """How much better (positive) a classifier is than words by a metric: (difference, low, high), 95 % bootstrap."""
    sign = 1 if METRICS.entry(metric).higher else -1
    measure = METRICS.find(metric)
    random = np.random.default_rng(0)

    def gain(chosen):
        first, second = (measure(truth[chosen], predicted[chosen], 0.0) for predicted in (ours, words))
        return sign * (first - second)

    drawn = [gain(random.integers(len(truth), size=len(truth))) for _ in range(DRAWS)]
    return gain(np.arange(len(truth))), *np.quantile(drawn, (0.025, 0.975))


def warnings(result: dict) -> str:
    """What has to be said first of a result: that it predicts one class only, or is no better than that; else ""."""
    truth, predicted = unsqueeze(result["truth"]), unsqueeze(result["predictions"])
    counts = np.bincount(truth)
    commonest = result["labels"][counts.argmax()]
    if len(set(predicted)) == 1:
        return f"This classifier gives every document the class {result['labels'][predicted[0]]!r}: don't use it. "
    if (predicted == truth).sum() <= counts.max():
        return f"This classifier is no better than always saying {commonest!r}: don't use it. "
    return ""


def verdict(result: dict) -> Finding:
    """The result on test: a table (recipe, labelled, wrong, of, error, macro-F1, intervals), and words: which is best.

    `values`: gain, low, high over words, in the metric that recipes were chosen by (for the error and the log loss in
    points of error); better, worse: the documents that only the recipe, or only words, gets right; p: exact McNemar
    test of these.
    """
    truth, ours, words = (unsqueeze(result[name]) for name in ("truth", "predictions", "words"))
    lines, text = [], warnings(result)
    if len(truth) < result["documents"]:
        text += f"The minutes sufficed to score {len(truth):,} of the {result['documents']:,} test documents. "
    recipes = [(WORDS, result["labelled"][0], words)]
    recipes += [(result["recipe"], result["labelled"][1], ours)] if result["recipe"] != WORDS else []
    for name, labelled, predicted in recipes:
        errors = int((predicted != truth).sum())
        line = (name, labelled, errors, len(truth), 100 * errors / len(truth), *stats.wilson(errors, len(truth)))
        lines.append((*line, macro_f1(truth, predicted, 0.0), *stats.macro_f1_interval(truth, predicted)))
    columns = ["recipe", "labelled", "wrong", "of", "error", "low", "high", "macro_f1", "macro_f1_low", "macro_f1_high"]
    table = pd.DataFrame(lines, columns=columns)
    better, worse = int(((ours == truth) & (words != truth)).sum()), int(((ours != truth) & (words == truth)).sum())
    effect = stats.mcnemar(words != truth, ours != truth)
    values = {"better": better, "worse": worse, "p": float(effect.p)}
    if result["recipe"] == WORDS:
        text += f"{WORDS.capitalize()} were the best on the documents set aside, and are what is kept."
        return Finding(text, table, values | {"gain": 0.0, "low": 0.0, "high": 0.0})
    metric, unit = result["metric"], "points of error"
    gain, low, high = effect.effect, effect.low, effect.high
    if METRICS.entry(metric).balanced:
        gain, low, high = difference(metric, truth, ours, words)
        unit = f"{'points ' if METRICS.entry(metric).unit else ''}of {metric.replace('_', '-')}"
    text += f"{result['recipe'].capitalize()} was chosen on the documents set aside, and is what is kept. On test it "
    text += f"is {abs(gain):.3g} {unit} {'better' if gain > 0 else 'worse'} than words (95 % interval of the gain "
    text += f"{low:.3g} to {high:.3g}): "
    text += "better." if low > 0 else "worse; keep words instead." if high < 0 else "inconclusive."
    return Finding(text, table, values | {"gain": float(gain), "low": float(low), "high": float(high)})


def table(result: dict) -> pd.DataFrame:
    """A result as a table with one row, for figures."""
    return pd.DataFrame([result])


def by_class(result: dict) -> pd.DataFrame:
    """The classes of a result on test: class, labelled, documents, precision, recall, F1 in percent with intervals."""
    return your_classes_data(table(result))


def confident_errors(result: dict) -> pd.DataFrame:
    """The SHOWN test documents that are most confidently wrong: row of the file, given, predicted, probability (%)."""
    truth, predicted = unsqueeze(result["truth"]), unsqueeze(result["predictions"])
    names = np.array(result["labels"])
    documents = pd.DataFrame({"row": result["row"], "given": names[truth], "predicted": names[predicted]})
    documents["probability, %"] = 100 * np.array(result["probability"])
    errors = documents[truth != predicted].sort_values("probability, %", ascending=False, kind="stable")
    return errors.head(SHOWN)


def keep(data: YourData, result: dict) -> tuple[Classifier | WordsClassifier, dict[str, Any]]:
    """The classifier of a result, calibrated and with its threshold, and its row with the documents and the error on
    test and how sure it may be, for `Classifier.save`."""
    dev, errors = best(data), wrong(result)
    kept, told = final(dev, data), sure(result, data.accept_error)
    if kept.row["id"] != result["id"]:
        raise ValueError("this result is of another classifier than the one that is kept now: score it again.")
    kept.classifier.rescale(result["scale"])
    kept.classifier.threshold = told.values["threshold"] if "left" in told.values else None
    documents = {"train": kept.labelled, "dev": len(data.dev.texts), "test": len(errors)}
    row = {**kept.row, "documents": documents, "error": 100 * float(errors.mean()), "sure": told.words}
    return kept.classifier, {**row, "history": [{"dev_error": dev["error"]}]}


def save(data: YourData, result: dict) -> Finding:
    """Save the classifier of a result in data.model_dir, with its test error in the model card.

    The words say how to load it; `values`: folder.
    """
    classifier, row = keep(data, result)
    classifier.save(data.model_dir, row)
    write_json(data.model_dir / MADE_BY, {"id": row["id"]})
    in_project = data.model_dir.is_relative_to(ROOT)
    place = data.model_dir.relative_to(ROOT) if in_project else data.model_dir
    from_here = ", from the folder of the project" if in_project else ""
    return Finding(
        f"Saved in {place}. In Python{from_here}:\n\nimport bertstudy as bs\n"
        f'labels = bs.Classifier.load("{place}").predict(["a text", "another"]).labels',
        values={"folder": data.model_dir},
    )


def left_out(data: YourData) -> Finding:
    """What was left out for lack of time: a table (recipe, labelled, minutes, why), and in words how long it takes."""
    if not data.left_out:
        return Finding("Nothing was left out.")
    missing = sum(line["minutes"] or 0 for line in data.left_out)
    minutes = ceil(data.clock.seconds / 60 + budget.SPARE * missing + 1)
    words = f"Run again with budget_minutes = {minutes} to try most of it: what was run is kept." if missing else ""
    return Finding(words, pd.DataFrame(data.left_out), {"minutes": minutes if missing else None})
