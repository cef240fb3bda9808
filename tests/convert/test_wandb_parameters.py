"""The parameters of W&B: the same range and the same scale."""

import math
from statistics import NormalDist

import pytest

from tests.convert.distributions import POSITIONS, distance, quantiles
from tests.convert.reading import comments, config
from tune_tasks.errors import SpecError
from tune_tasks.spec.yaml_1_2 import one_line_of_yaml


def sweep(parameter, method="random"):
    return f"method: {method}\nrun_cap: 3\nparameters:\n  p: {parameter}\n"


def uniform(low, high):
    return [low + u * (high - low) for u in POSITIONS]


def steps(values, q):
    return [round(value / q) * q for value in values]


def powers(exponents):
    return [math.exp(each) for each in exponents]


def bell(mu, sigma):
    return [NormalDist(mu, sigma).inv_cdf(u) for u in POSITIONS]


# The quantiles as W&B's documentation defines the distributions
SAME = {
    "{min: 1, max: 8}": ({"int": [1, 8]}, [1 + int(u * 8) for u in POSITIONS]),
    "{min: 0.0001, max: 0.1}": ({"uniform": [0.0001, 0.1]}, uniform(0.0001, 0.1)),
    "{min: 1, max: 8.5}": ({"uniform": [1, 8.5]}, uniform(1, 8.5)),
    "{distribution: uniform, min: 0, max: 1}": ({"uniform": [0, 1]}, uniform(0, 1)),
    "{distribution: int_uniform, min: -3, max: 0}": (
        {"int": [-3, 0]},
        [-3 + int(u * 4) for u in POSITIONS],
    ),
    "{distribution: log_uniform, min: -9.210340371976182, max: 0}": (
        {"loguniform": [0.0001, 1.0]},
        powers(uniform(-9.210340371976182, 0)),
    ),
    "{distribution: log_uniform_values, min: 1e-5, max: 0.1}": (
        {"loguniform": [1e-5, 0.1]},
        powers(uniform(math.log(1e-5), math.log(0.1))),
    ),
    "{distribution: inv_log_uniform, min: 1, max: 9}": (
        {"loguniform": [0.000123409804087, 0.367879441171]},
        [1 / x for x in powers(uniform(1, 9))],
    ),
    "{distribution: inv_log_uniform_values, min: 0.001, max: 2}": (
        {"loguniform": [0.001, 2]},
        [1 / x for x in powers(uniform(math.log(1 / 2), math.log(1 / 0.001)))],
    ),
    "{distribution: q_uniform, min: 0, max: 256}": (
        {"quniform": [0, 256, 1]},
        steps(uniform(0, 256), 1),
    ),
    "{distribution: q_uniform, min: 0.03, max: 5.28, q: 0.05}": (
        {"quniform": [0.05, 5.3, 0.05]},
        steps(uniform(0.03, 5.28), 0.05),
    ),
    "{distribution: q_log_uniform, min: 3.4, max: 5.6, q: 8}": (
        {"qloguniform": [32, 272, 8]},
        steps(powers(uniform(3.4, 5.6)), 8),
    ),
    "{distribution: q_log_uniform_values, min: 32, max: 256, q: 8}": (
        {"qloguniform": [32, 256, 8]},
        steps(powers(uniform(math.log(32), math.log(256))), 8),
    ),
    "{distribution: normal, mu: 100, sigma: 10}": ({"normal": [100, 10]}, bell(100, 10)),
    "{distribution: normal}": ({"normal": [0, 1]}, bell(0, 1)),
    "{distribution: log_normal, mu: -3}": ({"lognormal": [-3, 1]}, powers(bell(-3, 1))),
    "{values: [8, 6, 7, 5, 3, 0, 9]}": (
        {"choice": [8, 6, 7, 5, 3, 0, 9]},
        [[8, 6, 7, 5, 3, 0, 9][int(u * 7)] for u in POSITIONS],
    ),
}


@pytest.mark.parametrize("parameter", SAME)
def test_the_same_values_are_as_likely(parameter):
    domain, theirs = SAME[parameter]
    made = config(sweep(parameter))["p"]
    assert made == domain
    ours = quantiles(made)
    spread = max(theirs) - min(theirs)
    assert (min(ours), max(ours)) == pytest.approx((min(theirs), max(theirs)), abs=spread / 100)
    assert distance(ours, theirs) < 0.03


def test_what_is_rounded_to_steps_has_their_values():
    for parameter, (domain, theirs) in SAME.items():
        if "q_" in parameter:
            step = next(iter(domain.values()))[2]
            reached = {round(value / step, 6) for value in quantiles(domain)}
            assert reached == {round(value / step, 6) for value in theirs}, parameter


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("{value: 1.618}", 1.618),
        ("{value: null}", None),
        ("{distribution: constant, value: 2.71828}", 2.71828),
        ("{value: {a: [1, x]}}", {"a": [1, "x"]}),
        ("{distribution: categorical, values: [elu, celu]}", {"choice": ["elu", "celu"]}),
        ("{values: [[1, 2], {a: 1}, null]}", {"choice": [[1, 2], {"a": 1}, None]}),
        ("{parameters: {lr: {value: 0.9}}}", {"lr": 0.9}),
        (
            "{parameters: {nadam: {parameters: {beta: {values: [0.9, 0.95]}}}}}",
            {"nadam": {"beta": {"choice": [0.9, 0.95]}}},
        ),
    ],
)
def test_values_and_what_is_nested(parameter, value):
    assert config(sweep(parameter))["p"] == value


@pytest.mark.parametrize(
    ("parameter", "grid"),
    [
        ("{values: [1, 2]}", [1, 2]),
        ("{min: 1, max: 3}", [1, 2, 3]),
        ("{distribution: q_uniform, min: 0.1, max: 0.35, q: 0.1}", [0.1, 0.2, 0.3]),
        ("{distribution: q_uniform, min: 0, max: 3}", [0, 1, 2]),
    ],
)
def test_a_grid(parameter, grid):
    assert config(sweep(parameter, "grid"))["p"] == {"grid_search": grid}


def test_what_has_no_grid_is_drawn():
    text = sweep("{min: 0.0, max: 1}", "grid")
    assert config(text)["p"] == {"uniform": [0.0, 1]}
    assert "W&B has no grid over uniform: values of it are drawn here" in comments(text)


def test_probabilities_are_not_kept_and_the_comment_says_how_they_could_be():
    text = sweep("{values: [a, b], probabilities: [0.1, 0.9]}")
    assert config(text)["p"] == {"choice": ["a", "b"]}
    as_there = one_line_of_yaml({"eval": "random.choices(['a', 'b'], [0.1, 0.9])[0]"})
    (comment,) = (each for each in comments(text) if "probabilities" in each)
    assert as_there in comment


@pytest.mark.parametrize(
    ("parameter", "expression"),
    [
        ("{distribution: q_normal, mu: 64, sigma: 8, q: 2}", "round(random.gauss(64, 8) / 2) * 2"),
        ("{distribution: q_log_normal}", "round(random.lognormvariate(0, 1) / 1) * 1"),
        ("{distribution: beta, a: 2, b: 5}", "random.betavariate(2, 5)"),
        ("{distribution: q_beta, q: 0.1}", "round(random.betavariate(1, 1) / 0.1) * 0.1"),
    ],
)
def test_what_no_domain_says_is_drawn_by_an_expression(parameter, expression):
    text = sweep(parameter)
    assert config(text)["p"] == {"eval": expression}
    assert any("no model can search it" in each for each in comments(text))


@pytest.mark.parametrize(
    ("parameter", "comment"),
    [
        (
            "{distribution: log_uniform, min: -9, max: -1}",
            "log_uniform [-9, -1] are exponents of e",
        ),
        (
            "{distribution: log_uniform, min: 0.0001, max: 0.1}",
            (
                "log_uniform [0.0001, 0.1] are exponents of e; if values were meant, W&B's"
                " log_uniform_values, it is [0.0001, 0.1]"
            ),
        ),
        (
            "{distribution: inv_log_uniform, min: 1, max: 9}",
            "inv_log_uniform [1, 9] are exponents of 1/e: the same as loguniform",
        ),
        (
            "{distribution: q_log_uniform, min: -3, max: 2}",
            "0, to which what is below 0.5 was rounded, is no value of qloguniform",
        ),
        (
            "{distribution: uniform, min: 0, max: 1, q: 0.1}",
            "parameters.p.q (line 4) is left out: it says nothing about uniform",
        ),
        (
            "{value: 1, valuess: [1]}",
            (
                "parameters.p.valuess (line 4) is left out: it says nothing about constant; did you"
                " mean 'values'?"
            ),
        ),
    ],
)
def test_what_changed_is_said(parameter, comment):
    assert comment in comments(sweep(parameter))


@pytest.mark.parametrize(
    ("parameter", "message"),
    [
        ("3", "4:6: parameters.p: expected a mapping, got 3"),
        (
            "null",
            "4:6: parameters.p: expected a parameter such as {min: 0, max: 1}, got null",
        ),
        ("{min: 1}", "4:6: parameters.p: lacks the key 'max'"),
        ("{mim: 1, max: 3}", "4:6: parameters.p: lacks the key 'min'; did you mean 'mim'?"),
        ("{min: 3, max: 2}", "4:12: parameters.p.min: min 3 is above max 2"),
        ("{min: low, max: 2}", "4:12: parameters.p.min: expected a number, got 'low'"),
        ("{min: 0, max: .inf}", "4:20: parameters.p.max: expected a finite number, got inf"),
        (
            "{valuess: [1]}",
            (
                "4:6: parameters.p: expected value, values, min and max, a distribution, or"
                " parameters; did you mean 'values'?"
            ),
        ),
        (
            "{values: []}",
            "4:15: parameters.p.values: expected a list of at least one value, got []",
        ),
        (
            "{values: [1, 2], probabilities: [1]}",
            "4:38: parameters.p.probabilities: expected one for each of the 2 values, got 1",
        ),
        (
            "{distribution: log_uniform_values, min: 0, max: 1}",
            "4:46: parameters.p.min: expected a number above 0, got 0",
        ),
        (
            "{distribution: log_uniform, min: 1, max: 2000}",
            (
                "4:47: parameters.p.max: bounds are exponents: 2.71828 to the power of 2000 is no"
                " number above 0; did you mean log_uniform_values, whose bounds are values?"
            ),
        ),
        (
            "{distribution: q_uniform, min: 0, max: 1, q: 0}",
            "4:51: parameters.p.q: expected a number above 0, got 0",
        ),
        (
            "{distribution: normal, sigma: 0}",
            "4:36: parameters.p.sigma: expected a number above 0, got 0",
        ),
        (
            "{distribution: int_uniform, min: 0.5, max: 1}",
            "4:39: parameters.p.min: int_uniform takes whole numbers, got 0.5",
        ),
        (
            "{value: {choice: [1]}}",
            (
                "4:14: parameters.p.value: a value that holds a mapping such as {choice: [...]}"
                " would be searched here"
            ),
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(parameter, message):
    with pytest.raises(SpecError) as caught:
        config(sweep(parameter))
    assert str(caught.value) == f"sweep.yaml:{message}"


def test_an_unknown_distribution_is_an_error_with_the_nearest_one():
    with pytest.raises(SpecError, match=r"got 'log_unform'; did you mean 'log_uniform'\?"):
        config(sweep("{distribution: log_unform, min: 0, max: 1}"))


def test_a_huge_grid_is_not_written_out():
    with pytest.raises(SpecError, match="a grid of 1,000,001 values; at most 10,000 are written"):
        config(sweep("{min: 0, max: 1000000}", "grid"))
