import numpy as np
import pytest
from scipy.stats import t

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


@pytest.mark.parametrize("how", [stats.pooled_intervals, lambda groups: [stats.mean_interval(one) for one in groups]])
def test_intervals_cover_the_mean_as_often_as_they_say(how):
    random, covered, rounds = np.random.default_rng(0), 0, 2000
    for _ in range(rounds):
        covered += sum(low <= 20 <= high for _, low, high in how(random.normal(20, 2, (4, 3))))
    share = covered / (4 * rounds)
    assert abs(share - 0.95) < 4 * (0.95 * 0.05 / rounds) ** 0.5
