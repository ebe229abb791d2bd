"""Which texts to label next, and what choosing them would have saved with the labels that there are."""

from typing import Any

import numpy as np
import pandas as pd

from .. import stats
from ..analysis.crossing import labels_for
from ..training.selection import choose, margins, simulate
from .documents import YourData
from .findings import Finding

DRAWS = 5
ROUNDS = 6  # of a simulation
FEWEST = 20  # labels that it begins with


def label_next(classifier: Any, texts: list[str], count: int = 100) -> pd.DataFrame:
    """Which of n unlabelled texts to label next: a table with number (from 1), predicted, probability and margin (%).

    The least sure first, spread over clusters of what they are about (`selection.choose`). Raises ValueError where
    there are no texts, and for a count below one.
    """
    if count < 1 or not len(texts):
        raise ValueError(
            f"label_next: {count} of {len(texts)} texts. Give some texts, and ask for one of them or more."
        )
    labels, probabilities = classifier.predict(texts)
    chosen = choose(probabilities, classifier.represent(texts), count)
    lines = {"number": chosen + 1, "predicted": [labels[one] for one in chosen]}
    lines |= {"probability": 100 * probabilities[chosen].max(1), "margin": 100 * margins(probabilities[chosen])}
    return pd.DataFrame(lines)


def saving(data: YourData, classifier: Any) -> Finding:
    """What choosing texts to label would have saved: simulated on the labels that there are, DRAWS times.

    A linear classifier on the texts' vectors begins with a few labels by chance, and asks for more in rounds, chosen or
    by chance. classifier: one whose vectors know nothing of the labels, of words or of a frozen encoder. Gives a table
    (labelled, chosen, by_chance, gain with its 95 % t interval over draws, in points) and in words how many labels
    choosing takes for the error that all rounds by chance come to.
    """
    train, test = ((classifier.represent(part.texts), part.classes) for part in (data.train, data.dev))
    most = len(data.train.texts) // 2
    if most < 2 * FEWEST:
        return Finding(f"{len(data.train.texts)} labels are too few to simulate it: {4 * FEWEST} are needed.")
    sizes = np.unique(np.geomspace(FEWEST, most, ROUNDS).round().astype(int)).tolist()
    drawn = [simulate(train, test, sizes, seed) for seed in range(DRAWS)]
    chosen, chance = (np.array([getattr(one, name) for one in drawn]) for name in ("chosen", "by_chance"))
    gains = [stats.mean_interval(chance[:, place] - chosen[:, place]) for place in range(len(sizes))]
    table = pd.DataFrame({"labelled": sizes, "chosen": chosen.mean(0), "by_chance": chance.mean(0)})
    table[["gain", "low", "high"]] = gains
    target = float(chance.mean(0)[-1])
    needed = labels_for(np.array(sizes), chosen.mean(0), target)
    told = f"By chance, {sizes[-1]:,} labels come to an error of {target:.1f} %. Chosen, "
    told += f"{needed:,.0f} do." if np.isfinite(needed) else "no fewer do."
    return Finding(told, table, {"by_chance": sizes[-1], "chosen": needed, "error": target})
