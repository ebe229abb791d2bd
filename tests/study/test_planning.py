"""The command `run`: plans of notebooks and of files; and `price`."""

import re

import numpy as np
import pytest

from bertstudy import cli, grid, profile, write_plan
from bertstudy.results import plans
from bertstudy.results.rows import Store
from bertstudy.runs import by_method
from bertstudy.study import prices
from bertstudy.study.planning import planned, value_of


def test_the_plan_of_a_notebook_takes_its_parameters():
    whole, part = (planned("05_fewshot", "control", given).runs for given in ({}, {"fraction": 0.004, "seeds": 2}))
    assert {run.fraction for run in part} == {0.004} < {run.fraction for run in whole}
    assert {run.seed for run in part} == {0, 1}


def test_a_plan_is_on_corpora_of_the_folder_that_was_given(tmp_path):
    assert planned("02_layers", "control", {"data_dir": str(tmp_path)}).library.data_dir == str(tmp_path)


@pytest.mark.parametrize(
    ("plan", "parameters", "said"),
    [
        ("05_fewshot", {"fractoin": 0.1}, "parameter='fractoin' is unknown. Did you mean 'fraction'"),
        ("05_fewshott", {}, "05_fewshot"),
        ("plan.jsonl", {"seeds": 3}, "takes no parameters: leave out -p seeds"),
    ],
)
def test_a_wrong_plan_is_told(plan, parameters, said):
    with pytest.raises(ValueError, match=said):
        planned(plan, "control", parameters)


def test_values_are_read_as_papermill_reads_them():
    assert [value_of(text) for text in ("0.004", "1e-4", "3", "true", "imdb trec", "[1, 2]", "")] == [
        0.004,
        1e-4,
        3,
        True,
        "imdb trec",
        "[1, 2]",
        "",
    ]


def test_the_command_makes_the_runs_of_a_file_and_of_a_part(small, tmp_path, reports, capsys):
    path = str(write_plan(grid(small, seed=range(4)), tmp_path / "plan.jsonl"))
    cli.main(["run", path, "--profile", "smoke", "--part", "1/2"])
    assert [row["run"]["seed"] for row in Store.of("smoke").all()] in ([1, 3], [3, 1])
    cli.main(["run", path, "--profile", "smoke"])
    told = capsys.readouterr().out
    assert "2 runs, 2 to be made." in told
    assert "4 runs, 2 to be made." in told
    assert plans.missing(grid(small, seed=range(4)), "smoke") == []


@pytest.mark.parametrize("asked", [["--part", "3/2"], ["--cluster", "127.0.0.1:1"], ["-p", "seeds", "2"]])
def test_a_wrong_call_is_told_in_a_line(small, tmp_path, reports, capsys, asked):
    path = str(write_plan([small], tmp_path / "plan.jsonl"))
    with pytest.raises(SystemExit) as ended:
        cli.main(["run", path, "--profile", "smoke", *asked])
    assert ended.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert Store.of("smoke").ids() == []


def test_costs_are_of_the_runs_without_a_row_and_shared_ones_count_once(small, reports):
    run = profile("control").base
    own = prices.Prices("smoke", speed=1000.0)
    pieces = own._pieces(run)
    documents = len(own.library.of(run).train.texts) * run.epochs + run.test_size / prices.FASTER
    assert own.together([run]) == pytest.approx(documents * pieces / 1000)
    assert own.together([run, run]) == own.together([run])
    assert own.together([run], made=[run]) == 0
    read_once = len(own.library.of(run).train.texts) + run.test_size
    frozen = by_method(run, "embeddings")
    assert own.together([frozen]) == pytest.approx(read_once / prices.FASTER * pieces / 1000)
    labelled = len(own.library.of(run).train.texts)
    in_pairs = 2 * (2 * 3 * labelled) + run.test_size / prices.FASTER  # two documents each
    assert own.together([by_method(run, "contrastive:3")]) == pytest.approx(in_pairs * pieces / 1000)
    twice, tested = own.together([by_method(run, "r_drop:1")]), run.test_size / prices.FASTER * pieces / 1000
    assert twice - tested == pytest.approx(2 * (own.together([run]) - tested))
    assert own.together([by_method(run, "eda:1")]) == pytest.approx(twice)
    sharing = ["05_fewshot", "06_further_pretraining"]
    table = prices.costs("control", sharing, speed=1000.0, hour=2.0).set_index("notebook")
    assert table.loc["all", "missing"] == table.loc["all", "runs"] < table["runs"][:2].sum()
    assert table.loc["all", "hours"] < table["hours"][:2].sum()
    assert np.allclose(table["left"], table["hours"])  # none of them has a row
    assert np.allclose(table["money"], 2 * table["hours"])
    faster = prices.costs("control", sharing[1:], speed=2000.0).set_index("notebook")
    assert faster.loc[sharing[1], "hours"] == pytest.approx(table.loc[sharing[1], "hours"] / 2)
    assert faster["money"].isna().all()


def test_the_command_prices_plans_and_draws_them(tmp_path, capsys):
    out = tmp_path / "costs.svg"
    cli.main(["price", "02_layers", "--profile", "smoke", "--speed", "1000", "--hour", "36", "--out", str(out)])
    told = capsys.readouterr().out
    found = re.search(r"02_layers: ((\d+) of \2 runs are missing: (\d+\.\d) of \3 hours, \d+\.\d\d)\n", told)
    assert found
    assert "Hours on a machine of 1,000 pieces a second." in told
    assert found[1] in out.read_text()


def test_where_no_plan_can_be_made_nothing_is_drawn_and_a_line_says_so(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("BERTSTUDY_DATA", str(tmp_path))
    out = tmp_path / "costs.svg"
    with pytest.raises(SystemExit) as ended:
        cli.main(["price", "02_layers", "--profile", "compact", "--out", str(out)])
    assert ended.value.code == 2
    told = capsys.readouterr()
    assert "02_layers: can't be planned here: " in told.out
    assert "there is nothing to draw" in told.err
    assert told.err.count("\n") == 1
    assert not out.exists()
