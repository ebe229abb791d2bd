"""A folder that is written whole: killed at any moment, what is there is the one before or the new one."""

import os
import random
import signal
import sys
import time
from dataclasses import replace

import numpy as np
import pytest

from bertstudy import Classifier, whole
from bertstudy.model.words import WordsClassifier
from bertstudy.whole import whole_folder

TEXTS = ["a b c d", "u v w x", "k l"]


def content(folder):
    return {path.name: path.read_text() for path in folder.iterdir()}


@pytest.mark.parametrize("exchanges", [True, False])
def test_a_new_folder_takes_the_place_of_the_old(tmp_path, monkeypatch, exchanges):
    if not exchanges:
        monkeypatch.setattr(whole, "_exchange", lambda *_: False)
    target = tmp_path / "deep" / "model"
    for text in ("one", "two"):
        with whole_folder(target) as new:
            (new / "weights").write_text(text)
            (new / text).write_text("")
        assert content(target) == {"weights": text, text: ""}
    assert list(target.parent.iterdir()) == [target]


def test_what_fails_leaves_the_old_and_nothing_else(tmp_path):
    target = tmp_path / "model"
    with whole_folder(target) as new:
        (new / "weights").write_text("one")

    def fails():
        with whole_folder(target) as new:
            (new / "weights").write_text("tw")
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert content(target) == {"weights": "one"}
    assert list(tmp_path.iterdir()) == [target]


def test_other_files_are_taken_over_and_those_left_behind_are_not(tmp_path):
    target = tmp_path / "model"
    target.mkdir()
    (target / "notes.txt").write_text("mine")
    (target / "vocabulary.json").write_text("old")
    (target / "weights").write_text("old")
    with whole_folder(target, leaving=("vocabulary.json",)) as new:
        (new / "weights").write_text("new")
    assert content(target) == {"notes.txt": "mine", "weights": "new"}


def test_a_link_to_a_folder_stays_one(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    with whole_folder(tmp_path / "link") as new:
        (new / "weights").write_text("one")
    assert (tmp_path / "link").is_symlink()
    assert content(tmp_path / "real") == {"weights": "one"}


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="processes are forked")
@pytest.mark.parametrize("kind", ["encoder", "words", "one of each"])
def test_a_classifier_is_whole_whenever_its_saving_is_killed(small, tmp_path, kind):
    """Two classifiers whose labels are turned round are saved in turn, 40 times killed at a random moment."""
    names = (["a", "z"], ["z", "a"])
    encoder = [Classifier.build(replace(small, seed=seed), labels) for seed, labels in enumerate(names)]
    lists = [WordsClassifier(small, labels, ["aa", "bb"], np.ones(2), 5 * np.eye(2), np.zeros(2)) for labels in names]
    pair = {"encoder": encoder, "words": lists, "one of each": [encoder[0], lists[1]]}[kind]
    expected = [(one.labels, one.predict(TEXTS).probabilities) for one in pair]
    folder, moments = tmp_path / "model", random.Random(0)
    pair[0].save(folder)
    for _ in range(40):
        child = os.fork()
        if child == 0:
            while True:
                for classifier in reversed(pair):
                    classifier.save(folder)
        time.sleep(moments.uniform(0.002, 0.25))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found = Classifier.load(folder)
        labels, probabilities = expected[found.labels != expected[0][0]]
        assert found.labels == labels
        assert np.allclose(found.predict(TEXTS).probabilities, probabilities, atol=1e-6)
        card = (folder / "README.md").read_text()
        assert "\n".join(f"- {label}" for label in labels) in card
