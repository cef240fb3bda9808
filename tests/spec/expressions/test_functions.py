"""The functions that are Python's own, and the constants."""

import math

import pytest

from tests.spec.expressions.evaluating import check_value

VALUES = [
    ("sum([0.1] * 10)", 0.9999999999999999),  # 1.0 with the sum() of Python 3.12
    (
        "min(3, 1), max([1, 2]), min([], default=0), abs(-2), round(2.567, 1), len('abc')",
        [1, 2, 0, 2, 2.6, 3],
    ),
    (
        "int('ff', 16), int(2.9), float('1e3'), str(5), bool(0), pow(2, 3)",
        [255, 2, 1000.0, "5", False, 8],
    ),
    (
        "sorted([3, 1, 2], reverse=True), list(range(5))[2], tuple('ab'), any([0, 1]), all([])",
        [[3, 2, 1], 2, ["a", "b"], True, True],
    ),
    ("math.sqrt(16), math.floor(2.5), math.log(8, 2), math.inf", [4.0, 2, 3.0, math.inf]),
    ("math.pi, np.pi, math.tau / 2", [math.pi] * 3),
    ("list(enumerate(['a'], 1))", [[1, "a"]]),
]


@pytest.mark.parametrize(("source", "value"), VALUES, ids=[source[:40] for source, _ in VALUES])
def test_value(source, value):
    check_value(source, value)
