from dataclasses import asdict, dataclass, fields, replace

import numpy as np
import pytest

from bertstudy import Run, grid, profile
from bertstudy.runs import identity, knob


def test_a_run_is_a_value():
    assert Run() == Run()
    assert hash(Run(seed=1)) != hash(Run())
    assert all(isinstance(value, str | int | float | bool) for value in asdict(Run()).values())
    with pytest.raises(AttributeError):
        Run().seed = 3


def test_numbers_become_the_declared_type():
    assert Run(fraction=1, seed=np.int64(3)) == Run(fraction=1.0, seed=3)


@pytest.mark.parametrize(
    ("fields", "error", "says"),
    [
        ({"learningrate": 1e-5}, TypeError, "learningrate"),
        ({"seed": "1"}, TypeError, "seed='1': expected int"),
        ({"bias_correction": 1}, TypeError, "expected bool"),
        ({"epochs": 2.0}, TypeError, "expected int"),
        ({"fraction": 7}, ValueError, "fraction=7.0: allowed is above 0, up to 1"),
        ({"fraction": 0.0}, ValueError, "above 0"),
        ({"dev_fraction": 0.9}, ValueError, "0 or more, up to 0.5"),
        ({"layer_decay": 0.0}, ValueError, "layer_decay=0.0"),
        ({"window": 2}, ValueError, "window=2"),
        ({"schedule": "slanted"}, ValueError, "Did you mean 'slanted_triangular'.*warmup_linear"),
        ({"truncation": "haed"}, ValueError, "Did you mean 'head'"),
        ({"truncation": "head+tail:600"}, ValueError, "no room for a tail"),
        ({"segment_pooling": "average", "truncation": "chunks"}, ValueError, "Choose from: none, mean, max, attention"),
        ({"layers": "concat:11-8"}, ValueError, "one layer"),
        ({"precision": "fp16"}, ValueError, "Choose from: fp32, bf16"),
        ({"segment_pooling": "mean"}, ValueError, "has no effect"),
        ({"truncation": "chunks"}, ValueError, "choose one of mean, max, attention"),
        ({"decay_embeddings": False}, ValueError, "no effect with layer_decay=1"),
        ({"text_column": "review"}, ValueError, "no effect with corpus='imdb'"),
        ({"evaluations": 2, "dev_fraction": 0.0}, ValueError, "no effect with dev_fraction=0"),
        ({"retention": "general", "layers": "0"}, ValueError, "needs layers='last', not '0'"),
        ({"pretraining_steps": 5}, ValueError, "no effect with further_pretraining='none'"),
        ({"whole_word": True}, ValueError, "no effect with further_pretraining='none'"),
        ({"further_pretraining": "within_task"}, ValueError, "pretraining_steps=0 changes nothing"),
        ({"method": "tf-idf"}, ValueError, "Did you mean 'tfidf'"),
        ({"method": "tfidf"}, ValueError, "reads none, and takes encoder='none'"),
        ({"encoder": "none"}, ValueError, "it needs one"),
        ({"method": "tfidf", "encoder": "none", "epochs": 9}, ValueError, "epochs=9 has no effect with method='tfidf'"),
        ({"method": "features", "layer_decay": 0.9}, ValueError, "no effect with method='features'"),
        ({"method": "features", "dropout": 0.0}, ValueError, "reads documents, segments, encoder, training"),
        ({"multitask_epochs": 2}, ValueError, "no effect with multitask='none'"),
        ({"multitask_sampling": "root", "multitask": "movies+topics"}, ValueError, "proportional, square_root"),
    ],
)
def test_a_wrong_field_is_told(fields, error, says):
    with pytest.raises(error, match=says):
        Run(**fields)


def test_grid_is_all_combinations_the_last_axis_fastest():
    plan = grid(Run(), truncation=["head", "tail"], seed=range(2))
    assert [(one.truncation, one.seed) for one in plan] == [("head", 0), ("head", 1), ("tail", 0), ("tail", 1)]


@pytest.mark.parametrize(
    ("axes", "says"),
    [
        ({"sed": [1]}, "Did you mean 'seed'"),
        ({"truncation": "head"}, r"truncation=\['head'\]"),
        ({"seed": 3}, "list of values"),
    ],
)
def test_a_wrong_axis_is_told(axes, says):
    with pytest.raises(TypeError, match=says):
        grid(Run(), **axes)


def test_a_field_added_later_stays_out_of_the_identity_at_its_default():
    @dataclass(frozen=True)
    class Later(Run):
        extra: int = knob(0, part="training", added=True)

    assert identity(Later()) == identity(Run())
    assert identity(replace(Later(), extra=1))["extra"] == 1
    assert set(identity(Run())) == {one.name for one in fields(Run) if not one.metadata["added"]}
    pretrained = Run(further_pretraining="within_task", pretraining_steps=5)
    assert set(identity(pretrained)) - set(identity(Run())) == {"further_pretraining", "pretraining_steps"}


def test_profiles(monkeypatch):
    monkeypatch.delenv("BERTSTUDY_PROFILE", raising=False)
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert profile("auto").name == "control"
    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    assert profile("auto").name == "paper"
    monkeypatch.setenv("BERTSTUDY_PROFILE", "compact")
    assert profile("auto").name == "compact"
    assert profile("control").name == "control"
    with pytest.raises(ValueError, match="Did you mean 'compact'"):
        profile("kompact")


def test_the_paper_profile_has_the_papers_settings():
    base = profile("paper").base
    assert (base.learning_rate, base.warmup, base.batch_size, base.epochs) == (2e-5, 0.1, 24, 4)
    assert (base.window, base.truncation, base.dropout, base.attention_dropout) == (512, "head+tail:128", 0.1, 0.1)
