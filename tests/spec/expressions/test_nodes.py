"""Literals, conditions and indices."""

import pytest

from tests.spec.expressions.evaluating import check_value

VALUES = [
    ("  1 + 1  ", 2),
    ("None, True, False, 'a' 'b', 1.5", [None, True, False, "ab", 1.5]),
    ("{'a': (1, [2]), 3: {}}", {"a": [1, [2]], 3: {}}),
    ("0 or [] or 'x', 1 and 0 and 2, not 1", ["x", 0, False]),
    ("'even' if _i % 2 == 0 else 'odd'", "odd"),
    (
        "[5, 6][_i > 1], 'abc'[-1], (1, 2, 3)[1:], 'abc'[::-1], {'k': 1}['k']",
        [6, "c", [2, 3], "cba", 1],
    ),
]


@pytest.mark.parametrize(("source", "value"), VALUES, ids=[source[:40] for source, _ in VALUES])
def test_value(source, value):
    check_value(source, value)
