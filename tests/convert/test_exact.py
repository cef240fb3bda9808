"""Numbers without the digits that floats get wrong."""

import pytest

from tune_tasks.convert.exact import about_rungs, between, exact, raised


def test_exact():
    assert (exact(0.1 + 0.2), exact(3), exact(1e-5 * (1 + 1e-15))) == (0.3, 3, 1e-5)
    assert type(exact(2**60)) is int


def test_powers():
    assert (raised(10, -4), raised(2, 5), raised(10.0, -3.5)) == (1e-4, 32, 0.000316227766017)
    for base, exponent in ((10.0, 400), (10, -400), (0, -1), (-8, 1 / 3), (0, 1)):
        with pytest.raises(ValueError, match=r"is no number above 0"):
            raised(base, exponent)


def test_between():
    assert between(0, 2, 3) == [0, 1, 2]
    assert between(1, 2, 1) == [1.5]


def test_rungs():
    assert about_rungs([1, 3, 9], 3, 27) == []
    assert about_rungs([1, 3], 3, 10) == ["the rungs were at [1, 3], and are at [1, 3, 9] here"]
