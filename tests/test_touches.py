"""Each line of "To add something" in CONTRIBUTING.md, done in a copy of the house with just these files, and run."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from bertstudy.paths import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture
def house(tmp_path):
    """A copy of package and notebooks, to change."""
    for name in ("bertstudy", "notebooks"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def run(house, *command, **environment):
    """Run Python in the copy; its output."""
    settings = {"PATH": os.environ["PATH"], "PYTHONPATH": str(house), "OMP_NUM_THREADS": "1", **environment}
    done = subprocess.run([sys.executable, *command], cwd=house, env=settings, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stdout


def append(path, text):
    path.write_text(path.read_text(encoding="utf-8") + text, encoding="utf-8")


RUN = """
import bertstudy as bs
run = bs.Run(corpus="movies", encoder="control", fraction=0.002, test_size=20, window=32, epochs=1, {fields})
row = bs.run_all([run], "smoke", progress=False).iloc[0]
print(row["error"], row["made_from"])
"""


@pytest.mark.parametrize(
    ("file", "text", "fields"),
    [
        (
            "choices/truncation.py",
            '\n\n@truncation("middle")\ndef middle(ids: Ids, room: int) -> list[Ids]:\n'
            '    """Keep the middle."""\n    return [ids[max(0, len(ids) - room) // 2 :][:room]]\n',
            'truncation="middle"',
        ),
        (
            "choices/schedules.py",
            '\n\n@schedule("flat")\ndef flat(step, steps, warmup):\n    """Level."""\n    return 1.0\n',
            'truncation="head", schedule="flat"',
        ),
        (
            "model/pooling.py",
            '\n\n@segment_pooling("first")\nclass FirstOfMany(Pooling):\n    """The first segment."""\n\n'
            "    def forward(self, vectors, documents):\n        return vectors[documents[:-1]]\n",
            'truncation="chunks", segment_pooling="first"',
        ),
    ],
)
def test_a_choice_is_one_file(house, file, text, fields):
    append(house / "bertstudy" / file, text)
    out = run(house, "-c", RUN.format(fields=fields))
    assert out.split(" ", 1)[1].strip() == "{}"  # one of the package is no function from outside


def test_a_method_is_one_file(house):
    (house / "bertstudy" / "training" / "methods" / "frozen.py").write_text(
        '"""Only the head learns."""\n\nfrom ...choices.methods import method\nfrom .fine_tune import FineTune\n\n\n'
        '@method("frozen")\n'
        'class Frozen(FineTune):\n    """Head alone."""\n\n'
        "    def prepare(self, classifier):\n        classifier.encoder.requires_grad_(False)\n"
    )
    assert float(run(house, "-c", RUN.format(fields='truncation="head", method="frozen"')).split()[0]) <= 100
    assert "frozen" in run(house, "-m", "bertstudy", "list", "methods")


def test_a_corpus_is_one_entry(house, tmp_path):
    path = house / "bertstudy" / "data" / "catalogue.py"
    entry = '    "mine": Entry("Mine", "topic", 40, 20),\n'
    path.write_text(path.read_text().replace("CORPORA = {\n", f"CORPORA = {{\n{entry}"))
    folder = tmp_path / "corpora" / "mine"
    folder.mkdir(parents=True)
    for part, size in (("train", 40), ("test", 20)):
        lines = [(f"{'good film' if one % 2 else 'bad plot'} {one}", one % 2) for one in range(size)]
        pd.DataFrame(lines, columns=["text", "label"]).to_csv(folder / f"{part}.csv", index=False)
    code = RUN.format(fields='truncation="head"').replace('corpus="movies"', 'corpus="mine"').replace("0.002", "1.0")
    assert float(run(house, "-c", code, BERTSTUDY_DATA=str(folder.parent)).split()[0]) <= 100
    assert "Mine, topic, 40 + 20" in run(house, "-m", "bertstudy", "list", "corpora")


EXPERIMENT = '''"""A toy question."""

import matplotlib.pyplot as plt
import pandas as pd

from ..analysis.drawing import figure, per_point
from ..analysis.experiment import declare, numbers


def toy_data(rows: pd.DataFrame) -> pd.DataFrame:
    """Error by window."""
    return per_point(rows, ["window"])


@figure(toy_data)
def toy(rows: pd.DataFrame) -> plt.Figure:
    """Test error by window."""
    chart, axes = plt.subplots()
    axes.plot(toy_data(rows)["window"], toy_data(rows)["error"])
    return chart


EXPERIMENT = declare(
    name="toy",
    notebook="11_toy",
    question="Does the window matter?",
    parameters={"windows": numbers(int, "16 32")},
    scales={"smoke": {"seeds": 1, "labelled": 20, "windows": [28, 40]}},
)
'''
CELLS = [
    'profile = "auto"  # the scale\nwindows = ""  # word pieces',
    'import bertstudy as bs\n\nstudy = bs.setup("toy", profile=profile, windows=windows)\nstudy',
    'plan = bs.grid(study.on(), truncation=["head"], window=study.scale.windows, seed=study.seeds)\nbs.describe(plan)',
    "rows = study.run_all(plan)",
    'study.figure("toy", rows)',
]


def test_an_experiment_is_a_notebook_and_a_file(house):
    (house / "bertstudy" / "experiments" / "toy.py").write_text(EXPERIMENT)
    cells = [nbformat.v4.new_markdown_cell("# Does the window matter?"), *map(nbformat.v4.new_code_cell, CELLS)]
    cells[1].metadata["tags"] = ["parameters"]
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), house / "notebooks" / "11_toy.ipynb")
    run(house, "-m", "bertstudy", "report", "11_toy", "--profile", "smoke")
    reports = house / "reports"
    assert (reports / "smoke" / "figures" / "toy.svg").is_file()
    recipe = json.loads((reports / "smoke" / "figures" / "toy.json").read_text())
    assert len(recipe["rows"]) == 2
    assert "Does the window matter?" in (reports / "site" / "smoke" / "11_toy.html").read_text()
    out = house / "out.ipynb"
    run(
        house, "-m", "papermill", "notebooks/11_toy.ipynb", str(out), "-p", "profile", "smoke", "-p", "windows", "40 44"
    )
    assert len(list((reports / "smoke" / "rows").glob("*.json"))) == 3
    shutil.move(reports / "smoke", reports / "control")  # which the README of the reports tells of
    run(house, "-m", "bertstudy", "figures")
    readme = (reports / "README.md").read_text()
    assert "### Does the window matter?" in readme
    assert "Lowest error: window" in readme or "Lowest error: " in readme


def test_a_field_of_run_is_its_declaration_and_the_place_that_reads_it(house):
    check = ("-m", "bertstudy", "rows", "check")
    before = run(house, *check, BERTSTUDY_REPORTS=str(ROOT / "reports"))
    runs = house / "bertstudy" / "runs.py"
    line = '    evaluations: int = knob(1, least=1, part="head"'
    field = '    head_bias: float = knob(0.0, most=9, part="head", added=True)\n'
    runs.write_text(runs.read_text().replace(line, field + line))
    classifier = house / "bertstudy" / "model" / "classifier.py"
    start = "nn.init.zeros_(self.head.bias)"
    assert start in classifier.read_text()
    classifier.write_text(classifier.read_text().replace(start, "nn.init.constant_(self.head.bias, run.head_bias)"))
    code = RUN.format(fields='truncation="head", head_bias=2.0') + "print(run.head_bias, row['run_head'])"
    out = run(house, "-c", code.replace("row['run_head']", "row['head_bias']"))
    assert "2.0 2.0" in out
    refused = "from bertstudy import Run\ntry:\n    Run(head_bias=10.0)\nexcept ValueError as error:\n    print(error)"
    assert "head_bias=10.0: allowed is up to 9" in run(house, "-c", refused)
    after = run(house, *check, BERTSTUDY_REPORTS=str(ROOT / "reports"))
    assert after == before
    assert all(one.split()[1] == one.split()[3] for one in after.splitlines())


def test_an_upward_import_breaks_the_contract(house):
    path = house / "bertstudy" / "model" / "batching.py"
    path.write_text(path.read_text().replace("import torch\n", "import torch\n\nfrom ..study import report\n", 1))
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports")],
        cwd=house,
        env={"PATH": os.environ["PATH"], "PYTHONPATH": str(house)},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    assert "Imports go down only BROKEN" in done.stdout
