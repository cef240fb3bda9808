"""Expressions that draw, and the domains that draw the same."""

import pytest

from tests.convert.distributions import distance, quantiles
from tune_tasks.convert.draws import domain_of
from tune_tasks.errors import ExpressionError
from tune_tasks.spec.domains import DOMAINS
from tune_tasks.spec.expressions.language import Expression
from tune_tasks.spec.search_space import SearchSpace

SAME = {
    "random.uniform(0, 1)": {"uniform": [0, 1]},
    "random.uniform(a=3, b=-1.5)": {"uniform": [-1.5, 3]},
    "random.random()": {"uniform": [0, 1]},
    "np.random.uniform()": {"uniform": [0, 1]},
    "np.random.uniform(high=3)": {"uniform": [0, 3]},
    "numpy.random.uniform(1e-4, 1e-3)": {"uniform": [0.0001, 0.001]},
    "np.random.rand()": {"uniform": [0, 1]},
    "np.random.random_sample() * 5 - 1": {"uniform": [-1, 4]},
    "1 - random.random()": {"uniform": [0, 1]},
    "-random.uniform(1, 2) / 4": {"uniform": [-0.5, -0.25]},
    "float(random.uniform(1, 2))": {"uniform": [1, 2]},
    "10 ** random.uniform(-4, -1)": {"loguniform": [0.0001, 0.1]},
    "pow(10, np.random.uniform(-3.5, -2.5))": {"loguniform": [0.000316227766017, 0.00316227766017]},
    "0.1 ** random.uniform(1, 4)": {"loguniform": [0.0001, 0.1]},
    "math.exp(random.uniform(-9, -1))": {"loguniform": [0.000123409804087, 0.367879441171]},
    "np.power(2, np.random.uniform(3, 7))": {"loguniform": [8, 128]},
    "3e-2 * 10 ** random.uniform(-2, 0)": {"loguniform": [0.0003, 0.03]},
    "random.randint(1, 6)": {"int": [1, 6]},
    "random.randrange(5)": {"int": [0, 4]},
    "random.randrange(10, 0, -3)": {"quniform": [1, 10, 3]},
    "100 * random.randint(1, 9)": {"quniform": [100, 900, 100]},
    "random.randint(1, 9) / 10": {"quniform": [0.1, 0.9, 0.1]},
    "random.randint(1, 9) + 10": {"int": [11, 19]},
    "int(random.randint(1, 3))": {"int": [1, 3]},
    "float(random.randint(1, 3))": {"quniform": [1.0, 3.0, 1.0]},
    "float(random.choice([1, 2]))": {"choice": [1.0, 2.0]},
    "math.pow(2, random.randint(1, 3))": {"choice": [2.0, 4.0, 8.0]},
    "int(random.uniform(1, 10))": {"int": [1, 9]},
    "np.random.choice(4)": {"int": [0, 3]},
    "10 ** random.randint(-5, -2)": {"choice": [1e-05, 0.0001, 0.001, 0.01]},
    "2 ** random.randint(4, 8)": {"choice": [16, 32, 64, 128, 256]},
    "random.choice([16, 32, 64])": {"choice": [16, 32, 64]},
    "2 * random.choice([1, 2, 4])": {"choice": [2, 4, 8]},
    "10 ** random.choice([-1, -3])": {"choice": [0.1, 0.001]},
    "random.choice(range(16, 65, 16))": {"choice": [16, 32, 48, 64]},
    "np.random.choice([2 ** 4, 2 * 16, 64])": {"choice": [16, 32, 64]},
    "random.gauss(0, 1)": {"normal": [0, 1]},
    "np.random.normal(loc=2, scale=0.5)": {"normal": [2, 0.5]},
    "3 + 2 * np.random.randn()": {"normal": [3, 2]},
    "random.lognormvariate(0, 0.5)": {"lognormal": [0, 0.5]},
    "10 * np.random.lognormal(0, 0.5)": {"lognormal": [2.30258509299, 0.5]},
    "2 ** random.gauss(0, 1)": {"lognormal": [0.0, 0.69314718056]},
    "round(2 ** random.uniform(3, 7))": {"logint": [8, 128]},
}


def drawn(expression, count=1_500):
    parsed = Expression.parse(expression)
    return [parsed.evaluate(stream=f"s{i}", index=0, lookup=None) for i in range(count)]


@pytest.mark.long
@pytest.mark.parametrize("expression", SAME)
def test_the_domain_draws_the_same(expression):
    assert domain_of(expression) == (SAME[expression], "")
    theirs = drawn(expression)
    ours = quantiles(SAME[expression])
    assert type(ours[1]) in {type(each) for each in theirs}
    assert distance(ours, theirs) < 0.04


@pytest.mark.long
@pytest.mark.parametrize(
    ("expression", "domain", "difference"),
    [
        ("np.random.randint(1, 5)", {"int": [1, 4]}, "the upper end did not count"),
        ("np.random.randint(5)", {"int": [0, 4]}, "the upper end did not count"),
        (
            "round(random.uniform(0, 1), 2)",
            {"quniform": [0, 1, 0.01]},
            "its ends were half as likely as the rest",
        ),
        (
            "round(random.uniform(1, 9))",
            {"int": [1, 9]},
            "its ends were half as likely as the rest",
        ),
        (
            "np.round(np.random.uniform(0.1, 0.9), 1)",
            {"quniform": [0.1, 0.9, 0.1]},
            "its ends were half as likely as the rest",
        ),
        (
            "int(random.uniform(0.5, 9.5))",
            {"int": [0, 9]},
            "its ends were less likely than the rest",
        ),
        (
            "int(10 ** random.uniform(1, 3))",
            {"logint": [10, 999]},
            "it was rounded down, and is rounded to the nearest now",
        ),
    ],
)
def test_a_difference_is_said(expression, domain, difference):
    assert domain_of(expression) == (domain, difference)
    ((name, given),) = domain.items()
    theirs = drawn(expression)
    assert all(DOMAINS[name].coordinate(value, *given) is not None for value in theirs)
    assert distance(quantiles(domain), theirs) < 0.1


def test_bounds_may_depend():
    assert domain_of("random.randint(1, spec.config.n // 2)") == (
        {"int": [1, {"eval": "spec.config.n // 2"}]},
        "",
    )
    assert domain_of("random.gauss(spec.config.a, 1)") == (
        {"normal": [{"eval": "spec.config.a"}, 1]},
        "",
    )


@pytest.mark.parametrize(("n", "ends"), [(5, (2, 5)), (1, (1, 2))])
def test_bounds_that_depend_are_never_the_wrong_way_round(n, ends):
    domain, _ = domain_of("random.uniform(spec.config.n, 2)")
    space = SearchSpace({"x": domain, "n": n})
    values = [space.resolve(0, f"s{i}").config["x"] for i in range(20)]
    assert ends[0] <= min(values) < max(values) <= ends[1]


def test_choices_of_anything():
    assert domain_of("random.choice(['a', None, (1, 2), {'x': 1}])") == (
        {"choice": ["a", None, [1, 2], {"x": 1}]},
        "",
    )
    assert domain_of("random.choice('ab')") == ({"choice": ["a", "b"]}, "")


@pytest.mark.parametrize(
    "expression",
    [
        "0.5",
        "spec.config.lr * 2",
        "1 - 10 ** random.uniform(-4, -1)",
        "random.uniform(0, 1) + random.uniform(0, 1)",
        "random.uniform(_i, 3)",
        "random.uniform(0, random.random())",
        "spec.config.alpha * np.random.normal()",
        "spec.config.base ** random.uniform(1, 2)",
        "(-2) ** random.randint(1, 3)",
        "random.random() ** 2",
        "random.random() * 0",
        "random.random() // 0.1",
        "random.betavariate(1, 2)",
        "random.choices([1, 2], [1, 9])[0]",
        "random.sample([1, 2, 3], 2)",
        "np.random.choice([1, 2], p=[.1, .9])",
        "np.random.uniform(0, 1, 3)",
        "np.random.rand(2)",
        "np.round(np.random.uniform(1, 9))",
        "int(random.uniform(-2, 2))",
        "int(random.gauss(0, 1))",
        "round(random.gauss(0, 1))",
        "round(10 ** random.uniform(0, 1), 2)",
        "10 ** random.uniform(1, 500)",
        "10 ** random.randint(1, 1000)",
        "random.uniform(1e308, -1e308) * 10",
        "random.randint(5, 1)",
        "random.randrange(3, 1)",
        "random.randint(1 / 0, 3)",
        "random.choice([])",
        "random.choice(range(2000))",
        "random.choice(3)",
        "random.choice([16, random.randint(1, 2)])",
        "random.choice([{'choice': [1]}])",
        "random.choice([x for x in range(3)]) if _i else 1",
        "random.gauss(0, 0)",
        "random.gauss(0, spec.config.s)",
        "random.gauss(spec.config.m, 0)",
        "float(random.randint(1, spec.config.n))",
        "float(round(2 ** random.uniform(3, 7)))",
        "float(random.choice(['1', '2']))",
        "round(random.uniform(1, 9), 0)",
        "int(random.choice(['1', '2']))",
        "int('11', 2) + len(str(random.random()))",
    ],
)
def test_what_no_domain_says_is_left(expression):
    assert domain_of(expression) is None


def test_what_is_no_expression_is_an_error():
    with pytest.raises(ExpressionError, match=r"did you mean 'random\.uniform'\?"):
        domain_of("random.unifrom(0, 1)")
