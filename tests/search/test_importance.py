"""How much each parameter matters, on trials of which that is known."""

import random

import pytest

from tune_tasks.search.dimension import Dimension
from tune_tasks.search.importance import ENOUGH, importances

LR = Dimension("lr", "lr", "loguniform", (1e-5, 1e-1))
DEPTH = Dimension("depth", "depth", "int", (1, 6))
ACT = Dimension("act", "act", "choice", categories=3)
WIDTH = Dimension("width", "width", "logint", (8, 1024))
ALL = [LR, DEPTH, ACT, WIDTH]


def drawn(count, value, dimensions=ALL):
    """Random trials, with what `value` says of their points."""
    rng = random.Random(1)
    for _ in range(count):
        point = {each.name: each.scale.at(rng.random()) for each in dimensions}
        yield point, value(point)


@pytest.mark.parametrize(
    ("most", "value"),
    {
        "lr": lambda point: (point["lr"] - 0.3) ** 2,
        "depth": lambda point: point["depth"],
        "act": lambda point: point["act"] != 1,
        "width": lambda point: abs(point["width"] - 64),
    }.items(),
)
def test_what_alone_decides_has_most(most, value):
    lessons = list(drawn(60, lambda point: float(value(point))))
    found = importances(lessons, ALL, is_greater_better=False)
    assert sum(found.values()) == pytest.approx(1)
    assert list(found.values()) == sorted(found.values(), reverse=True)
    assert next(iter(found)) == most
    assert found[most] > 0.6


def test_the_direction_counts():
    """Half of the trials are as bad as one another: only in one direction has it an influence."""
    lessons = list(drawn(100, lambda p: max(p["lr"], 0.5) + 10 * (p["depth"] == 6)))
    lower = importances(lessons, ALL, is_greater_better=False)
    greater = importances(lessons, ALL, is_greater_better=True)
    assert next(iter(lower)) == "lr"
    assert next(iter(greater)) == "depth"


def test_few_trials_say_nothing():
    lessons = list(drawn(ENOUGH, lambda point: point["lr"]))
    assert importances(lessons[1:], ALL, is_greater_better=False) == {}
    assert next(iter(importances(lessons, ALL, is_greater_better=False))) == "lr"


def test_what_only_some_trials_have_counts():
    """A branch that is bad: which one it is matters, and what stands in the other one does."""
    kind = Dimension("opt", "opt", "choice", categories=2)
    lr = Dimension("opt.lr", "opt.lr", "loguniform", (1e-3, 1))
    other = Dimension("opt.lr#2", "opt.lr", "loguniform", (1e-5, 1e-2))
    lessons = []
    for point, _ in drawn(80, lambda _: 0.0, [kind, lr, other]):
        del point["opt.lr#2" if point["opt"] == 0 else "opt.lr"]
        lessons.append((point, 1.0 if point["opt"] else (point["opt.lr"] - 0.5) ** 2))
    found = importances(lessons, [kind, lr, other], is_greater_better=False)
    assert list(found) in (["opt", "opt.lr"], ["opt.lr", "opt"])
    assert min(found.values()) > 0.1


def test_a_point_of_another_form_of_the_spec_does_not_disturb():
    lessons = [({**point, "gone": 0.5}, value) for point, value in drawn(40, lambda p: p["lr"])]
    assert list(importances(lessons, [LR], is_greater_better=False)) == ["lr"]


def test_trials_that_are_all_alike_say_nothing():
    lessons = [({"lr": 0.5}, 1.0)] * 20
    assert importances(lessons, [LR], is_greater_better=False) == {}


def test_what_fails_counts_though_most_do():
    """All that have failed are as bad as the worst: they are not among the best half."""
    lessons = list(drawn(60, lambda point: 2.0 if point["lr"] > 0.2 else 1.0))
    assert sum(value == 2.0 for _, value in lessons) > 40
    assert next(iter(importances(lessons, ALL, is_greater_better=False))) == "lr"
