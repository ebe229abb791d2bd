"""The figures of notebooks 01 to 04: their numbers, checked by hand, and what a reader needs to see in them."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

import bertstudy.advice.figures  # noqa: F401 - which registers figures too
from bertstudy import figures, stats
from bertstudy.analysis.drawing import FIGURES
from bertstudy.data.control.corpora import expected_error
from bertstudy.experiments.layers import pooled_name
from bertstudy.experiments.long_text import strategy_of
from bertstudy.results.rows import squeeze

BASE = {
    "corpus": "movies",
    "window": 64,
    "fraction": 0.1,
    "documents": {"train": 90, "dev": 10, "test": 200},
    "segment_pooling": "none",
    "warmup": 0.1,
    "bias_correction": True,
    "max_grad_norm": 1.0,
    "decay_embeddings": True,
    "layer_decay": 1.0,
    "learning_rate": 1e-3,
    "schedule": "slanted_triangular",
    "depth": 4,
}


def table(*changes):
    return pd.DataFrame([{**BASE, "id": str(number), "seed": 0, **one} for number, one in enumerate(changes)])


def answers(wrong, lengths):
    """Predictions of which those at `wrong` are errors."""
    truth = np.zeros(len(lengths), int)
    predicted = truth.copy()
    predicted[wrong] = 1
    error = 100 * len(wrong) / len(lengths)
    packed = {"truth": squeeze(truth), "predictions": squeeze(predicted), "lengths": squeeze(lengths)}
    return {**packed, "error": error, "documents": {"train": 90, "dev": 10, "test": len(lengths)}}


@pytest.fixture
def long():
    lengths = [30] * 100 + [100] * 60 + [300] * 40
    few, many = list(range(0, 10)), list(range(100, 130))
    return table(
        {"truncation": "head", **answers(few + many, lengths)},
        {"truncation": "head", "seed": 1, **answers(few, lengths)},
        {"truncation": "tail", **answers(few, lengths)},
        {"truncation": "head+tail:24", **answers(few[:5], lengths)},
        {"truncation": "chunks", "segment_pooling": "attention", **answers(few[:2], lengths)},
    )


@pytest.fixture
def layers():
    single = [
        {"layers": str(layer), "error": 40.0 - 5 * layer, "seconds": {"train": 1.0 + layer}} for layer in range(4)
    ]
    pooled = [("concat:0-1", 33.0), ("max:2-3", 26.0), ("concat:0-3", 27.0)]
    return table(*single, *({"layers": one, "error": error, "seconds": {"train": 5.0}} for one, error in pooled))


@pytest.fixture
def rates():
    def history(*errors):
        return [{"step": 10 * n, "train_error": e + 1, "dev_error": e} for n, e in enumerate(errors, 1)]

    def kept(loss):
        losses = {"general_before": 2.0, "general_after": loss, "domain_before": 5.0, "domain_after": loss + 3}
        return {**losses, "cka": [1.0, 0.9, 0.8 / loss]}

    low = {"learning_rate": 1e-3, "history": history(30, 20), "retention": kept(2.5), "error": 19.0}
    high = {"learning_rate": 2e-2, "history": history(50, 48), "retention": kept(6.0), "error": 50.0}
    saved = {**high, "warmup": 0.5, "history": history(50, 25), "error": 26.0}
    return table(low, {**low, "seed": 1, "history": history(40, 30)}, high, saved)


@pytest.fixture
def decays():
    cells = [(1e-3, 1.0, 20.0), (1e-3, 0.9, 19.0), (1.25e-3, 1.0, 21.0), (1.25e-3, 0.5, 24.0)]
    plain = [{"learning_rate": rate, "layer_decay": xi, "error": error} for rate, xi, error in cells]
    kept = {"learning_rate": 1.25e-3, "layer_decay": 0.5, "error": 23.0, "decay_embeddings": False}
    return table(*plain, kept)


def test_strategies_have_the_papers_names():
    assert strategy_of("head", "none") == "head-only"
    assert strategy_of("head+tail:128", "none") == "head+tail"
    assert strategy_of("chunks", "attention") == "hier. self-attention"


def test_long_text_numbers_stand_beside_what_was_planted_and_the_papers(long):
    data = figures.long_text_data(long).set_index("strategy")
    assert data.index.tolist() == ["head-only", "tail-only", "head+tail", "hier. self-attention"]
    assert data.loc["head-only", ["seeds", "error"]].tolist() == [2, 12.5]
    assert data.loc["head+tail", "planted"] == expected_error("movies", "head+tail:24", 64)
    assert data["paper"].tolist() == [5.63, 5.44, 5.42, 5.49]
    chinese = figures.long_text_data(long.assign(corpus="sogou"))
    assert chinese["paper"].tolist() == [2.58, 3.17, 2.43, 2.65]


def test_a_truncation_of_ones_own_stands_below_the_papers(long):
    own = long.assign(truncation=long["truncation"].replace("tail", "middle"))
    data = figures.long_text_data(own).set_index("strategy")
    assert data.index[-1] == "middle-only"
    assert np.isnan(data.loc["middle-only", "paper"])
    for name in ("long_text", "errors_by_length"):
        chart = figures.FIGURES[name](own)
        assert "middle-only" in str([text.get_text() for text in chart.findobj(plt.Text)])
        plt.close(chart)


def test_errors_by_length_pool_seeds_and_have_wilsons_interval(long):
    data = figures.errors_by_length_data(long).set_index(["strategy", "windows"])
    assert data.loc[("head-only", "1 to 2"), ["documents", "error"]].tolist() == [60, 25.0]
    assert data.loc[("head-only", "1 to 2"), ["low", "high"]].tolist() == pytest.approx(stats.wilson(15, 60))
    assert data.loc[("tail-only", "up to 1"), ["documents", "error"]].tolist() == [100, 10.0]
    assert data.loc[("tail-only", "over 2"), ["documents", "error"]].tolist() == [40, 0.0]


def test_head_share_counts_pieces_of_head(long):
    data = figures.head_share_data(long)
    assert data["head"].tolist() == [0, 24, 62]
    assert data["error"].tolist() == [5.0, 2.5, 12.5]


def test_layers_stand_beside_the_papers_at_the_same_depth(layers):
    data = figures.layer_depth_data(layers)
    assert data["layer"].tolist() == [0, 1, 2, 3]
    assert data["seconds"].tolist() == [1.0, 2.0, 3.0, 4.0]
    slower = layers.assign(seed=1, seconds=[{"train": 900.0}] * len(layers))
    assert figures.layer_depth_data(pd.concat([slower, layers]))["seconds"].tolist() == [1.0, 2.0, 3.0, 4.0]
    assert data["paper"].tolist() == [9.29, 6.83, 6.04, 5.42]  # Layer-2, -5, -8 and -11


def test_pooled_layers_have_the_papers_names(layers):
    assert pooled_name("concat:0-3", 12) == "First 4 Layers + concat"
    assert pooled_name("max:8-11", 12) == "Last 4 Layers + max"
    assert pooled_name("concat:0-11", 12) == "All 12 Layers + concat"
    data = figures.layer_pooling_data(layers)
    assert data["layers"].tolist() == ["concat:0-1", "max:2-3", "concat:0-3", "3"]
    assert data["read"].tolist() == ["concat of 0 to 1", "max of 2 to 3", "concat of 0 to 3", "3 alone"]
    assert data["paper"].tolist() == [8.69, 5.42, 5.44, 5.42]
    without = layers[~layers["layers"].isin(["3"])]  # runs that are missing make the encoder no shallower
    assert figures.layer_pooling_data(without)["paper"].tolist() == [8.69, 5.42, 5.44]
    assert figures.layer_depth_data(without)["paper"].tolist() == [9.29, 6.83, 6.04]


def test_curves_are_means_over_seeds(rates):
    data = figures.rate_curves_data(rates[rates["warmup"] == 0.1]).set_index(["learning_rate", "step"])
    assert data.loc[(1e-3, 20), ["train", "dev"]].tolist() == [26.0, 25.0]
    assert data.loc[(2e-2, 10), "dev"] == 50


def test_what_is_retained_is_told_by_layer(rates):
    data = figures.retained_data(rates[rates["warmup"] == 0.1]).set_index(["learning_rate", "layer"])
    assert data.loc[(2e-2, 2), "cka"] == pytest.approx(0.8 / 6)
    assert data.loc[(1e-3, 0), ["general_after", "domain_after"]].tolist() == [2.5, 5.5]


def test_rescues_are_named_by_what_was_changed(rates):
    data = figures.rescues_data(rates).set_index("change")
    assert data["error"].to_dict() == {"nothing changed": 48.0, "warm-up 50%": 25.0}


def test_decays_stand_beside_the_papers_cells(decays):
    data = figures.decay_grid_data(decays).set_index(["decay_embeddings", "learning_rate", "layer_decay"])
    assert data.loc[(True, 1e-3, 0.9), ["error", "paper"]].tolist() == [19.0, 5.52]
    assert data.loc[(True, 1.25e-3, 1.0), "paper"] == 5.52
    assert np.isnan(data.loc[(True, 1.25e-3, 0.5), "paper"])
    assert data.loc[(False, 1.25e-3, 0.5), "error"] == 23


def test_rates_over_time_are_those_the_optimizer_takes(decays):
    data = figures.rates_over_time_data(decays).set_index(["layer", "steps"])
    top = data.loc["layer 3", "rate"]
    assert top.max() == pytest.approx(1.25e-3)
    assert top.iloc[0] == pytest.approx(1.25e-3 / 32)
    assert data.loc["layer 2", "rate"].max() == pytest.approx(1.25e-3 * 0.5)
    assert data.loc["embeddings", "rate"].max() == pytest.approx(1.25e-3 * 0.5**4)


DRAWN = {
    "long_text": "long",
    "errors_by_length": "long",
    "head_share": "long",
    "layer_depth": "layers",
    "layer_pooling": "layers",
    "rate_curves": "rates",
    "retained": "rates",
    "rescues": "rates",
    "decay_grid": "decays",
    "rates_over_time": "decays",
}
DEFAULTS = ["#1f77b4", "#ff7f0e", "#2ca02c", "#d62728"]
HOLLOW = {"long_text": 6, "layer_depth": 12, "layer_pooling": 4, "rate_curves": 5}  # the paper's points in a panel


@pytest.mark.parametrize("name", DRAWN)
def test_axes_are_labelled_and_the_papers_points_hollow(name, request):
    chart = FIGURES[name](request.getfixturevalue(DRAWN[name]))
    panels = [axes for axes in chart.axes if axes.get_label() != "<colorbar>"]
    assert all(axes.get_xlabel() for axes in panels)
    assert panels[0].get_ylabel() or [tick.get_text() for tick in panels[0].get_yticklabels()]
    colors = {line.get_color() for axes in panels for line in axes.lines} & set(DEFAULTS)
    assert not colors  # matplotlib's own are not made for the colour-blind
    hollow = [line for line in panels[0].lines if line.get_markerfacecolor() == "white"]
    assert [len(line.get_ydata()) for line in hollow] == ([HOLLOW[name]] if name in HOLLOW else [])
    plt.close(chart)


@pytest.mark.parametrize("name", DRAWN)
def test_the_same_rows_give_the_same_bytes(name, request, tmp_path):
    rows, written = request.getfixturevalue(DRAWN[name]), []
    for part in ("one", "two"):
        chart = FIGURES[name](rows)
        figures.save(chart, FIGURES[name].data(rows), tmp_path / part / name)
        plt.close(chart)
        written.append([(tmp_path / part / f"{name}{kind}").read_bytes() for kind in (".svg", ".png", ".csv")])
    assert written[0] == written[1]


def test_every_figure_is_tested_in_one_of_the_files_of_figures_or_of_what_they_show():
    further = {"few_shot", "pretraining_steps", "pretraining_sources", "lengths", "balance", "seed_spread"}
    further |= {"rivals", "beside_the_recipe"}
    yours = {"your_curve", "your_recipes", "your_confusion", "your_classes", "your_reliability", "your_coverage"}
    assert set(FIGURES) == {*DRAWN, *further, *yours, "comparison", "gains", "multitask", "larger", "which_encoder"}
