"""What to run next: plans of notebooks, prices, the order, and that carrying proposals out decides claims."""

import os
import re
import shutil
from dataclasses import replace

import pandas as pd
import pytest

from bertstudy import Run, cli, experiments, profile
from bertstudy.paths import ROOT
from bertstudy.results import plans, rows
from bertstudy.study import proposing, verdicts
from bertstudy.study.modes import PLANNING
from bertstudy.study.prices import ANY, Prices, _size
from bertstudy.versions import STAGES

CLAIMS = {claim.name: claim for claim in experiments.all_claims()}


@pytest.fixture
def store(tmp_path, monkeypatch):
    """The committed rows of control, in a folder of the test's own."""
    shutil.copytree(ROOT / "reports" / "control" / "rows", tmp_path / "control" / "rows")
    monkeypatch.setenv("BERTSTUDY_REPORTS", str(tmp_path))
    return rows.Store.of("control")


def without(store, keep):
    """Remove the rows that `keep` refuses; gives how many."""
    refused = [row["id"] for row in store.all() if not keep(row["run"])]
    for row_id in refused:
        (store.folder / f"{row_id}.json").unlink()
    return len(refused)


def test_the_plan_of_a_notebook_is_what_it_would_run():
    plan = proposing.plan_of("02_layers", "control")
    assert {run.layers for run in plan} >= {"0", "1", "2", "3", "concat:0-1"}
    assert {run.seed for run in plan} == set(range(experiments.planned("control")["02_layers"].seeds))
    assert {run.window for run in plan} == {profile("control").base.window}
    assert PLANNING not in os.environ


def test_a_claims_runs_are_those_that_it_compares():
    runs = proposing.runs_for(CLAIMS["last layer"], "control", 4)
    assert sorted((run.layers, run.seed) for run in runs) == [(layer, seed) for layer in "23" for seed in range(4)]
    falls = proposing.runs_for(CLAIMS["few labels gain most"], "control", 3)
    assert len(falls) == 12  # four settings: with and without, at the fewest labels and at the most
    assert len({run.fraction for run in falls}) == 2


def test_rows_of_another_recipe_are_no_evidence_for_a_profile():
    table = pd.DataFrame({"window": [64, 512, 512, 128], "encoder": ["control", "control", "none", "control"]})
    table["piece_pooling"] = ["mean", "mean", "cls", "cls"]
    assert verdicts.of_recipe(table, "control").index.tolist() == [0, 2, 3]


def test_what_is_proposed_is_what_is_missing_cheapest_first(store):
    removed = without(store, lambda run: not (run["layers"] in ("0", "2") and run["seed"] == 2))
    assert removed == 2
    proposed = proposing.proposals("control").set_index("claim")
    wanted = [run for claim in ("last layer", "depth") for run in proposed.loc[claim, "runs"]]  # the last is there
    assert {(run.layers, run.seed) for run in wanted} == {("2", 2), ("0", 2)}
    assert proposed.loc["last layer", "needs"] == "3 seeds are needed, 2 runs more"
    priced = proposed[proposed["runs"].map(bool)]
    every = [run for runs in priced["runs"] for run in runs]
    assert len(every) == len(set(every))  # a run that several claims need is paid once
    assert 0 < priced["minutes"].iloc[0] < priced["minutes"].iloc[-1] == priced["minutes"].max()
    assert len(proposing.within(proposed, 0.0)) == 0
    assert len(proposing.within(proposed, 1e6)) == len(priced)


def test_a_stale_row_is_no_evidence_and_is_proposed_to_be_made_again(store):
    row = next(row for row in store.all() if row["run"]["layers"] == "2" and row["run"]["seed"] == 2)
    store.write({**row, "stages": dict.fromkeys(STAGES, "0.9")})
    claim = verdicts.verdicts("control").set_index("claim").loc["last layer"]
    assert (claim["seeds"], claim["verdict"]) == (2, "inconclusive")
    proposed = proposing.proposals("control").set_index("claim").loc["last layer", "runs"]
    assert [(run.layers, run.seed) for run in proposed] == [("2", 2)]


def test_what_is_not_here_keeps_no_other_claim_from_being_proposed(store, monkeypatch):
    without(store, lambda run: run["layers"] != "2" and run["encoder"] != "control-large")
    of = proposing.plan_of

    def lacking(notebook, profile):
        if notebook == "09_large":
            raise ValueError("encoder='nowhere' can't be loaded: it is neither a folder nor in the cache. Use another.")
        return of(notebook, profile)

    monkeypatch.setattr(proposing, "plan_of", lacking)
    proposed = proposing.proposals("control").set_index("claim")
    assert proposed.loc["large", "needs"] == "can't be run here: encoder='nowhere' can't be loaded"
    assert proposed.loc["large", "runs"] == []
    assert [run.layers for run in proposed.loc["last layer", "runs"]] == ["2"] * 3


def test_the_command_tells_what_the_rows_say_of_each_claim(store, capsys):
    cli.main(["claims", "--profile", "control"])
    lines = dict(line.split(": ", 1) for line in capsys.readouterr().out.splitlines())
    assert list(lines) == list(CLAIMS)
    assert lines["within the task"].startswith("holds. +10.00 [+7.")
    assert lines["within the task"].endswith("3 seeds, 100 labels, 1,000 test documents, paper +1.03")
    assert "paper" not in lines["low rate"]  # where the paper prints no number
    without(store, lambda run: False)
    cli.main(["claims", "--profile", "control"])
    assert {line.split(": ", 1)[1] for line in capsys.readouterr().out.splitlines()} == {"not run"}


def test_an_encoder_without_rows_is_priced_by_what_it_multiplies(store):
    prices = Prices("control")
    small, large = (
        replace(profile("control").base, encoder=name, fraction=0.5) for name in ("control", "control-large")
    )
    del prices.speeds["control-large", ANY]
    ratio = _size("control-large") / _size("control")
    assert ratio > 2
    assert prices.of(large) == pytest.approx(ratio * prices.of(small), rel=1e-6)
    assert prices.of(replace(small, fraction=0.25)) < 0.6 * prices.of(small)  # half of the documents, as many tests


def test_a_further_pretraining_is_priced_once_for_its_texts_and_not_as_part_of_a_run(store):
    row = next(row for row in store.all() if row["run"]["further_pretraining"] == "within_task")
    run = Run(**row["run"])
    before = Prices("control").of(run)
    store.write({**row, "seconds": {**row["seconds"], "all": row["seconds"]["all"] + 1e4}})  # it waited
    prices = Prices("control")
    assert prices.of(run) == before
    other = replace(run, corpus="topics")
    both = prices.together([run, other]) - prices.of(run) - prices.of(other)
    assert both == pytest.approx(prices.before(run) + prices.before(other))
    assert prices.together([run, replace(run, seed=7)]) == pytest.approx(2 * before + prices.before(run))


def test_a_row_of_a_choice_that_is_not_registered_stops_no_prices(store):
    row, known = next(store.all()), Prices("control").known
    store.write({**row, "id": "0" * 16, "run": {**row["run"], "truncation": "of_my_own"}})
    store.write({**row, "id": "1" * 16, "run": {**row["run"], "no_such_field": 1}})
    assert Prices("control").known == known
    assert set(rows.check("control").unknown) == {"0" * 16, "1" * 16}


def test_a_corpus_has_a_speed_of_its_own(store):
    """Where its texts are short, a piece takes longer; and rows of it say nothing of another corpus."""
    movies = replace(profile("control").base, corpus="movies", fraction=0.37)
    prices = Prices("control")
    before = prices.of(movies)
    for corpus, share in (("topics", 1.0), ("movies", 0.5)):
        prices = Prices("control")
        prices.speeds["control", corpus] *= 0.5
        assert prices.of(movies) == pytest.approx(before / share)
    assert prices.speed("control", "a corpus without rows") == prices.speeds["control", ANY]


@pytest.mark.slow
def test_what_is_proposed_decides_and_takes_what_was_estimated(store):
    """From one seed, made here and now, to the three that are planned."""
    without(store, lambda run: False)
    claim = "high rate fails"
    first = proposing.runs_for(CLAIMS[claim], "control", 1)
    plans.run_all(first, "control", progress=False)
    proposed = proposing.proposals("control").set_index("claim").loc[:claim]
    assert proposed.loc[claim, "verdict"] == "inconclusive"
    wanted = [run for runs in proposed["runs"] for run in runs if replace(run, seed=0) in first]
    assert {run.seed for run in wanted} == {1, 2}
    prices = Prices("control")
    estimated = sum(map(prices.of, wanted))
    made = plans.run_all(wanted, "control", progress=False)
    spent = made["seconds"].map(lambda seconds: seconds["all"]).sum()
    assert estimated / 2 < spent < 2 * estimated  # the machine may do other things meanwhile
    told = verdicts.verdicts("control").set_index("claim").loc[claim]
    assert told["seeds"] == told["planned"] == 3
    assert told["effect"] > 5


@pytest.mark.slow
def test_the_command_does_what_it_proposes(store, capsys):
    without(store, lambda run: not (run["layers"] in ("0", "2") and run["seed"] == 2))
    proposed = proposing.proposals("control").set_index("claim")["minutes"]
    minutes = str(1.01 * proposed.loc[:"depth"].sum())  # just enough for it: the null claims never come to an end
    cli.main(["next", "--profile", "control", "--minutes", minutes])
    says = capsys.readouterr().out
    assert "* depth: inconclusive. 1 run, " in says
    assert re.search(r"\* fits in, \d+ runs?, [\d.]+ minutes together", says)
    cli.main(["next", "--profile", "control", "--minutes", minutes, "--run"])
    told = capsys.readouterr().out
    assert "claims are decided)" in told
    assert verdicts.verdicts("control").set_index("claim").loc["depth", "seeds"] == 3
