"""Domains: within their bounds, distributed as they say, on scales that a searcher understands."""

import math
from statistics import fmean, stdev

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tune_tasks.spec.domains import DOMAINS, Categories, Steps, Unit

POSITIONS = st.floats(0, 1)
NUMBERS = st.integers(-(10**6), 10**6) | st.floats(-1e6, 1e6)
POSITIVE = st.integers(1, 10**6) | st.floats(1e-6, 1e6)
MANY = [(i + 0.5) / 1000 for i in range(1000)]


def at(name, position, *given):
    domain = DOMAINS[name]
    assert domain.problem(given) == ""
    return domain.value(domain.scale(*given).at(position), *given)


def many(name, *given):
    return [at(name, position, *given) for position in MANY]


@given(st.tuples(NUMBERS, NUMBERS).map(sorted), POSITIONS)
def test_uniform(bounds, position):
    low, high = bounds
    assert low <= at("uniform", position, low, high) <= high


@given(st.tuples(POSITIVE, POSITIVE).map(sorted), POSITIONS)
def test_loguniform(bounds, position):
    low, high = bounds
    assert low <= at("loguniform", position, low, high) <= high


@pytest.mark.parametrize("name", ["int", "logint"])
@given(
    bounds=st.tuples(st.integers(1, 10**9), st.integers(1, 10**9)).map(sorted), position=POSITIONS
)
def test_ints(name, bounds, position):
    low, high = bounds
    value = at(name, position, low, high)
    assert type(value) is int
    assert low <= value <= high


@pytest.mark.parametrize("name", ["quniform", "qloguniform"])
@given(
    steps=st.integers(1, 100),
    low=st.integers(1, 5),
    q=st.sampled_from([1, 2, 0.5, 0.05]),
    position=POSITIONS,
)
def test_steps_are_counted_from_the_lower_bound(name, steps, low, q, position):
    high = low + steps * q
    value = at(name, position, low, high, q)
    assert low <= value <= high + 1e-9
    assert (value - low) / q == pytest.approx(round((value - low) / q))


def test_a_step_has_no_digits_that_floats_get_wrong():
    assert set(many("quniform", 0.0, 0.3, 0.1)) == {0.0, 0.1, 0.2, 0.3}
    assert set(many("quniform", 0, 6, 2)) == {0, 2, 4, 6}
    # The last step that fits
    assert max(many("quniform", 0, 1, 0.3)) == 0.9


def test_both_ends_of_ints_are_included_and_each_number_is_as_likely():
    drawn = many("int", 1, 5)
    assert [drawn.count(number) for number in range(1, 6)] == [200] * 5
    assert set(many("logint", 1, 3)) == {1, 2, 3}


def test_each_factor_is_as_likely_on_a_log_scale():
    assert sum(value < 1e-3 for value in many("loguniform", 1e-5, 1e-1)) == 500
    assert sum(value < 30 for value in many("logint", 1, 1000)) == pytest.approx(536, abs=2)


def test_normals():
    drawn = many("normal", 3, 2)
    assert (fmean(drawn), stdev(drawn)) == (pytest.approx(3), pytest.approx(2, rel=0.02))
    assert all(map(math.isfinite, (at("normal", 0, 3, 2), at("normal", 1, 3, 2))))
    logs = list(map(math.log, many("lognormal", 3, 2)))
    assert (fmean(logs), stdev(logs)) == (pytest.approx(3), pytest.approx(2, rel=0.02))


def test_what_a_searcher_sees():
    scales = {
        ("uniform", 0, 1): Unit(),
        ("qloguniform", 1, 9, 1): Unit(),
        ("normal", 0, 1): Unit(),
        ("int", 2, 9): Steps(2, 9),
        ("logint", 2, 9): Steps(2, 9, log=True),
        ("quniform", 0, 1, 0.25): Steps(0, 4),
        ("choice", 16, 32, 64): Steps(0, 2),
        ("choice", 32, 16): Categories(2),
        ("choice", "relu", "tanh", None): Categories(3),
        ("choice", False, True): Categories(2),
    }
    for (name, *arguments), scale in scales.items():
        assert DOMAINS[name].scale(*arguments) == scale


def test_a_coordinate_that_is_outside_becomes_the_nearest():
    assert [Unit().nearest(-1), Unit().nearest(2)] == [0, 1]
    assert [Steps(2, 5).nearest(1.4), Steps(2, 5).nearest(9)] == [2, 5]
    assert [Categories(3).nearest(-1), Categories(3).nearest(3)] == [0, 2]


@pytest.mark.parametrize(
    ("name", "given", "problem"),
    [
        ("uniform", [0], "expected [low, high], finite numbers, got [0]"),
        ("uniform", [0, True], "expected [low, high], finite numbers, got [0, True]"),
        ("uniform", [0, math.inf], "expected [low, high], finite numbers, got [0, inf]"),
        ("uniform", [0, 10**400], "expected [low, high], finite numbers, got [0, 1"),
        ("uniform", [1, 0], "expected low <= high, got [1, 0]"),
        ("quniform", [0, 1], "expected [low, high, q], finite numbers, got [0, 1]"),
        ("quniform", [0, 1, 0], "expected a positive q, got 0"),
        ("quniform", [0, 1, 1e-300], "q is too small: 1e-300"),
        (
            "loguniform",
            [-5, -1],
            "bounds are values, never exponents; for 10^-5 to 10^-1 write [1e-05, 0.1]",
        ),
        (
            "loguniform",
            [-1, 2],
            "bounds are values, never exponents; for 10^-1 to 10^2 write [0.1, 100]",
        ),
        (
            "loguniform",
            [-1.5, 2],
            "bounds are values, never exponents; expected bounds above 0, got [-1.5, 2]",
        ),
        (
            "logint",
            [-5, -1],
            "bounds are values, never exponents; expected bounds from 1 on, got [-5, -1]",
        ),
        ("loguniform", [0, 1], "expected bounds above 0, got [0, 1]"),
        ("loguniform", [0, 1.5], "expected bounds above 0, got [0, 1.5]"),
        ("int", [0.5, 3], "expected whole numbers, got [0.5, 3]"),
        ("logint", [0, 3], "expected bounds from 1 on, got [0, 3]"),
        ("normal", [0, 0], "expected a positive standard deviation, got 0"),
        (
            "lognormal",
            [1000, 1],
            "mean of the logarithm and standard deviation of the logarithm are too large: [1000, 1]",
        ),
        ("normal", [0, 1e308], "mean and standard deviation are too large: [0, 1e+308]"),
        ("choice", [], "expected a list of at least one value, got []"),
    ],
)
def test_what_is_wrong(name, given, problem):
    assert DOMAINS[name].problem(given).startswith(problem)


@pytest.mark.parametrize(
    "domain",
    [
        ("uniform", -3, 5),
        ("uniform", 2, 2),
        ("loguniform", 1e-5, 10),
        ("quniform", 0.1, 0.7, 0.05),
        ("qloguniform", 1, 1000, 3),
        ("int", -4, 9),
        ("logint", 1, 900),
        ("normal", 3, 2),
        ("lognormal", -1, 0.5),
        ("choice", "a", None, [1, 2], True, 1),
    ],
    ids=str,
)
@given(position=st.floats(0.001, 0.999))
def test_the_coordinate_of_a_value_leads_back_to_it(domain, position):
    name, *arguments = domain
    value = at(name, position, *arguments)
    coordinate = DOMAINS[name].coordinate(value, *arguments)
    again = DOMAINS[name].value(coordinate, *arguments)
    assert again == (pytest.approx(value) if isinstance(value, float) else value)


@pytest.mark.parametrize(
    ("domain", "value"),
    [
        (("uniform", 0, 1), 1.5),
        (("uniform", 0, 1), "a"),
        (("uniform", 0, 1), True),
        (("uniform", 0, 1), math.nan),
        (("loguniform", 1, 10), 0),
        (("quniform", 0, 1, 0.25), 0.3),
        (("qloguniform", 1, 9, 2), 4),
        (("int", 0, 5), 2.5),
        (("int", 0, 5), 6),
        (("normal", 0, 1), None),
        (("lognormal", 0, 1), -1),
        (("choice", 1, 2), True),
        (("choice", "a"), "b"),
    ],
)
def test_what_is_no_value_of_a_domain(domain, value):
    name, *arguments = domain
    assert DOMAINS[name].coordinate(value, *arguments) is None
