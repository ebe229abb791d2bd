"""Claims: which rows they take, what an effect comes to, and that the paper's own errors would bear them out."""

from dataclasses import asdict

import numpy as np
import pandas as pd
import pytest

from bertstudy import Run, claims, paper, stats
from bertstudy.analysis.claims import Claim, Contrast, Plan, judge
from bertstudy.analysis.deciding import FIRST, LEVEL, at_looks, judged, share
from bertstudy.experiments import all_claims, planned
from bertstudy.paths import ROOT
from bertstudy.results import rows
from bertstudy.results.rows import squeeze

DOCUMENTS = 400

CLAIMS = all_claims()


def row(error, seed=0, depth=4, **changes):
    """A stored row with errors in the first documents, so many percent of them."""
    truth, wrong = np.zeros(DOCUMENTS, int), np.arange(DOCUMENTS) < round(error / 100 * DOCUMENTS)
    run = asdict(Run(**{"corpus": "movies", "encoder": "control", "seed": seed, **changes}))
    told = {"depth": depth, "error": error, "documents": {"train": 90, "dev": 10, "test": DOCUMENTS}}
    return {**run, **told, "truth": squeeze(truth), "predictions": squeeze(wrong.astype(int))}


def table(*rows):
    return pd.DataFrame(rows)


def seeds(error, spread=1.0, **changes):
    return [row(error + spread * (seed - 1), seed, **changes) for seed in range(3)]


def claim(name):
    return next(one for one in CLAIMS if one.name == name)


def told(name, rows):
    return judged(table(*rows), CLAIMS, {}).set_index("claim").loc[name]


def test_there_are_fourteen_claims_at_least_with_names_sections_and_notebooks_of_their_own():
    assert len(CLAIMS) >= 14
    assert len({one.name for one in CLAIMS}) == len(CLAIMS)
    assert all(one.section.startswith("§") or one.notebook == "12_after_2019" for one in CLAIMS)
    assert all(one.section and one.statement.endswith(".") for one in CLAIMS)


def test_a_claim_without_rows_is_not_run_and_so_is_one_that_lacks_a_contrast():
    rows = seeds(20, truncation="head", corpus="long_reviews") + seeds(
        10, truncation="head+tail:24", corpus="long_reviews"
    )
    line = told("head+tail", rows)
    assert line["verdict"] == "not run"
    assert pd.isna(line["effect"])


def test_settings_are_paired_by_seed_and_alike_in_all_else():
    long = {"corpus": "long_reviews"}
    rows = seeds(20, truncation="head", **long) + seeds(15, truncation="tail", **long)
    rows += seeds(10, truncation="head+tail:24", **long)
    rows += seeds(90, truncation="head", window=128, **long) + seeds(0, truncation="head", learning_rate=1e-3, **long)
    line = told("head+tail", rows)
    assert line["effect"] == pytest.approx(5)  # against the tail, the better of the two
    assert (line["seeds"], line["documents"], line["verdict"]) == (3, DOCUMENTS, "holds")
    assert line["paper"] == 0.02
    alone = told("head+tail", [one for one in rows if one["seed"] != 1 or one["truncation"] != "tail"])
    assert alone["seeds"] == 2


def test_of_several_splits_the_one_with_most_seeds_stands_for_head_and_tail():
    long = {"corpus": "long_reviews"}
    rows = [row(90, truncation="head+tail:7", **long)] + seeds(10, truncation="head+tail:24", **long)
    rows += [row(80, truncation="head+tail:46", **long)]
    rows += seeds(20, truncation="head", **long) + seeds(15, truncation="tail", **long)
    line = told("head+tail", rows)
    assert (line["effect"], line["seeds"]) == (pytest.approx(5), 3)


def test_the_last_layer_is_that_of_the_rows():
    rows = [one for layer, error in enumerate((40, 30, 21, 20)) for one in seeds(error, layers=str(layer))]
    pooled = [one for kind in ("concat", "mean", "max") for one in seeds(20, layers=f"{kind}:2-3")]
    first = [one for kind in ("concat", "mean", "max") for one in seeds(35, layers=f"{kind}:0-1")]
    assert told("last layer", rows)["effect"] == pytest.approx(1)
    assert told("depth", rows)["effect"] == pytest.approx(20)
    assert told("last four", rows + pooled + first)["effect"] == pytest.approx(0)


def test_rates_are_those_of_figure_2_in_order():
    figure_2 = {"retention": "general", "evaluations": 4}
    rows = [
        one
        for rate, error in ((1e-4, 20), (2e-4, 22), (1e-3, 50))
        for one in seeds(error, learning_rate=rate, **figure_2)
    ]
    rows += seeds(30, learning_rate=1e-3, warmup=0.5, **figure_2) + seeds(99, learning_rate=5e-3)
    rows += seeds(25, learning_rate=5e-5, fraction=0.5, **figure_2)  # of other labels, whose rates are others
    assert told("low rate", rows)["effect"] == pytest.approx(2)
    assert told("high rate fails", rows)["effect"] == pytest.approx(30)


def test_pretraining_is_compared_at_the_fewest_labels_and_its_worth_from_few_to_many():
    further = {"further_pretraining": "within_task", "pretraining_steps": 300}
    rows = [one for share, error in ((0.004, 20), (0.01, 15), (0.02, 14)) for one in seeds(error, fraction=share)]
    further_on = ((0.004, 8), (0.02, 6), (0.1, 5))
    rows += [one for share, error in further_on for one in seeds(error, fraction=share, **further)]
    for steps in (100, 150):
        rows += seeds(9, fraction=0.004, **{**further, "pretraining_steps": steps})
    assert told("within the task", rows)["effect"] == pytest.approx(12)  # after all the steps
    assert told("few labels gain most", rows)["effect"] == pytest.approx(4)
    assert told("few labels suffice", rows)["effect"] == pytest.approx(7)
    assert told("more steps", rows)["effect"] == pytest.approx(1)


def test_how_much_an_effect_falls_is_told_within_one_corpus_and_encoder_and_over_seeds():
    further = {"further_pretraining": "within_task", "pretraining_steps": 300}
    both = ({}, further)
    rows = [one for more, error in zip(both, (20, 8), strict=True) for one in seeds(error, fraction=0.004, **more)]
    rows += [one for more, error in zip(both, (15, 7), strict=True) for one in seeds(error, fraction=0.02, **more)]
    other = [one for more in both for one in seeds(30, fraction=1.0, encoder="control-large", depth=6, **more)]
    real = [{**one, "corpus": "imdb"} for more in both for one in seeds(30, fraction=1.0, **more)]
    for beside in ([], other, real):
        assert told("few labels gain most", rows + beside)["effect"] == pytest.approx(4)
    two = claims.with_places(table(*(one for one in rows if one["seed"] < 2)))
    assert judge(claim("few labels gain most"), two)["effect"] == pytest.approx(4)
    assert told("few labels gain most", [one for one in rows if one["seed"] == 0])["verdict"] == "not run"


def test_the_last_layer_by_its_number_and_by_name_is_one():
    below, named = seeds(15, layers="2", depth=3), seeds(12, layers="last")
    numbered = [{**one, "layers": "3"} for one in named]
    for last in (named, numbered, named + numbered, named[:1] + numbered[1:]):
        line = told("last layer", below + last)
        assert (line["seeds"], line["effect"]) == (3, pytest.approx(3))


def test_encoders_are_ranked_by_depth_where_they_were_compared():
    further = {"further_pretraining": "within_task", "pretraining_steps": 150}
    rows = [
        one
        for encoder, depth, errors in (("control", 4, (15, 11)), ("control-large", 6, (14, 6)))
        for more, error in zip(({}, further), errors, strict=True)
        for one in seeds(error, encoder=encoder, depth=depth, **more)
    ]
    chinese = seeds(5, corpus="sogou", encoder="a-chinese-one", depth=4)
    frozen = seeds(5, encoder="minilm", depth=3, method="embeddings")  # which was not fine-tuned
    assert told("large", rows + chinese + frozen)["effect"] == pytest.approx(1) == told("large", rows)["effect"]
    assert told("large, pretrained further", rows)["effect"] == pytest.approx(5)  # of 11 - 6 and 14 - 6


def test_encoders_of_one_depth_are_none_larger_than_the_other():
    assert told("large", seeds(15, encoder="a") + seeds(10, encoder="b"))["verdict"] == "not run"


def test_steps_are_ranked_at_one_share_of_labels_and_sources_compared_after_as_many():
    few = [
        one
        for steps, error in ((100, 12), (300, 8))
        for one in seeds(error, fraction=0.004, further_pretraining="within_task", pretraining_steps=steps)
    ]
    longer = seeds(5, further_pretraining="within_task", pretraining_steps=400)
    assert told("more steps", few + longer)["effect"] == pytest.approx(4)
    domain = seeds(9, further_pretraining="in_domain", pretraining_steps=300)
    as_long = seeds(8, further_pretraining="within_task", pretraining_steps=300)
    assert told("in the domain", longer + domain + as_long)["effect"] == pytest.approx(-1)


def test_one_number_of_steps_or_one_rate_is_no_contrast():
    further = {"further_pretraining": "within_task", "pretraining_steps": 300, "fraction": 0.004}
    assert told("more steps", seeds(9, **further))["verdict"] == "not run"
    one_rate = seeds(20, learning_rate=1e-4, retention="general", evaluations=4)
    assert told("high rate fails", one_rate)["verdict"] == "not run"


def test_what_cannot_be_told_says_what_would():
    plain = seeds(20, 6, fraction=0.004)
    further = dict(fraction=0.004, further_pretraining="topics", pretraining_steps=300)
    noisy = told("another domain", plain + seeds(19, -6, **further))
    assert noisy["verdict"] == "inconclusive"
    assert noisy["needs"] == "more than 400 test documents are needed"  # they leave a point, whatever the seeds
    two = told("another domain", [one for one in plain + seeds(19, **further) if one["seed"] < 2])
    assert (two["verdict"], two["needs"]) == ("inconclusive", "3 seeds are needed, 2 runs more")
    assert np.isnan(two["p"])


def test_the_seeds_that_are_needed_are_told_with_the_runs_that_they_take():
    """By stats.seeds_needed at the level that a later look has beside the other claims of the notebook."""
    line = {"notebook": "a", "kind": "better", "least": 2.0, "seeds": 3, "documents": 1000, "effect": 2.0, "low": -1.0}
    line |= {"high": 5.0, "error": 0.7, "freedom": 2.2, "seeds_share": 0.9, "settings": 2}
    line |= {"p_holds": 1.0, "p_fails": 1.0, "p": 0.1}
    seen = stats.Effect(**{name: line[name] for name in stats.Effect._fields})
    for others in (1, 30):
        table = at_looks(lambda place, seeds: line, [3] * others)
        needed = [stats.seeds_needed(seen, 2.0, share(look) * LEVEL / others) for look in range(1, 9)]
        wanted = next(3 * 2**look for look, seeds in enumerate(needed, 1) if seeds <= 3 * 2**look)
        assert table["needs"].iloc[0] == f"{wanted} seeds are needed, {2 * (wanted - 3)} runs more"


def test_the_weakest_contrast_decides():
    contrast = Contrast(lambda r: r.truncation == "head", lambda r: r.truncation == "tail", ("truncation",), 1.0)
    other = Contrast(lambda r: r.truncation == "tail", lambda r: r.truncation == "head", ("truncation",), 2.0)
    rows = claims.with_places(table(*seeds(30, truncation="head"), *seeds(20, truncation="tail")))
    told = judge(Claim("a", "b.", "§", "c", (contrast, other)), rows)
    line = at_looks(lambda place, seeds: told, [3]).iloc[0]
    assert (line["verdict"], line["paper"]) == ("doesn't hold", 2.0)
    assert line["effect"] == pytest.approx(-10)


def test_a_finding_tells_the_values_that_were_compared():
    """Who reads of the lowest and the highest rate sees which these are; of many fields at once none are told."""
    rate = [one for rate, error in ((1e-4, 20), (1e-3, 50)) for one in seeds(error, learning_rate=rate, retention="g")]
    assert told("high rate fails", rate)["detail"] == "learning_rate: 0.0001 against 0.001"
    lora = seeds(10, fraction=0.004, method="lora:8", learning_rate=5e-4)
    values = told("LoRA", [*seeds(20, fraction=0.004, learning_rate=1e-4), *lora])["detail"]
    assert values == "method: lora:8 against fine_tune, learning_rate: 0.0005 against 0.0001"
    after = seeds(10, further_pretraining="within_task", pretraining_steps=9)
    assert told("within the task", [*seeds(20), *after])["detail"] == ""


def test_what_was_planted_is_known_of_composed_corpora_alone():
    rate = [one for rate, error in ((1e-4, 20), (1e-3, 50)) for one in seeds(error, learning_rate=rate, retention="g")]
    assert told("high rate fails", rate)["planted"] == claim("high rate fails").planted != ""
    assert told("low rate", rate)["planted"] == ""
    real = [{**one, "corpus": "imdb"} for one in rate]
    assert told("high rate fails", real)["planted"] == ""


def test_the_committed_control_report_has_run_all_claims_and_finds_what_was_planted(monkeypatch):
    monkeypatch.setenv("BERTSTUDY_REPORTS", str(ROOT / "reports"))
    lines = judged(rows.rows("control"), CLAIMS, planned("control"))
    assert set(lines.loc[lines["verdict"] == "not run", "claim"]) <= {"key sentences"}  # which is of long texts alone
    planted = lines[lines["planted"] != ""]
    assert len(planted) == sum(one.planted != "" for one in CLAIMS) >= 5
    assert dict.fromkeys(planted["claim"], "holds") == dict(zip(planted["claim"], planted["verdict"], strict=True))


def test_p_values_are_adjusted_within_a_notebook():
    rows = [one for layer, error in enumerate((40, 30, 21, 20)) for one in seeds(error, layers=str(layer))]
    lines = judged(table(*rows), CLAIMS, {}).set_index("claim")
    both = lines.loc[["last layer", "depth"]]
    assert lines.loc["depth", "p"] == pytest.approx(
        3 * lines.loc["depth", "p_holds"] / FIRST
    )  # "last four" has no runs here, and counts
    assert (both["p"] >= both[["p_holds", "p_fails"]].min(axis=1)).all()


def test_the_papers_effects_are_those_of_its_tables():
    table_2, table_3, table_7, table_8 = (
        paper.long_text()["IMDb"],
        paper.layers(),
        paper.multitask()["IMDb"],
        paper.larger()["IMDb"],
    )
    assert [one.paper for one in claim("head+tail").contrasts] == pytest.approx(
        [table_2["head-only"] - table_2["head+tail"], table_2["tail-only"] - table_2["head+tail"]]
    )
    assert claim("depth").contrasts[0].paper == pytest.approx(table_3["Layer-0"] - table_3["Layer-11"])
    assert claim("multi-task").contrasts[0].paper == pytest.approx(table_7["BERT-FiT"] - table_7["BERT-MFiT-FiT"])
    larger = [one.paper for one in claim("large").contrasts + claim("large, pretrained further").contrasts]
    assert larger == pytest.approx(
        [
            table_8["BERT-base"] - table_8["BERT-large"],
            table_8["BERT-base + ITPT"] - table_8["BERT-large + ITPT"],
            table_8["BERT-large"] - table_8["BERT-large + ITPT"],
        ]
    )
    few = paper.few_shot().set_index(["arm", "fraction"])["error"]
    gain = few["FiT"] - few["ITPT-FiT"]
    assert claim("few labels gain most").contrasts[0].paper == pytest.approx(gain[0.004] - gain[0.02])
    sources = paper.pretraining_sources()["IMDb"]
    assert claim("another domain").contrasts[0].paper == pytest.approx(sources["w/o pretrain"] - sources["AG's News"])
    assert claim("within the task").contrasts[0].paper == pytest.approx(sources["w/o pretrain"] - sources["IMDb"])
    assert claim("own texts").contrasts[0].paper == pytest.approx(sources["AG's News"] - sources["IMDb"])


def test_the_papers_own_tables_tell_apart_what_the_size_of_the_test_sets_allows():
    floor = claims.noise_floor().set_index(["table", "corpus", "row"]).sort_index()
    assert not floor.loc[("Table 4", "IMDb"), "excludes_zero"].any()  # the whole of Table 4
    assert floor.loc[("Table 3", "IMDb", "Layer-0"), "excludes_zero"]
    assert not floor.loc[("Table 3", "IMDb", "Last 4 Layers + mean"), "excludes_zero"]
    assert floor.loc[("Table 5", "IMDb", "IMDb"), "difference"] == pytest.approx(1.03)
    assert floor.loc[("Table 5", "IMDb", "IMDb"), "excludes_zero"]
    assert not floor.loc[("Table 6", "TREC"), "excludes_zero"].any()  # 500 documents
    one = floor.loc[("Table 7", "AG", "BERT-MFiT-FiT")]
    assert tuple(one[["low", "high"]]) == pytest.approx(stats.binomial_difference(5.25, 5.20, 7_600)[1:3])


def test_test_sizes_are_those_of_table_1():
    for printed, size in paper.TEST_SIZES.items():
        name = {"Yah. A.": "Yahoo! Answers", "AG": "AG's News", "DBP": "DBPedia", "Sogou": "Sogou News"}.get(
            printed, printed
        )
        assert int(paper.table1(name)["test"]) == size


def test_an_effect_below_a_tenth_of_the_error_is_too_small_to_matter():
    for error, verdict in ((40, "doesn't hold"), (15, "inconclusive")):  # a point less error, of more and of less
        line = told("last layer", seeds(error, layers="2") + seeds(error - 1, layers="3"))
        assert line["least"] == pytest.approx(error / 10)
        assert line["verdict"] == verdict


def test_more_seeds_of_one_number_of_labels_do_not_make_it_the_one_that_is_judged():
    further = {"further_pretraining": "within_task", "pretraining_steps": 300}
    rows = [one for share, error in ((0.004, 20), (0.01, 30)) for one in seeds(error, fraction=share)]
    rows += [one for share in (0.004, 0.01) for one in seeds(15, fraction=share, **further)]
    rows += [row(error, 3, fraction=0.01, **more) for error, more in ((30, {}), (15, further))]
    assert told("within the task", rows)["effect"] == pytest.approx(5)


def test_more_seeds_of_one_way_to_pretrain_do_not_make_it_the_one_that_is_judged():
    further = {"further_pretraining": "within_task", "pretraining_steps": 300}
    rows = seeds(20) + seeds(15, **further) + seeds(10, **further, next_sentence=False)
    more = [row(10, seed, **further, next_sentence=False) for seed in range(3, 6)]
    for stored in (rows, rows + more, rows + more + [row(20, seed) for seed in range(3, 6)]):
        assert told("within the task", stored)["effect"] == pytest.approx(5)


def test_a_claim_is_judged_at_the_labels_of_its_notebooks_plan():
    further = {"further_pretraining": "within_task", "pretraining_steps": 300}
    rows = [one for share, error in ((0.004, 20), (0.01, 30)) for one in seeds(error, fraction=share)]
    rows += [one for share in (0.004, 0.01) for one in seeds(15, fraction=share, **further)]
    plans = {"06_further_pretraining": Plan(3, 0.01)}
    assert judged(table(*rows), CLAIMS, plans).set_index("claim").loc["within the task", "effect"] == pytest.approx(15)


def test_a_claim_waits_for_the_seeds_of_all_its_contrasts():
    long = {"corpus": "long_reviews"}
    rows = seeds(20, truncation="head", **long) + seeds(15, truncation="tail", **long)[:2]
    rows += seeds(10, truncation="head+tail:24", **long)
    line = told("head+tail", rows)
    assert (line["seeds"], line["verdict"]) == (2, "inconclusive")
