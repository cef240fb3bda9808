"""Evaluates an expression for a test."""

import math

import pytest

from tune_tasks.errors import ExpressionError
from tune_tasks.spec.expressions.language import Expression

SETTINGS = {
    ("lr",): 0.5,
    ("layers",): [8, 16, 32],
    ("model",): {"name": "mlp", "wide": True},
    ("model", "name"): "mlp",
}


def evaluate(source, *, stream="7/exp/3/lr", index=3, settings=SETTINGS):
    return Expression.parse(source).evaluate(
        stream=stream, index=index, lookup=lambda path: settings[path]
    )


def refusal(source):
    with pytest.raises(ExpressionError) as caught:
        evaluate(source)
    return caught.value.message


def check_value(source, value):
    result = evaluate(source)
    assert are_close(result, value), result
    assert _plain(result)


def are_close(left, right):
    if isinstance(right, list):
        return (
            isinstance(left, list) and len(left) == len(right) and all(map(are_close, left, right))
        )
    if isinstance(right, float) and not isinstance(left, bool):
        return math.isclose(left, right, rel_tol=1e-12)
    return left == right


def _plain(value):
    if type(value) is list:
        return all(map(_plain, value))
    if type(value) is dict:
        return all(
            type(key) in (str, int, float, bool) and _plain(item) for key, item in value.items()
        )
    return value is None or type(value) in (bool, int, float, str)
