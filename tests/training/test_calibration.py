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


def test_the_threshold_keeps_as_many_as_it_may():
    confidence = np.array([0.99, 0.95, 0.9, 0.8, 0.7, 0.6])
    wrong = np.array([0, 0, 1, 0, 0, 1])
    assert threshold_for(confidence, wrong, 0) == 0.95
    assert threshold_for(confidence, wrong, 20) == 0.7
    assert threshold_for(confidence, wrong, 34) == 0.6
    assert threshold_for(confidence, wrong[::-1], 0) == float("inf")
    told = kept(confidence, wrong, 0.7)
    assert told[:2] == pytest.approx((100 / 6, 20))
    assert told.documents == 5
    assert kept(confidence, wrong, float("inf")).documents == 0
    assert np.isnan(kept(confidence, wrong, 2.0).error)


def test_documents_that_are_as_sure_are_kept_together():
    confidence, wrong = np.array([0.9, 0.9, 0.8, 0.8]), np.array([0, 1, 0, 0])
    assert threshold_for(confidence, wrong, 0) == float("inf")
    assert threshold_for(confidence, wrong, 25) == 0.8
    assert kept(confidence, wrong, threshold_for(confidence, wrong, 25)).error == 25


def test_the_interval_of_what_is_kept_covers_as_often_as_it_says():
    random, covered, within = np.random.default_rng(0), [], []
    everything = judged(*drawn(random, 200_000))
    for _ in range(1000):
        dev, test = (random.choice(200_000, 1000, replace=False) for _ in range(2))
        threshold = threshold_for(everything[0][dev], everything[1][dev], 10.0)
        truth = kept(*everything, threshold).error
        told = kept(everything[0][test], everything[1][test], threshold)
        covered.append(told.low <= truth <= told.high)
        within.append(abs(truth - 10) < 3)
    assert 0.93 <= np.mean(covered) <= 0.97
    assert np.mean(within) > 0.9
