"""The functions that NumPy computes."""

import pytest

from tests.spec.expressions.evaluating import check_value

VALUES = [
    (
        "np.log10(1000), numpy.sqrt(4), np.power(2, 3), np.abs(-1), np.minimum(1, 2)",
        [3.0, 2.0, 8, 1, 1],
    ),
    (
        "np.linspace(0, 1, 5), np.logspace(-2, 0, num=3), np.geomspace(1, 100, 3)",
        [[0, 0.25, 0.5, 0.75, 1], [0.01, 0.1, 1], [1, 10, 100]],
    ),
    ("np.arange(3), np.arange(0, 1, 0.5), np.arange(1, 3)", [[0, 1, 2], [0.0, 0.5], [1, 2]]),
    (
        "np.array([1, 2, 3]) * 2, [1, 2] * np.array(2), np.array([1, 3]) > 2",
        [[2, 4, 6], [1, 2, 1, 2], [False, True]],
    ),
    ("np.array([[1, 2], [3, 4]])[:, 0], np.array([[1, 2], [3, 4]])[1][0]", [[1, 3], 3]),
    (
        "np.clip([1, 5, 9], 2, 6), np.clip(7, a_min=2, a_max=6), np.round([1.26], decimals=1)",
        [[2, 5, 6], 6, [1.3]],
    ),
    (
        "np.mean([1, 2]), np.std([1, 3]), np.prod([2, 3]), np.max([[1, 2], [3, 4]], axis=0)",
        [1.5, 1.0, 6, [3, 4]],
    ),
    ("np.int64(5) / 2, np.float32(0.5), np.float64([1])", [2.5, 0.5, [1.0]]),
    ("[a for a in np.array([[1], [2]])]", [[1], [2]]),
]


@pytest.mark.parametrize(("source", "value"), VALUES, ids=[source[:40] for source, _ in VALUES])
def test_value(source, value):
    check_value(source, value)
