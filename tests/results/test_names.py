"""A row is named by all that it was made from: other contents under the same names are other rows, or an error."""

import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from conftest import LETTERS
from safetensors.torch import load_file, save_file

from bertstudy.choices.truncation import TRUNCATIONS, truncation
from bertstudy.paths import ROOT
from bertstudy.results.rows import name_of
from bertstudy.runs import Run
from bertstudy.training.multitask import fine_tuned_together

PRETRAINED = dict(further_pretraining="within_task", pretraining_steps=2, pretraining_window=32)


def identity(run):
    return name_of(run).id


@pytest.fixture
def own(small, tmp_path):
    """A run whose encoder is the test's own copy."""
    shutil.copytree(small.encoder, tmp_path / "encoder")
    return replace(small, encoder=str(tmp_path / "encoder"))


@pytest.fixture
def other(tmp_path):
    """Another corpus of the reader's."""
    path = tmp_path / "other.csv"
    lines = [(" ".join(LETTERS[one % 20 : one % 20 + 5]) + f" {one}", "xy"[one % 2]) for one in range(40)]
    pd.DataFrame(lines, columns=["text", "label"]).to_csv(path, index=False)
    return path


def test_other_weights_in_the_same_folder(own):
    before = identity(own)
    assert identity(own) == before
    path = Path(own.encoder) / "model.safetensors"
    weights = load_file(path)
    name = next(iter(weights))
    save_file({**weights, name: weights[name] + 0.5}, path, metadata={"format": "pt"})
    assert identity(own) != before


def test_another_tokenizer_in_the_same_folder(own):
    before = identity(own)
    path = Path(own.encoder) / "tokenizer.json"
    path.write_text(path.read_text() + "\n")
    assert identity(own) != before


def test_named_encoders_and_corpora_bring_nothing_into_the_name():
    run = Run(corpus="movies", encoder="control", window=64, truncation="head", **PRETRAINED)
    assert name_of(run).made_from == {}
    assert name_of(replace(run, multitask="movies+topics", retention="general")).made_from == {}


def test_another_unlabelled_file(small, letters):
    path, run = Path(letters) / "unlabelled.csv", replace(small, pretraining_unlabelled=True, **PRETRAINED)
    names = []
    for text in ("a b c", "a b d"):
        pd.DataFrame({"text": [text]}).to_csv(path, index=False)
        names.append(identity(run))
    assert names[0] != names[1]
    assert identity(replace(run, pretraining_unlabelled=False)) not in names


def rewritten(path):
    table = pd.read_csv(path)
    table.loc[0, "text"] = "something else"
    table.to_csv(path, index=False)


@pytest.mark.parametrize("field", ["source", "task", "retained"])
def test_another_file_of_a_source_a_task_or_retained_texts(small, other, field):
    run = {
        "source": replace(small, **{**PRETRAINED, "further_pretraining": str(other)}),
        "task": replace(small, multitask=f"{small.corpus}+{other}"),
        "retained": replace(small, retention=str(other)),
    }[field]
    before = identity(run)
    rewritten(other)
    assert identity(run) != before
    assert identity(small) == identity(small)


def test_relative_and_absolute_paths_are_one(own, other, monkeypatch):
    run = replace(
        own,
        multitask=f"{own.corpus}+{other}",
        retention=str(other),
        **{**PRETRAINED, "further_pretraining": str(other)},
    )
    monkeypatch.chdir(Path(own.encoder).parent)
    relative = replace(
        run,
        encoder="encoder",
        corpus="./letters",
        multitask="./letters+other.csv",
        retention="other.csv",
        further_pretraining="other.csv",
    )
    assert identity(relative) == identity(run)
    assert name_of(relative).run == name_of(run).run


def test_other_weights_are_other_tasks_together(own, other):
    run = replace(own, multitask=f"{own.corpus}+{other}", multitask_epochs=1)
    before = fine_tuned_together(run, progress=False)
    path = Path(own.encoder) / "model.safetensors"
    weights = load_file(path)
    save_file({name: one * 1.01 for name, one in weights.items()}, path, metadata={"format": "pt"})
    assert fine_tuned_together(run, progress=False) != before


MODULE = """
from bertstudy.choices.truncation import truncation

SKIP = {skip}

def _from(ids):
    return ids[{start}:]

@truncation("mine")
def mine(ids, room):
    return [_from(ids)[SKIP : SKIP + room]]
"""
NAME = """
import json, sys
sys.path.insert(0, sys.argv[1])
import mine
from bertstudy import Run
from bertstudy.results.rows import name_of
print(name_of(Run(**json.loads(sys.argv[2]))).id)
"""


@pytest.mark.slow
def test_an_edited_function_or_what_it_calls_is_another_row(small, tmp_path):
    import json

    def named(**values):
        (tmp_path / "mine.py").write_text(MODULE.format(**values))
        given = json.dumps({**small.__dict__, "truncation": "mine"})
        done = subprocess.run(
            [sys.executable, "-B", "-c", NAME, str(tmp_path), given],
            cwd=ROOT,
            env={"PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
        )
        return done.stdout.strip()

    names = [named(skip=0, start=0), named(skip=1, start=0), named(skip=0, start=1)]
    assert len(set(names)) == 3
    assert named(skip=0, start=0) == names[0]


def test_a_function_of_the_readers_own_is_named_by_its_source(small):
    @truncation("every_second")
    def every_second(ids, room):
        return [ids[::2][:room]]

    try:
        assert name_of(replace(small, truncation="every_second")).made_from["functions"].keys() == {"truncation"}
    finally:
        del TRUNCATIONS["every_second"]
    assert "functions" not in name_of(small).made_from


def test_a_function_without_a_source_is_refused(small, monkeypatch):
    scope = {"__name__": "typed"}
    exec("def nowhere(ids, room):\n    return [ids[:room]]", scope)
    monkeypatch.delitem(TRUNCATIONS, "nowhere", raising=False)
    TRUNCATIONS("nowhere")(scope["nowhere"])
    try:
        with pytest.raises(ValueError, match="nowhere: its source can't be read.*Define it in a file"):
            identity(replace(small, truncation="nowhere"))
    finally:
        del TRUNCATIONS["nowhere"]
