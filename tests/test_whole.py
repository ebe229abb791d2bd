"""A folder that is written whole: killed at any moment, what is there is the one before or the new one."""

import ast
import json
import os
import random
import signal
import sys
import time
from dataclasses import replace
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
import torch
from conftest import forked
from PIL import Image
from safetensors.torch import load_file

from bertstudy import Classifier, whole
from bertstudy.analysis import drawing
from bertstudy.model.encoder import load_pretraining_model
from bertstudy.model.loading import load_tokenizer
from bertstudy.model.words import WordsClassifier
from bertstudy.paths import ROOT
from bertstudy.results import rows
from bertstudy.training import pretraining
from bertstudy.whole import whole_file, whole_folder, write_text

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


def test_a_file_that_fails_leaves_the_old_and_nothing_else(tmp_path):
    target = tmp_path / "deep" / "page.html"
    write_text(target, "one")

    def fails():
        with whole_file(target) as part:
            part.write_text("tw")
            raise KeyError

    with pytest.raises(KeyError):
        fails()
    assert target.read_text() == "one"
    assert list(target.parent.iterdir()) == [target]


WRITES = {"write_text", "write_bytes", "to_csv", "savefig", "save_pretrained", "save_file", "save"}
BUILDERS = {"control_encoders.py", "example.py", "bench.py", "bench_growth.py"}  # what is built once, or only measured


def _unguarded(path):
    """The lines of a file that write at a path of which no `with whole_…` or `replacing` is around."""
    guards = {"whole_file", "whole_folder", "replacing"}
    found = []

    def walk(node, guarded):
        if isinstance(node, ast.With):
            guarded |= any(
                guards & {part.id for part in ast.walk(item) if isinstance(part, ast.Name)} for item in node.items
            )
        if isinstance(node, ast.FunctionDef):  # a function that is given the folder which its caller guards
            guarded |= node.name.startswith(("_write", "write_into"))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not guarded:
            name, owner = node.func.attr, getattr(node.func.value, "id", "")
            to_path = node.args and name in WRITES - {"save"} or (name == "save" and owner == "torch")
            if to_path:
                found.append(f"{path.name}:{node.lineno} {name}")
        for child in ast.iter_child_nodes(node):
            walk(child, guarded)

    walk(ast.parse(path.read_text(encoding="utf-8")), False)
    return found


def test_whatever_is_written_is_written_whole():
    package = ROOT / "bertstudy"
    files = [path for path in package.rglob("*.py") if path.name not in BUILDERS | {"whole.py"}]
    assert [line for path in files for line in _unguarded(path)] == []


def _write_all(store, folder, models, turn):
    """One of each kind of thing that the study writes, in one of two versions."""
    letter = "AB"[turn]
    store.write({"id": "0123456789abcdef", "text": letter * 5000})
    chart, axes = plt.subplots()
    axes.set_title(letter)
    drawing.save(chart, pd.DataFrame({"letter": [letter] * 50}), folder / "figure")
    plt.close(chart)
    write_text(folder / "page.html", f"<p>{letter * 9000}</p>")
    pretraining.save(*models[turn], history=[{"letter": letter}])


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="processes are forked")
def test_everything_that_is_written_is_whole_whenever_it_is_killed(small, tmp_path):
    """Two versions of all kinds are written in turn, 200 times killed at a random moment."""
    store, folder, moments = rows.Store(tmp_path / "rows"), tmp_path / "made", random.Random(1)
    tokenizer, models = load_tokenizer("control"), []
    for seed in range(2):
        model = pretraining.PretrainingModel(*load_pretraining_model("control"), "fp32")
        torch.nn.init.constant_(model.model.base_model.embeddings.word_embeddings.weight, seed)
        models.append((model, folder / "encoder", tokenizer))
    _write_all(store, folder, models, 0)
    for _ in range(200):
        child = forked(lambda: [_write_all(store, folder, models, turn) for turn in (1, 0)])
        time.sleep(moments.uniform(0.005, 0.3))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        assert set(store.read("0123456789abcdef")["text"]) in ({"A"}, {"B"})
        assert set(pd.read_csv(folder / "figure.csv")["letter"]) in ({"A"}, {"B"})
        assert ElementTree.parse(folder / "figure.svg").getroot().tag.endswith("svg")
        with Image.open(folder / "figure.png") as picture:
            picture.load()
        assert (folder / "page.html").read_text() in (f"<p>{letter * 9000}</p>" for letter in "AB")
        history = json.loads((folder / "encoder" / "history.json").read_text())
        weights = load_file(folder / "encoder" / "model.safetensors")
        words = next(weight for name, weight in weights.items() if name.endswith("word_embeddings.weight"))
        assert set(words.flatten().tolist()) == {float("AB".index(history[0]["letter"]))}
        assert len(load_tokenizer.__wrapped__(str(folder / "encoder"))) == len(tokenizer)


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
        child = forked(lambda: [classifier.save(folder) for classifier in reversed(pair)])
        time.sleep(moments.uniform(0.002, 0.25))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        found = Classifier.load(folder)
        labels, probabilities = expected[found.labels != expected[0][0]]
        assert found.labels == labels
        assert np.allclose(found.predict(TEXTS).probabilities, probabilities, atol=1e-6)
        card = (folder / "README.md").read_text()
        assert "\n".join(f"- {label}" for label in labels) in card
