"""The language as a whole: what it refuses, and that nothing in it runs away."""

import json
import pickle
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.spec.expressions.evaluating import SETTINGS, refusal
from tune_tasks.errors import ExpressionError
from tune_tasks.spec.expressions import language
from tune_tasks.spec.expressions.language import Expression
from tune_tasks.spec.expressions.run import Run
from tune_tasks.spec.expressions.syntax import MAX_SOURCE
from tune_tasks.spec.expressions.values import MAX_LENGTH


def test_expression_survives_pickling():
    expression = Expression.parse("spec.config.lr * _i")
    copy = pickle.loads(pickle.dumps(expression))
    assert copy == expression
    assert copy.evaluate(stream="", index=2, lookup=SETTINGS.__getitem__) == 1.0


def test_errors_of_lookup_pass_through():
    def lookup(path):
        raise ExpressionError(f"{path} refers to itself")

    with pytest.raises(ExpressionError, match="refers to itself") as caught:
        Expression.parse("spec.config.lr + 1").evaluate(stream="", index=0, lookup=lookup)
    assert "failed" not in caught.value.message


def test_a_setting_is_looked_up_once():
    calls = []

    def lookup(path):
        calls.append(path)
        return 1

    expression = Expression.parse("[spec.config.lr for _ in range(3)]")
    assert expression.evaluate(stream="", index=0, lookup=lookup) == [1, 1, 1]
    assert calls == [("lr",)]


MESSAGES = [
    ("1 / 0", "'1 / 0' failed: ZeroDivisionError: division by zero"),
    ("{'a': 1}['b']", "\"{'a': 1}['b']\" failed: KeyError: 'b'"),
]


@pytest.mark.parametrize(("source", "message"), MESSAGES)
def test_messages(source, message):
    assert refusal(source) == message


def test_long_expressions_are_shortened_in_messages():
    assert len(refusal("1 / 0 + " + "1 + " * 40 + "1")) < 130
    assert len(refusal("x" * 9000 + ".y()")) < 200


HOSTILE = {
    "nesting": [
        "-" * 9_999 + "1",
        "(" * 4_900 + "1" + ")" * 4_900,
        "not " * 2_000 + "1",
        "~" * 150 + "1",
        "1" + "+1" * 4_000,
        "1" + "**1" * 3_000,
        "lambda:" * 1_400 + "1",
        "1 if 1 else " * 800 + "1",
        "x" + ".b" * 4_000,
        "x" + "[0]" * 3_000,
        "x" + "()" * 4_000,
        "[0 " + "for a in [1] " * 600 + "]",
        "1 " * (MAX_SOURCE // 2 + 1),
    ],
    "syntax": [
        "",
        "\0",
        "\ud800",
        "'\\d'",
        "1\n2",
        "9" * 9_000,
        "0x" + "f" * 2_000,
        "f'" + "{" * 50,
        "1 if else",
        "1if 1else 1",
    ],
    "escapes": [
        "().__class__.__bases__[0].__subclasses__()",
        "''.__class__.__mro__",
        "[].append(1)",
        "random.seed.__globals__",
        "random._os.system('id')",
        "random.SystemRandom()",
        "random.Random(1)",
        "math.__loader__",
        "np.__builtins__",
        "np.load('/etc/passwd')",
        "np.random.seed(0)",
        "np.random.RandomState",
        "__import__('os').system('id')",
        "open('/etc/passwd').read()",
        "exec('1')",
        "eval('1')",
        "compile('1', '', 'eval')",
        "getattr(1, 'real')",
        "globals()",
        "type(1)",
        "print(1)",
        "_i.real",
        "1 .real",
        "[x.__class__ for x in [1]]",
        "[x() for x in [1]]",
        "[x.a() for x in [1]]",
        "[min for min in [1]]",
        "[0 for random in [1]]",
        "[0 for spec in [1]]",
        "[0 for _i in [1]]",
        "[0 for __class__ in [1]]",
        "[0 for x.y in [1]]",
        "[0 for (a, (b, c)) in [1]]",
        "(lambda: 1)()",
        "(x := 1)",
        "f'{1}'",
        "{1, 2}",
        "{x: x for x in [1]}",
        "{**{}}",
        "[*[1]]",
        "max(*[1])",
        "max(**{})",
        "await x",
        "[x async for x in [1]]",
        "(yield)",
        "...",
        "1j",
        "b'a'",
        "spec",
        "spec.config",
        "spec.config[_i]",
        "spec.config.__class__",
        "spec.config.lr.__class__",
        "spec.config['lr']['__class__']",
        "spec.config.lr()",
        "spec.config.layers[_i].x",
    ],
    "types": [
        "(-8) ** (1 / 3)",
        "{(1, 2): 3}",
        "{None: 1}",
        "{}[(1, 2)]",
        "[0 for a, b in [1]]",
        "[0 for a, b in [[1]]]",
        "[x for x in 5]",
        "[1] < ['a']",
        "1 + 'a'",
        "[1][5]",
        "min()",
        "abs(x=1)",
        "math.floor(math.nan)",
        "int(math.inf)",
        "sum(['a'])",
        "np.log(0)",
        "np.mean([])",
        "np.array([1]) / 0",
        "np.array(['a'])",
        "np.array([2 ** 63])",
        "np.array([1, [2]])",
        "np.array([1]) @ np.array([1])",
        "np.array([1, 2])[None]",
        "np.array([1, 2])[True]",
        "np.array([1, 2])[[0] * 1000]",
        "np.array([1, 2])['a']",
        "np.int64(1e300)",
        "np.random.choice([])",
        "np.random.normal([1, 2])",
        "np.random.randint(1.5)",
        "random.choice([])",
    ],
    "integers": [
        "9 ** 9 ** 9",
        "2 ** 4096",
        "(-3) ** (10 ** 10)",
        "(2 ** 4000) * (2 ** 4000)",
        "pow(7, 10 ** 9)",
        "1 << 10 ** 9",
        "True << 10 ** 6",
        "int('9' * 100000)",
        "int('f' * 4000, 16)",
        "float('1' * 100000)",
        "round(5, -10 ** 9)",
        "np.round(5, -10 ** 9)",
        "np.power(2 ** 100, 2 ** 20)",
        "math.factorial(10 ** 6)",
        "math.comb(10 ** 6, 10 ** 5)",
        "[3 ** 2000 // 7 ** 500 for i in range(100000)]",
        "[round(10 ** 1000, -400) for i in range(100000)]",
    ],
    "sizes": [
        "'a' * 10 ** 9",
        "10 ** 9 * 'a'",
        "[0] * 10 ** 9",
        "range(10 ** 9)",
        "range(10 ** 30)",
        "'%1000000000d' % 1",
        "'%s' % [1]",
        "'{:1000000000}'.format(1)",
        "list(range(90000)) + list(range(90000))",
        "sum([[1]] * 10000, [])",
        "(((((((0,) * 99,) * 99,) * 99,) * 99,) * 99,) * 99)",
        (
            "(((((((0,) * 9,) * 9,) * 9,) * 9,) * 9,) * 9) == (((((((0,) * 9,) * 9,) * 9,) * 9,) *"
            " 9,) * 9)"
        ),
        "[[[x] * 300 for x in range(300)] for y in range(300)]",
        "['a' * 99999 for x in range(100000)]",
        "str([['a' * 1000] * 100] * 100)",
        "np.random.uniform(size=10 ** 9)",
        "np.random.uniform(0, 1, (10 ** 5, 10 ** 5))",
        "np.random.rand(10 ** 5, 10 ** 5)",
        "np.random.rand(10 ** 5, 10 ** 5, 0)",
        "np.random.randint(0, 10, -1)",
        "np.random.choice(10 ** 9)",
        "np.random.choice(5, size=10 ** 9)",
        "np.random.permutation(1e9)",
        "np.linspace(0, 1, 10 ** 9)",
        "np.linspace([0] * 90000, 1, 90000)",
        "np.arange(10 ** 9)",
        "np.arange(0, 1, 1e-300)",
        "np.arange(0, 1, 5e-324)",
        "np.arange(0, math.inf)",
        "np.array([[0] * 90000] * 90000)",
        "np.array(['a' * 10000] * 10000)",
        "np.array([0] * 1000) + np.array([[0]] * 1000)",
        "np.array([0] * 1000) == np.array([[0]] * 1000)",
        "(np.random.rand(20000, 1),) < (np.random.rand(20000),)",
        "np.clip([1] * 1000, [[1]] * 1000, 5)",
        "np.random.rand(10 ** 5, 0) + np.random.rand(10 ** 5, 1, 0)",
        "random.choices([1], k=10 ** 9)",
        "random.sample(range(10 ** 9), 3)",
        "random.sample([1, 2], 10 ** 9)",
    ],
    "loops": [
        "[0 for a in range(100000) for b in range(100000)]",
        "[[0 for b in range(1000)] for a in range(1000)]",
        "[0 for x in [range(1000)] for a in x for b in x for c in x]",
        "[0 " + "for a in range(50) " * 5 + "]",
        "[sum(range(1000)) for a in range(1000)]",
        "[sorted(range(10000)) for a in range(1000)]",
        "[('a' * 50000 in 'a' * 99999 + 'b') for i in range(10000)]",
        "[random.random() for i in range(100000)]",
        "[np.random.uniform() for i in range(100000)]",
        "[np.sqrt(2) for i in range(100000)]",
        "[x == x for x in [[1] * 1000] * 1000]",
        "[spec.config.layers for i in range(100000)]",
        "list(zip([1] * 100000, [1] * 100000))",
        "[np.random.choice(1000, 900, False, [.001] * 1000) for i in range(1000)]",
        "random.gammavariate(1e308, 1)",
        "random.vonmisesvariate(0, math.nan)",
        "random.betavariate(math.inf, 1)",
        "random.randint(0, math.nan)",
        "np.random.gamma(1e308)",
        "np.random.geometric(math.nan)",
        "np.random.geometric(1e-100)",
        "np.random.poisson(math.inf)",
        "np.random.zipf(1.0001)",
        "np.random.hypergeometric(10 ** 9, 10 ** 9, 10 ** 9)",
    ],
}
ALL_HOSTILE = [source for sources in HOSTILE.values() for source in sources]


EXTREME = [
    (
        "[random.gammavariate(1e100, 1), random.gammavariate(1e-100, 1),"
        " random.gammavariate(1 + 1e-15, 1)]"
    ),
    (
        "[random.betavariate(1e100, 1e-100), random.vonmisesvariate(0, 1e100),"
        " random.vonmisesvariate(0, 1.1e-6)]"
    ),
    (
        "np.random.gamma(1e100, size=1000), np.random.gamma(1e-100, size=1000),"
        " np.random.beta(1e-100, 1e-100, size=1000)"
    ),
    (
        "np.random.binomial(2 ** 62, .5, size=1000), np.random.poisson(9e18, size=1000),"
        " np.random.geometric(1e-9, size=1000)"
    ),
]
GUARDED = """
import json, re, resource, sys
from pathlib import Path
import numpy.random
from tune_tasks.errors import ExpressionError
from tune_tasks.spec.expressions.language import Expression
resource.setrlimit(resource.RLIMIT_AS, (2 << 30, 2 << 30))
def peak():
    # Not ru_maxrss, which begins with the peak of the process that has started this one.
    return int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])
before, accepted = peak(), []
for source in json.load(sys.stdin):
    try:
        Expression.parse(source).evaluate(stream="s", index=3, lookup=lambda path: [1, 2])
    except ExpressionError:
        continue
    accepted.append(source)
print(json.dumps({"accepted": accepted, "kib": peak() - before}))
"""


def guarded(sources):
    """Evaluate in a process of its own, which is killed if one of them never ends."""
    result = subprocess.run(
        [sys.executable, "-c", GUARDED],
        input=json.dumps(sources),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    return json.loads(result.stdout)


@pytest.mark.processes
def test_hostile_expressions_stay_small():
    report = guarded(ALL_HOSTILE)
    assert report["accepted"] == []
    assert report["kib"] < 100 * 1024


@pytest.mark.processes
def test_extreme_parameters_end():
    assert guarded(EXTREME)["accepted"] == EXTREME


@pytest.fixture
def runs(monkeypatch):
    """The run of every evaluation of the test."""
    made = []

    class RecordedRun(Run):
        def __init__(self, *args):
            super().__init__(*args)
            made.append(self)

    monkeypatch.setattr(language, "Run", RecordedRun)
    return made


@pytest.mark.long
@pytest.mark.parametrize("group", HOSTILE)
def test_hostile_expressions_are_refused_within_the_budget(group, runs):
    for source in HOSTILE[group]:
        assert refusal(source)
        # What ends an evaluation is one step more, or one value too many.
        assert all(run.steps >= -MAX_LENGTH for run in runs), source[:80]
        runs.clear()


TOKENS = [
    *"()[]{},.:+-*/%<>=&|^~ 0129_ix'",
    *("**", "//", "=="),
    *(" in ", " not ", " and ", " if ", " else ", " for x in ", "lambda"),
    *("np.", "random.", "math.", "spec.config."),
    *("uniform(", "choice(", "randint(", "range(", "array(", "sum(", "str(", "int("),
    *("_i", "size=", "1e308", "__class__", "10**9"),
]


def _never_another_error(source):
    try:
        result = Expression.parse(source).evaluate(
            stream="s", index=1, lookup=lambda path: [1, 2.0, "x"]
        )
    except ExpressionError:
        return
    json.dumps(result)


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=40))
def test_random_text_raises_only_expression_errors(source):
    _never_another_error(source)


@pytest.mark.long
@settings(max_examples=500, deadline=None)
@given(st.lists(st.sampled_from(TOKENS), max_size=14).map("".join))
def test_random_tokens_raise_only_expression_errors(source):
    _never_another_error(source)
