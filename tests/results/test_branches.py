"""A setting in several branches of a choice."""

import math

from tests.results.searches import search, searched_trial
from tune_tasks.results.branches import axes_of, branched
from tune_tasks.results.search_view import search_view
from tune_tasks.search.dimension import Dimension

OPTIMIZER = Dimension("optimizer", "optimizer", "choice", categories=3)
SGD = Dimension("optimizer.lr", "optimizer.lr", "uniform", (0, 1))
ADAM = Dimension("optimizer.lr#2", "optimizer.lr", "loguniform", (1e-5, 1e-2))
DIMENSIONS = (OPTIMIZER, SGD, ADAM)


def trial(index, option, dimension, lr, loss=1.0, **beside):
    searched = {"optimizer.lr": lr, **{f"optimizer.{key}": value for key, value in beside.items()}}
    return searched_trial(
        index, {"optimizer": option, dimension.name: 0.5}, loss, searched=searched
    )


def test_each_branch_has_an_axis_of_its_own_scale():
    trials = [
        trial(0, 0, SGD, 0.5, name="sgd"),
        trial(1, 1, ADAM, 1e-3, name="adam"),
        trial(2, 2, ADAM, 1e-4, name="rmsprop"),
    ]
    first, second = axes_of("optimizer.lr", trials, DIMENSIONS)
    assert (first.name, first.is_log) == ("optimizer.lr (sgd)", False)
    assert (second.name, second.is_log) == ("optimizer.lr (adam, rmsprop)", True)
    assert [math.isnan(at) for at in first.positions] == [False, True, True]
    assert list(second.positions)[1:] == [1e-3, 1e-4]


def test_branches_without_a_name_are_told_apart_by_their_options():
    trials = [trial(0, 0, SGD, 0.5), trial(1, 1, ADAM, 1e-3), trial(2, 2, ADAM, 1e-3)]
    names = [axis.name for axis in axes_of("optimizer.lr", trials, DIMENSIONS)]
    assert names == ["optimizer.lr (option 0)", "optimizer.lr (option 1, 2)"]


def names_of(*trials):
    return [axis.name for axis in axes_of("optimizer.lr", trials, DIMENSIONS)]


def test_a_text_that_branches_share_tells_them_not_apart():
    shared = [trial(0, 0, SGD, 0.5, sched="cos"), trial(1, 1, ADAM, 1e-3, sched="cos")]
    assert names_of(*shared) == ["optimizer.lr (option 0)", "optimizer.lr (option 1)"]
    named = [
        trial(0, 0, SGD, 0.5, sched="cos", name="sgd"),
        trial(1, 1, ADAM, 1e-3, sched="cos", name="adam"),
    ]
    assert names_of(*named) == ["optimizer.lr (sgd)", "optimizer.lr (adam)"]


def test_a_secret_is_no_name():
    trials = [trial(0, 0, SGD, 0.5, password="x"), trial(1, 1, ADAM, 1e-3, password="y")]
    assert names_of(*trials) == ["optimizer.lr (option 0)", "optimizer.lr (option 1)"]


def test_a_setting_further_down_has_the_name_of_what_is_above_it():
    deep = Dimension("o.schedule.lr", "o.schedule.lr", "uniform", (0, 1))
    other = Dimension("o.schedule.lr#2", "o.schedule.lr", "uniform", (0, 2))
    trials = [
        searched_trial(0, {"o": 0, deep.name: 1}, 1.0, searched={"o.schedule.lr": 1}),
        searched_trial(
            1, {"o": 1, other.name: 1}, 1.0, searched={"o.name": "b", "o.schedule.lr": 1}
        ),
    ]
    names = [axis.name for axis in axes_of("o.schedule.lr", trials, (deep, other))]
    assert names == ["o.schedule.lr (option 0)", "o.schedule.lr (b)"]


def test_one_domain_has_one_axis():
    trials = [trial(0, 0, SGD, 0.5), trial(1, 1, SGD, 0.4)]
    assert [axis.name for axis in axes_of("optimizer.lr", trials, (OPTIMIZER, SGD))] == [
        "optimizer.lr"
    ]


def test_the_importance_of_a_setting_is_that_of_all_its_branches():
    assert branched(DIMENSIONS) == {"optimizer.lr"}
    view = search_view(search(trial(0, 0, SGD, 0.5), dimensions=DIMENSIONS))
    assert view.label("optimizer.lr") == "optimizer.lr (all branches)"
    assert view.label("optimizer") == "optimizer"
