"""Which reports of a trial reach milestones, and when a trial has stopped to get better."""

import math

from hypothesis import given
from hypothesis import strategies as st

from tune_tasks.model.milestones import Course, Milestones
from tune_tasks.model.objective import Objective
from tune_tasks.model.plateau import Plateau, PlateauWatch

LOSS = Objective("mean_loss", "min")
RUNGS = Milestones(LOSS, "training_iteration", (1, 3, 9))
EVERY = Milestones(LOSS, "timesteps_total", (10,), 5)


def row(step, loss=None, attr="training_iteration"):
    return {attr: step, "mean_loss": loss}


def reached(course, *rows):
    return [(each.milestone, each.step, each.value) for r in rows for each in course.reached(r)]


def test_the_report_that_reaches_or_passes_a_milestone_is_judged():
    assert reached(Course(0, RUNGS), row(1, 0.5), row(2, 0.4), row(4, 0.3), row(5, 0.2)) == [
        (1, 1, 0.5),
        (3, 4, 0.3),
    ]
    assert reached(Course(0, RUNGS), row(100, 0.1)) == [(1, 100, 0.1), (3, 100, 0.1), (9, 100, 0.1)]


def test_milestones_that_go_on():
    course = Course(0, EVERY)
    steps = [row(step, 0.5, "timesteps_total") for step in (9, 10, 14, 15, 31, 32)]
    assert [each[:2] for each in reached(course, *steps)] == [(10, 10), (15, 15), (30, 31)]


def test_no_number_is_none_and_has_no_part_in_the_mean():
    course = Course(3, RUNGS)
    (first,) = course.reached(row(1, math.nan))
    assert (first.judge, first.value, first.best, first.mean) == (3, None, None, None)
    list(course.reached(row(2, 0.5)))
    (second,) = course.reached(row(3, 1.5))
    assert (second.value, second.best, second.mean) == (1.5, 0.5, 1.0)


def test_a_report_without_the_attribute_or_one_that_falls_reaches_nothing():
    course = Course(0, RUNGS)
    assert reached(course, {"mean_loss": 1.0}, row(3, 1.0), row(2, 1.0), row(3, 1.0)) == [
        (1, 3, 1.0),
        (3, 3, 1.0),
    ]


@given(st.lists(st.integers(0, 400), max_size=30))
def test_each_milestone_is_reached_once_and_in_rising_order(steps):
    course = Course(0, EVERY)
    found = [m for m, _, _ in reached(course, *(row(s, 1.0, "timesteps_total") for s in steps))]
    assert found == sorted(set(found))
    assert all(each <= max(steps) for each in found)


def plateau(values, patience=2, min_delta=0.1):
    watch = PlateauWatch(Plateau(LOSS, patience, min_delta))
    return [watch.note({"mean_loss": value}) for value in values]


def test_a_trial_that_gets_better_goes_on():
    assert plateau([1.0, 0.8, 0.6, 0.4]) == [None] * 4
    assert plateau([1.0, 0.95, 0.85, 0.8, 0.7]) == [None] * 5


def test_a_trial_that_gets_no_better_is_ended():
    reason = "mean_loss 1 was not improved by more than 0.1 in the last 2 reports"
    assert plateau([1.0, 0.95, 0.92]) == [None, None, reason]
    assert plateau([1.0, 1.0], patience=1, min_delta=0) == [
        None,
        "mean_loss 1 was not improved in the last 1 reports",
    ]


def test_no_number_is_no_improvement():
    assert plateau([math.nan, None]) == [None, "2 reports without a finite mean_loss"]


def test_a_step_that_is_no_number_reaches_nothing():
    for milestones in (RUNGS, EVERY):
        rows = [row(step, 1.0, milestones.time_attr) for step in (math.nan, math.inf, -math.inf)]
        assert reached(Course(0, milestones), *rows) == []


def test_a_step_that_passes_millions_of_milestones_is_one_of_them():
    course = Course(0, EVERY)
    assert reached(course, row(10**15, 1.0, "timesteps_total")) == [
        (10, 10**15, 1.0),
        (10**15, 10**15, 1.0),
    ]


def test_fractions_of_a_step():
    tenths = Milestones(LOSS, "time_total_s", (0.1,), 0.1)
    course = Course(0, tenths)
    steps = [row(tenths.milestone(number), 1.0, "time_total_s") for number in range(50)]
    assert [m for m, _, _ in reached(course, *steps)] == [tenths.milestone(n) for n in range(50)]
