"""Notebook 11: the spread over seeds, runs that fail, and what a test sees that has only two runs."""

from dataclasses import asdict
from itertools import combinations

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from bertstudy import Run, figures, stats
from bertstudy.results.rows import squeeze

TRUTH = np.arange(200) % 2


def row(seed, errors, labelled=100, **changes):
    """A row that errs in `errors` documents, drawn by its seed."""
    wrong = np.random.default_rng(seed).permutation(200) < errors
    run = Run(corpus="movies", encoder="control", seed=seed, fraction=labelled / 25_000, **changes)
    told = {"documents": {"train": labelled, "dev": 0}, "error": errors / 2, "truth": squeeze(TRUTH)}
    return {**asdict(run), **told, "predictions": squeeze(np.where(wrong, 1 - TRUTH, TRUTH))}


@pytest.fixture
def table():
    errors = (20, 30, 60, 100)
    rows = [row(seed, number) for seed, number in enumerate(errors)]
    rows += [row(seed, 20, piece_pooling="mean") for seed in range(4)]
    rows += [row(seed, 30, bias_correction=False) for seed in range(4)]
    rows += [row(seed, 30, epochs=8) for seed in range(4)]
    rows += [row(seed, 20 + seed, sample_seed=0) for seed in range(4)]
    rows += [row(seed, 10, labelled=500) for seed in range(4)]
    return pd.DataFrame(rows)


def test_the_spread_of_a_way_is_that_of_its_seeds(table):
    data = figures.seed_spread_data(table).set_index(["labelled", "way"])
    assert set(data.loc[100].index) == {
        "[CLS]",
        "mean over pieces",
        "[CLS], no bias correction",
        "[CLS], twice the steps",
        "[CLS], one sample",
    }
    line = data.loc[(100, "[CLS]")]
    assert (line["seeds"], line["error"], line["failed"]) == (4, 26.25, 1)  # 100 of 200 is what one class alone gives
    assert line["sd"] == pytest.approx(np.std([10, 15, 30, 50], ddof=1))
    assert line["sd_low"] < line["sd"] < line["sd_high"]
    held = data.loc[(100, "[CLS], one sample")]
    assert held["sd"] == pytest.approx(np.std([10, 10.5, 11, 11.5], ddof=1))
    wrong = [np.random.default_rng(seed).permutation(200) < number for seed, number in enumerate((20, 30, 60, 100))]
    p = [stats.mcnemar(*pair).p for pair in combinations(np.array(wrong, int), 2)]
    assert line["differ"] == pytest.approx(100 * np.mean(np.array(p) <= 0.05))
    assert 0 < line["differ"] < 100
    assert 95 < line["beyond"] < 100  # with a spread of 18 points, nearly all pairs
    assert data.loc[(500, "[CLS]"), "sd"] == 0
    assert np.isnan(data.loc[(500, "[CLS]"), "beyond"])


def test_every_run_is_a_dot_and_every_way_a_line(table):
    chart = figures.FIGURES["seed_spread"](table)
    few, many = chart.axes
    assert [label.get_text() for label in few.get_yticklabels()][-1] == "mean over pieces"
    dots = [line for line in few.lines if len(line.get_xdata()) == 4]
    named = [label.get_text() for label in few.get_yticklabels()]
    assert sorted(dots[named.index("[CLS]")].get_xdata()) == [10, 15, 30, 50]
    assert "100 labels, 4 seeds" in few.get_title(loc="left")
    assert "500 labels" in many.get_title(loc="left")
    plt.close(chart)
