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
    assert threshold_for(confidence, wrong, 2) == float("inf")  # a hundred without an error are no proof of 2 %
    assert threshold_for(confidence, wrong, 2.4) == float("inf")  # nor 2 that are wrong of 200 of 2.4 %
    assert threshold_for(confidence[:150], wrong[:150], 2.4) == 0.99  # with fewer documents it begins with fewer
    assert threshold_for(confidence, wrong, 3) == 0.9
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
    assert threshold_for(confidence, wrong, 31) == 0.8
    assert threshold_for(confidence, wrong, 100) == 0.8
    wrong[:40] = 1  # what comes after the first that fails is not looked at
    assert threshold_for(confidence, np.append(wrong[:200], np.zeros(200, int)), 20) == float("inf")


def test_what_is_kept_errs_no_more_than_is_accepted_nine_times_in_ten_and_its_interval_covers():
    random, covered, within, left = np.random.default_rng(0), [], [], []
    everything = judged(*drawn(random, 200_000))
    for _ in range(1000):
        dev, test = (random.choice(200_000, 1000, replace=False) for _ in range(2))
        threshold = threshold_for(everything[0][dev], everything[1][dev], 10.0)
        truth = kept(*everything, threshold)
        told = kept(everything[0][test], everything[1][test], threshold)
        covered += [told.low <= truth.error <= told.high] * (threshold < np.inf)
        within.append(truth.error <= 10 or threshold == np.inf)
        left.append(truth.to_a_person)
    assert 0.93 <= np.mean(covered) <= 0.97
    assert np.mean(within) >= 0.9 - 2 * 0.0095  # two standard errors of a share of 0.9 in a thousand
    least = kept(*everything, np.sort(everything[0])[-int(0.2 * 200_000)]).to_a_person
    assert np.mean(left) < least  # and not by keeping next to nothing


@pytest.mark.parametrize(("documents", "right", "accept"), [(160, 0.05, 2), (400, 0.1, 2), (160, 0.1, 5)])
def test_a_threshold_that_is_offered_where_few_can_tell_is_wrong_once_in_ten_times_at_most(documents, right, accept):
    random, wrongly = np.random.default_rng(1), []
    doubt = right * random.exponential(size=100_000).clip(0, 0.5 / right)  # of a calibrated classifier of two classes
    every = 1 - doubt, random.random(100_000) < doubt
    for _ in range(1000):
        one = random.choice(100_000, documents, replace=False)
        threshold = threshold_for(every[0][one], every[1][one], accept)
        wrongly.append(threshold < np.inf and kept(*every, threshold).error > accept)
    assert np.mean(wrongly) <= 0.1 + 2 * 0.0095
