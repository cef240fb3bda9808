"""What is drawn: reproducible streams that do not drift, and are as NumPy's."""

import json
import statistics

import pytest

from tests.spec.expressions.evaluating import SETTINGS, are_close, check_value, evaluate, refusal
from tune_tasks.spec.expressions.language import Expression

VALUES = [
    (
        "random.uniform(1, 1), random.randint(2, 2.0), random.choice([7]), random.sample([1], k=1)",
        [1.0, 2, 7, [1]],
    ),
    (
        (
            "np.random.randint(5, 6, size=2), np.random.choice([None]), np.random.choice(['a'],"
            " (1, 2))"
        ),
        [[5, 5], None, [["a", "a"]]],
    ),
]


@pytest.mark.parametrize(("source", "value"), VALUES, ids=[source[:40] for source, _ in VALUES])
def test_value(source, value):
    check_value(source, value)


# The streams must not drift between versions of Python and NumPy, nor between platforms; the last
# bits of what goes through the C library's exp() and log() may differ.
PINNED = [
    ("random.random()", 0.9911131084118655, 0.37702549728895995),
    ("random.uniform(1e-4, 1e-3)", 0.000992001797570679, 0.00043932294756006396),
    ("random.randint(1, 100)", 78, 49),
    ("random.choice(['a', 'b', 'c', 'd'])", "c", "d"),
    ("random.sample(range(50), 4)", [38, 23, 26, 5], [24, 41, 40, 35]),
    ("random.choices([1, 2, 3], weights=[1, 2, 7], k=5)", [3, 3, 1, 3, 3], [3, 3, 3, 3, 3]),
    ("random.randrange(0, 1000, 7)", 665, 672),
    ("random.gauss(0, 1)", 0.9651411798912504, -1.9435999192199864),
    ("random.gammavariate(2, 3)", 1.5055546613145394, 4.489845700052143),
    ("random.betavariate(2, 3)", 0.0740475415107653, 0.3094442083318467),
    ("random.paretovariate(3)", 4.827808547076693, 1.1708733178512567),
    ("random.vonmisesvariate(0, 4)", 0.06586780289759038, 0.5853456083603319),
    ("random.lognormvariate(0, 1)", 3.8353483751366833, 1.282012699559713),
    ("random.triangular(0, 1, 0.3)", 0.9211277988661776, 0.3396348344304282),
    ("random.weibullvariate(1, 2)", 2.1732873586406716, 0.687931455640564),
    ("random.expovariate(2)", 2.3615889716136738, 0.23662484382987262),
    ("np.random.uniform(0, 1)", 0.0518784769780829, 0.06555461434534471),
    ("np.random.randint(0, 1000, size=4)", [97, 440, 217, 772], [932, 593, 48, 120]),
    ("np.random.choice(['a', 2, None], size=3)", [2, "a", 2], ["a", 2, "a"]),
    ("np.random.permutation(6)", [2, 3, 4, 5, 0, 1], [5, 2, 0, 1, 4, 3]),
    ("np.random.normal()", 1.8756738248200875, -1.2348952075798763),
    ("np.random.poisson(4)", 1, 1),
]


@pytest.mark.parametrize(("source", "first", "other"), PINNED, ids=[row[0] for row in PINNED])
def test_pinned_streams(source, first, other):
    assert are_close(evaluate(source), first)
    assert are_close(evaluate(source, stream="other"), other)


NUMPY_DRAWS = (
    "np.random.beta(1, 2), np.random.gamma(1), np.random.logistic(), np.random.laplace(0, 1),"
    " np.random.exponential(2), np.random.lognormal(), np.random.standard_normal(),"
    " np.random.binomial(10, .5), np.random.geometric(.3), np.random.triangular(1, 2, 3),"
    " np.random.rand(), np.random.randn(2, 2), np.random.random(3), np.random.random_sample()"
)


def test_same_stream_same_values():
    assert evaluate(NUMPY_DRAWS) == evaluate(NUMPY_DRAWS)
    assert evaluate(NUMPY_DRAWS) != evaluate(NUMPY_DRAWS, stream="other")
    assert evaluate("random.random()", stream="\ud800") != evaluate("random.random()", stream="")


def test_draws_within_one_expression_differ():
    first, second = evaluate("[random.random() for _ in range(2)]")
    assert first != second


@pytest.mark.parametrize(
    "source", ["random.uniform(0, 1)", "np.random.uniform(0, 1)", "np.random.rand()"]
)
def test_streams_are_uniform(source):
    expression = Expression.parse(source)
    draws = [
        expression.evaluate(stream=f"0/exp/{i}/lr", index=i, lookup=SETTINGS.get)
        for i in range(500)
    ]
    assert len(set(draws)) == 500
    assert abs(statistics.mean(draws) - 1 / 2) < 0.06
    assert abs(statistics.pvariance(draws) - 1 / 12) < 0.012


def test_numpy_choice_and_permutation_draw_what_numpy_draws():
    import numpy as np

    from tune_tasks.spec.expressions.run import Run

    seed = Run("s", 0, SETTINGS.get).seed % 2**32
    for source, draw in [
        ("np.random.choice([3, 5, 9], size=6)", lambda r: r.choice([3, 5, 9], size=6)),
        (
            "np.random.choice([3, 5, 9], 2, replace=False)",
            lambda r: r.choice([3, 5, 9], 2, replace=False),
        ),
        ("np.random.choice(3, p=[.2, .3, .5])", lambda r: r.choice(3, p=[0.2, 0.3, 0.5])),
        ("np.random.permutation([3, 5, 9, 1])", lambda r: r.permutation([3, 5, 9, 1])),
        ("np.random.randint(1, 10**6)", lambda r: r.randint(1, 10**6, dtype="int64")),
        ("np.random.randn(2)", lambda r: r.randn(2)),
    ]:
        assert json.dumps(evaluate(source, stream="s")) == json.dumps(
            np.asarray(draw(np.random.RandomState(seed))).tolist()
        )


MESSAGES = [
    (
        "random.gammavariate(math.inf, 1)",
        (
            "'random.gammavariate(math.inf, 1)' failed: ValueError: expected a finite number of at"
            " most 1e+100, got inf"
        ),
    ),
]


@pytest.mark.parametrize(("source", "message"), MESSAGES)
def test_messages(source, message):
    assert refusal(source) == message
