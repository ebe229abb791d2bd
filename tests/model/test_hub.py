"""The hub by its real client, against a stand-in on this machine: by id and revision, private, offline, and push."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from conftest import make_encoder
from stand_in_hub import Hub

from bertstudy import Classifier, Run
from bertstudy.model.locations import split_revision

TEXTS = ["a b c", "q " * 30]
TOKEN = "hf_of-me"
PREDICT = """
import json, sys
from bertstudy import Classifier, Run
from bertstudy.model.loading import encoder_commit
classifier = Classifier.build(Run(encoder=sys.argv[1], window=24, truncation="head"), ["a", "z"])
print(json.dumps([classifier.embed(classifier.segmenter(["a b c"])).tolist(), encoder_commit(sys.argv[1])]))
"""
LOAD = """
import json, sys
from bertstudy import Classifier
print(json.dumps(Classifier.load(sys.argv[1]).predict(json.loads(sys.argv[2])).probabilities.tolist()))
"""
PUSH = """
import sys
from bertstudy import Classifier
print(Classifier.load(sys.argv[1]).push_to_hub("reviews", private=True, license="mit"))
"""


@pytest.fixture
def hub():
    server = Hub()
    yield server
    server.shutdown()


@pytest.fixture
def ask(hub, tmp_path):
    """A function: runs code in a process whose hub is the stand-in; gives what it prints, or its error."""

    def run(code, *arguments, fails=False, **settings):
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("HF_", "BERTSTUDY_"))}
        environment |= {"HF_ENDPOINT": hub.address, "HF_HOME": str(tmp_path / "cache"), "HF_HUB_DISABLE_XET": "1"}
        done = subprocess.run(
            [sys.executable, "-c", code, *map(str, arguments)],
            capture_output=True,
            text=True,
            env=environment | settings,
            timeout=240,
        )
        assert (done.returncode != 0) == fails, done.stderr[-2000:]
        return done.stderr if fails else done.stdout

    return run


def files_of(folder):
    return {path.name: path.read_bytes() for path in Path(folder).iterdir() if path.is_file()}


def vectors_of(name):
    classifier = Classifier.build(Run(encoder=str(name), window=24, truncation="head"), ["a", "z"])
    return classifier.embed(classifier.segmenter(["a b c"])).tolist()


@pytest.mark.slow
def test_an_encoder_is_loaded_by_id_and_by_revision_and_then_without_a_network(hub, ask, tmp_path):
    first, second = (make_encoder(tmp_path / str(hidden), hidden=hidden) for hidden in (32, 48))
    commits = [hub.commit("them/tiny", files_of(folder)) for folder in (first, second)]
    vectors, commit = json.loads(ask(PREDICT, "them/tiny"))
    assert commit == commits[1]
    assert np.allclose(vectors, vectors_of(second), atol=1e-6)
    vectors, commit = json.loads(ask(PREDICT, f"them/tiny@{commits[0]}"))
    assert commit == commits[0]
    assert np.allclose(vectors, vectors_of(first), atol=1e-6)
    hub.asked.clear()
    again, commit = json.loads(ask(PREDICT, f"them/tiny@{commits[0]}", HF_HUB_OFFLINE="1"))
    assert (again, commit, hub.asked) == (vectors, commits[0], [])
    says = ask(PREDICT, "them/tiny@nowhere", fails=True).splitlines()[-1]
    assert "encoder='them/tiny@nowhere' can't be loaded" in says


@pytest.mark.slow
def test_a_private_classifier_is_pushed_and_loaded_with_a_token_only(hub, ask, small, tmp_path):
    classifier = Classifier.build(small, ["a", "z"]).eval()
    classifier.save(tmp_path / "model")
    assert ask(PUSH, tmp_path / "model", HF_TOKEN=TOKEN).strip() == "me/reviews"
    assert hub.private == {"me/reviews": TOKEN}
    assert set(hub.repositories["me/reviews"][hub.repositories["me/reviews"]["main"]]) >= {
        "README.md",
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    }
    probabilities = json.loads(ask(LOAD, "me/reviews", json.dumps(TEXTS), HF_TOKEN=TOKEN))
    assert np.allclose(probabilities, classifier.predict(TEXTS).probabilities, atol=1e-6)
    elsewhere = {"HF_HOME": str(tmp_path / "of another")}
    assert "there is no such folder, and the hub did not give" in ask(
        LOAD, "me/reviews", json.dumps(TEXTS), fails=True, **elsewhere
    )


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("them/tiny", ("them/tiny", None)),
        ("them/tiny@abc", ("them/tiny", "abc")),
        ("control", ("control", None)),
        ("/a/folder@home", ("/a/folder@home", None)),
    ],
)
def test_a_revision_stands_behind_an_id(name, parts):
    assert split_revision(name) == parts
