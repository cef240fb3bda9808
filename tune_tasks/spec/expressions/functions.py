"""The functions, constants and operators of the eval language.

Functions are reached by their full dotted name in `FUNCTIONS`, so no attribute of a value can be.
"""

from __future__ import annotations

import ast
import functools
import math
import operator
from collections.abc import Callable
from dataclasses import dataclass

from tune_tasks.spec.expressions import draws, with_numpy
from tune_tasks.spec.expressions.values import (
    MAX_BITS,
    LimitError,
    Run,
    Value,
    bounded,
    checked_digits,
    is_array,
    items_of,
    listed,
)


@dataclass(frozen=True)
class Function:
    """A function of the language.

    In `signature`, `?` marks an optional parameter and `*` the rest of them.
    """

    signature: str
    call: Callable[..., Value]

    @property
    def parameters(self) -> list[str]:
        """The names of its parameters."""
        return [word.strip("*?") for word in self.signature.split()]

    @property
    def required(self) -> list[str]:
        """The names of those that have no default."""
        return [word for word in self.signature.split() if word.isidentifier()]


def operate(run: Run, operation: Callable[..., Value], *operands: Value) -> Value:
    """The result of an operator, whose operands and result are paid for."""
    run.weigh(*operands)
    if operation not in (_contains, _lacks) and any(is_array(value) for value in operands):
        result = with_numpy.elementwise(run, operation, *operands)
    else:
        if all(isinstance(value, int) for value in operands) and len(operands) == 2:
            _check_integers(operation, *operands)
        elif len(operands) == 2:
            _check_operands(operation, *operands)
        result = operation(*operands)
    run.weigh(result)
    return result


def _check_operands(operation: Callable[..., Value], left: Value, right: Value) -> None:
    if operation is operator.mod and isinstance(left, str):
        raise TypeError("formatting with % is not part of the eval language")
    if not isinstance(right, int):
        left, right = right, left
    if (
        operation is operator.mul
        and isinstance(right, int)
        and isinstance(left, (str, list, tuple))
    ):
        bounded(len(left) * right)


def _check_integers(operation: Callable[..., Value], left: int, right: int) -> None:
    bits = 0
    if operation is operator.pow:
        bits = left.bit_length() * right
    elif operation is operator.lshift:
        bits = right
    if bits > MAX_BITS:
        raise LimitError(f"an integer would have more than {MAX_BITS} bits")


def _contains(left: Value, right: Value) -> bool:
    return listed(left) in listed(right)


def _lacks(left: Value, right: Value) -> bool:
    return not _contains(left, right)


def _round(number: Value, ndigits: Value = None) -> Value:
    return round(number, checked_digits(ndigits))


def _number(kind: type[int] | type[float], x: Value, *base: Value) -> Value:
    if isinstance(x, str) and len(x) > MAX_BITS:  # reading digits takes quadratic time
        raise LimitError(f"a number would have more than {MAX_BITS} characters")
    return kind(x, *base)


def _range(*args: int) -> list[int]:
    bounded(len(range(*args)))
    return list(range(*args))


def _sum(values: Value, start: Value = 0) -> Value:
    # Not Python's sum(): it rounds differently from 3.12 on, and takes quadratic time for lists.
    items = items_of(values)
    if not all(isinstance(item, (int, float)) for item in (*items, start)):
        raise TypeError("sum adds numbers only")
    return functools.reduce(operator.add, items, start)


def _python(signature: str, function: Callable[..., Value]) -> Function:
    return Function(signature, lambda _run, *args, **kwargs: function(*map(listed, args), **kwargs))


def _named(signature: str, call: Callable[..., Value]) -> Function:
    """A function whose `call` gets every argument by name."""
    names = signature.replace("?", "").split()
    return Function(
        signature,
        lambda run, *args, **kwargs: call(run, **dict(zip(names, args, strict=False)), **kwargs),
    )


def _table(
    module: str, rows: dict[str, str], make: Callable[[str, str], Function]
) -> dict[str, Function]:
    names = ((signature, name) for signature, row in rows.items() for name in row.split())
    return {f"{module}.{name}": make(signature, name) for signature, name in names}


_MATH = {
    "x": (
        "sqrt exp expm1 log2 log10 log1p floor ceil trunc fabs sin cos tan asin acos atan sinh cosh"
        " tanh degrees radians isnan isinf isfinite erf"
    ),
    "x y": "pow atan2 fmod copysign",
    "x base?": "log",
    "a b": "gcd",
}
_RANDOM = {
    "": "random",
    "a b": "uniform randint",
    "start stop? step?": "randrange",
    "seq": "choice",
    "population weights? cum_weights? k?": "choices",
    "population k": "sample",
    # Required: they have no defaults before Python 3.11
    "mu sigma": "gauss normalvariate lognormvariate",
    "lambd": "expovariate",
    "alpha beta": "betavariate gammavariate weibullvariate",
    "low? high? mode?": "triangular",
    "alpha": "paretovariate",
    "mu kappa": "vonmisesvariate",
}
_NUMPY_RANDOM = {
    "low? high? size?": "uniform randint",
    "loc? scale? size?": "normal laplace logistic",
    "mean? sigma? size?": "lognormal",
    "scale? size?": "exponential",
    "a b size?": "beta",
    "shape scale? size?": "gamma",
    "n p size?": "binomial",
    "lam? size?": "poisson",
    "p size?": "geometric",
    "left mode right size?": "triangular",
    "size?": "random random_sample standard_normal",
}
_NUMPY_ELEMENTWISE = {
    "x": "log log2 log10 log1p exp expm1 sqrt abs floor ceil float32 float64 int32 int64",
    "x1 x2": "power minimum maximum",
    "a a_min? a_max?": "clip",
}
_NUMPY_REDUCE = {"a axis?": "mean sum min max prod std"}
_NUMPY_GRID = {
    "start stop num? endpoint?": "linspace geomspace",
    "start stop num? endpoint? base?": "logspace",
}
FUNCTIONS: dict[str, Function] = {
    "abs": _python("x", abs),
    "all": _python("values", all),
    "any": _python("values", any),
    "bool": _python("x", bool),
    "enumerate": _python("values start?", lambda *args, **kwargs: list(enumerate(*args, **kwargs))),
    "float": _python("x", functools.partial(_number, float)),
    "int": _python("x base?", functools.partial(_number, int)),
    "len": _python("x", len),
    "list": _python("values?", list),
    "max": _python("*values default?", max),
    "min": _python("*values default?", min),
    "pow": Function("base exp", lambda run, base, exp: operate(run, operator.pow, base, exp)),
    "range": _python("start stop? step?", _range),
    "round": _python("number ndigits?", _round),
    "sorted": _python("values reverse?", sorted),
    "str": _python("x", str),
    "sum": _python("values start?", _sum),
    "tuple": _python("values?", tuple),
    "zip": _python("*values", lambda *values: list(zip(*values, strict=False))),
    **_table("math", _MATH, lambda signature, name: _python(signature, getattr(math, name))),
    **_table(
        "random",
        _RANDOM,
        lambda signature, name: _named(signature, functools.partial(draws.draw, name)),
    ),
    **_table(
        "np.random",
        _NUMPY_RANDOM,
        lambda signature, name: _named(signature, functools.partial(draws.draw_with_numpy, name)),
    ),
    "np.random.rand": Function("*sizes", functools.partial(draws.rand, "random_sample")),
    "np.random.randn": Function("*sizes", functools.partial(draws.rand, "standard_normal")),
    "np.random.choice": Function("a size? replace? p?", draws.choice),
    "np.random.permutation": Function("x", draws.permutation),
    **_table(
        "np",
        _NUMPY_ELEMENTWISE,
        lambda signature, name: Function(
            signature, functools.partial(with_numpy.call_elementwise, name)
        ),
    ),
    **_table(
        "np",
        _NUMPY_REDUCE,
        lambda signature, name: Function(signature, functools.partial(with_numpy.reduce, name)),
    ),
    **_table(
        "np",
        _NUMPY_GRID,
        lambda signature, name: _named(signature, functools.partial(with_numpy.grid, name)),
    ),
    "np.arange": Function("start stop? step?", with_numpy.arange),
    "np.round": Function("a decimals?", with_numpy.rounded),
    "np.array": _named("object", with_numpy.make_array),
}
CONSTANTS = {f"math.{name}": getattr(math, name) for name in ("pi", "e", "inf", "tau", "nan")}
CONSTANTS |= {f"np.{name}": getattr(math, name) for name in ("pi", "e", "inf", "nan")}
RESERVED = frozenset(name.split(".")[0] for name in FUNCTIONS) | {"numpy", "spec", "_i"}
OPERATORS: dict[type[ast.AST], Callable[..., Value]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
    ast.Pow: operator.pow,
    ast.LShift: operator.lshift,
    ast.RShift: operator.rshift,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
    ast.BitXor: operator.xor,
    ast.USub: operator.neg,
    ast.UAdd: operator.pos,
    ast.Invert: operator.invert,
    ast.Not: operator.not_,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: _contains,
    ast.NotIn: _lacks,
}
