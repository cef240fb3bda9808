"""The front of several objectives, and its knee."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tune_tasks.model.front import best_first, front_of

COORDINATES = st.one_of(st.integers(0, 4).map(float), st.floats(-1e308, 1e308))
POINTS = st.integers(1, 3).flatmap(
    lambda count: st.lists(st.tuples(*[COORDINATES] * count), max_size=12)
)


def dominates(one, other):
    return one != other and all(a <= b for a, b in zip(one, other, strict=True))


@given(POINTS)
def test_the_front_is_what_no_other_point_dominates(points):
    front = [
        place
        for place, point in enumerate(points)
        if not any(dominates(other, point) for other in points)
    ]
    assert front_of(points) == front


@given(POINTS)
def test_the_front_comes_before_what_is_dominated(points):
    order = best_first(points)
    assert sorted(order) == list(range(len(points)))
    front = front_of(points)
    assert sorted(order[: len(front)]) == front


@given(POINTS, st.integers(-3, 3))
def test_in_which_unit_an_objective_is_does_not_matter(points, power):
    points = [tuple(coordinate / 1e10 for coordinate in point) for point in points]
    factor = 2.0**power
    scaled = [(point[0] * factor, *point[1:]) for point in points]
    if all(a == b * factor for (a, *_), (b, *_) in zip(scaled, points, strict=True)):
        assert best_first(scaled) == best_first(points)


@pytest.mark.parametrize(
    ("points", "order"),
    [
        ([], []),
        ([(1.0, 1.0)], [0]),
        # The middle of the front is nearest to (0, 0); of its ends the first is the first
        ([(0.0, 9.0), (1.0, 2.0), (4.0, 0.0), (4.0, 8.0)], [1, 0, 2, 3]),
        # A hollow front: a knee is one of its ends
        ([(0.0, 1.0), (0.9, 0.9), (1.0, 0.0)], [0, 2, 1]),
        # A front of one: what is dominated is measured by all that there is
        ([(9.0, 1.0), (0.0, 0.0), (1.0, 100.0)], [1, 0, 2]),
        ([(1.0, 1.0), (1.0, 1.0), (1.0, 2.0)], [0, 1, 2]),
        ([(-1e308, 1e308), (1e308, -1e308), (0.0, 0.0)], [2, 0, 1]),
    ],
)
def test_the_knee_is_the_first(points, order):
    assert best_first(points) == order


def test_the_knee_of_a_circle_is_in_its_middle():
    corner = [math.radians(degrees) for degrees in range(91)]
    points = [(1 - math.sin(angle), 1 - math.cos(angle)) for angle in corner]
    assert best_first(points)[0] == 45
