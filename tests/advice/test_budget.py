import pytest

from bertstudy.advice import budget


class Now:
    """A clock that the test sets."""

    time = 0.0

    def __call__(self):
        return self.time


def test_a_clock_keeps_its_reserve_and_takes_estimates_for_more():
    now = Now()
    clock = budget.Clock(100, reserve=10, now=now)
    assert clock.left == 90
    assert clock.fits(90 / budget.SPARE)
    assert not clock.fits(90 / budget.SPARE + 0.1)
    now.time = 50
    assert clock.left == 40


def test_a_run_is_stopped_a_tenth_after_the_time_and_not_before():
    now = Now()
    clock = budget.Clock(100, reserve=10, now=now)
    now.time = 99
    clock.stop("a module", "its input")
    now.time = 101
    with pytest.raises(budget.TimeIsUp):
        clock.stop()


def test_speed_gives_seconds():
    assert budget.Speed(0.01, 0.002).of(100, 500) == pytest.approx(2.0)


def cost(recipe, labelled):
    return 1 + 0.1 * labelled * (1 + (recipe == 3))  # the fourth is twice as dear


def spent(ladder):
    return sum(max(cost(one, rung.labelled) for one in range(ladder[0].recipes)) * rung.recipes for rung in ladder)


@pytest.mark.parametrize("seconds", [100, 130, 200, 400, 4000])
def test_rungs_keep_to_their_seconds_and_end_with_one_recipe_on_all_labels(seconds):
    ladder = budget.rungs(cost, seconds, recipes=8, labelled=1000)
    if seconds < budget.SPARE * cost(0, 1000):
        assert ladder == []
        return
    assert ladder[-1] == budget.Rung(1, 1000)
    assert budget.SPARE * spent(ladder) <= seconds
    if ladder[0].recipes < 8:
        more = budget.rungs(cost, 1e9, recipes=ladder[0].recipes + 1, labelled=1000)
        assert budget.SPARE * spent(more) > seconds


def test_many_recipes_are_tried_on_few_labels_and_the_better_half_on_more():
    ladder = budget.rungs(cost, 1e9, recipes=6, labelled=1000)
    assert ladder == [budget.Rung(6, 250), budget.Rung(3, 500), budget.Rung(1, 1000)]
    assert budget.rungs(cost, 1e9, recipes=3, labelled=1000) == [budget.Rung(3, 250), budget.Rung(1, 1000)]


def test_of_few_labels_all_recipes_are_tried_on_all():
    assert budget.rungs(cost, 1e9, recipes=6, labelled=200) == [budget.Rung(6, 200)]
