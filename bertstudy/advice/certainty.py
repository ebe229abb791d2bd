"""How sure the classifier may be: its temperature and threshold, chosen on the documents set aside, tested on test."""

from typing import Any

import numpy as np
import pandas as pd
from scipy.special import softmax

from ..results.rows import wrong
from ..training.calibration import calibration_error, kept, scale_of, threshold_for
from .findings import Finding

SHARES = (0, 5, 10, 20, 30, 50)  # percent of the documents that are left to a person
LEAST = 1e-12  # that a probability is taken for, whose logarithm is wanted
FEWEST = 30  # documents set aside, below which nothing is chosen by them


def calibrated(classifier: Any, texts: list[str], classes: np.ndarray) -> dict:
    """The scale for a classifier's logits by n documents that it was not trained on, and how sure and right it then is.

    A dict of scale, dev_confidence (n probabilities of the class predicted, scaled) and dev_wrong (n of 0 and 1). With
    fewer than FEWEST documents the scale is left as it is.
    """
    probabilities = classifier.predict(texts).probabilities
    factor = scale_of(np.log(np.maximum(probabilities, LEAST)), classes) if len(classes) >= FEWEST else 1.0
    confidence, wrong = sharpened(probabilities, factor).max(1), probabilities.argmax(1) != classes
    told = {"dev_confidence": rounded(confidence), "dev_wrong": wrong.astype(int).tolist()}
    return {"scale": classifier.scale * factor, **told}


def sharpened(probabilities: np.ndarray, factor: float) -> np.ndarray:
    """The probabilities (n, classes) that come of logits that are `factor` times those of these probabilities."""
    return softmax(factor * np.log(np.maximum(probabilities, LEAST)), axis=1)


def rounded(values: np.ndarray) -> list[float]:
    """Probabilities as a row has them."""
    return np.round(values.astype(float), 4).tolist()


def threshold(result: dict, accept_error: float) -> float | None:
    """The probability to act on, so that at most `accept_error` percent are wrong: `threshold_for`, by the documents
    set aside. None where none is asked for (0), inf where even the surest documents are wrong too often, or too few.
    """
    if not accept_error:
        return None
    return threshold_for(np.array(result["dev_confidence"]), np.array(result["dev_wrong"]), accept_error)


def left_to_a_person(result: dict, accept_error: float = 0.0) -> pd.DataFrame:
    """What is gained by leaving the least sure test documents to a person: percent left, the error of the rest with
    Wilson's 95 % interval, documents kept, and the probability from which on they are kept. The last line is of the
    threshold chosen by `accept_error`, where there is one.
    """
    confidence, errors = np.array(result["probability"]), wrong(result)
    levels = [float(np.quantile(confidence, share / 100)) for share in SHARES]
    chosen = threshold(result, accept_error)
    lines = [(level, *kept(confidence, errors, level)) for level in [*levels, *([chosen] if chosen else [])]]
    return pd.DataFrame(lines, columns=["probability", "left", "error", "low", "high", "kept"])


def calibration(result: dict) -> dict[str, float]:
    """The expected calibration error on test in points: before and after the temperature."""
    errors = wrong(result)
    names = {"before": "unscaled", "after": "probability"}
    return {name: calibration_error(np.array(result[column]), errors) for name, column in names.items()}


def sure(result: dict, accept_error: float = 0.0) -> Finding:
    """How sure the classifier may be, in words, and what is gained by leaving documents to a person as a table.

    `values`: before, after (calibration errors, points), temperature, threshold (None where none was asked for), and of
    what it keeps left, error, low, high.
    """
    told, chosen = calibration(result), threshold(result, accept_error)
    values = {**told, "temperature": 1 / result["scale"], "threshold": chosen}
    text = (
        f"Probabilities are off by {told['after']:.1f} points in the mean on test; it was {told['before']:.1f} before "
    )
    text += "their temperature was chosen on the documents set aside. "
    table = left_to_a_person(result, accept_error)
    if chosen is None:
        text += "Say which error you accept, as in accept_error = 2, and a threshold is chosen and stored."
        return Finding(text, table, values)
    line = table.iloc[-1]
    if not line["kept"]:
        text += f"No threshold is sure to leave an error of at most {accept_error:g} %: "
        text += "even the surest documents are wrong too often, or too few were set aside."
        return Finding(text, table.iloc[:-1], values)
    values |= {name: float(line[name]) for name in ("left", "error", "low", "high")}
    text += f"Let a person see the {line['left']:.0f} % of texts below a probability of {chosen:.3g}, and on test the "
    text += (
        f"rest errs {line['error']:.1f} % [{line['low']:.1f}, {line['high']:.1f}]; {accept_error:g} % are accepted. "
    )
    text += "predict(texts, threshold=classifier.threshold) has no label for them."
    return Finding(text, table, values)
