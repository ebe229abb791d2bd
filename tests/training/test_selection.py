"""Which texts to label next: the least sure, of many kinds; and what that saves where it is known to save."""

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from bertstudy.training.selection import choose, margins, simulate


def test_the_least_sure_have_the_smallest_margins():
    assert margins(np.array([[0.5, 0.4, 0.1], [0.9, 0.1, 0.0], [0.34, 0.33, 0.33]])) == pytest.approx([0.1, 0.8, 0.01])


def test_what_is_chosen_is_unsure_and_of_many_kinds():
    random = np.random.default_rng(0)
    kinds = random.integers(5, size=1000)
    vectors = 10 * np.eye(5)[kinds] + 0.1 * random.standard_normal((1000, 5))
    sure = random.uniform(0.5, 1.0, 1000) + 0.4 * (kinds > 0)  # the first kind is the least sure by far
    probabilities = np.stack([sure, 1.5 - sure], 1)
    chosen = choose(probabilities, vectors, 40)
    assert len(set(chosen)) == 40
    assert (np.sort(margins(probabilities))[:400][-1] >= margins(probabilities)[chosen]).all()
    assert set(kinds[chosen]) == set(range(5))
    assert choose(probabilities, vectors, 40).tolist() == chosen.tolist()
    assert choose(probabilities[:3], vectors[:3], 40).tolist() == np.argsort(margins(probabilities[:3])).tolist()


def test_of_more_texts_than_ten_times_as_many_as_asked_for_only_the_least_sure_are_looked_at():
    kinds = np.repeat([0, 1, 2], [50, 50, 20])  # the last kind is far from the others, and a little surer
    sure = np.linspace(0.5, 0.6, 120)
    assert choose(np.stack([sure, 1 - sure], 1), 10.0 * np.eye(3)[kinds], 10).max() < 100
    assert choose(np.stack([sure, 1 - sure], 1), 10.0 * np.eye(3)[kinds], 12).max() >= 100


def test_texts_that_are_all_alike_are_chosen_all_the_same():
    chosen = choose(np.full((100, 2), 0.5), np.ones((100, 4)), 8)
    assert len(set(chosen)) == 8


def test_choosing_saves_labels_where_most_texts_are_easy():
    """Ninety-five of a hundred texts lie far from the border, where labels teach nothing."""
    random = np.random.default_rng(0)

    def drawn(n):
        easy = random.random(n) < 0.95
        classes = random.integers(2, size=n)
        place = np.where(easy, 8.0, 0.4)[:, None] * (2 * classes - 1)[:, None]
        return np.concatenate(
            [place + 0.3 * random.standard_normal((n, 1)), random.standard_normal((n, 20))], 1
        ), classes

    learnt, test = drawn(2000), drawn(4000)
    hard = np.abs(test[0][:, 0]) < 3
    test = test[0][hard], test[1][hard]
    told = [simulate(learnt, test, [20, 40, 80, 160], seed) for seed in range(3)]
    assert all(one.chosen[0] == one.by_chance[0] for one in told)
    assert np.mean([one.by_chance[-1] - one.chosen[-1] for one in told]) > 2


def test_neither_the_unit_of_vectors_matters_nor_whether_they_are_sparse():
    random = np.random.default_rng(0)
    classes = random.integers(2, size=400)
    vectors = random.standard_normal((400, 6)) + classes[:, None]
    train, test = (vectors[:200], classes[:200]), (vectors[200:], classes[200:])
    told = simulate(train, test, [10, 40])
    for other in (lambda given: 64 * given, csr_matrix):
        again = simulate((other(train[0]), train[1]), (other(test[0]), test[1]), [10, 40])
        assert again.chosen == pytest.approx(told.chosen)
        assert again.by_chance == pytest.approx(told.by_chance)
