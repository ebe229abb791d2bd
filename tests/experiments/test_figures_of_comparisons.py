"""The figures of notebooks 07 to 09: whose row is whose, means over the same corpora, and the paper beside."""

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from bertstudy import figures, paper
from bertstudy.analysis.drawing import FIGURES
from bertstudy.experiments.ways import arm_of

BASE = {
    "method": "fine_tune",
    "further_pretraining": "none",
    "multitask": "none",
    "encoder": "control",
    "depth": 4,
    "parameters": None,
    "pretraining": None,
    "multitasked": None,
    "documents": {"train": 90, "dev": 10, "test": 200},
    "seconds": {"train": 60.0, "test": 4.0},
}
ITPT = {"further_pretraining": "within_task", "pretraining": [{"seconds": 0.0}, {"seconds": 120.0}]}
MFIT = {"multitask": "imdb+trec", "multitasked": {"history": [{"seconds": 30.0}, {"seconds": 90.0}]}}


SIZES = (("base", 12), ("large", 24))


def table(*changes):
    """Rows of two seeds: the second one's error is two points higher."""
    rows = [{**BASE, **one, "seed": seed, "error": one["error"] + 2 * seed} for one in changes for seed in (0, 1)]
    return pd.DataFrame([{**one, "id": str(number)} for number, one in enumerate(rows)])


@pytest.fixture
def compared():
    ways = [({"method": "tfidf", "encoder": "none", "depth": None}, 19), ({"method": "features"}, 39), ({}, 19)]
    both = [{**way, "corpus": corpus, "error": error} for corpus in ("imdb", "trec") for way, error in ways]
    return table(*both, {**ITPT, "corpus": "imdb", "error": 9}, {**ITPT, "corpus": "trec", "error": 29})


def test_ways_have_the_papers_names():
    assert arm_of("tfidf") == "TF-IDF"
    assert arm_of("features") == "BERT-Feat"
    assert arm_of("fine_tune", "in_domain") == "IDPT-FiT"
    assert arm_of("fine_tune", "imdb+trec", "imdb+trec") == "CDPT-MFiT-FiT"
    assert arm_of("fine_tune", "restaurants") == "restaurants, FiT"


def test_a_comparison_tells_error_minutes_and_speed_beside_the_papers(compared):
    data = figures.comparison_data(compared).set_index(["corpus", "arm"])
    assert data.loc["imdb"].index.tolist() == ["TF-IDF", "BERT-Feat", "FiT", "ITPT-FiT"]
    first = data.loc[("imdb", "ITPT-FiT")]
    assert (first["error"], first["minutes"], first["documents_per_second"], first["paper"]) == (10, 3, 50, 4.37)
    assert data.loc[("trec", "BERT-Feat"), "paper"] == 4.20
    assert np.isnan(data.loc[("imdb", "TF-IDF"), "paper"])
    assert (data["low"] < data["error"]).all()


def test_gains_are_shares_of_the_reference_averaged_over_corpora_seed_by_seed(compared):
    data = figures.gains_data(compared).set_index("arm")
    shares = [[(39 - 9) / 39, (39 - 29) / 39], [(41 - 11) / 41, (41 - 31) / 41]]
    assert data.loc["ITPT-FiT", "gain"] == pytest.approx(100 * np.mean(shares))
    assert data.loc["BERT-Feat", "gain"] == 0
    assert data.loc["FiT", "low"] < data.loc["FiT", "gain"] < data.loc["FiT", "high"]
    printed = [(6.79 - 4.37) / 6.79, (4.20 - 3.20) / 4.20]
    assert data.loc["ITPT-FiT", "paper"] == pytest.approx(100 * np.mean(printed))


def test_a_corpus_that_a_way_was_not_run_on_is_left_out_of_all_means(compared):
    third = table({"method": "features", "corpus": "ag_news", "error": 90}, {"corpus": "ag_news", "error": 1})
    data, before = figures.gains_data(pd.concat([compared, third])), figures.gains_data(compared)
    assert data["corpora"].unique().tolist() == [2]
    assert data["gain"].tolist() == before["gain"].tolist()


def test_gains_and_costs_are_of_the_corpora_that_all_ways_were_run_on(compared):
    slow = table({"method": "features", "corpus": "ag_news", "error": 90, "seconds": {"train": 6e5, "test": 4e5}})
    assert figures.gains_data(pd.concat([compared, slow])).equals(figures.gains_data(compared))


def test_gains_take_the_seeds_that_all_ways_have_on_all_corpora(compared):
    lacking = compared[~((compared["seed"] == 1) & (compared["corpus"] == "imdb") & (compared["method"] == "tfidf"))]
    data = figures.gains_data(lacking).set_index("arm")
    assert data["seeds"].unique().tolist() == [1]
    assert data.loc["ITPT-FiT", "gain"] == pytest.approx(100 * np.mean([(39 - 9) / 39, (39 - 29) / 39]))
    assert np.isnan(data.loc["ITPT-FiT", "low"])


def test_gains_without_a_complete_corpus_or_the_reference_say_so(compared):
    apart = compared[(compared["corpus"] == "imdb") == (compared["method"] == "features")]
    for rows in (apart, compared[compared["method"] != "features"]):
        assert figures.gains_data(rows).empty
        chart = FIGURES["gains"](rows)
        assert "No corpus has runs of all ways" in chart.axes[0].texts[0].get_text()
        plt.close(chart)


def test_the_interval_of_a_gain_is_of_its_own_spread(compared):
    wild = compared.copy()
    wild.loc[wild["method"] == "tfidf", "error"] += 30 * wild["seed"]
    before, after = (figures.gains_data(rows).set_index("arm").loc["FiT"] for rows in (compared, wild))
    assert before.equals(after)


def test_gains_have_the_papers_where_it_has_all_the_corpora(compared):
    own = compared.assign(corpus=compared["corpus"].replace("trec", "my.csv"))
    assert figures.gains_data(own)["paper"].isna().all()


def test_gains_name_their_corpora(compared):
    for rows, says in ((compared, "imdb, trec"), (compared[compared["corpus"] == "imdb"], "imdb")):
        chart = FIGURES["gains"](rows)
        assert f"here, {says}; 2 seeds, 95 % interval" in [text.get_text() for text in chart.legends[0].get_texts()]
        plt.close(chart)


def test_costs_are_of_the_fastest_run_and_prediction_of_the_computation():
    slow, fast = ({"corpus": "imdb", "error": 9, "seconds": {"train": 60.0 * n, "test": 4.0 * n}} for n in (3, 1))
    data = figures.comparison_data(table(slow, fast, {**slow, **ITPT})).set_index("arm")
    assert data.loc["FiT", ["minutes", "documents_per_second"]].tolist() == [1, 50]
    assert data.loc["ITPT-FiT", ["minutes", "documents_per_second"]].tolist() == [5, 50]


def test_the_papers_mean_gains_are_found_again_from_its_own_errors():
    printed = paper.comparison()
    errors = printed.drop(columns="Avg delta vs BERT-Feat")
    shares = 100 * (errors.loc["BERT-Feat"] - errors) / errors.loc["BERT-Feat"]
    for way in ("BERT-FiT", "BERT-ITPT-FiT", "BERT-IDPT-FiT", "BERT-CDPT-FiT"):
        assert shares.loc[way].mean() == pytest.approx(printed.loc[way, "Avg delta vs BERT-Feat"], abs=0.02)


def test_tasks_together_stand_beside_table_7():
    rows = table({"corpus": "imdb", "error": 20}, {**MFIT, "corpus": "imdb", "error": 18})
    data = figures.multitask_data(rows).set_index("arm")
    assert data.index.tolist() == ["FiT", "MFiT-FiT"]
    assert data["paper"].tolist() == [5.40, 5.36]
    assert data.loc["MFiT-FiT", "minutes"] == 2.5


def test_encoders_stand_from_the_shallowest_and_the_papers_own_beside_its_numbers():
    base, large = ({"encoder": f"google-bert/bert-{size}-uncased", "depth": depth} for size, depth in SIZES)
    both = [{"corpus": "imdb", "error": 20}, {**ITPT, "corpus": "imdb", "error": 8}]
    data = figures.larger_data(table(*({**size, **one} for size in (large, {}, base) for one in both)))
    large, base = ([f"bert-{size}-uncased{more}" for more in ("", " + ITPT")] for size in ("large", "base"))
    assert data["way"].tolist() == ["control", "control + ITPT", *base, *large]
    assert data["paper"].tolist()[2:] == [5.40, 4.37, 4.86, 4.21]
    assert data["paper"][:2].isna().all()


def test_encoders_are_told_by_error_time_and_size():
    large = {"encoder": "some/large", "parameters": 300_000_000, "seconds": {"train": 90.0, "test": 8.0}}
    rows = table(*({**one, "corpus": "imdb", "error": error} for one, error in (({}, 20), (large, 10), (ITPT, 5))))
    data = figures.which_encoder_data(rows).set_index("encoder")
    assert data.index.tolist() == ["control", "large"]
    assert data.loc["large", ["error", "seconds", "parameters", "documents_per_second"]].tolist() == [11, 90, 300, 25]
    assert np.isnan(data.loc["control", "parameters"])
    chart = FIGURES["which_encoder"](rows)
    assert [axes.get_xlabel() for axes in chart.axes] == [
        "seconds of training, fastest run, logarithmic",
        "parameters (millions), logarithmic",
    ]
    assert {text.get_text() for text in chart.axes[0].texts} == {"control", "large"}
    known = FIGURES["which_encoder"](rows[rows["encoder"] == "control"])
    assert len(known.axes) == 1  # without a size there is no panel of sizes
    plt.close("all")


@pytest.mark.parametrize("name", ["comparison", "gains", "multitask", "larger"])
def test_a_figure_shows_every_way_with_units(name, compared):
    chart = FIGURES[name](compared)
    shown = [axes for axes in chart.axes if axes.get_visible()]
    labels = [label.get_text() for axes in shown for label in axes.get_yticklabels()]
    data = FIGURES[name].data(compared)
    assert set(data["way" if name == "larger" else "arm"]) <= set(labels)
    assert all("(" in axes.get_xlabel() for axes in shown)
    plt.close(chart)
