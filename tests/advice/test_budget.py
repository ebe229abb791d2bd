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


@pytest.mark.parametrize("seconds", [20, 100, 400, 4000])
def test_a_curve_keeps_to_its_seconds_and_takes_the_most_documents_that_fit(seconds):
    def cost(size):
        return 1 + 0.1 * size

    sizes = budget.curve(cost, seconds, most=1000, least=20)
    assert budget.SPARE * sum(map(cost, sizes)) <= seconds
    assert all(after // 2 == before for before, after in zip(sizes, sizes[1:], strict=False))
    assert sizes[0] >= 20
    assert sizes[-1] == 1000 or budget.SPARE * sum(map(cost, sizes)) > 0.8 * seconds
    assert (sizes[-1] == 1000) == (seconds >= 400)


def test_where_every_run_takes_its_time_the_curve_has_fewer_points_and_not_fewer_documents():
    sizes = budget.curve(lambda size: max(50, 0.08 * size), 130, most=10_000, least=20)
    assert len(sizes) == 2
    assert sizes[-1] >= 600


def test_a_curve_is_one_point_or_none_where_hardly_anything_fits():
    assert budget.curve(lambda size: size, 26, most=1000, least=20) == [20]
    assert budget.curve(lambda size: size, 24, most=1000, least=20) == []
