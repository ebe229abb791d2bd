"""The file that 10_your_data reads unless another is given: restaurant reviews with the faults that such files have.

Planted are wrong labels, texts that are there twice, some of these with two labels, and rows without a text.
"""

import random
from pathlib import Path

import pandas as pd

from .corpora import plans

FILE = Path(__file__).with_name("example.csv")
REVIEWS, FLIPPED, REPEATED, CONTRADICTED, EMPTY = 320, 12, 10, 4, 2


def build() -> tuple[pd.DataFrame, dict[str, list[int]]]:
    """The file as a table (text, label), and what was planted: a dict of fault -> its data rows, counted from 1."""
    choose, reviews = random.Random("example"), plans("restaurants")[0][:REVIEWS]
    rows = [(" ".join(part.text for part in review.parts), review.label) for review in reviews]
    opposite = {"positive": "negative", "negative": "positive"}
    chosen = iter(choose.sample(range(REVIEWS), FLIPPED + REPEATED + CONTRADICTED))
    flipped = sorted(next(chosen) for _ in range(FLIPPED))
    for index in flipped:
        rows[index] = (rows[index][0], opposite[rows[index][1]])
    repeated = [rows[next(chosen)] for _ in range(REPEATED)]
    contradicted = [(text, opposite[label]) for text, label in (rows[next(chosen)] for _ in range(CONTRADICTED))]
    rows += [*repeated, *contradicted, *[("", "positive")] * EMPTY]
    order = choose.sample(range(len(rows)), len(rows))
    place = {before: after for after, before in enumerate(order, 1)}
    ends = [REVIEWS, REVIEWS + REPEATED, REVIEWS + REPEATED + CONTRADICTED, len(rows)]
    planted = {"flipped": sorted(place[index] for index in flipped)}
    for name, start, end in zip(("repeated", "contradicted", "empty"), ends, ends[1:], strict=False):
        planted[name] = sorted(place[index] for index in range(start, end))
    return pd.DataFrame([rows[index] for index in order], columns=["text", "label"]), planted


def write() -> Path:
    """Write the file into the package and give its path."""
    build()[0].to_csv(FILE, index=False)
    return FILE


if __name__ == "__main__":
    write()
