"""What was found on the reader's labels: the outlook, one test, the verdict, the classifier to keep."""

import json
from math import ceil

import numpy as np
import pandas as pd

from .. import stats
from ..data.corpora import Corpus
from ..data.sampling import Split, draw, stratified_order
from ..model.classifier import Classifier
from ..paths import ROOT, runs
from ..results import execution
from ..results.rows import squeeze, unsqueeze, write_json, wrong
from ..results.workers import few_threads
from ..runs import Run
from ..training.methods.tfidf import USUAL, words_model
from . import budget
from .documents import SHOWN, YourData
from .figures import DEFAULT, WORDS, your_curve_data
from .findings import Finding
from .planner import TEST_SHARE, best_run, floors, pieces_of

LEAST_TEST = 200
MADE_BY = "row.json"  # beside a saved classifier: the id of the row whose run it is
FAR = 4  # times the labels, from where on an extrapolation is a guess


def outlook(tried: pd.DataFrame) -> Finding:
    """What more labels would bring, from the rows of all that was tried: in words, and the points as a table.

    `values` are those of twice the labels: labelled, error, low, high, gain, gain_low, gain_high; {} where they can't
    be told.
    """
    data = your_curve_data(tried)
    further = data[data["kind"] == "extrapolated"]
    if further.empty:
        return Finding(
            "Fewer than two points of the curve are better than always giving the commonest class: what more labels "
            "would bring can't be told. Give more minutes or more labels."
        )
    last = further.iloc[-1]
    text = f"With {last['labelled']:,} labels to train on, twice those there are, an error of {last['error']:.1f} % is "
    text += f"to be expected (95 % interval {last['low']:.1f} to {last['high']:.1f}). "
    reached = data[(data["kind"] == "measured") & (data["recipe"] == DEFAULT)]["labelled"].max()
    text += f"That is {-last['gain']:+.1f} points from the law's error at the curve's last point, {reached:,} labels "
    text += f"({-last['gain_high']:+.1f} to {-last['gain_low']:+.1f}). "
    if last["gain_low"] <= 0:
        text += "The interval includes no gain at all: from this curve it can't be told whether more labels help."
    elif last["high"] - last["low"] > last["error"]:
        text += "More labels help; how much is known only roughly."
    else:
        text += "More labels help."
    if last["labelled"] > FAR * reached:
        text += " It is far beyond the curve's last point, though: not much more than a guess."
    columns = ["labelled", "error", "low", "high", "gain", "gain_low", "gain_high"]
    return Finding(text, further[columns], last[columns].to_dict())


def _winner(data):
    """The classifier of the best row: in memory, or saved by an earlier execution, or trained again."""
    if data.classifier is None:
        made_by = data.model_dir / MADE_BY
        if made_by.is_file() and json.loads(made_by.read_text(encoding="utf-8"))["id"] == data.best["id"]:
            data.classifier = Classifier.load(data.model_dir)
        else:
            run = best_run(data)
            data.classifier = execution.train(run, progress=False, library=data.library)[0]
    return data.classifier


def _words(data):
    """The row of the floor with the most labels."""
    return max(floors(data), key=lambda row: row["documents"]["train"])


def _scored(data, test):
    """Score the winner and the floor on test documents: probabilities (n, classes) and the floor's classes (n)."""
    classifier = _winner(data)
    with few_threads(classifier.run):
        probabilities = classifier.predict(test.texts).probabilities
    documents = draw(data.corpus, Run(**_words(data)["run"]))
    model = words_model(USUAL).fit(documents.train.texts, documents.train.classes)
    return probabilities, model.predict(test.texts)


def score(data: YourData) -> dict:
    """Score the chosen recipe on test, once: its row, kept, and read where these documents were scored before.

    The row has truth, predictions and those of the floor (squeezed), the probabilities of the classes predicted, and
    the rows' present numbers in the reader's file. Of very many documents a stratified sample is scored.
    """
    whole = Corpus("", *(Split(part.texts, part.classes) for part in (data.train, data.test)), data.labels)
    path = runs() / "your_data" / "scores" / f"{data.best['id']}-{whole.fingerprint}.json"
    order = stratified_order(data.test.classes, np.random.default_rng(0))
    if not path.is_file():
        each = data.speed.prediction * pieces_of(data, best_run(data))
        most = max(LEAST_TEST, int(TEST_SHARE * data.clock.seconds / each))
        test = data.test.take(np.sort(order[:most]))
        probabilities, words = _scored(data, test)
        row = {"labels": list(data.labels), "recipe": data.best["recipe"], "truth": squeeze(test.classes)}
        row |= {"predictions": squeeze(probabilities.argmax(1)), "words": squeeze(words)}
        row |= {"probability": np.round(probabilities.max(1).astype(float), 4).tolist()}
        labelled = [best["documents"]["train"] for best in (_words(data), data.best)]
        write_json(path, row | {"documents": len(data.test.texts), "labelled": labelled})
    row = json.loads(path.read_text(encoding="utf-8"))
    return row | {"row": data.test.numbers[np.sort(order[: len(row["probability"])])].tolist()}


def verdict(result: dict) -> Finding:
    """What test says: a table (recipe, wrong, of, error, interval), and in words which is better.

    `values`: better, worse (documents that only one of the two is right about) and p (exact McNemar test).
    """
    truth, ours, words = (unsqueeze(result[name]) for name in ("truth", "predictions", "words"))
    lines, text = [], ""
    if len(truth) < result["documents"]:
        text = f"{len(truth):,} of the {result['documents']:,} test documents were scored, for want of minutes. "
    recipes = zip((WORDS, result["recipe"]), result["labelled"], (words, ours), strict=True)
    for name, labelled, predicted in recipes:
        errors = int((predicted != truth).sum())
        lines.append((name, labelled, errors, len(truth), 100 * errors / len(truth), *stats.wilson(errors, len(truth))))
    better, worse = ((ours == truth) & (words != truth)).sum(), ((ours != truth) & (words == truth)).sum()
    chance = stats.mcnemar(words != truth, ours != truth).p
    text += f"Fine-tuning is right where words are wrong {better} times, wrong where they are right {worse} times"
    sure = f"(p = {chance:.3f})" if chance >= 0.001 else "(p < 0.001)"
    if chance > 0.05:
        text += f": no difference that these documents can show {sure}."
    elif better > worse:
        text += f": fine-tuning is better {sure}."
    else:
        text += f": words are better {sure}. Use them, or try a larger encoder, more labels, more minutes."
    table = pd.DataFrame(lines, columns=["recipe", "labelled", "wrong", "of", "error", "low", "high"])
    return Finding(text, table, {"better": int(better), "worse": int(worse), "p": float(chance)})


def table(result: dict) -> pd.DataFrame:
    """A result as a table of one row, for figures."""
    return pd.DataFrame([result])


def confident_errors(result: dict) -> pd.DataFrame:
    """The test documents that are most confidently wrong: row of the file, given, predicted, probability in percent."""
    truth, predicted = unsqueeze(result["truth"]), unsqueeze(result["predictions"])
    names = np.array(result["labels"])
    documents = pd.DataFrame({"row": result["row"], "given": names[truth], "predicted": names[predicted]})
    documents["probability, %"] = 100 * np.array(result["probability"])
    errors = documents[truth != predicted].sort_values("probability, %", ascending=False, kind="stable")
    return errors.head(SHOWN)


def save(data: YourData, result: dict) -> Finding:
    """Save the chosen classifier in data.model_dir with its error on test; the words say how to load it."""
    errors = wrong(result)
    scored = data.best["documents"]  # those that chose are its test documents
    documents = {"train": scored["train"], "dev": scored["test"], "test": len(errors)}
    numbers = {"documents": documents, "error": 100 * float(errors.mean())}
    _winner(data).save(data.model_dir, {**data.best, **numbers, "history": [{"dev_error": data.best["error"]}]})
    write_json(data.model_dir / MADE_BY, {"id": data.best["id"]})
    in_project = data.model_dir.is_relative_to(ROOT)
    place = data.model_dir.relative_to(ROOT) if in_project else data.model_dir
    from_here = ", from the folder of the project" if in_project else ""
    return Finding(
        f"Saved in {place}. In Python{from_here}:\n\nimport bertstudy as bs\n"
        f'labels = bs.Classifier.load("{place}").predict(["a text", "another"]).labels',
        values={"folder": data.model_dir},
    )


def left_out(data: YourData) -> Finding:
    """What the minutes or the texts did not allow: recipe, labelled, minutes, why."""
    if not data.left_out:
        return Finding("Nothing was left out.")
    missing = sum(line["minutes"] or 0 for line in data.left_out)
    minutes = ceil(data.clock.seconds / 60 + budget.SPARE * missing + 1)
    words = f"Run again with budget_minutes = {minutes} to have most of it: what was run is kept." if missing else ""
    return Finding(words, pd.DataFrame(data.left_out), {"minutes": minutes if missing else None})
