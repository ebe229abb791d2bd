"""Notebooks 12 and 05: methods beside the recipe, a vote of seeds, rivals' curves and where they cross."""

from collections import Counter
from dataclasses import asdict, replace
from types import SimpleNamespace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex

from bertstudy import Run, experiments, figures, stats, widgets
from bertstudy.analysis.deciding import judged
from bertstudy.experiments import after_2019, fewshot
from bertstudy.experiments.ways import floors
from bertstudy.results.rows import squeeze
from bertstudy.runs import by_method

TRUTH = np.arange(200) % 2
RECIPE = Run(corpus="movies", encoder="control", fraction=0.004, dev_fraction=0.0)


def row(run, errors):
    """A row that errs in so many documents, drawn by its seed."""
    wrong = np.random.default_rng(run.seed).permutation(200) < errors
    labelled = round(run.fraction * 25_000)
    told = {"documents": {"train": labelled, "dev": 0, "test": 200}, "labels": ["n", "p"], "retention": None}
    told |= {"pretraining": None, "multitasked": None, "depth": 4, "error": errors / 2, "truth": squeeze(TRUTH)}
    told["loss"] = errors / 100
    seconds = {"train": 10.0 + run.seed, "test": 1.0, "all": 14.0}
    predicted = squeeze(np.where(wrong, 1 - TRUTH, TRUTH))
    return {**asdict(run), **told, "id": f"{run}", "seconds": seconds, "predictions": predicted}


def rows_of(run, errors):
    return [row(replace(run, seed=seed), number) for seed, number in enumerate(errors)]


@pytest.fixture
def table():
    ways = {way.name: way for way in after_2019.WAYS}
    rows = rows_of(RECIPE, (40, 50, 60))
    rows += rows_of(replace(RECIPE, sample_seed=0), (44, 54, 64))
    rows += rows_of(ways["top layers anew"].of(RECIPE), (30, 40, 50))
    rows += rows_of(ways["LoRA"].of(RECIPE), (40, 50))
    rows += rows_of(ways["key sentences"].of(RECIPE), (40, 52, 60))
    rows += [one for floor in floors(RECIPE) for one in rows_of(floor, (80, 80, 80))]
    elsewhere = [*after_2019.plan_elsewhere(RECIPE, "restaurants")]
    rows += rows_of(elsewhere[0], (90, 90, 90)) + rows_of(elsewhere[1], (70, 70, 70))
    return pd.DataFrame(rows)


def test_each_way_stands_beside_the_recipe_on_its_seeds(table):
    data = figures.beside_the_recipe_data(table).set_index(["corpus", "way"])
    own = data.loc["movies"]
    assert own.index.tolist() == [
        "the recipe",
        "top layers anew",
        "LoRA",
        "key sentences",
        "a vote of the recipe's seeds",
        "words (TF-IDF, linear)",
        "frozen embeddings, linear",
    ]
    assert own.loc["top layers anew", ["error", "loss", "effect", "seeds"]].tolist() == [20, pytest.approx(0.4), 5, 3]
    assert own.loc["LoRA", ["effect", "seeds"]].tolist() == [0, 2]
    assert own.loc["words (TF-IDF, linear)", "effect"] == -15
    errors = [np.random.default_rng(seed).permutation(200) < one for seed, one in enumerate((40, 50, 60))]
    better = [np.random.default_rng(seed).permutation(200) < one for seed, one in enumerate((30, 40, 50))]
    effect = stats.paired(np.array(errors, int), np.array(better, int))
    assert own.loc["top layers anew", ["low", "high"]].tolist() == pytest.approx([effect.low, effect.high])
    assert own.loc["top layers anew", ["source", "seconds"]].tolist() == ["Zhang et al. 2021", 13.0]
    away = data.loc["movies, tested on restaurants"]
    assert away.loc["head first", "effect"] == 10


def test_a_vote_takes_what_most_seeds_say(table):
    data = figures.beside_the_recipe_data(table).set_index(["corpus", "way"])
    wrong = np.array([np.random.default_rng(seed).permutation(200) < one for seed, one in enumerate((44, 54, 64))])
    voted = (wrong.sum(0) >= 2).mean()
    line = data.loc[("movies", "a vote of the recipe's seeds")]
    assert line["error"] == pytest.approx(100 * voted)
    assert line["effect"] == pytest.approx(27 - 100 * voted)  # less than the mean of the runs that vote
    assert line["low"] < line["effect"] < line["high"]
    assert line["seconds"] == 39  # of all three
    alone = table[(table["sample_seed"] < 0) | (table["seed"] < 2)]
    assert after_2019.VOTE not in set(figures.beside_the_recipe_data(alone)["way"])  # two are no majority


def test_every_way_is_in_the_plan_and_is_known_by_its_row():
    plan = [*after_2019.plan_for(replace(RECIPE, corpus="long_reviews"), True)]
    rows = pd.DataFrame([row(run, 10) for run in plan])
    assert set(after_2019._with_ways(rows)["way"]) == set(after_2019.ORDER)
    assert len(plan) == len(after_2019.ORDER)
    few = {run.method for run in after_2019.plan_for(RECIPE, False)}
    assert not any("contrastive" in method for method in few)
    for encoder, rates in (("control", (5e-3, 2e-4)), ("minilm", (5e-4, 2e-5))):
        plan = {
            run.method.partition(":")[0]: run for run in after_2019.plan_for(replace(RECIPE, encoder=encoder), True)
        }
        assert (plan["lora"].learning_rate, plan["contrastive"].learning_rate) == rates
        assert plan["contrastive"].piece_pooling == "normalized_mean"
        assert plan["r_drop"].learning_rate == RECIPE.learning_rate


def test_every_claim_of_a_method_finds_its_rows(table):
    named = {claim.name: claim for claim in experiments.all_claims()}
    told = judged(table, [named["top layers anew"], named["head first, elsewhere"], named["R-Drop"]], {})
    told = told.set_index("claim")
    assert told.loc["top layers anew", ["effect", "seeds"]].tolist() == [5, 3]
    assert told.loc["head first, elsewhere", "effect"] == 10
    assert told.loc["R-Drop", "verdict"] == "not run"
    sections = [claim.section.startswith("§") for claim in experiments.all_claims()]
    assert sections == sorted(sections, reverse=True)


def test_the_figure_has_a_panel_a_corpus_and_a_line_a_way(table):
    chart = figures.FIGURES["beside_the_recipe"](table)
    assert [axes.get_title(loc="left") for axes in chart.axes] == ["movies", "movies,\ntested on\nrestaurants"]
    labels = [label.get_text() for label in chart.axes[0].get_yticklabels()]
    assert labels[0] == "top layers anew"
    assert labels[-1] == "frozen embeddings, linear"
    plt.close(chart)


@pytest.fixture
def rivals():
    rows = []
    for each, tuned, other in ((8, 90, 60), (32, 70, 56), (128, 30, 50)):
        run = replace(RECIPE, fraction=2 * each / 25_000)
        rows += rows_of(run, (tuned, tuned + 1, tuned + 2, tuned + 3, tuned + 4))
        rows += rows_of(by_method(run, "contrastive:20"), (other - 4, other - 3, other - 2, other - 1, other))
        rows += [one for floor in floors(run) for one in rows_of(floor, range(other, other + 5))]
    return pd.DataFrame(rows)


def test_where_fine_tuning_passes_its_rivals(rivals):
    data = figures.rivals_data(rivals)
    assert data["arm"].unique().tolist() == ["Words", "Embeddings", "Contrastive", "FiT"]
    assert data.loc[data["arm"] == "FiT", "error"].tolist() == [46, 36, 16]
    found = fewshot.crossings_data(rivals).set_index("rival")
    assert found.loc["Words", "labels"] == pytest.approx(32 * 4 ** (14 / 34))
    assert 32 < found.loc["Words", "low"] <= found.loc["Words", "labels"] <= found.loc["Words", "high"] < 128
    told = fewshot.crossings(rivals)
    assert told["movies: words (TF-IDF, linear)"]["fine-tuning is"].startswith(
        "better from about 57 labels a class (95 %"
    )
    never = fewshot.crossings(rivals[rivals["fraction"] < 0.01])
    line = never["movies: words (TF-IDF, linear)"]
    assert line == {"fine-tuning is": "worse at every size tried", "tried": "8 to 32"}
    assert fewshot.crossings(rivals[rivals["method"] != "fine_tune"]) == {}  # without fine-tuning nothing crosses it
    unsure = rivals.assign(error=np.where(rivals["method"] == "words", 30.0, 30.0 + rivals["seed"] % 2 - 0.4))
    told = fewshot.crossings(unsure)["movies: words (TF-IDF, linear)"]
    assert told == {"fine-tuning is": "undecided at every size tried", "tried": "8 to 128"}


def test_what_is_sure_at_some_sizes_only_is_told(rivals):
    few = rivals["fraction"] < 0.001
    at_last = np.where(rivals["method"] == "words", 30.0, 30.0 + rivals["seed"] % 2 - 0.4)
    errors = {"worse": np.where(few, rivals["error"], at_last), "better": np.where(few, 150 - rivals["error"], at_last)}
    for name, error in errors.items():
        told = fewshot.crossings(rivals.assign(error=error))["movies: words (TF-IDF, linear)"]
        assert told["fine-tuning is"] == f"{name} at 8 labels a class, else undecided"


def test_the_rivals_are_drawn_with_a_bar_for_each_crossing(rivals):
    chart = figures.FIGURES["rivals"](rivals)
    (axes,) = chart.axes
    assert [text.get_text() for text in chart.legends[0].get_texts()] == [*fewshot.RIVALS.values()][:4]
    assert [tick.get_text() for tick in axes.get_xticklabels()] == ["8", "32", "128"]
    assert len(axes.containers) == 4 + 1 + 3  # an empty one: no row is further pretrained
    plt.close(chart)


def test_a_way_has_the_same_colour_of_the_style_in_both_figures(rivals):
    (few,), (many,) = (figures.FIGURES[name](rivals).axes for name in ("few_shot", "rivals"))
    words = next(bars for bars in few.containers if bars.get_label().startswith("words"))
    assert to_hex(words.lines[0].get_color()) == to_hex(many.containers[0].lines[0].get_color()) == "#009e73"
    plt.close("all")


def test_what_others_published_stands_beside_the_points_that_both_have(rivals):
    news = rivals.assign(corpus="ag_news")
    data = fewshot.published_data(news).set_index(["arm", "each"])
    assert data.index.tolist() == [("Embeddings", 8), ("Contrastive", 8), ("FiT", 8)]
    assert data.loc[("Contrastive", 8), ["theirs", "seeds", "error"]].tolist() == [16.9, 5, 29]
    assert fewshot.published_data(rivals).empty
    chart = figures.FIGURES["rivals"](news)
    hollow = [line for line in chart.axes[0].lines if line.get_markerfacecolor() == "white" and len(line.get_xdata())]
    assert sorted(float(*line.get_ydata()) for line in hollow) == [16.9, 18.3, 25.7]
    assert "Tunstall" in chart.legends[0].get_texts()[-1].get_text()
    plt.close(chart)


def test_where_others_published_there_are_as_many_draws():
    study = SimpleNamespace(
        scale=SimpleNamespace(corpora=["ag_news", "trec"], each=[8, 16]),
        seeds=range(3),
        base=RECIPE,
        reachable=lambda names: names,
        load=lambda name: SimpleNamespace(labels="abcd", train=SimpleNamespace(texts=range(1000))),
        reading=lambda name: replace(RECIPE, corpus=name),
    )
    draws = Counter((run.corpus, run.fraction) for run in fewshot.plan_rivals(study) if run.method == "words")
    assert draws == {("ag_news", 0.032): 10, ("ag_news", 0.064): 5, ("trec", 0.032): 5, ("trec", 0.064): 5}


def test_the_widget_tells_the_expected_error_of_each_method(rivals):
    points = figures.rivals_data(rivals)
    between = widgets.expected(points, 64).set_index("arm")
    assert between.loc["FiT", "error"] == pytest.approx(26)  # half-way between 32 and 128 on the logarithmic scale
    assert between.index[0] == "Contrastive"
    assert set(between["seconds"]) == {13.0}
    assert widgets.expected(points, 128).iloc[0]["arm"] == "FiT"
    box = widgets.which_method(rivals)
    task, labels, words = box.children
    assert task.options == {"movies: 2 classes": "movies"}
    labels.value = 128
    before = words.value
    seen = np.array([15, 15.5, 16, 16.5, 17])
    far = stats.mean_interval(seen)[2] - 16  # of the mean of five runs; that of one more is six times as far, squared
    assert f"<td>fine-tuned</td><td>16.0 % [{16 - 6**0.5 * far:.1f}, {16 + 6**0.5 * far:.1f}]</td>" in before
    one = widgets.expected(points.assign(seeds=1), 128)
    assert one[["low", "high"]].isna().all(axis=None)  # of one run nothing is known of the next
    labels.value = 8
    assert words.value != before


def test_the_widget_says_where_a_corpus_has_no_runs_with_so_many_labels(rivals):
    few = rivals[rivals["fraction"] == rivals["fraction"].min()].assign(corpus="restaurants")
    task, labels, words = widgets.which_method(pd.concat([rivals, few])).children
    labels.value = 128
    task.value = "restaurants"
    assert words.value == "On this corpus no method has been tried with so many labels."
    labels.value = 8
    assert "<td>fine-tuned</td>" in words.value
