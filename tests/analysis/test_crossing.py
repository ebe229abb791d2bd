"""Where two learning curves cross: read off known curves, and an interval that covers as often as it says."""

import numpy as np
import pytest

from bertstudy.analysis.crossing import crossing, crossing_of, gains, labels_for

SIZES = np.array([16, 32, 64, 128, 256, 512])
STEADY, STEEP = 40 * SIZES**-0.3, 60 * SIZES**-0.4  # they cross at 1.5 ** 10 labels
TRUTH = 1.5**10


def test_lines_over_log_labels_are_crossed():
    assert crossing_of(np.array([10, 1000]), np.array([5.0, 5.0]), np.array([6.0, 4.0])) == pytest.approx(100)
    assert crossing_of(SIZES, STEADY, STEEP) == pytest.approx(TRUTH, rel=0.02)


def test_a_curve_that_is_below_from_the_beginning_or_not_at_the_end():
    assert crossing_of(SIZES, STEADY, STEADY - 1) == 16
    assert crossing_of(SIZES, STEADY, STEADY + 1) == np.inf
    assert crossing_of(SIZES, STEEP, STEADY) == np.inf


def test_what_crosses_back_counts_from_the_last_crossing():
    first = np.array([5.0, 5, 5, 5])
    assert crossing_of(np.array([1, 10, 100, 1000]), first, np.array([4.0, 6, 6, 4])) == pytest.approx(10**2.5)


def drawn(random, draws, spread):
    noise = spread * random.standard_normal((2, draws, len(SIZES)))
    return STEADY + noise[0], STEEP + noise[1]


@pytest.mark.parametrize("draws", [5, 10])
@pytest.mark.parametrize(
    "gain", [STEADY - STEEP, np.linspace(-1, 1, 6), np.full(6, 0.4)], ids=["steep", "slow", "flat"]
)
def test_the_interval_covers_as_often_as_it_says(gain, draws):
    random, covered, truth = np.random.default_rng(0), [], crossing_of(SIZES, gain, 0 * gain)
    for _ in range(600):
        noise = 1.5 * random.standard_normal((2, draws, len(SIZES)))
        found = crossing(SIZES, gains(20 + gain + noise[0], 20 + noise[1]))
        covered.append(found.low <= truth * (1 + 1e-9) and truth <= found.high * (1 + 1e-9))
        assert found.low <= found.labels <= found.high
    assert 0.92 <= np.mean(covered) <= 0.995


def test_a_size_may_lack_a_draw_but_not_have_fewer_than_five():
    first, second = drawn(np.random.default_rng(0), 6, 0.7)
    whole, first[5, 3] = crossing(SIZES, gains(first, second)), np.nan
    assert crossing(SIZES, gains(first, second)) != whole
    first[4, 3] = np.nan
    with pytest.raises(ValueError, match="5 draws or more of both ways at each size, not 4"):
        gains(first, second)


def test_curves_that_are_one_have_no_sure_crossing():
    random = np.random.default_rng(0)
    first, second = STEADY + random.standard_normal((2, 5, len(SIZES)))
    assert crossing(SIZES, gains(first, second)).high == np.inf


def test_four_draws_are_too_few():
    with pytest.raises(ValueError, match="needs 5 draws or more of both ways at each size, not 4"):
        gains(*drawn(np.random.default_rng(0), 4, 1.0))


def test_a_target_is_read_between_sizes():
    sizes, errors = np.array([10, 100, 1000]), np.array([30.0, 20.0, 20.0])
    assert labels_for(sizes, errors, 25) == pytest.approx(10**1.5)
    assert labels_for(sizes, errors, 35) == 10
    assert labels_for(sizes, errors, 20) == pytest.approx(100)
    assert labels_for(sizes, errors, 10) == np.inf
