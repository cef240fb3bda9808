"""The names of an expression: settings, and what is not a name."""

import pytest

from tests.spec.expressions.evaluating import check_value, refusal
from tune_tasks.spec.expressions.language import Expression

VALUES = [
    ("spec.config.lr * 2", 1.0),
    (
        "spec.config['layers'][_i - 1], spec.config.layers[-1], spec.config.layers[1:]",
        [32, 32, [16, 32]],
    ),
    ("spec.config.model.name + '-' + str(_i)", "mlp-3"),
]


@pytest.mark.parametrize(("source", "value"), VALUES, ids=[source[:40] for source, _ in VALUES])
def test_value(source, value):
    check_value(source, value)


@pytest.mark.parametrize(
    ("source", "references"),
    [
        ("1 + _i", set()),
        ("spec.config.lr", {("lr",)}),
        ("spec.config.model.lr * spec.config['model']['wd']", {("model", "lr"), ("model", "wd")}),
        ("spec.config.layers[0] + spec.config['layers'][_i]", {("layers", 0), ("layers",)}),
        ("spec.config.layers[-1], spec.config.layers[1:]", {("layers",)}),
        ("[spec.config.a for x in spec.config.b if x < spec.config.c]", {("a",), ("b",), ("c",)}),
        (
            "max(spec.config.a, default=spec.config.b) if spec.config.c else {'k': spec.config.d}",
            {("a",), ("b",), ("c",), ("d",)},
        ),
    ],
)
def test_references(source, references):
    assert Expression.parse(source).references == references


MESSAGES = [
    ("random.uniform", "random.uniform is a function; call it: random.uniform(...)"),
    ("lr * 2", "lr is not a name of the eval language; a setting is written spec.config.lr"),
    ("spec.lr", "spec has only settings, written spec.config.<name>"),
    ("math.Pi", "math.Pi is not a name of the eval language; did you mean 'math.pi'?"),
    ("().__class__", "the attribute .__class__ is not part of the eval language"),
]


@pytest.mark.parametrize(("source", "message"), MESSAGES)
def test_messages(source, message):
    assert refusal(source) == message
