"""Comprehensions and generator expressions."""

import pytest

from tests.spec.expressions.evaluating import check_value

VALUES = [
    ("[x * y for x in range(3) for y in (1, 2) if x != y]", [0, 0, 2, 2]),
    ("[[a, b] for a, b in zip(range(2), 'xy')]", [[0, "x"], [1, "y"]]),
    ("[[x for x in range(x)] for x in range(3)]", [[], [0], [0, 1]]),
    ("sum(x * x for x in range(10)), max(len(s) for s in ['a', 'bcd'])", [285, 3]),
]


@pytest.mark.parametrize(("source", "value"), VALUES, ids=[source[:40] for source, _ in VALUES])
def test_value(source, value):
    check_value(source, value)
