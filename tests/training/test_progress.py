"""Bars: whatever takes long moves one on by what is done, up to all of it."""

from dataclasses import replace

import pytest

from bertstudy.model import progress
from bertstudy.results import execution
from bertstudy.runs import by_method
from bertstudy.training.methods import embeddings


class Bar:
    """Stands for tqdm: remembers how far it was moved."""

    def __init__(self, made, desc, total, initial, disable, **_):
        self.desc, self.total, self.done, self.moves = desc, total, initial, 0
        if not disable:
            made.append(self)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def update(self, units=1):
        self.done, self.moves = self.done + units, self.moves + 1

    def set_postfix(self, **_):
        pass

    def close(self):
        pass


@pytest.fixture
def bars(monkeypatch, tmp_path):
    monkeypatch.setenv("BERTSTUDY_RUNS", str(tmp_path))
    made = []
    monkeypatch.setattr(progress, "tqdm", lambda **options: Bar(made, **options))
    return made


PRETRAINED = {
    "further_pretraining": "within_task",
    "pretraining_steps": 6,
    "pretraining_batch_size": 4,
    "pretraining_window": 24,
    "pretraining_head_steps": 2,
    "next_sentence": False,
}


def test_everything_long_in_a_run_is_shown(small, bars):
    run = replace(small, encoder="control", window=24, layers="last", test_size=30, retention="movies", **PRETRAINED)
    execution.train(run)
    assert {bar.desc for bar in bars} == {"pretraining", "masked words", "fine-tuning", "scoring"}
    assert all(bar.done >= bar.total > 0 for bar in bars)
    tuned = next(bar for bar in bars if bar.desc == "fine-tuning")
    assert tuned.moves > 5
    scored = [bar for bar in bars if bar.desc == "scoring"]
    assert scored[-1].total == 30


def test_nothing_is_shown_where_it_is_not_wanted(small, bars):
    classifier, _ = execution.train(small, progress=False)
    classifier.predict(["a b"] * 40)
    assert bars == []
    classifier.predict(["a b"] * 40, progress=True)
    assert [(bar.desc, bar.done) for bar in bars] == [("predicting", 40)]


def test_embeddings_and_several_tasks_are_shown(small, bars):
    embeddings._known.cache_clear()
    execution.train(by_method(small, "embeddings"))
    assert {bar.desc for bar in bars} == {"embedding"}
    assert sum(bar.done for bar in bars) == 120 + 60
    bars.clear()
    execution.train(replace(small, multitask=f"{small.corpus}+questions", multitask_documents=40, multitask_epochs=1))
    assert {bar.desc for bar in bars} == {"several tasks", "fine-tuning", "scoring"}
    assert all(bar.done == bar.total for bar in bars)
