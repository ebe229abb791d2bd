import subprocess
import sys
import time
from math import exp

import numpy as np
import pytest
from conftest import NO_TORCH
from scipy.integrate import quad
from scipy.optimize import brentq
from scipy.stats import norm, t
from simulation import covers, make_runs, near, true_effect

from bertstudy import stats


def test_pooled_intervals_by_hand():
    found = stats.pooled_intervals([[1.0, 3.0], [10.0, 10.0], [5.0]])
    half = t.ppf(0.975, 2) * 1.0  # two degrees of freedom, variance (2 + 0) / 2
    assert found[0] == pytest.approx((2, 2 - half / 2**0.5, 2 + half / 2**0.5))
    assert found[1] == pytest.approx((10, 10 - half / 2**0.5, 10 + half / 2**0.5))
    assert found[2] == pytest.approx((5, 5 - half, 5 + half))


def test_single_values_have_no_interval():
    assert all(np.isnan(low) and np.isnan(high) for _, low, high in stats.pooled_intervals([[1.0], [2.0]]))


def test_one_group_has_its_own_t_interval():
    assert stats.pooled_intervals([[1.0, 2.0, 4.0]])[0] == pytest.approx(stats.mean_interval([1.0, 2.0, 4.0]))


@pytest.mark.parametrize("how", [stats.pooled_intervals, lambda groups: [stats.mean_interval(groups[0])]])
def test_intervals_of_means_cover_as_often_as_they_say(how):
    """One group a round counts: those of one round share their spread."""
    groups = np.random.default_rng(0).normal(20, 2, (6000, 4, 3))
    assert near([covers(20, *how(one)[0][1:]) for one in groups], 0.95)


def test_intervals_of_standard_deviations_cover_as_often_as_they_say():
    drawn = np.random.default_rng(0).normal(20, 2, (6000, 5))
    assert near([covers(2, *stats.sd_interval(one)[1:]) for one in drawn], 0.95)
    sd, low, high = stats.sd_interval([1.0, 2.0, 4.0])
    assert sd == pytest.approx(np.std([1, 2, 4], ddof=1))
    assert (low, high) == pytest.approx((sd * (2 / 7.377759) ** 0.5, sd * (2 / 0.05063562) ** 0.5), rel=1e-5)
    assert np.isnan(stats.sd_interval([1.0])).all()
    assert np.isfinite(stats.sd_interval([1.0, 2.0])).all()


def test_wilson_as_printed():
    """Newcombe's (1998) example of single proportions: 81 of 263, and none of 20."""
    assert stats.wilson(81, 263) == pytest.approx((25.53, 36.62), abs=0.005)
    assert stats.wilson(0, 20) == pytest.approx((0, 16.11), abs=0.005)


def test_wilson_takes_the_mean_of_several_runs():
    low, high = stats.wilson(8 / 3, 20)
    assert stats.wilson(2, 20)[0] < low < stats.wilson(3, 20)[0]
    assert stats.wilson(2, 20)[1] < high < stats.wilson(3, 20)[1]
    assert stats.wilson(0.8, 1)[0] < 80 < stats.wilson(0.8, 1)[1]
    for n in range(1, 60):
        assert stats.wilson(0, n)[0] == 0
        assert stats.wilson(n, n)[1] == 100


def test_wilson_covers_as_often_as_it_says():
    """Its coverage goes up and down with the true error, and is right in the mean: so the error is drawn too."""
    random = np.random.default_rng(0)
    true = random.uniform(0.05, 0.5, 3000)
    wrong = random.binomial(1000, true)
    assert near([covers(100 * one, *stats.wilson(k, 1000)) for one, k in zip(true, wrong, strict=True)], 0.95)


def pairs(both, worse, better, neither):
    """Two runs with so many documents that both, only the first, only the second and neither get wrong."""
    first = np.repeat([1, 1, 0, 0], [both, worse, better, neither])
    return first, np.repeat([1, 0, 1, 0], [both, worse, better, neither])


def test_mcnemar_by_hand():
    effect = stats.mcnemar(*pairs(1, 7, 1, 12))
    assert effect.p == pytest.approx(2 * (1 + 8) / 2**8)  # no more than one of eight, both sides
    assert effect.effect == pytest.approx(100 * 6 / 21)
    assert (effect.seeds, effect.documents) == (1, 21)


@pytest.mark.parametrize(("worse", "better", "n"), [(7, 1, 21), (30, 30, 500), (0, 12, 60), (3, 0, 9), (5, 40, 45)])
def test_bounds_of_mcnemar_are_what_the_score_test_just_rejects(worse, better, n):
    """The score test from its definition: the likelihood is maximised on a grid of the chances that differ by delta."""
    effect = stats.mcnemar(*pairs(0, worse, better, n - worse - better))
    for delta in (effect.low / 100, effect.high / 100):
        down = np.linspace(max(0, -delta), (1 - delta) / 2, 400_002)[1:-1]  # chance that only the second is wrong
        likelihood = worse * np.log(down + delta) + better * np.log(down)
        rest = n - worse - better
        likelihood += rest * np.log1p(-2 * down - delta) if rest else 0
        chance = down[likelihood.argmax()]
        variance = n * (2 * chance + delta - delta**2)
        assert abs(worse - better - n * delta) / variance**0.5 == pytest.approx(1.959964, rel=2e-3)


def test_mcnemar_without_and_with_nothing_but_disagreement():
    same, none = stats.mcnemar(*pairs(10, 0, 0, 90)), 100 * 1.959964**2 / (100 + 1.959964**2)
    assert same.p == 1
    assert (same.low, same.high) == pytest.approx((-none, none), rel=1e-5)
    assert stats.mcnemar(*pairs(0, 40, 0, 0)).high == 100
    assert stats.mcnemar(*pairs(0, 0, 40, 0)).low == -100


@pytest.mark.slow
def test_mcnemar_covers_as_often_as_it_says_and_finds_no_more_than_it_may():
    random, covered, found = np.random.default_rng(0), [], []
    for _ in range(2000):
        chance = random.dirichlet([2, 1, 1, 16])  # drawn: counts are whole, and coverage goes up and down with them
        effect = stats.mcnemar(*pairs(*random.multinomial(1000, chance)))
        covered.append(covers(100 * (chance[1] - chance[2]), effect.low, effect.high))
        apart = random.uniform(0.02, 0.2)
        found.append(stats.mcnemar(*pairs(*random.multinomial(1000, [0.05, apart / 2, apart / 2, 0.95 - apart]))).p)
    assert near(covered, 0.95)
    share = np.mean(np.array(found) <= 0.05)
    assert 0.02 < share <= 0.05  # exact: below the level, not at it


def test_paired_by_hand():
    """Two seeds, four documents, differences (1, 1, 0, 0) and (1, 0, 0, 0)."""
    effect = stats.paired([[1, 1, 0, 0], [1, 0, 0, 0]], [[0, 0, 0, 0], [0, 0, 0, 0]])
    # mean squares: seeds 4 * 2 * (1/8)², documents 2 * (0.625² + 0.125² + 2 * 0.375²) / 3, rest (1.875 - 1.5) / 3
    over_seeds, over_documents, rest = 1 / 8, 2 * 0.6875 / 3, 0.125
    spread = over_seeds + over_documents - rest
    freedom = (spread / over_seeds) ** (2 / 3)
    half = t.ppf(0.975, freedom) * (spread / 8) ** 0.5
    assert effect.effect == pytest.approx(37.5)
    assert (effect.low, effect.high) == pytest.approx((37.5 - 100 * half, 37.5 + 100 * half))
    assert effect.p == pytest.approx(2 * t.sf(0.375 / (spread / 8) ** 0.5, freedom))
    assert (effect.seeds, effect.documents) == (2, 4)
    assert (effect.error, effect.freedom) == pytest.approx((100 * (spread / 8) ** 0.5, freedom))
    assert effect.seeds_share == pytest.approx(over_seeds / spread)
    assert effect.above(20) == pytest.approx(2 * t.sf(0.175 / (spread / 8) ** 0.5, freedom))
    assert effect.below(20) == effect.above(60) == 1  # no p is above it
    assert effect.below(50) == pytest.approx(2 * t.sf(0.125 / (spread / 8) ** 0.5, freedom))


def test_paired_goes_both_ways():
    runs = make_runs(np.random.default_rng(0), 3, 800, 0.5, 0.1, 0.8)
    there, back = stats.paired(*runs), stats.paired(*runs[::-1])
    assert there == pytest.approx((-back.effect, -back.high, -back.low, back.p, 3, 800, *back[6:]))
    assert there == stats.paired(*runs)  # nothing is drawn
    assert there.effect == pytest.approx(100 * (runs[0].mean() - runs[1].mean()))


def test_one_pair_or_seeds_that_say_the_same_are_mcnemar():
    first, second = pairs(5, 12, 3, 80)
    assert stats.paired([first], [second]) == stats.mcnemar(first, second)
    assert stats.paired([first] * 3, [second] * 3) == stats.mcnemar(first, second)._replace(seeds=3)


def test_seeds_that_tie_by_luck_are_not_taken_as_certain():
    """Both seeds are one document apart, on another document each."""
    first = np.zeros((2, 100))
    first[0, 3] = first[1, 8] = 1
    effect = stats.paired(first, np.zeros((2, 100)))
    assert effect.effect == pytest.approx(1)
    assert effect.low < 0 < effect.high
    assert 0.05 < effect.p < 1


@pytest.mark.parametrize(
    ("first", "second"),
    [([[1, 0]], [[1, 0], [0, 1]]), ([[1, 0]], [[1, 0, 1]]), ([], []), ([1, 0], [0, 1]), ([[1, 0], [1]], [[1, 0], [1]])],
)
def test_paired_wants_pairs(first, second):
    with pytest.raises(ValueError, match="Pairs are needed"):
        stats.paired(first, second)


def test_paired_is_quick():
    runs = make_runs(np.random.default_rng(0), 5, 25_000, 0.2, 0.1, 0.8)
    stats.paired(*runs)
    times = []
    for _ in range(5):
        start = time.perf_counter()
        stats.paired(*runs)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.2


# Documents, luck of the seeds, taste of the settings: seeds make up from half to nearly all of the variance, as they do
# in runs on the control corpora and on IMDb.
SETTINGS = [(500, 0.05, 0.8), (500, 0.15, 1.2), (2000, 0.05, 0.8), (2000, 0.3, 0.8)]


@pytest.mark.slow
@pytest.mark.parametrize("seeds", [3, 5, 10])
@pytest.mark.parametrize("shift", [0.3, 0.0])
def test_paired_covers_as_often_as_it_says(seeds, shift):
    """With a true difference, and without one, where an interval that leaves out zero is a false finding. All settings
    together within two standard errors; each alone within three, as there are twenty-four."""
    random, covered = np.random.default_rng(0), []
    for n, *spreads in SETTINGS:
        truth = true_effect(shift, *spreads)
        effects = [stats.paired(*make_runs(random, seeds, n, shift, *spreads)) for _ in range(1200)]
        covered.append([covers(truth, one.low, one.high) for one in effects])
        assert all((one.p <= 0.05) != covers(0, one.low, one.high) for one in effects)
        assert near(covered[-1], 0.95, errors=3)
    assert near(np.concatenate(covered), 0.95)


def test_holm_by_hand():
    assert stats.holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert stats.holm([0.6, np.nan, 0.02]) == pytest.approx([0.6, np.nan, 0.04], nan_ok=True)
    assert stats.holm([0.6, 0.7]) == pytest.approx([1, 1])
    assert len(stats.holm([])) == 0


def test_holm_keeps_the_chance_of_any_false_finding():
    """Three of five questions have no effect; the other two are always found, which leaves the level to the three."""
    p_values = np.random.default_rng(0).random((8000, 5))
    p_values[:, :2] *= 1e-6
    found = [(stats.holm(one)[2:] <= 0.05).any() for one in p_values]
    assert near(found, 1 - (1 - 0.05 / 3) ** 3)  # independent questions: 0.049


def test_binomial_difference_as_printed():
    """Newcombe's (1998) table of examples, method 10: 9 of 10 and 3 of 10, 10 of 10 and none of 10."""
    assert stats.binomial_difference(90, 30, 10)[:3] == pytest.approx((60, 17.05, 80.90), abs=0.005)
    assert stats.binomial_difference(100, 0, 10)[:3] == pytest.approx((100, 60.75, 100), abs=0.005)
    assert stats.binomial_difference(90, 30, 10).excludes_zero


def test_noise_of_a_printed_table():
    """IMDb: 25,000 test documents, 5.42 and 5.37 % are one; TREC: 500 documents, 2.8 and 3.4 % are one too."""
    assert not stats.binomial_difference(5.42, 5.37, 25_000).excludes_zero
    assert not stats.binomial_difference(2.8, 3.4, 500).excludes_zero
    assert stats.binomial_difference(5.4, 4.6, 25_000).excludes_zero


def test_binomial_difference_covers_as_often_as_it_says():
    """Errors are drawn, for the reason of Wilson's; it is a little wide for small ones."""
    random, covered = np.random.default_rng(0), []
    for _ in range(2000):
        true = random.uniform(0.05, 0.5, 2)
        found = stats.binomial_difference(*(random.binomial(2000, true) / 20), 2000)
        covered.append(covers(100 * (true[0] - true[1]), found.low, found.high))
    assert near(covered, 0.95)


def pilot(n, over_seeds, taste, seeds=5):
    """An Effect whose error and share of the seeds are those that `paired` finds on average."""
    random = np.random.default_rng(1)
    effects = [stats.paired(*make_runs(random, seeds, n, 0.3, over_seeds, taste)) for _ in range(1500)]
    squares = np.array([one.error**2 for one in effects])
    shares = np.array([one.seeds_share for one in effects])
    return effects[0]._replace(error=squares.mean() ** 0.5, seeds_share=(squares * shares).mean() / squares.mean())


@pytest.mark.slow
@pytest.mark.parametrize(("seeds", "over_seeds"), [(3, 0.05), (5, 0.05), (5, 0.15), (10, 0.15)])
def test_what_can_be_found_is_found_four_times_in_five(seeds, over_seeds):
    n, taste = 1000, 0.85
    smallest = stats.findable(pilot(n, over_seeds, taste), seeds)
    shift = brentq(lambda shift: true_effect(shift, over_seeds, taste) - smallest, 0, 8)
    random = np.random.default_rng(0)
    found = [stats.paired(*make_runs(random, seeds, n, shift, over_seeds, taste)).p <= 0.05 for _ in range(2500)]
    assert np.mean(found) == pytest.approx(0.8, abs=0.04)


def spreading(error, share, seeds=3):
    return stats.Effect(0, 0, 0, 1, seeds, 1000, error, 2, share)


def test_what_can_be_found_by_hand():
    """Documents alone: 1.960 + 0.842 standard errors, whatever the seeds; then seeds alone."""
    for seeds in (3, 30):
        assert stats.findable(spreading(0.5, 0.0), seeds) == pytest.approx((1.959964 + 0.841621) * 0.5, rel=1e-5)
    shift = stats.findable(spreading(2.0, 1.0), 3) / 2
    # two degrees of freedom, for which half of chi squared is exponential
    power = quad(lambda half: exp(-half) * norm.cdf(shift - t.ppf(0.975, 2) * half**0.5), 0, np.inf)[0]
    assert power == pytest.approx(0.8, abs=1e-4)


def test_the_seeds_needed_are_the_fewest_that_find_it():
    seen = spreading(1.0, 0.9)
    needed = stats.seeds_needed(seen, 1.5)
    assert stats.findable(seen, needed) <= 1.5 < stats.findable(seen, needed - 1)
    assert stats.seeds_needed(seen, -1.5) == needed
    assert stats.seeds_needed(seen, 1.5, level=0.01) > needed
    assert stats.seeds_needed(spreading(1.0, 0.5), 1.0) is None  # documents alone leave 1.98 points


def f1_of(truth, predicted, number):
    """F1 in percent of a class, by precision and recall, in each row of documents."""
    hit = ((truth == number) & (predicted == number)).sum(-1)
    precision, recall = hit / (predicted == number).sum(-1), hit / (truth == number).sum(-1)
    return 200 * precision * recall / (precision + recall)


def test_intervals_of_f1_are_those_of_documents_drawn_again():
    random = np.random.default_rng(0)
    truth = random.choice(3, 300, p=[0.5, 0.3, 0.2])
    predicted = np.where(random.random(300) < 0.7, truth, random.integers(3, size=300))
    again = random.integers(300, size=(20_000, 300))
    drawn = np.array([f1_of(truth[again], predicted[again], number) for number in range(3)])
    table = stats.by_class(truth, predicted, 3, draws=20_000)
    assert table["f1"].tolist() == pytest.approx([f1_of(truth, predicted, number) for number in range(3)])
    ends = np.quantile(drawn, (0.025, 0.975), axis=1)
    assert pytest.approx(ends, abs=0.4) == table[["f1_low", "f1_high"]].to_numpy().T
    found = stats.macro_f1_interval(truth, predicted, draws=20_000)
    assert found == pytest.approx(np.quantile(drawn.mean(0), (0.025, 0.975)), abs=0.3)


def test_without_an_error_f1_is_100_and_so_are_its_bounds():
    truth = np.arange(60) % 3
    assert (stats.by_class(truth, truth, 3)[["f1", "f1_low", "f1_high"]] == 100).all(axis=None)
    assert stats.macro_f1_interval(truth, truth) == (100, 100)


def test_statistics_need_no_torch():
    code = NO_TORCH + "from bertstudy import stats; print(stats.mcnemar([1, 0], [0, 0]).effect)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "50.0\n"
