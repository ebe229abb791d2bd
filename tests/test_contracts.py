"""What holds between the rooms: no torch where none is needed, no choice known by its name, nothing left behind."""

import ast
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from bertstudy.choices.methods import METHODS
from bertstudy.choices.metrics import METRICS
from bertstudy.choices.pooling import LAYER_POOLINGS, PIECE_POOLINGS, SEGMENT_POOLINGS
from bertstudy.choices.schedules import SCHEDULES
from bertstudy.choices.task_sampling import SAMPLINGS
from bertstudy.choices.truncation import TRUNCATIONS
from bertstudy.paths import PACKAGE, ROOT
from bertstudy.runs import DEFAULTS, PRECISIONS, Run, fields_of
from bertstudy.study.setup import setup

REGISTRIES = (METHODS, METRICS, PIECE_POOLINGS, LAYER_POOLINGS, SEGMENT_POOLINGS, SCHEDULES, SAMPLINGS, TRUNCATIONS)
CHOICES = {name for registry in REGISTRIES for name in registry} - {"none", "error"}  # a column of tables, too
# Where the paper's arms are told by name: its claims, its figures, what its tables call them.
BY_NAME = {"analysis", "experiments"}
COMPOSER = Path("data/control/corpora.py")  # whose verdicts stand at a review's head or tail
FIELDS = {
    "truncation",
    "piece_pooling",
    "metric",
    "segment_pooling",
    "layers",
    "schedule",
    "multitask_sampling",
    "method",
}


def python(code):
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)


@pytest.mark.parametrize(
    "code",
    [
        "from bertstudy import Run; Run(); Run(layers='max:0-3', method='features')",
        "import bertstudy as bs; bs.Run(truncation='chunks', segment_pooling='mean'); bs.Store('x').ids()",
        "from bertstudy.results.rows import check; check('control')",
        "import bertstudy as bs; bs.claims, bs.figures, bs.survey; import bertstudy.advice.figures",
        "from bertstudy.study.pages import redraw; from bertstudy.study.site import build",
        "from bertstudy.results.tables import describe; from bertstudy import Run; describe([Run(), Run(window=256)])",
    ],
)
def test_this_needs_no_torch(code):
    done = python(f"import sys; {code}; assert 'torch' not in sys.modules, 'torch'")
    assert done.returncode == 0, done.stderr


def test_nobody_knows_a_choice_by_its_name():
    found = []
    for path in PACKAGE.rglob("*.py"):
        if path.relative_to(PACKAGE).parts[0] in BY_NAME or path.relative_to(PACKAGE) == COMPOSER:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Compare):
                words = {one.value for one in ast.walk(node) if isinstance(one, ast.Constant)}
                asked = {one.attr for one in ast.walk(node) if isinstance(one, ast.Attribute)}
                if words & CHOICES or (asked & FIELDS and "none" in words):
                    found.append(f"{path.relative_to(PACKAGE)}:{node.lineno}")
    assert found == []


def test_fields_are_known_by_their_declaration_alone():
    """No list of field names stands anywhere else: three of them in a row are one."""
    found = []
    for path in PACKAGE.rglob("*.py"):
        if path.relative_to(PACKAGE).parts[0] in BY_NAME:  # which name the columns of their tables
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Tuple | ast.List | ast.Set):
                names = [one.value for one in node.elts if isinstance(one, ast.Constant) and one.value in DEFAULTS]
                if len(names) >= 3 and len(names) == len(node.elts):
                    found.append(f"{path.relative_to(PACKAGE)}:{node.lineno} {names}")
    assert found == []


def test_every_field_belongs_to_a_part_that_some_method_reads():
    read = {part for entry in METHODS.values() for part in entry.reads}
    assert set(fields_of(*read)) == set(DEFAULTS)
    assert Run().precision in PRECISIONS


def test_only_the_command_line_prints():
    printing = []
    for path in PACKAGE.rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        if any(getattr(call.func, "id", "") == "print" for call in calls):
            printing.append(str(path.relative_to(PACKAGE)))
    assert set(printing) == {"cli.py", "study/bench.py"}


@pytest.mark.parametrize("first", [True, False])
def test_a_data_folder_is_that_study_s_alone(tmp_path, first):
    for number in (1, 2):
        folder = tmp_path / str(number) / "mine"
        folder.mkdir(parents=True)
        table = pd.DataFrame({"text": [f"{number} {one}" for one in range(20)], "label": [0, 1] * 10})
        for part in ("train", "test"):
            table.to_csv(folder / f"{part}.csv", index=False)
    before = dict(os.environ)
    one, other = (setup(profile="smoke", corpus="mine", data_dir=str(tmp_path / str(number))) for number in (1, 2))
    studies = [one, other] if first else [other, one]
    texts = [study.corpus.train.texts[0][0] for study in studies]
    assert texts == (["1", "2"] if first else ["2", "1"])
    assert dict(os.environ) == before
    with pytest.raises(ValueError, match="corpus='mine' is unknown"):
        setup(profile="smoke", corpus="mine")


@pytest.mark.slow
def test_rows_of_a_data_folder_are_made_by_worker_processes_too(tmp_path, tiny, reports):
    from bertstudy.results import plans
    from bertstudy.runs import grid

    folder = tmp_path / "data" / "mine"
    folder.mkdir(parents=True)
    for part, size in (("train", 40), ("test", 20)):
        lines = [(f"{'ab' if one % 2 else 'yz'} {one}", one % 2) for one in range(size)]
        pd.DataFrame(lines, columns=["text", "label"]).to_csv(folder / f"{part}.csv", index=False)
    study = setup(profile="smoke", corpus="mine", data_dir=str(tmp_path / "data"), encoder=tiny(), window=32)
    plan = grid(study.base, seed=range(2))
    rows = plans.run_all(plan, "smoke", progress=False, workers=2, library=study.library)
    assert [(one["train"], one["test"]) for one in rows["documents"]] == [(36, 20)] * 2


def test_the_rooms_are_as_they_are_drawn():
    done = subprocess.run([Path(sys.executable).with_name("lint-imports")], cwd=ROOT, capture_output=True, text=True)
    assert "2 kept, 0 broken" in done.stdout, done.stdout


def test_public_functions_have_types():
    untyped = []
    for path in PACKAGE.rglob("*.py"):
        body = ast.parse(path.read_text(encoding="utf-8")).body
        classes = [one for one in body if isinstance(one, ast.ClassDef) and not one.name.startswith("_")]
        for function in [one for part in [body, *(one.body for one in classes)] for one in part]:
            if not isinstance(function, ast.FunctionDef) or function.name.startswith("_"):
                continue
            own = [one for one in [*function.args.args, *function.args.kwonlyargs] if one.arg not in ("self", "cls")]
            if function.returns is None or any(one.annotation is None for one in own):
                untyped.append(f"{path.relative_to(PACKAGE)}: {function.name}")
    assert untyped == []
