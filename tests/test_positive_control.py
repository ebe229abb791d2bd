"""What was planted in the control corpora is found, over five seeds: an instrument that misses it would be broken."""

from dataclasses import replace

import numpy as np

from bertstudy import grid, store
from bertstudy.config import profile
from bertstudy.control.corpora import expected_error
from bertstudy.stats import mean_interval

SEEDS = range(5)


def errors(base, **changes):
    """Test errors of a run with these changes, by seed."""
    plan = grid(replace(base, **changes), seed=SEEDS)
    return np.array(store.run_all(plan, "positive", progress=False)["error"])


def test_further_pretraining_helps_and_the_tasks_own_texts_help_more_than_another_domains():
    control = profile("control")
    base = replace(control.base, fraction=0.004, dev_fraction=0.0)
    plain = errors(base)
    own, other = (errors(base, **control.pretraining, further_pretraining=one) for one in ("within_task", "topics"))
    assert mean_interval(plain - own)[1] > 0
    assert mean_interval(other - own)[1] > 0


def test_reading_the_head_alone_costs_what_was_planted():
    """Against the same window twice as long. The encoder is further pretrained, so that few documents suffice."""
    control = profile("control")
    further = dict(control.pretraining, further_pretraining="within_task")
    base = replace(control.base, fraction=0.02, dev_fraction=0.0, test_size=0, truncation="head", **further)
    planted = expected_error("movies", "head", 64) - expected_error("movies", "head", 128)
    _, low, high = mean_interval(errors(base) - errors(base, window=128))
    assert 0 < low < planted < high
