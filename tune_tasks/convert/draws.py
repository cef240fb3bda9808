"""Reads an `eval` that only draws as a domain: `2 ** random.uniform(1, 3)` as `loguniform`. Pure.

Python's parser is used, and the eval language for the numbers that are in the expression. Nothing
is drawn.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from typing import Any

from tune_tasks.convert.drawn import (
    Bell,
    Dependent,
    Domain,
    Drawn,
    Flat,
    LogBell,
    LogSteps,
    NoDomainError,
    Options,
    Steps,
)
from tune_tasks.errors import ExpressionError
from tune_tasks.model.paths import NodePath
from tune_tasks.spec.domains import DOMAINS
from tune_tasks.spec.expressions.functions import FUNCTIONS
from tune_tasks.spec.expressions.language import Expression
from tune_tasks.spec.expressions.names import dotted
from tune_tasks.spec.expressions.syntax import parsed
from tune_tasks.spec.search_parsing import holds_marker

_Arguments = Mapping[str, ast.expr]
_INDEX = "_i"
_MOST_OPTIONS = 1_000
_SEVERAL = ("size", "p", "replace")
"""Arguments of NumPy's with which it draws several values, or some of them more often."""


def domain_of(expression: str) -> tuple[Domain, str] | None:
    """The domain that an expression draws from, and in what it differs.

    Returns:
        None if there is none: the expression draws nothing, or what no domain says.

    Raises:
        ExpressionError: If it is not in the eval language.
    """
    if not Expression.parse(expression).draws:
        return None
    try:
        found = _drawn(parsed(expression))
        domain = found.domain()
    except (ValueError, ArithmeticError):  # a NoDomainError, or a number out of range
        return None
    return (domain, found.note) if _is_valid(domain) else None


def _is_valid(domain: Domain) -> bool:
    ((name, given),) = domain.items()
    is_dependent = name != "choice" and any(isinstance(each, dict) for each in given)
    return is_dependent or not DOMAINS[name].problem(given)


def _drawn(node: ast.expr) -> Drawn:
    if isinstance(node, ast.Call):
        return _of_call(node)
    if isinstance(node, ast.BinOp):
        return _of_operation(node)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return _drawn(node.operand).scaled(-1, 0)
    raise NoDomainError


# ── Operations ─────


def _of_operation(node: ast.BinOp) -> Drawn:
    operation = _OPERATIONS.get(type(node.op))
    if operation is None:
        raise NoDomainError
    return operation(node.left, node.right)


def _add(left: ast.expr, right: ast.expr) -> Drawn:
    if _draws(left):
        left, right = right, left
    return _drawn(right).scaled(1, _number(left))


def _subtract(left: ast.expr, right: ast.expr) -> Drawn:
    if _draws(left):
        return _drawn(left).scaled(1, -_number(right))
    return _drawn(right).scaled(-1, _number(left))


def _multiply(left: ast.expr, right: ast.expr) -> Drawn:
    if _draws(left):
        left, right = right, left
    return _drawn(right).scaled(_factor(left), 0)


def _divide(left: ast.expr, right: ast.expr) -> Drawn:
    return _drawn(left).scaled(1 / _factor(right), 0)


def _power(base: ast.expr, exponent: ast.expr) -> Drawn:
    return _drawn(exponent).exponent_of(_positive(base))


_OPERATIONS: Mapping[type[ast.operator], Callable[[ast.expr, ast.expr], Drawn]] = {
    ast.Add: _add,
    ast.Sub: _subtract,
    ast.Mult: _multiply,
    ast.Div: _divide,
    ast.Pow: _power,
}


# ── Calls ─────


def _of_call(node: ast.Call) -> Drawn:
    name = dotted(node.func)
    if name is None or name not in _CALLS:
        raise NoDomainError
    return _CALLS[name](_arguments(name, node))


def _arguments(name: str, node: ast.Call) -> _Arguments:
    """The arguments by their names; those of the language, which has checked them."""
    function = FUNCTIONS[name]
    if function.takes_any_number and node.args:
        raise NoDomainError
    given = dict(zip(function.parameters, node.args, strict=False))
    given |= {str(keyword.arg): keyword.value for keyword in node.keywords}
    if any(key in given for key in _SEVERAL):
        raise NoDomainError
    return given


def _unit(_given: _Arguments) -> Drawn:
    return Flat(0, 1)


def _uniform(given: _Arguments) -> Drawn:
    low, high = _bound(given["a"]), _bound(given["b"])
    if _are_numbers(low, high):
        return Flat(*sorted((low, high)))
    ends = f"{ast.unparse(given['a'])}, {ast.unparse(given['b'])}"
    # Python's uniform takes its ends in either order, and only the trial knows them.
    return Dependent("uniform", [{"eval": f"min({ends})"}, {"eval": f"max({ends})"}])


def _uniform_of_numpy(given: _Arguments) -> Drawn:
    low = _number(given["low"]) if "low" in given else 0
    high = _number(given["high"]) if "high" in given else 1
    return Flat(*sorted((low, high)))


def _randint(given: _Arguments) -> Drawn:
    first, last = _bound(given["a"]), _bound(given["b"])
    if _are_numbers(first, last):
        return Steps(_as_whole(first), _as_whole(last))
    return Dependent("int", [first, last])


def _randint_of_numpy(given: _Arguments) -> Drawn:
    ends = [_as_whole(_number(given[key])) for key in ("low", "high") if key in given]
    return _below(*ends, note="the upper end did not count")


def _randrange(given: _Arguments) -> Drawn:
    keys = ("start", "stop", "step")
    return _below(*(_as_whole(_number(given[key])) for key in keys if key in given))


def _below(*ends: int, note: str = "") -> Drawn:
    """A number of Python's `range`."""
    numbers = range(*ends)
    if not numbers:
        raise NoDomainError
    first, last = sorted((numbers[0], numbers[-1]))
    return Steps(first, last, abs(numbers.step), note=note)


def _choice(given: _Arguments) -> Drawn:
    return _one_of(_constant(given["seq"]))


def _choice_of_numpy(given: _Arguments) -> Drawn:
    options = _constant(given["a"])
    return _below(options) if isinstance(options, int) else _one_of(options)


def _one_of(options: Any) -> Drawn:
    if isinstance(options, str):
        options = list(options)
    if not isinstance(options, list) or len(options) > _MOST_OPTIONS or holds_marker(options):
        raise NoDomainError
    return Options(options)


def _normal(mean: str, deviation: str) -> Callable[[_Arguments], Drawn]:
    """A normal distribution, whose arguments have these names."""

    def make(given: _Arguments) -> Drawn:
        first = _bound(given[mean]) if mean in given else 0
        # A domain's is above 0, and one that depends might not be.
        second = _positive(given[deviation]) if deviation in given else 1
        if _are_numbers(first, second):
            return Bell(first, second)
        return Dependent("normal", [first, second])

    return make


def _lognormal(mean: str, deviation: str) -> Callable[[_Arguments], Drawn]:
    def make(given: _Arguments) -> Drawn:
        first = _number(given[mean]) if mean in given else 0
        second = _number(given[deviation]) if deviation in given else 1
        return LogBell(first, second)

    return make


def _exp(given: _Arguments) -> Drawn:
    return _drawn(given["x"]).exponent_of(math.e)


def _pow(base: str, exponent: str) -> Callable[[_Arguments], Drawn]:
    return lambda given: _power(given[base], given[exponent])


def _pow_of_floats(given: _Arguments) -> Drawn:
    return _drawn(given["y"]).exponent_of(float(_positive(given["x"])))


def _int(given: _Arguments) -> Drawn:
    if "base" in given:
        raise NoDomainError
    return _drawn(given["x"]).cut()


def _float(given: _Arguments) -> Drawn:
    found = _drawn(given["x"])
    if isinstance(found, Steps):
        return found.scaled(1.0, 0)
    if isinstance(found, Options):
        return found.each(float)
    if isinstance(found, LogSteps) or (isinstance(found, Dependent) and found.name == "int"):
        raise NoDomainError
    return found


def _round(given: _Arguments) -> Drawn:
    if "ndigits" not in given:
        return _drawn(given["number"]).rounded(0)
    return _drawn(given["number"]).rounded(_digits(given["ndigits"]))


def _round_of_numpy(given: _Arguments) -> Drawn:
    if "decimals" not in given:
        raise NoDomainError  # its whole numbers are floats
    return _drawn(given["a"]).rounded(_digits(given["decimals"]))


def _digits(node: ast.expr) -> int:
    digits = _as_whole(_number(node))
    if not digits:
        raise NoDomainError  # whole numbers that are floats
    return digits


_CALLS: Mapping[str, Callable[[_Arguments], Drawn]] = {
    "random.random": _unit,
    "np.random.random": _unit,
    "np.random.random_sample": _unit,
    "np.random.rand": _unit,
    "random.uniform": _uniform,
    "np.random.uniform": _uniform_of_numpy,
    "random.randint": _randint,
    "np.random.randint": _randint_of_numpy,
    "random.randrange": _randrange,
    "random.choice": _choice,
    "np.random.choice": _choice_of_numpy,
    "random.gauss": _normal("mu", "sigma"),
    "random.normalvariate": _normal("mu", "sigma"),
    "np.random.normal": _normal("loc", "scale"),
    "np.random.randn": lambda _given: Bell(0, 1),
    "np.random.standard_normal": lambda _given: Bell(0, 1),
    "random.lognormvariate": _lognormal("mu", "sigma"),
    "np.random.lognormal": _lognormal("mean", "sigma"),
    "math.exp": _exp,
    "np.exp": _exp,
    "pow": _pow("base", "exp"),
    "math.pow": _pow_of_floats,
    "np.power": _pow("x1", "x2"),
    "int": _int,
    "float": _float,
    "round": _round,
    "np.round": _round_of_numpy,
}
"""What draws, and what is done to what is drawn, by the name of the function."""


# ── What is not drawn ─────


def _draws(node: ast.expr) -> bool:
    return Expression.parse(ast.unparse(node)).draws


def _bound(node: ast.expr) -> Any:
    """A number, or an `eval` that refers to other settings."""
    source = ast.unparse(node)
    expression = Expression.parse(source)
    if not expression.references:
        return _number(node)
    if expression.draws or _uses_index(node):
        raise NoDomainError
    return {"eval": source}


def _are_numbers(*bounds: Any) -> bool:
    return not any(isinstance(bound, dict) for bound in bounds)


def _constant(node: ast.expr) -> Any:
    """The value of an expression that is the same in every trial."""
    expression = Expression.parse(ast.unparse(node))
    if expression.draws or expression.references or _uses_index(node):
        raise NoDomainError
    try:
        return expression.evaluate(stream="", index=0, lookup=_nothing)
    except ExpressionError:
        raise NoDomainError from None


def _nothing(_path: NodePath) -> Any:
    raise NoDomainError


def _uses_index(node: ast.expr) -> bool:
    return any(isinstance(each, ast.Name) and each.id == _INDEX for each in ast.walk(node))


def _number(node: ast.expr) -> Any:
    value = _constant(node)
    if type(value) not in (int, float) or not math.isfinite(value):
        raise NoDomainError
    return value


def _factor(node: ast.expr) -> Any:
    factor = _number(node)
    if factor == 0:
        raise NoDomainError
    return factor


def _positive(node: ast.expr) -> Any:
    number = _number(node)
    if number <= 0:
        raise NoDomainError
    return number


def _as_whole(number: float) -> int:
    if number != int(number):
        raise NoDomainError
    return int(number)
