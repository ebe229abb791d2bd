"""Predictions made elsewhere, by a rule or another model, beside the classifier's on the same test documents."""

import numpy as np
import pandas as pd

from .. import stats
from ..results.rows import unsqueeze
from .documents import YourData
from .findings import Finding


def rival(data: YourData, result: dict) -> Finding:
    """The column of labels predicted elsewhere, against the classifier on test: a table (who, wrong, of, error with
    Wilson's 95 % interval), and in words which is better.

    A label that is none of the classes, and an empty one, is wrong. `values`: gain of the classifier over the rival in
    points with low and high (95 %), and p, by McNemar's exact test.
    """
    if not data.rival:
        return Finding("No column of other predictions was named: give one, as in rival_column = 'gpt'.")
    truth, ours = unsqueeze(result["truth"]), unsqueeze(result["predictions"])
    number = {name: place for place, name in enumerate(result["labels"])}
    theirs = np.array([number.get(data.rival.get(row, ""), -1) for row in result["row"]])
    lines = []
    for who, predicted in ((data.rival_column, theirs), (result["recipe"], ours)):
        errors = int((predicted != truth).sum())
        lines.append((who, errors, len(truth), 100 * errors / len(truth), *stats.wilson(errors, len(truth))))
    effect = stats.mcnemar(theirs != truth, ours != truth)
    gain, low, high = effect.effect, effect.low, effect.high
    text = f"On test {result['recipe']} is {abs(gain):.3g} points of error {'better' if gain > 0 else 'worse'} than "
    text += f"{data.rival_column} (95 % interval of the gain {low:.3g} to {high:.3g}): "
    text += "better." if low > 0 else "worse; keep the other." if high < 0 else "inconclusive."
    if unknown := int((theirs < 0).sum()):
        text += f" {unknown:,} of its {len(theirs):,} labels are none of the classes, and count as wrong."
    table = pd.DataFrame(lines, columns=["who", "wrong", "of", "error", "low", "high"])
    return Finding(text, table, {"gain": float(gain), "low": float(low), "high": float(high), "p": float(effect.p)})
