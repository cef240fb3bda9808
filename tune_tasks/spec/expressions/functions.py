"""The functions and constants of the eval language, in tables.

Functions are reached by their full dotted name in `FUNCTIONS`, so no attribute of a value can be.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tune_tasks.spec.expressions import draws, with_numpy
from tune_tasks.spec.expressions.operators import operate
from tune_tasks.spec.expressions.run import Run
from tune_tasks.spec.expressions.values import (
    MAX_BITS,
    LimitError,
    Value,
    bounded,
    checked_digits,
    items_of,
    listed,
)


@dataclass(frozen=True)
class Function:
    """A function of the language.

    Attributes:
        signature: The names of its parameters. `?` marks an optional one; `*` marks one that stands
            for any number of arguments.
        call: Gets the run, and the arguments' values, by position or name as they are written.
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

    @property
    def takes_any_number(self) -> bool:
        """Return whether it takes any number of arguments without a name."""
        return self.signature.startswith("*")


def _of_python(signature: str, function: Callable[..., Value]) -> Function:
    """A function of Python, which knows neither runs nor arrays."""

    def call(_run: Run, *args: Value, **kwargs: Value) -> Value:
        return function(*map(listed, args), **kwargs)

    return Function(signature, call)


def _by_name(signature: str, function: Callable[..., Value]) -> Function:
    """A function that gets every argument by its name."""
    names = signature.replace("?", "").split()

    def call(run: Run, *args: Value, **kwargs: Value) -> Value:
        named = dict(zip(names, args, strict=False))
        return function(run, **named, **kwargs)

    return Function(signature, call)


def _of_math(signature: str, name: str) -> Function:
    return _of_python(signature, getattr(math, name))


def _of_random(signature: str, name: str) -> Function:
    return _by_name(signature, functools.partial(draws.draw, name))


def _of_numpy_random(signature: str, name: str) -> Function:
    return _by_name(signature, functools.partial(draws.draw_with_numpy, name))


def _elementwise(signature: str, name: str) -> Function:
    return Function(signature, functools.partial(with_numpy.call_elementwise, name))


def _reduction(signature: str, name: str) -> Function:
    return Function(signature, functools.partial(with_numpy.reduce, name))


def _grid(signature: str, name: str) -> Function:
    return _by_name(signature, functools.partial(with_numpy.grid, name))


def _table(
    module: str, make: Callable[[str, str], Function], rows: Mapping[str, str]
) -> dict[str, Function]:
    """The functions of a module by their full names.

    Args:
        module: The module.
        make: Makes a function of its signature and its name.
        rows: The names of the functions that share a signature, by that signature.
    """
    functions = {}
    for signature, names in rows.items():
        for name in names.split():
            functions[f"{module}.{name}"] = make(signature, name)
    return functions


def _round(number: Value, ndigits: Value = None) -> Value:
    return round(number, checked_digits(ndigits))


def _number(kind: type[int] | type[float], x: Value, *base: Value) -> Value:
    if isinstance(x, str) and len(x) > MAX_BITS:  # because reading digits takes quadratic time
        raise LimitError(f"a number would have more than {MAX_BITS} characters")
    return kind(x, *base)


def _range(*args: int) -> list[int]:
    numbers = range(*args)
    bounded(len(numbers))
    return list(numbers)


def _enumerate(*args: Value, **kwargs: Value) -> list[tuple[int, Value]]:
    return list(enumerate(*args, **kwargs))


def _zip(*values: Value) -> list[tuple[Value, ...]]:
    return list(zip(*values, strict=False))


def _sum(values: Value, start: Value = 0) -> Value:
    # Not Python's sum(): it rounds differently from 3.12 on, and takes quadratic time for lists.
    items = items_of(values)
    if not all(isinstance(item, (int, float)) for item in (*items, start)):
        raise TypeError("sum adds numbers only")
    return functools.reduce(operator.add, items, start)


def _power(run: Run, base: Value, exp: Value) -> Value:
    return operate(run, operator.pow, base, exp)


_BUILT_IN = {
    "abs": _of_python("x", abs),
    "all": _of_python("values", all),
    "any": _of_python("values", any),
    "bool": _of_python("x", bool),
    "enumerate": _of_python("values start?", _enumerate),
    "float": _of_python("x", functools.partial(_number, float)),
    "int": _of_python("x base?", functools.partial(_number, int)),
    "len": _of_python("x", len),
    "list": _of_python("values?", list),
    "max": _of_python("*values default?", max),
    "min": _of_python("*values default?", min),
    "pow": Function("base exp", _power),
    "range": _of_python("start stop? step?", _range),
    "round": _of_python("number ndigits?", _round),
    "sorted": _of_python("values reverse?", sorted),
    "str": _of_python("x", str),
    "sum": _of_python("values start?", _sum),
    "tuple": _of_python("values?", tuple),
    "zip": _of_python("*values", _zip),
}
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
_NUMPY_REDUCTIONS = {"a axis?": "mean sum min max prod std"}
_NUMPY_GRIDS = {
    "start stop num? endpoint?": "linspace geomspace",
    "start stop num? endpoint? base?": "logspace",
}
FUNCTIONS: dict[str, Function] = {
    **_BUILT_IN,
    **_table("math", _of_math, _MATH),
    **_table("random", _of_random, _RANDOM),
    **_table("np.random", _of_numpy_random, _NUMPY_RANDOM),
    "np.random.rand": Function("*sizes", functools.partial(draws.rand, "random_sample")),
    "np.random.randn": Function("*sizes", functools.partial(draws.rand, "standard_normal")),
    "np.random.choice": Function("a size? replace? p?", draws.choice),
    "np.random.permutation": Function("x", draws.permutation),
    **_table("np", _elementwise, _NUMPY_ELEMENTWISE),
    **_table("np", _reduction, _NUMPY_REDUCTIONS),
    **_table("np", _grid, _NUMPY_GRIDS),
    "np.arange": Function("start stop? step?", with_numpy.arange),
    "np.round": Function("a decimals?", with_numpy.rounded),
    "np.array": _by_name("object", with_numpy.make_array),
}
"""Every function by its full name."""

_FIRST_WORDS = {name.partition(".")[0] for name in FUNCTIONS}
CONSTANTS = {
    **{f"math.{name}": getattr(math, name) for name in ("pi", "e", "inf", "tau", "nan")},
    **{f"np.{name}": getattr(math, name) for name in ("pi", "e", "inf", "nan")},
}
"""Every constant by its full name."""
RESERVED = frozenset(_FIRST_WORDS) | {"numpy", "spec", "_i"}
"""The names that no loop can bind."""
