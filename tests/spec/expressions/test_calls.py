"""Calls: of the functions that there are, with the arguments that they take."""

import pytest

from tests.spec.expressions.evaluating import refusal

MESSAGES = [
    (
        "random.unifrom(0, 1)",
        "random.unifrom is not a function of the eval language; did you mean 'random.uniform'?",
    ),
    (
        "np.random.unform(0, 1)",
        (
            "np.random.unform is not a function of the eval language; did you mean"
            " 'np.random.uniform'?"
        ),
    ),
    ("'{}'.format(1)", "the method .format is not part of the eval language"),
    ("random.uniform(1)", "random.uniform needs the argument 'b'"),
    ("random.uniform(1, 2, 3)", "random.uniform takes at most 2 arguments, got 3"),
    ("random.uniform(1, b=2, b=3)", "random.uniform gets the argument 'b' twice"),
    (
        "np.random.normal(sclae=2)",
        "np.random.normal takes no argument 'sclae'; did you mean 'scale'?",
    ),
]


@pytest.mark.parametrize(("source", "message"), MESSAGES)
def test_messages(source, message):
    assert refusal(source) == message
