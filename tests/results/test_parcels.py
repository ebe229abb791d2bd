import shutil
from dataclasses import replace

import cloudpickle
import pytest
from conftest import make_encoder
from test_workers import PRETRAINED, TIMES

from bertstudy import Run
from bertstudy.data.corpora import LIBRARY
from bertstudy.data.sources import corpora_of
from bertstudy.model import locations
from bertstudy.results import execution, parcels
from bertstudy.results.rows import resolved
from bertstudy.runs import NO_ENCODER


def elsewhere(parcel, threads=1):
    """A parcel's row, as another machine computes it: from bytes alone."""
    return parcels.carry_out(cloudpickle.loads(cloudpickle.dumps(parcel)), lambda sent: sent, threads)


@pytest.fixture
def moving(small, tmp_path, monkeypatch):
    """A function: run -> (its row made here, its row made where neither its corpus nor its encoder is)."""
    monkeypatch.setattr(locations, "ARRIVED", {})
    encoder = make_encoder(tmp_path / "own" / "bert")

    def move(run):
        run = run if run.encoder == NO_ENCODER else replace(run, encoder=encoder)
        monkeypatch.setenv("BERTSTUDY_RUNS", str(tmp_path / "theirs"))
        here, parcel = execution.compute(run, False), parcels.Packer().pack(run)
        for name in {*corpora_of(run), encoder}:
            shutil.move(name, f"{name}-moved")
        return here, elsewhere(parcel)

    return move


KINDS = {
    "fine-tuned": lambda small: small,
    "pretrained further": lambda small: replace(small, next_sentence=False, **PRETRAINED),
    "embeddings": lambda small: Run(corpus=small.corpus, encoder=small.encoder, method="embeddings"),
    "words": lambda small: Run(corpus=small.corpus, encoder=NO_ENCODER, method="tfidf"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_is_the_same_where_its_corpus_and_its_encoder_are_not(small, moving, kind):
    here, there = moving(KINDS[kind](small))
    assert {name: there[name] for name in there if name not in TIMES} == {
        name: here[name] for name in here if name not in TIMES
    }
    assert there["loss"] == here["loss"]


def test_an_encoder_arrives_once_and_is_written_whole(small, moving, tmp_path):
    moving(small)
    (folder,) = (tmp_path / "theirs" / "encoders").iterdir()
    assert sorted(path.name for path in folder.iterdir()) == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
        "tokenizer_config.json",
    ]
    assert locations.where(str(tmp_path / "own" / "bert")) == str(folder)


def test_each_corpus_and_encoder_is_sent_once(small):
    sent = []
    packer = parcels.Packer(LIBRARY, lambda value: sent.append(value) or len(sent))
    packed = [packer.pack(replace(small, seed=seed)) for seed in range(3)]
    assert len(sent) == 2
    assert {tuple(parcel.corpora.values()) for parcel in packed} == {(1,)}
    assert packed[0].encoder == 2
    assert packer.pack(replace(small, encoder="control")).encoder is None


def test_texts_without_labels_travel_only_where_they_are_read(small):
    further = replace(small, corpus="movies", pretraining_unlabelled=True, **PRETRAINED)
    packer = parcels.Packer()
    (plain,) = packer.pack(replace(small, corpus="movies")).corpora.values()
    (read,) = packer.pack(further).corpora.values()
    assert plain.unlabelled == []
    assert read.unlabelled == LIBRARY.load("movies").unlabelled != []


def test_the_corpora_of_a_run_are_all_that_it_reads(small):
    run = replace(small, corpus="movies", tested_on="restaurants", multitask="movies+topics", retention="questions")
    assert corpora_of(run) == ["movies", "restaurants", "topics", "questions"]
    further = replace(run, retention="general", **{**PRETRAINED, "further_pretraining": "hotels+movies"})
    assert corpora_of(further) == ["movies", "restaurants", "topics", "hotels"]


def test_another_package_on_the_other_machine_is_refused(small):
    parcel = replace(parcels.Packer().pack(small), code=("0.0.1", {}))
    with pytest.raises(ValueError, match=r"another bertstudy \(.*\) than the process that asks \(0.0.1\)"):
        elsewhere(parcel)


def test_the_callers_folder_of_runs_is_used_where_it_is_set(small, tmp_path, monkeypatch):
    monkeypatch.setenv("BERTSTUDY_RUNS", str(tmp_path / "shared"))
    assert parcels.Packer().pack(small).settings == {"BERTSTUDY_RUNS": str(tmp_path / "shared")}
    monkeypatch.delenv("BERTSTUDY_RUNS")
    assert parcels.Packer().pack(small).settings == {}
    assert parcels.Packer().pack(small).run == resolved(small)
