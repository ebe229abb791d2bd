"""Labelled texts of letters, files of them, and YourData with a tiny encoder."""

from dataclasses import replace

import pandas as pd
import pytest
from letters import texts_of

from bertstudy.advice import documents


@pytest.fixture
def table():
    texts, labels = texts_of(120)
    return pd.DataFrame({"text": texts, "label": labels})


@pytest.fixture
def written(tmp_path):
    """A function: a table -> the path of it as CSV."""

    def write(frame, name="mine.csv"):
        frame.to_csv(tmp_path / name, index=False)
        return str(tmp_path / name)

    return write


@pytest.fixture
def begun(tmp_path, tiny, monkeypatch):
    """A function: parameters -> YourData with a tiny encoder, whose runs and classifier are the test's own."""
    monkeypatch.setenv("BERTSTUDY_RUNS", str(tmp_path / "runs"))

    def begin(**parameters):
        data = documents.begin(profile="smoke", **{"encoder": tiny()} | parameters)
        data.base = replace(data.base, learning_rate=1.5e-3, window=24, truncation="head+tail:8", batch_size=8)
        return data

    return begin
