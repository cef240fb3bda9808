"""What 'best' means: a metric and its direction as one value."""

import math

import pytest

from tune_tasks.model.objective import Objective, choose_objective


def test_a_loss_is_best_at_its_least_unless_the_spec_says_otherwise():
    assert Objective.of("val_loss") == Objective("val_loss", "min")
    assert Objective.of("val_loss", "max") == Objective("val_loss", "max")
    assert Objective.of("my_metric") == Objective("my_metric", "max")
    assert Objective.of_spec(None, None) is None


@pytest.mark.parametrize(
    ("row", "value"),
    [
        (None, None),
        ({}, None),
        ({"info": {"f1": "high"}}, None),
        ({"info": {"f1": math.nan}}, None),
        ({"info": {"f1": math.inf}}, None),
        ({"info": {"f1": 0.5}}, 0.5),
    ],
)
def test_a_value_is_a_finite_number(row, value):
    assert Objective.of("f1").value(row) == value


@pytest.mark.parametrize(("mode", "best_first"), [("max", [3, 2, 1]), ("min", [1, 2, 3])])
def test_the_direction_decides_which_value_is_better(mode, best_first):
    objective = Objective("f1", mode)
    assert sorted([2, 3, 1], key=objective.sort_key) == best_first
    first, second, _ = best_first
    assert objective.better(first, second)
    assert not objective.better(second, first)
    assert not objective.better(first, first)


def test_any_value_is_better_than_none():
    objective = Objective.of("mean_loss")
    assert objective.better(9.0, None)
    assert not objective.better(None, 9.0)
    assert not objective.better(None, None)


def test_without_a_wish_the_first_default_that_was_reported_counts():
    wanted = Objective.of("f1")
    assert choose_objective(wanted, lambda default: True) == wanted
    assert choose_objective(None, lambda default: False) is None
    assert choose_objective(None, lambda default: "loss" in default.metric) == Objective(
        "mean_loss", "min"
    )


def test_its_words_for_people():
    assert Objective.of("a\nb").words(0.123456789) == "a\\nb 0.123457"
