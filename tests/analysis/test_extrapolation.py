import numpy as np
import pytest

from bertstudy.analysis import extrapolation
from bertstudy.analysis.extrapolation import LUCK, _luck, extrapolate, power_law

SIZES = (50, 100, 200, 400)


def planted(sizes, documents, seed, slope=-0.5, at_50=0.4):
    """Which of so many documents runs get wrong whose error falls as a power of their labels; the hard ones first."""
    random = np.random.default_rng(seed)
    hardness = random.random(documents)
    errors = at_50 * (np.array(sizes) / 50) ** slope * np.exp(0.1 * random.standard_normal(len(sizes)))
    return hardness[None, :] < errors[:, None]


def test_a_power_law_is_found_again():
    labelled = np.array([50, 100, 200, 400])
    slope, intercept = power_law(labelled, 3 * labelled**-0.5, 10_000)
    assert (slope, np.exp(intercept)) == pytest.approx((-0.5, 3))


def test_points_weigh_in_the_law_as_well_as_their_logarithms_are_known():
    labelled, errors = np.array([50, 100, 200, 400]), np.array([0.5, 0.3, 0.25, 0.1])
    design = np.stack([np.log(labelled), np.ones(4)], 1)
    known = errors / (1 - errors)  # one over the variance of the logarithm of a share, times the documents
    expected = np.linalg.solve(design.T * known @ design, design.T * known @ np.log(errors))
    assert power_law(labelled, errors, 300) == pytest.approx(expected)


def test_the_luck_of_a_point_is_its_distance_from_the_law():
    labelled = np.array([50, 100, 200, 400])
    away = np.array([0.3, -0.3, -0.3, 0.3])  # which no line through the logarithms takes up
    errors = 0.4 * (labelled / 50) ** -0.01 * np.exp(away)
    assert _luck(labelled, errors, 100_000) == pytest.approx((4 * 0.3**2 / 2) ** 0.5, rel=0.15)
    assert _luck(labelled, 0.4 * (labelled / 50) ** -0.5, 100_000) == LUCK
    assert _luck(labelled[:2], errors[:2], 100_000) == LUCK


@pytest.mark.slow
def test_the_interval_covers_what_was_planted_nearly_always():
    truth, covered = 100 * 0.4 * (800 / 50) ** -0.5, 0
    for seed in range(40):
        one = extrapolate(SIZES, planted(SIZES, 500, seed), [800], draws=300).iloc[0]
        covered += one["low"] <= truth <= one["high"]
        assert one["low"] < one["error"] < one["high"]
    assert covered >= 36


def test_what_four_times_the_labels_bring_by_hand():
    """Errors of 40, 20 and 10 % halve with four times the labels. In the interval the documents are drawn again, whose
    easiest are wrong at all points, and each point is off by LUCK; the law elsewhere is a weighted sum of its points.
    """
    sizes, errors, documents = np.array([50, 200, 800]), np.array([0.4, 0.2, 0.1]), 2000
    table = extrapolate(sizes, np.arange(documents) < errors[:, None] * documents, [3200, 1600], draws=4000)
    assert table["labelled"].tolist() == [3200, 1600]
    assert table["error"].tolist() == pytest.approx([5, 10 / 2**0.5])
    assert table["gain"].tolist() == pytest.approx([5, 10 - 10 / 2**0.5])
    random, design = np.random.default_rng(1), np.stack([np.log(sizes), np.ones(3)], 1)
    known = errors / (1 - errors)  # one over the variance of a logarithm is in proportion to it
    law = np.linalg.solve(design.T * known @ design, design.T * known)
    drawn = random.multinomial(documents, [0.1, 0.1, 0.2, 0.6], size=20_000)[:, :3].cumsum(1)[:, ::-1] / documents
    drawn = (np.log(drawn) + LUCK * random.standard_normal(drawn.shape)) @ law.T
    far, today = (100 * np.exp(drawn @ [np.log(labelled), 1]) for labelled in (3200, 800))
    for name, values in (("", far), ("gain_", today - far)):
        ends = np.quantile(values, (0.025, 0.975))
        assert table.loc[0, [f"{name}low", f"{name}high"]].tolist() == pytest.approx(ends, rel=0.06)


def test_where_nothing_is_by_chance_the_interval_is_the_law(monkeypatch):
    monkeypatch.setattr(extrapolation, "LUCK", 0.0)
    wrong = np.repeat([[True], [False]], 100, axis=1)  # half an error is right at the first point, wrong at the second
    one = extrapolate([50, 200], wrong, [800], draws=10).iloc[0]
    error, today = 100 * 0.005 * 0.005 / 0.995, 100 * 0.005
    assert one[["error", "low", "high"]].tolist() == pytest.approx([error] * 3)
    assert one[["gain", "gain_low", "gain_high"]].tolist() == pytest.approx([today - error] * 3)


def test_fewer_points_and_fewer_documents_widen_the_interval():
    def width(sizes, documents):
        one = extrapolate(sizes, planted(sizes, documents, 0), [800]).iloc[0]
        return one["high"] - one["low"]

    assert width(SIZES[2:], 500) > 1.3 * width(SIZES, 500)
    assert width(SIZES, 50) > 1.3 * width(SIZES, 500)


def test_a_curve_that_is_flat_promises_nothing():
    wrong = planted(SIZES, 300, 1, slope=0.0)
    one = extrapolate(SIZES, wrong, [800]).iloc[0]
    assert one["gain_low"] < 0 < one["gain_high"]


def test_no_errors_at_all_are_no_certainty():
    one = extrapolate(SIZES, np.zeros((4, 60), bool), [800]).iloc[0]
    assert 0 < one["error"] < one["high"] < 100
