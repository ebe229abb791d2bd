"""When rows are stale, how it is told, and that just these are made again."""

import json
import logging
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from bertstudy.paths import ROOT
from bertstudy.results import execution, plans, rows
from bertstudy.results.rows import Store, check, stages_of
from bertstudy.runs import Run, by_method
from bertstudy.versions import LEGACY, STAGES

PRETRAINED = dict(
    further_pretraining="within_task",
    pretraining_steps=2,
    pretraining_window=32,
    pretraining_batch_size=4,
    next_sentence=False,
)


def copy_of_the_package(folder):
    shutil.copytree(ROOT / "bertstudy", folder / "bertstudy", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def rows_check(folder, reports):
    """The output and exit code of `bertstudy rows check` by the package in a folder."""
    done = subprocess.run(
        [sys.executable, "-m", "bertstudy", "rows", "check"],
        cwd=folder,
        env={"PATH": "/usr/bin:/bin", "BERTSTUDY_REPORTS": str(reports)},
        capture_output=True,
        text=True,
    )
    return done.stdout, done.returncode


@pytest.mark.parametrize(
    ("run", "stages"),
    [
        (Run(), ("documents", "segments", "encoder", "fine_tuning")),
        (by_method(Run(), "tfidf"), ("documents", "tfidf")),
        (by_method(Run(), "features"), ("documents", "segments", "encoder", "fine_tuning", "features")),
        (Run(multitask="imdb+trec"), ("documents", "segments", "encoder", "fine_tuning", "multitask")),
        (
            Run(retention="general"),
            ("documents", "segments", "encoder", "fine_tuning", "pretraining", "retention"),
        ),
    ],
)
def test_a_run_passes_these_stages(run, stages):
    assert stages_of(run) == stages


def stale_now(profile):
    """Whether each committed row of a profile is stale already, by the code as it is."""
    return [bool(rows.stale_stages(row)) for row in Store(ROOT / "reports" / profile / "rows").all()]


def test_a_docstring_a_renamed_and_a_moved_function_mark_no_row(tmp_path):
    folder = copy_of_the_package(tmp_path)
    for name in ("training/pretraining.py", "training/optim.py"):
        path = folder / "bertstudy" / name
        path.write_text(path.read_text().replace('"""', '"""Edited. ', 1).replace("parameter_groups", "groups_of"))
    path = folder / "bertstudy" / "training" / "optim.py"
    first, _, rest = path.read_text().partition("def has_weight_decay")
    body, _, after = rest.partition("\n\n\n")
    path.write_text(f"{first}{after}\n\n\ndef has_weight_decay{body}\n")
    out, code = rows_check(folder, ROOT / "reports")
    assert code == 0
    assert re.findall(r"(\d+) stale", out) == [str(sum(stale_now(profile))) for profile in ("control", "compact")]


def test_a_raised_number_marks_exactly_the_rows_that_pass_the_stage(tmp_path):
    folder = copy_of_the_package(tmp_path)
    path = folder / "bertstudy" / "versions.py"
    path.write_text(re.sub(r'"pretraining": "[\d.]+"', '"pretraining": "2.0"', path.read_text()))
    out, code = rows_check(folder, ROOT / "reports")
    assert code == 0
    for line in out.splitlines():
        profile, total, stale = re.match(r"(\w+): (\d+) rows, \2 ids recompute, (\d+) stale", line).groups()
        table = rows.rows(Store(ROOT / "reports" / profile / "rows"))
        passing = (table["further_pretraining"] != "none") | (table["retention"].map(lambda one: one is not None))
        assert f"pretraining {passing.sum()}" in line
        assert 0 < int(stale) == (passing | np.array(stale_now(profile))).sum() < int(total)


def test_an_id_that_does_not_recompute_is_told_and_ends_with_one(tmp_path):
    store = Store(tmp_path / "control" / "rows")
    source = next((ROOT / "reports" / "control" / "rows").glob("*.json"))
    row = json.loads(source.read_text())
    store.write(row)
    assert rows_check(ROOT, tmp_path) == ("control: 1 rows, 1 ids recompute, 0 stale\n", 0)
    store.write({**row, "run": {**row["run"], "seed": 77}})
    out, code = rows_check(ROOT, tmp_path)
    assert code == 1
    assert f"{row['id']}: the contents of this file give another id" in out


def test_a_row_of_a_choice_that_is_not_registered_here_is_counted_and_stops_nothing(tmp_path):
    store = Store(tmp_path / "control" / "rows")
    source = next((ROOT / "reports" / "control" / "rows").glob("*.json"))
    row = json.loads(source.read_text())
    store.write(row)
    store.write({**row, "id": "0" * 16, "run": {**row["run"], "truncation": "of_my_own"}})
    out, code = rows_check(ROOT, tmp_path)
    assert out == "control: 2 rows, 1 ids recompute, 0 stale, 1 of choices that are not registered here\n"
    assert code == 0


def test_stale_rows_are_made_again_and_no_others(small, reports, monkeypatch, caplog):
    caplog.set_level(logging.INFO, "bertstudy")
    plan = [small, by_method(small, "tfidf"), replace(small, **PRETRAINED)]
    before = plans.run_all(plan, "smoke", progress=False)
    assert "stale" not in caplog.text
    monkeypatch.setitem(STAGES, "pretraining", "1.1")  # another random stream makes nothing stale
    assert plans.missing(plan, "smoke", remake="stale") == []
    monkeypatch.setitem(STAGES, "pretraining", "2.0")
    assert check("smoke").stale == {"pretraining": 1}
    plans.run_all(plan, "smoke", progress=False)
    assert "1 of them are stale" in caplog.text
    assert "(pretraining 1)" in caplog.text
    assert plans.missing(plan, "smoke") == []
    assert plans.missing(plan, "smoke", remake="stale") == plan[2:]
    made, compute = [], execution.compute
    monkeypatch.setattr(execution, "compute", lambda run, *rest: made.append(run) or compute(run, *rest))
    after = plans.run_all(plan, "smoke", progress=False, remake="stale")
    assert made == plan[2:]
    assert list(after["id"]) == list(before["id"])
    assert after["stages"].iloc[2]["pretraining"] == "2.0"
    assert check("smoke").stale_rows == 0
    with pytest.raises(ValueError, match="remake='sale' is unknown. Did you mean"):
        plans.run_all(plan, "smoke", remake="sale")


@pytest.mark.slow
def test_an_encoder_made_by_an_earlier_stage_is_not_taken(small, reports, monkeypatch, tmp_path):
    monkeypatch.setenv("BERTSTUDY_RUNS", str(tmp_path / "runs"))
    run = replace(small, **PRETRAINED, multitask="movies+questions", multitask_documents=20, multitask_epochs=1)
    plans.run_all([replace(run, encoder="control")], "smoke", progress=False)
    for stage, fresh in (("pretraining", (2, 2)), ("multitask", (2, 3))):
        monkeypatch.setitem(STAGES, stage, "2.0")
        plans.run_all([replace(run, encoder="control")], "smoke", progress=False, remake="stale")
        made = (len(list((tmp_path / "runs" / kind).glob("*/config.json"))) for kind in ("pretrained", "multitask"))
        assert tuple(made) == fresh


def test_rows_from_before_there_were_numbers_are_read_by_their_hash(small, reports):
    row = plans.run(small, "smoke", progress=False)
    old = {name: value for name, value in row.items() if name != "stages"}
    assert rows.stale_stages({**old, "code": next(iter(LEGACY))}) == []
    assert rows.stale_stages({**old, "code": "0" * 12}) == list(stages_of(small))


def test_every_committed_row_says_how_it_was_made():
    codes = {
        row.get("code") for path in (ROOT / "reports").glob("*/rows/*.json") if (row := json.loads(path.read_text()))
    }
    assert codes - {None} <= set(LEGACY)


@pytest.mark.slow
def test_a_report_makes_stale_rows_again(reports, monkeypatch):
    from bertstudy.study import pages

    pages.execute("05", profile="smoke", fraction=0.004, seeds=1)
    store = Store.of("smoke")
    for row in store.all():
        store.write({**row, "stages": {**row["stages"], "fine_tuning": "0.0"}})
    pages.execute("05", profile="smoke", fraction=0.004, seeds=1)
    assert check("smoke").stale_rows == 2
    pages.execute("05", remake="stale", profile="smoke", fraction=0.004, seeds=1)
    assert check("smoke").stale_rows == 0
    assert "BERTSTUDY_REMAKE" not in __import__("os").environ
