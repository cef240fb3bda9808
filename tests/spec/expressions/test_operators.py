"""The operators, and the bounds on what they make."""

import pytest

from tests.spec.expressions.evaluating import check_value, refusal

VALUES = [
    ("1 + 2 * 3 - 4 / 2", 5.0),
    ("7 // 2, 7 % 4, 2 ** 10, -2, +2, ~5", [3, 3, 1024, -2, 2, -6]),
    ("1 << 4 | 3 & 2 ^ 1 >> 1", 18),
    ("1 < 2 < 3, 1 < 2 > 5, 1 == 1.0, 1 != 1", [True, False, True, False]),
    ("2 in [1, 2], 'x' not in 'abc', 'a' in {'a': 1}", [True, True, True]),
    ("'a' + 'b' * 3, [0] * 2 + [1], {'a': 1} | {'b': 2}", ["abbb", [0, 0, 1], {"a": 1, "b": 2}]),
]


@pytest.mark.parametrize(("source", "value"), VALUES, ids=[source[:40] for source, _ in VALUES])
def test_value(source, value):
    check_value(source, value)


MESSAGES = [
    ("2 ** 10000", "'2 ** 10000' failed: an integer would have more than 4096 bits"),
    ("'x' * 10 ** 6", "\"'x' * 10 ** 6\" failed: a value would have more than 100,000 items"),
]


@pytest.mark.parametrize(("source", "message"), MESSAGES)
def test_messages(source, message):
    assert refusal(source) == message
