"""Surveys of corpora: what is counted, checked by hand; what is stored; and the figures drawn from it."""

import json
import logging
import os
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from conftest import NO_TORCH

from bertstudy import Run, figures, load_corpus, survey
from bertstudy.data.corpora import LIBRARY, Corpus
from bertstudy.data.sampling import Split
from bertstudy.model.loading import load_tokenizer
from bertstudy.paths import ROOT
from bertstudy.results.rows import rows as stored_rows
from bertstudy.study import pages, setup, surveying

TRAIN = (["a b c", "A  b C ", "a " * 30, "q", "d e"], [0, 0, 0, 1, 0])
TEST = (["a\nB c", "z", "Z", "a b c", "w"], [0, 1, 0, 1, 1])


@pytest.fixture
def made():
    train, test = (Split(texts, np.array(classes)) for texts, classes in (TRAIN, TEST))
    return Corpus("made", train, test, ("x", "y"))


@pytest.fixture
def surveyed(made, tiny):
    return survey.survey(made, load_tokenizer(tiny()), window=20)


def test_table_1_is_counted(surveyed):
    assert surveyed["average length"] == pytest.approx((3 + 3 + 30 + 1 + 2) / 5)
    assert (surveyed["longest"], surveyed["classes"], surveyed["train"], surveyed["test"]) == (30, 2, 5, 5)
    assert surveyed["beyond the window, %"] == 20


@pytest.mark.parametrize(("window", "beyond"), [(32, 0), (31, 20), (5, 20), (4, 60)])
def test_cls_and_sep_take_two_pieces_of_the_window(window, beyond, made, tiny):
    assert survey.survey(made, load_tokenizer(tiny()), window)["beyond the window, %"] == beyond


def test_texts_that_stand_twice_are_counted_whatever_their_case_and_spaces(surveyed):
    assert surveyed["repeated in train"] == 1  # "A  b C "
    assert surveyed["repeated in test"] == 2  # "Z" and the second "a b c"
    assert surveyed["test texts in train"] == 2  # both of "a b c"
    counted = survey.repeats(pd.DataFrame([surveyed])).iloc[0]
    assert counted.tolist() == ["made", 1, 20.0, 2, 40.0, 2, 40.0]


def test_documents_are_counted_by_class_and_by_length(surveyed):
    assert surveyed["by class"] == [{"label": "x", "train": 4, "test": 2}, {"label": "y", "train": 1, "test": 3}]
    even = survey.balance(pd.DataFrame([surveyed])).iloc[0]
    assert even.to_dict() == {
        "corpus": "made",
        "classes": 2,
        "largest": "x",
        "largest, %": 80.0,
        "smallest": "y",
        "smallest, %": 20.0,
    }
    counts = {(one["from"], one["to"]): one["documents"] for one in surveyed["by length"]}
    assert counts == {(1, 1): 1, (2, 2): 1, (3, 3): 2, (25, 31): 1}


def test_the_bins_are_whole_numbers_that_follow_each_other():
    assert list(survey.BINS) == sorted(set(survey.BINS))
    assert survey.BINS[0] == 1
    assert survey.BINS[-1] == 2**18


def test_a_sample_is_measured_and_the_longest_is_still_found(tiny):
    texts = ["a b"] * 500 + ["a " * 90]
    one = Corpus("made", Split(texts, np.arange(501) % 2), Split(["z"], np.array([0])), ("x", "y"))
    tokenizer = load_tokenizer(tiny())
    assert survey.lengths(one, tokenizer, 10).tolist() == [2] * 10
    assert len(survey.lengths(one, tokenizer, 0)) == 501
    counted = survey.survey(one, tokenizer, 20, documents=10)
    assert (counted["measured"], counted["average length"], counted["longest"]) == (10, 2.0, 90)


@pytest.fixture
def run(tiny, letters):
    return Run(corpus=letters, encoder=tiny(), window=24, truncation="head")


def test_it_is_made_once_and_holds_no_text(run, reports, monkeypatch):
    first = surveying.stored(run, "smoke", documents=50)
    path = reports / "smoke" / "corpora" / f"{first['id']}.json"
    assert json.loads(path.read_text()) == first
    corpus = load_corpus(run.corpus)
    assert not any(text in path.read_text() for text in [*corpus.train.texts, *corpus.test.texts])
    assert str(os.path.dirname(run.corpus)) not in path.read_text().replace(run.encoder, "")
    monkeypatch.setattr(surveying, "survey", None)  # nothing is counted again
    assert surveying.stored(run, "smoke", documents=50) == first
    with pytest.raises(TypeError):
        surveying.stored(run, "smoke", documents=60)


def test_another_corpus_encoder_window_or_sample_is_another_survey(run, reports, tiny):
    others = [replace(run, corpus="questions"), replace(run, encoder=tiny("electra")), replace(run, window=30)]
    ids = [surveying.stored(one, "smoke", 50)["id"] for one in [run, *others]]
    ids.append(surveying.stored(run, "smoke", 60)["id"])
    assert len(set(ids)) == len(ids)
    assert surveying.stored(replace(run, seed=3, truncation="tail"), "smoke", 50)["id"] == ids[0]


def test_another_tokenizer_in_the_same_folder_is_another_survey(run, reports, tiny, tmp_path):
    folder, ids = tmp_path / "mine", []
    for kind in ("bert", "roberta"):
        shutil.copytree(tiny(kind), folder, dirs_exist_ok=True)
        ids.append(surveying._id(replace(run, encoder=str(folder)), 50, LIBRARY))
    assert len(set(ids)) == 2


def test_what_cannot_be_had_is_told_in_one_line_and_the_rest_is_surveyed(run, reports, caplog, monkeypatch, tmp_path):
    caplog.set_level(logging.INFO, "bertstudy")
    monkeypatch.setattr("bertstudy.data.hub.reachable", lambda: False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("datasets.config.HF_HUB_OFFLINE", True)
    (tmp_path / "data" / "raw" / "sogou").mkdir(parents=True)
    monkeypatch.setenv("BERTSTUDY_DATA", str(tmp_path / "data"))
    gone = [replace(run, corpus="sogou"), replace(run, corpus="dbpedia"), replace(run, encoder="no/such")]
    table = surveying.survey_all([gone[0], run, *gone[1:]], "smoke")
    assert table["corpus"].tolist() == ["letters"]
    told = caplog.messages.copy()
    caplog.clear()
    assert told[0] == "Left out, sogou: raw/sogou: no .dat file in it."
    assert re.fullmatch(
        r"Left out, dbpedia: corpus='dbpedia' is not in .* did not give 'fancyzhx/dbpedia_14'\.", told[1]
    )
    assert told[2].startswith("Left out, letters: encoder='no/such' can't be loaded: it is neither")
    assert told[3].startswith("1 corpus: 1 counted now, 0 read from")
    surveying.survey_all([run], "smoke")
    assert "1 corpus: 0 counted now, 1 read" in caplog.text
    with pytest.raises(ValueError, match="None of these corpora can be loaded"):
        surveying.survey_all(gone, "smoke")


def test_the_papers_line_stands_below_ours(surveyed):
    table = survey.table1(pd.DataFrame([surveyed, {**surveyed, "corpus": "trec"}]))
    assert table.index.tolist() == ["made", "trec", "trec, paper"]
    assert table.loc["trec, paper"].tolist() == ["Question", 6, 11, 39, 0.0, 5452, 500]
    assert table["train"].tolist() == [5, 5, 5452]


def test_a_study_looks_at_the_profiles_corpora_or_at_the_named_one(letters, reports, caplog):
    caplog.set_level(logging.INFO, "bertstudy")
    assert list(setup.setup("datasets", profile="smoke").scale.corpora)[:2] == ["movies", "long_reviews"]
    assert list(setup.setup("datasets", profile="compact").scale.corpora)[-1] == "sogou"
    study = setup.setup("datasets", profile="smoke", corpus=letters, documents=30)
    assert study.scale.corpora == [letters]
    assert study.look().data.loc["letters", ["train", "test"]].tolist() == [120, 60]
    assert [one["measured"] for one in stored_rows("smoke", kind="corpora").to_dict("records")] == [30]
    assert "one of them" not in caplog.text
    with pytest.raises(ValueError, match="documents=-1: allowed is a whole number"):
        setup.setup("datasets", profile="smoke", documents=-1)


def classes(corpus, count):
    """A survey of a corpus with so many classes, of which each is as large as all before it and one more."""
    by_class = [{"label": f"class ${number}$", "train": 2**number, "test": 1} for number in range(count)]
    by_length = [{"from": 5, "to": 6, "documents": 3}, {"from": 13, "to": 15, "documents": 1}]
    return {
        "id": corpus,
        "corpus": corpus,
        "window": 12,
        "measured": 4,
        "beyond the window, %": 25.0,
        "train": 2**count - 1,
        "test": count,
        "by class": by_class,
        "by length": by_length,
    }


@pytest.fixture(params=[1, 2, 5, 8])
def rows(request):
    return pd.DataFrame([classes(f"corpus_{number}", (2, 14, 5)[number % 3]) for number in range(request.param)])


def test_the_numbers_of_the_figures():
    rows = pd.DataFrame([classes("few", 2), classes("many", 14)])
    shares = figures.lengths_data(rows)
    assert shares[["corpus", "from", "to", "documents", "percent"]].values.tolist() == [
        ["few", 5, 6, 3, 75.0],
        ["few", 13, 15, 1, 25.0],
        ["many", 5, 6, 3, 75.0],
        ["many", 13, 15, 1, 25.0],
    ]
    even = figures.balance_data(rows)
    assert len(even) == 16
    assert even.iloc[1].tolist() == ["few", "class $1$", 2, 1, pytest.approx(200 / 3), 50.0]


def test_the_lengths_have_a_panel_a_corpus_with_its_window_and_the_share_beyond(rows):
    chart = figures.lengths(rows)
    panels = [axes for axes in chart.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in panels] == [f"{one}\n25.0 % beyond 10" for one in rows["corpus"]]
    for axes in panels:
        assert axes.get_xscale() == "log"
        assert [line.get_xdata()[0] for line in axes.lines] == [10]
        bars = [bar for bar in axes.patches if bar.get_height() in (75, 25)]
        assert [(bar.get_x(), bar.get_width()) for bar in bars] == [(5, 2), (13, 3)]
        low, high = axes.get_xlim()
        assert low < 5
        assert high > 16
    assert "word pieces" in chart.get_supxlabel()
    assert chart.get_supylabel() == "documents (%)"
    plt.close(chart)


def test_the_bars_of_the_balance_fill_the_width_and_names_stand_inside(rows):
    chart = figures.balance(rows)
    axes = chart.axes[0]
    assert [tick.get_text() for tick in axes.get_yticklabels()] == rows["corpus"].tolist()
    assert "%" in axes.get_xlabel()
    ends = {}
    for bar in axes.patches:
        ends.setdefault(round(bar.get_y(), 2), []).append(bar.get_x() + bar.get_width())
    assert len(ends) == 2 * len(rows)
    assert all(max(one) == pytest.approx(100) for one in ends.values())
    chart.canvas.draw()
    bars = [bar.get_window_extent() for bar in axes.patches]
    names = [text for text in axes.texts if text.get_text().startswith("class")]
    assert names
    for one in (text.get_window_extent() for text in names):
        assert any(bar.x0 <= one.x0 and one.x1 <= bar.x1 and bar.y0 <= one.y0 and one.y1 <= bar.y1 for bar in bars)
    plt.close(chart)


def test_they_are_drawn_again_from_what_is_stored_without_torch(run, reports, monkeypatch):
    study = setup.setup("datasets", profile="smoke", corpus=run.corpus, encoder=run.encoder, window=40)
    monkeypatch.setenv("BERTSTUDY_PUBLISH", "00_datasets")
    rows = study.survey([study.reading(name) for name in [run.corpus, "questions"]])
    for name in ("lengths", "balance"):
        study.figure(name, rows)
    made = reports / "smoke" / "figures"
    before = {path.name: path.read_bytes() for path in made.iterdir()}
    assert len(before) == 6
    for path in made.glob("*.svg"):
        path.unlink()
    code = NO_TORCH + "from bertstudy.study.pages import redraw; print(len(redraw()))"
    environment = {"BERTSTUDY_REPORTS": str(reports), "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "2", done.stderr
    assert {path.name: path.read_bytes() for path in made.iterdir()} == before
    (reports / "smoke" / "corpora" / f"{rows['id'][0]}.json").unlink()
    pages.redraw()
    assert (made / "lengths.svg").read_bytes() != before["lengths.svg"]
