"""Probabilities to act on: planted miscalibration is recovered, thresholds and intervals hold."""

import numpy as np
import pytest
from scipy.special import softmax

from bertstudy.training.calibration import calibration_error, kept, reliability, scale_of, threshold_for


def drawn(random, n=2000, classes=3, sharper=1.0):
    """Logits of n documents and their truth, drawn from the logits' probabilities; the logits are sharpened then."""
    logits = 2 * random.standard_normal((n, classes))
    truth = np.array([random.choice(classes, p=one) for one in softmax(logits, 1)])
    return sharper * logits, truth


def judged(logits, truth):
    shares = softmax(logits, 1)
    return shares.max(1), shares.argmax(1) != truth


@pytest.mark.parametrize("sharper", [0.5, 1.0, 3.0])
def test_a_planted_temperature_is_recovered(sharper):
    logits, truth = drawn(np.random.default_rng(0), 5000, sharper=sharper)
    assert scale_of(logits, truth) == pytest.approx(1 / sharper, rel=0.06)
    before, after = judged(logits, truth), judged(scale_of(logits, truth) * logits, truth)
    assert calibration_error(*after) < 2
    assert sharper == 1 or calibration_error(*before) > 4 * calibration_error(*after)


def test_bins_tell_how_right_what_is_as_sure_is():
    confidence = np.repeat([0.6, 0.7, 0.9], 120)  # five bins each
    wrong = np.concatenate([np.tile([1, 0], 60), np.tile([1, 0, 0], 40), np.zeros(120, int)])
    lines = reliability(confidence, wrong)
    assert [line["documents"] for line in lines] == [24] * 15
    assert len(reliability(confidence[:64], wrong[:64])) == 3  # with few documents there are fewer bins
    assert lines[0]["confidence"] == pytest.approx(60)
    assert lines[-1] | {"confidence": 90} == pytest.approx(
        {**lines[-1], "confidence": 90, "accuracy": 100, "high": 100}
    )
    assert all(line["low"] <= line["accuracy"] <= line["high"] for line in lines)
    expected = (abs(0.6 - 1 / 2) + abs(0.7 - 2 / 3) + abs(0.9 - 1)) / 3
    assert calibration_error(confidence, wrong) == pytest.approx(100 * expected)


def test_the_threshold_keeps_as_many_as_it_surely_may():
    confidence = np.array([0.99] * 100 + [0.9] * 100 + [0.8] * 100 + [0.6] * 100)
    wrong = np.zeros(400, dtype=int)
    wrong[100 + 9 : 200 : 50], wrong[209:300:10], wrong[300::2] = 1, 1, 1  # of each hundred: 0, 2, 10 and 50 are wrong
    assert threshold_for(confidence, wrong, 1) == float("inf")  # a hundred without an error are no proof of 1 %
    assert threshold_for(confidence, wrong, 2) == 0.99
    assert threshold_for(confidence, wrong, 3) == 0.9  # 2 of 200 were wrong, and 2.3 % can't be excluded
    assert threshold_for(confidence, wrong, 5) == 0.9
    assert threshold_for(confidence, wrong, 7) == 0.8
    assert threshold_for(confidence, wrong, 30) == 0.6
    told = kept(confidence, wrong, 0.8)
    assert told[:2] == pytest.approx((25, 4))
    assert told.documents == 300
    assert kept(confidence, wrong, float("inf")).documents == 0
    assert np.isnan(kept(confidence, wrong, 2.0).error)


def test_documents_that_are_as_sure_are_kept_together():
    confidence, wrong = np.repeat([0.9, 0.8], 200), np.tile([0, 0, 0, 1], 100)
    assert threshold_for(confidence, np.sort(wrong), 10) == 0.9
    assert threshold_for(confidence, wrong, 20) == float("inf")  # though its first three are right
    assert threshold_for(confidence, wrong, 29) == 0.8


def test_what_is_kept_errs_no_more_than_is_accepted_nine_times_in_ten_and_its_interval_covers():
    random, covered, within, left = np.random.default_rng(0), [], [], []
    everything = judged(*drawn(random, 200_000))
    for _ in range(1000):
        dev, test = (random.choice(200_000, 1000, replace=False) for _ in range(2))
        threshold = threshold_for(everything[0][dev], everything[1][dev], 10.0)
        truth = kept(*everything, threshold)
        told = kept(everything[0][test], everything[1][test], threshold)
        covered.append(told.low <= truth.error <= told.high)
        within.append(truth.error <= 10)
        left.append(truth.to_a_person)
    assert 0.93 <= np.mean(covered) <= 0.97
    assert 0.84 <= np.mean(within) <= 0.96  # many thresholds are looked at, the bound is of one
    least = kept(*everything, np.sort(everything[0])[-int(0.2 * 200_000)]).to_a_person
    assert np.mean(left) < least  # and not by keeping next to nothing
