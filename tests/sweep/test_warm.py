"""Trials of earlier sweeps, in the space of today."""

import pytest

from tests.spec.test_conditional_spaces import OPTIMIZER
from tune_tasks.search.observation import Fate
from tune_tasks.spec.expressions.plan_budget import PlanBudget
from tune_tasks.spec.search_space import SearchSpace
from tune_tasks.sweep.warm import Warm, WarmStarted, WarmTrial

X = {"x": {"uniform": [0, 1]}}


def warm(config, *trials):
    results = [WarmTrial(f"e/{i} of then", values, value=i) for i, values in enumerate(trials)]
    return Warm.of(WarmStarted({}, "then", (), results), SearchSpace(config), PlanBudget())


def test_their_indices_are_negative_and_their_points_are_those_of_today():
    found = warm({"x": {"uniform": [0, 2]}}, {"x": 0.5}, {"x": 1.0})
    (told,) = found.told.values()
    assert [(each.index, each.point, each.value) for each in told] == [
        (-2, {"x": 0.25}, 0),
        (-1, {"x": 0.5}, 1),
    ]
    assert found.head_start.told == {0: 2}
    assert found.misfits == {}


def test_what_has_no_point_today_is_left_out_and_counted():
    config = {**X, "y": {"choice": ["a", "b"]}}
    found = warm(config, {"x": 0.5, "y": "c"}, {"x": 5, "y": "a"}, {"y": "a"}, {"x": 0, "y": "b"})
    assert [each.index for each in found.told[0]] == [-1]
    assert found.misfits == {"y": 1, "x": 2}


def test_a_conditional_space():
    config = {"optimizer": OPTIMIZER, "second": {"int": [1, 5], "when": {"optimizer.name": "sgd"}}}
    adam = {"optimizer.name": "adam", "optimizer.lr": 0.001}
    sgd = {"optimizer.name": "sgd", "optimizer.lr": 0.1, "optimizer.momentum": 0.9}
    found = warm(config, adam, sgd, {**sgd, "second": 3}, {**adam, "second": 3})
    assert found.misfits == {"second": 1}
    points = [each.point for each in found.told[0]]
    assert [point["optimizer"] for point in points] == [1, 0, 1]
    assert points[1]["second"] == 3
    assert "second" not in points[2]  # it is of no use there


def test_a_result_is_of_the_branch_that_can_have_had_it():
    config = {"g": {"choice": [{"a": {"uniform": [0, 1]}}, {"a": {"uniform": [4, 6]}}]}}
    found = warm(config, {"g.a": 5.5}, {"g.a": 0.5}, {"g.a": 5.0}, {"g.a": 3})
    assert [each.point for each in found.told[0]] == [
        {"g": 1, "g.a#2": 0.75},
        {"g": 0, "g.a": 0.5},
        {"g": 1, "g.a#2": 0.5},
    ]
    assert found.misfits == {"g.a": 1}


def test_a_branch_may_have_lists_and_values_that_are_drawn():
    option = {"n": "b", "l": [3, {"uniform": [0, 1]}], "e": {"eval": "random.random()"}}
    found = warm({"g": {"choice": ["a", option]}}, {"g.n": "b", "g.l.1": 0.5, "g.e": 0.1})
    assert [each.point for each in found.told[0]] == [{"g": 1, "g.l.1": 0.5}]


def test_bounds_that_depend_are_those_of_the_trial():
    config = {"n": {"int": [1, 10]}, "m": {"int": [1, {"eval": "spec.config.n"}]}}
    found = warm(config, {"n": 10, "m": 5}, {"n": 2, "m": 5})
    assert found.misfits == {"m": 1}
    assert found.told[0][0].point["m"] == pytest.approx(0.45)


def test_a_result_is_told_in_its_cell_of_the_grid():
    config = {**X, "g": {"grid_search": ["a", "b"]}, "h": {"grid_search": [1, 2]}}
    found = warm(
        config,
        {"x": 0.5, "g": "b", "h": 1},
        {"x": 0.5, "g": "b", "h": 2},
        {"x": 0.5, "g": "c", "h": 2},
        {"x": 0.5, "h": 2},
    )
    assert {cell: [o.index for o in told] for cell, told in found.told.items()} == {
        1: [-4],
        3: [-3],
    }
    assert found.misfits == {"g": 2}


def test_a_grid_with_a_domain_in_an_option():
    config = {"x": {"grid_search": [0.25, {"uniform": [0, 1]}]}}
    found = warm(config, {"x": 0.25}, {"x": 0.5}, {"x": 5})
    assert {cell: [o.index for o in told] for cell, told in found.told.items()} == {
        0: [-3],
        1: [-2],
    }
    assert found.misfits == {"x": 1}


def test_what_was_tried_then_counts_as_tried():
    found = warm({"x": {"int": [1, 3]}}, {"x": 2}, {"x": 2.0})
    assert found.tried == {0: frozenset({"[('x', 2)]"})}


def test_how_it_ended_is_told():
    stopped = WarmTrial("e/0 of then", {"x": 0.5}, Fate.STOPPED, 0.5)
    failed = WarmTrial("e/1 of then", {"x": 0.5}, Fate.FAILED)
    started = WarmStarted({}, "then", (), [stopped, failed])
    told = Warm.of(started, SearchSpace(X), PlanBudget()).told[0]
    assert [(each.fate, each.value) for each in told] == [(Fate.STOPPED, 0.5), (Fate.FAILED, None)]
