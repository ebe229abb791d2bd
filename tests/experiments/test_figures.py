import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path
from types import SimpleNamespace

import matplotlib.pyplot as plt
import pandas as pd
import pytest
from conftest import NO_TORCH

from bertstudy import Run, claims, experiments, figures, paper, stats, widgets
from bertstudy.analysis.drawing import result_of
from bertstudy.experiments.further_pretraining import plan_sources

ROOT = Path(figures.__file__).parents[2]


def row(fraction, seed, error, size=100, source="none", steps=0):
    run = {
        "corpus": "made",
        "fraction": fraction,
        "seed": seed,
        "method": "fine_tune",
        "multitask": "none",
        "further_pretraining": source,
        "pretraining_steps": steps,
        "next_sentence": True,
    }
    run["pretraining"] = [{"step": steps, "loss": 5.0 - steps / 100}] if steps else None
    return {
        **run,
        "id": f"{fraction}-{seed}",
        "error": error,
        "documents": {"train": size - 10, "dev": 10, "test": 2000},
    }


@pytest.fixture
def rows():
    points = [(0.004, 100, (30.0, 26.0, 28.0)), (0.01, 250, (20.0,))]
    return pd.DataFrame([row(part, seed, one, n) for part, n, errors in points for seed, one in enumerate(errors)])


@pytest.fixture
def pretrained():
    cells = {("none", 0): (30.0, 28.0), ("within_task", 50): (22.0, 21.0), ("within_task", 100): (20.0, 19.0)}
    cells[("questions", 100)] = (31.0, 27.0)
    return pd.DataFrame(
        [row(0.004, seed, one, 100, *cell) for cell, errors in cells.items() for seed, one in enumerate(errors)]
    )


def test_both_arms_are_told_apart(pretrained):
    data = figures.few_shot_data(pretrained[pretrained["pretraining_steps"] != 50])
    arms = data.set_index("arm")
    assert arms.loc["FiT", "error"] == 29.0
    assert arms.loc["ITPT-FiT", ["error", "paper"]].tolist() == [19.5, 9.23]
    assert arms.loc["questions, FiT", "error"] == 29.0


def test_the_numbers_of_the_steps_figure(pretrained):
    data = figures.pretraining_steps_data(pretrained[pretrained["further_pretraining"] != "questions"])
    assert data["pretraining_steps"].tolist() == [0, 50, 100]
    assert data["error"].tolist() == [29.0, 21.5, 19.5]
    assert data["held_out_loss"].tolist()[1:] == [4.5, 4.0]


def test_the_numbers_of_the_sources_figure_are_paired_by_seed(pretrained):
    data = figures.pretraining_sources_data(pretrained[pretrained["pretraining_steps"] != 50])
    data = data.set_index("further_pretraining")
    assert data.loc["made", "gain"] == pytest.approx(9.5)
    half = 12.7062 * 0.5  # t of one degree of freedom; the gains are 10 and 9
    assert data.loc["made", ["gain_low", "gain_high"]].tolist() == pytest.approx([9.5 - half, 9.5 + half], rel=1e-4)
    assert data.loc["questions", "gain"] == pytest.approx(0.0)
    assert data.loc["none", "gain"] == 0
    own = pretrained["pretraining_steps"] == 100
    alone = pretrained[own & (pretrained["further_pretraining"] == "within_task")].assign(next_sentence=False, error=15)
    both = figures.pretraining_sources_data(pd.concat([pretrained, alone])).set_index("further_pretraining")
    assert both.loc["made,\nmasked words alone", ["error", "gain"]].tolist() == [15, 14]
    assert "questions,\nmasked words alone" not in both.index  # that source was read in one way only


class Asked:
    """What a plan asks of a study: topics have no next sentences."""

    scale = SimpleNamespace(tasks=["movies", "questions"], sources=["topics"])

    def reading(self, task):
        return Run(corpus=task, encoder="control")

    def pretrained(self, source, run):
        return replace(run, further_pretraining=source, pretraining_steps=3, next_sentence=source != "topics")


def test_own_texts_are_read_without_next_sentences_too_where_another_source_has_none():
    plan = plan_sources(Asked(), "movies")
    read = [(run.further_pretraining, run.next_sentence) for run in plan]
    own = [("within_task", True), ("within_task", False)]
    assert read == [("none", True), *own, ("questions", True), ("topics", False)]
    claim = next(one for one in experiments.all_claims() if one.name == "own texts")
    told = {"size_place": 0, "measured": False}
    rows = pd.DataFrame([{**asdict(run), **told, "fraction": 0.004} for run in plan])
    ((setting, other, within),) = claims._settings(rows, claim.contrasts[0], 3)
    assert (setting["next_sentence"], other["next_sentence"].tolist(), within["next_sentence"].tolist()) == (
        False,
        [False],
        [False],
    )


@pytest.mark.parametrize("name", ["pretraining_steps", "pretraining_sources"])
def test_the_pretraining_figures_are_labelled(name, pretrained):
    rows = pretrained if name == "pretraining_sources" else pretrained[pretrained["further_pretraining"] != "questions"]
    chart = figures.FIGURES[name](rows)
    axes = chart.axes[0]
    assert axes.get_xlabel()
    assert axes.get_ylabel()
    assert "%" in axes.get_title(loc="left")
    if name == "pretraining_steps":
        hollow = [line for line in axes.lines if line.get_markerfacecolor() == "white"]
        assert [len(line.get_ydata()) for line in hollow] == [11]
    else:
        assert "29.0" in [text.get_text() for text in axes.texts]
    plt.close(chart)


def test_the_numbers_of_the_few_shot_figure(rows):
    data = figures.few_shot_data(rows)
    assert data["labelled"].tolist() == [100, 250]
    assert data["error"].tolist() == [28.0, 20.0]
    assert data["seeds"].tolist() == [3, 1]
    assert data["paper"].tolist() == [17.26, 11.5]
    half = 4.302653 * 2.0 / 3**0.5
    assert data.loc[0, ["low", "high"]].tolist() == pytest.approx([28 - half, 28 + half], rel=1e-5)
    assert data.loc[1, ["low", "high"]].tolist() == pytest.approx(stats.wilson(400, 2000))


def test_the_caption_of_a_figure_tells_what_one_seed_says_alone(rows):
    told = result_of("few_shot", figures.few_shot_data(rows))
    assert told.startswith(
        "Lowest error: FiT with 250 labels: 20.0 % [18.3, 21.8] (one seed). Highest: FiT with 100 labels"
    )
    assert told.endswith("].")
    assert "one seed" not in result_of("few_shot", figures.few_shot_data(rows[rows["seed"] == 0]))


def test_no_interval_of_errors_goes_beyond_all_or_none(rows):
    for error, end, value in ((1.0, "low", 0.0), (99.0, "high", 100.0)):
        data = figures.few_shot_data(rows.assign(error=[error, 50.0, error, 50.0]))
        assert data[end].iloc[0] == value


def test_the_few_shot_figure_shows_seeds_means_intervals_and_the_papers_points(rows):
    chart = figures.few_shot(rows)
    axes = chart.axes[0]
    lines = {tuple(map(float, line.get_ydata())): line for line in axes.lines}
    assert (28.0, 20.0) in lines
    assert any(sorted(ys) == [20.0, 26.0, 28.0, 30.0] for ys in lines)
    hollow = [line for line in axes.lines if line.get_markerfacecolor() == "white"]
    assert [len(line.get_ydata()) for line in hollow] == [7, 7]
    assert axes.get_xscale() == "log"
    assert "labelled documents (made)" in axes.get_xlabel()
    assert axes.get_ylabel() == "test error (%)"
    legend = " ".join(text.get_text() for text in chart.legends[0].get_texts())
    assert "1 to 3 seeds" in legend
    assert "paper: FiT" in legend
    plt.close(chart)


@pytest.mark.parametrize("name", ["few_shot", "pretraining_steps", "pretraining_sources"])
def test_the_same_rows_give_the_same_bytes(name, pretrained, tmp_path):
    written = []
    for part in ("one", "two"):
        chart = figures.FIGURES[name](pretrained)
        figures.save(chart, figures.FIGURES[name].data(pretrained), tmp_path / part / name)
        plt.close(chart)
        written.append([(tmp_path / part / f"{name}{kind}").read_bytes() for kind in (".svg", ".png", ".csv")])
    assert written[0] == written[1]
    assert all(len(one) > 100 for one in written[0])


def test_an_incomplete_figure_says_so(rows):
    chart = figures.incomplete(figures.few_shot(rows), 4)
    assert chart.get_suptitle() == "INCOMPLETE: 4 runs missing"
    plt.close(chart)


def test_figures_do_without_torch():
    code = NO_TORCH + "import bertstudy as bs; bs.figures, bs.paper, bs.stats; print('fine')"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "fine", done.stderr


def test_the_papers_few_shot_numbers():
    points = paper.few_shot()
    assert len(points) == 14
    first = points[(points["fraction"] == 0.004)].set_index("arm")
    assert first["error"].to_dict() == {"FiT": 17.26, "ITPT-FiT": 9.23}
    assert first["documents"].tolist() == [100, 100]
    with pytest.raises(KeyError, match="'Table9' is not in the paper"):
        paper.item("Table9")


def test_intervals():
    low, high = stats.wilson(5, 50)  # Wilson's formula by hand: (0.1384 ± 0.0949) / 1.0768 with z = 1.96
    assert (low, high) == pytest.approx((4.3475, 21.3601), abs=1e-3)
    assert stats.mean_interval([1.0, 2.0, 3.0]) == pytest.approx((2.0, 2 - 2.484138, 2 + 2.484138), rel=1e-5)
    mean, low, high = stats.mean_interval([4.0])
    assert mean == 4.0
    assert low != low
    assert high != high


@pytest.mark.parametrize(("target", "expected"), [(30, 100), (25, 100 * 2.5**0.5), (20, 250), (19, None)])
def test_labels_needed_are_read_between_the_points(target, expected):
    points = pd.DataFrame({"labelled": [250, 100], "error": [20.0, 30.0]})
    needed = widgets.documents_for(points, target)
    assert needed == (None if expected is None else pytest.approx(expected))


@pytest.mark.parametrize(
    ("target", "says"),
    [
        (30, "100 labelled documents or fewer"),
        (35, "100 labelled documents or fewer"),
        (25, "about 158"),
        (19, "more than 250"),
    ],
)
def test_what_was_not_tried_is_not_promised(target, says):
    points = pd.DataFrame({"labelled": [250, 100], "error": [20.0, 30.0]})
    assert widgets.in_words(points, target).startswith(says)


def test_the_slider_answers(rows):
    control = widgets.labels_needed(rows)
    slider, words = control.children
    assert (slider.min, round(slider.max)) == (20.0, 28)
    slider.value = 25.0
    assert words.value == f"FiT: about {100 * 2.5**0.375:,.0f} labelled documents"
