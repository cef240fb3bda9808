"""A config as MLflow's params, and what its charts need beside them."""

import pytest

from tune_tasks.tracking.mlflow_params import (
    SearchedParam,
    chart_params,
    flat_params,
    is_number,
    searched_params,
)


def test_an_uneven_param_has_a_second_one_for_the_charts():
    searched = [{"opt": {"name": "sgd", "momentum": 0.9}}, {"opt": {"name": "adam"}}]
    params = searched_params(searched)
    assert params == (
        SearchedParam("opt.name", True, False, 2),
        SearchedParam("opt.momentum", False, False, 2),
    )
    extra = [chart_params(params, flat_params(config)) for config in searched]
    assert extra == [{"opt.momentum as text": "=0.9"}, {"opt.momentum as text": "(none)"}]


@pytest.mark.parametrize("text", ["", " 1 ", "-1.5e-3", ".5", "5.", "0x1F", "-Infinity"])
def test_a_number_for_javascript(text):
    assert is_number(text)


@pytest.mark.parametrize("text", ["true", "null", "NaN", "inf", "1_000", "[1]", "1 2", "e5", "٣"])
def test_no_number_for_javascript(text):
    assert not is_number(text)


def test_params_by_dotted_path():
    assert flat_params({"a": {"b": 1, "c": {}}, "d": [1, "x"]}) == {
        "a.b": "1",
        "a.c": "{}",
        "d": "[1, 'x']",
    }
    assert flat_params({"bias": True, "depth": None, "lr": 1e-5}) == {
        "bias": "True",
        "depth": "None",
        "lr": "1e-05",
    }


def test_of_two_params_with_one_path_none_is_lost():
    assert flat_params({"a.b": 1, "a": {"b": 2}}) == {"a.b-ad44c9": "1", "a.b": "2"}
