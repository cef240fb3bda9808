"""What of Python's syntax is refused, and how."""

import pytest

from tests.spec.expressions.evaluating import refusal

MESSAGES = [
    ("lambda: 0", "lambda is not part of the eval language"),
    ("1 is None", "the operator 'is' (use ==) is not part of the eval language"),
    ("1 +", "'1 +' is not an expression: invalid syntax"),
]


@pytest.mark.parametrize(("source", "message"), MESSAGES)
def test_messages(source, message):
    assert refusal(source) == message
