"""What has to survive every change of the code: rows, figures, parameters of notebooks, saved classifiers."""

import ast
import json
import shutil
from pathlib import Path

import nbformat
import numpy as np
import pytest

from bertstudy import Classifier
from bertstudy.paths import ROOT, notebooks
from bertstudy.results.rows import recomputed_id
from bertstudy.study import pages

PINS = Path(__file__).with_name("pins")
COMMITTED = sorted((ROOT / "reports").glob("*/rows/*.json"))


def test_there_are_committed_rows():
    assert len(COMMITTED) >= 281


def test_every_committed_row_has_the_id_of_what_it_was_made_from():
    wrong = []
    for path in COMMITTED:
        row = json.loads(path.read_text(encoding="utf-8"))
        if not path.stem == row["id"] == recomputed_id(row):
            wrong.append(path.name)
    assert wrong == []


def test_another_run_or_corpus_or_content_has_another_id():
    row = json.loads(COMMITTED[0].read_text(encoding="utf-8"))
    changes = {"fingerprint": "0" * 16, "made_from": {"weights": "0"}, "run": {**row["run"], "seed": 99}}
    assert all(recomputed_id({**row, name: value}) != row["id"] for name, value in changes.items())


@pytest.mark.slow
def test_figures_are_drawn_to_the_same_bytes(tmp_path, monkeypatch):
    """Of the committed rows, all figures: what is committed of each (SVG and CSV)."""
    made = tmp_path / "reports"
    shutil.copytree(ROOT / "reports", made, ignore=shutil.ignore_patterns("*.html", "smoke"))
    committed = {path: path.read_bytes() for kind in ("svg", "csv") for path in made.glob(f"*/figures/*.{kind}")}
    for path in committed:
        path.unlink()
    monkeypatch.setenv("BERTSTUDY_REPORTS", str(made))
    pages.redraw()
    assert len(committed) > 40
    assert [path.name for path, drawn in committed.items() if not path.is_file() or path.read_bytes() != drawn] == []


def test_notebooks_keep_their_parameters():
    pinned = json.loads((PINS / "parameters.json").read_text())
    for name, parameters in pinned.items():
        book = nbformat.read(notebooks() / f"{name}.ipynb", as_version=4)
        first = next(cell for cell in book.cells if cell.cell_type == "code")
        assigned = [line.targets[0].id for line in ast.parse(first.source).body]
        assert set(parameters) <= set(assigned), name


def test_a_classifier_that_was_saved_before_loads_and_predicts_the_same():
    pinned = json.loads((PINS / "predictions.json").read_text())
    labels, probabilities = Classifier.load(PINS / "classifier").predict(pinned["texts"])
    assert labels == pinned["labels"]
    assert probabilities == pytest.approx(np.array(pinned["probabilities"]), abs=1e-5)
