"""What to try next: said if the numbers speak for it, and not otherwise."""

import pytest

from tune_tasks.model.objective import Objective
from tune_tasks.results.best_so_far import BestSoFar, EndedTrial
from tune_tasks.results.next_steps import Found, next_steps
from tune_tasks.search.dimension import Dimension

LR = Dimension("lr", "lr", "loguniform", (1e-5, 0.1))
NOTHING = BestSoFar((), ())
LOSS = Objective("mean_loss", "min")


def steps(*points, dimensions=(LR,), best=NOTHING, importance=(), covering=0, everywhere=()):
    found = Found(dimensions, points, best, dict(importance), covering, frozenset(everywhere))
    return list(next_steps(found))


def ranked(name, best, rest=0.5):
    """20 trials, of which the best have these coordinates."""
    return [{name: at} for at in [*best, *[rest] * (20 - len(best))]]


WIDEN = {
    "the upper bound": (LR, [1.0, 0.99, 0.96, 0.5, 0.97], "the upper bound 0.1: widen it"),
    "the lower bound": (LR, [0.0, 0.01, 0.04, 0.05, 0.5], "the lower bound 1e-05: widen it"),
    "whole numbers": (Dimension("n", "n", "int", (1, 6)), [6, 6, 6, 6, 6], "the upper bound 6:"),
    "many whole numbers": (
        Dimension("n", "n", "int", (1, 100)),
        [100, 99, 98, 97, 5],
        "the upper bound 100:",
    ),
    "steps": (
        Dimension("n", "n", "quniform", (0.0, 0.6, 0.05)),
        [0, 0, 0, 0, 9],
        "4 of the best 5 lie at the lower bound 0:",
    ),
    "an option": (
        Dimension("n", "n", "choice", (16, 32, 64)),
        [2, 2, 2, 2, 2],
        "5 of the best 5 have the greatest option, 64: offer greater ones",
    ),
    "bounds that depend": (Dimension("n", "n", "uniform"), [1, 1, 1, 1, 1], "the upper bound: "),
    "a branch": (
        Dimension("opt.lr#2", "opt.lr", "uniform", (0.0, 1.0)),
        [1, 1, 1, 1, 1],
        "`opt.lr`: 5 of the best 5 lie at the upper bound 1:",
    ),
}


@pytest.mark.parametrize(("dimension", "best", "expected"), WIDEN.values(), ids=WIDEN)
def test_the_best_lie_at_a_bound(dimension, best, expected):
    (said,) = steps(*ranked(dimension.name, best), dimensions=[dimension])
    assert expected in said


SILENT = {
    "too few are there": (LR, [1.0, 1.0, 1.0, 0.5, 0.5]),
    "they are at both ends": (LR, [1.0, 1.0, 0.0, 0.0, 1.0]),
    "chance brings as many": (Dimension("n", "n", "int", (1, 3)), [3, 3, 3, 3, 1]),
    "categories have no ends": (Dimension("n", "n", "choice", categories=3), [2, 2, 2, 2, 2]),
    "a normal distribution has none": (Dimension("n", "n", "normal", (0, 1)), [1, 1, 1, 1, 1]),
    "the best lack it": (Dimension("other", "other", "uniform", (0, 1)), []),
}


@pytest.mark.parametrize(("dimension", "best"), SILENT.values(), ids=SILENT)
def test_nothing_is_said_of_a_bound(dimension, best):
    name = dimension.name if best else "lr"
    assert steps(*ranked(name, best, rest=0), dimensions=[dimension]) == []


def test_few_trials_say_nothing_of_a_bound():
    points = ranked("lr", [1.0] * 5)
    assert steps(*points[:14]) == []
    assert len(steps(*points[:15])) == 1


def test_a_parameter_that_makes_no_difference():
    shares = {"lr": 0.96, "dropout": 0.012, "rare": 0.01}
    flat = {"importance": shares, "everywhere": ["lr", "dropout"]}
    assert steps(covering=40, **flat) == [
        "`dropout`: 1.2 % of the importance, from 40 trials: give it a fixed value"
    ]
    assert steps(covering=31, **flat) == []


@pytest.mark.parametrize(
    ("best_at", "count", "said"),
    [
        (7, 30, "the last 23 of 30 found nothing better than trial 6: fewer may do"),
        (8, 30, ""),
        (29, 30, "the best one is among the last 3 of 30: more may find better ones"),
        (20, 30, ""),
        (5, 19, ""),
    ],
)
def test_the_number_of_trials(best_at, count, said):
    ended = [EndedTrial(i, float(i), 0.1 if i == best_at - 1 else 1.0) for i in range(count)]
    found = steps(best=BestSoFar.of(ended, LOSS))
    assert found == ([f"number of trials: {said}"] if said else [])
