"""The language of `eval:` values in a spec: a bounded subset of Python's expressions.

`ast` parses the source, `_build` checks every node against the tables below and turns it into
closures; Python's own `eval` never sees it. Functions are reached by their full dotted name in
`_FUNCTIONS`, so no attribute of a value can.

Time and memory are bounded by one budget of steps: a value is weighed before an operation reads it
and after one makes it, and a loop pays the number of its nodes on each turn. Sizes that arguments
ask for are checked beforehand.
"""

from __future__ import annotations

import ast
import functools
import hashlib
import math
import operator
import random
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from tune_tasks.errors import ExpressionError, SpecError, did_you_mean

MAX_SOURCE = 10_000  # characters
MAX_DEPTH = 100  # nested nodes
MAX_STEPS = 500_000
MAX_PLAN_STEPS = 50_000_000  # of all trials of a spec
MAX_PLAN_VALUES = 20_000_000  # that all trials of a spec hold
MAX_LENGTH = 100_000  # items or characters of one value
MAX_BITS = 4096  # of an integer
# Of a distribution: some of random's rejection loops never end once their terms overflow
MAX_PARAMETER = 1e100

Path: TypeAlias = tuple[str | int, ...]
Lookup: TypeAlias = Callable[[Path], object]
_Value: TypeAlias = Any  # None, bool, int, float, str, list, tuple, dict or a numeric array
_OF_A_GENERATOR, _OF_AN_EVALUATION = 20, 10  # steps: what else they take, measured in steps
_LESS = "; ask for fewer trials, or for smaller values"
_FAILURES = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
    Warning,
)


class Budget:
    """What the trials of a plan may take together.

    Steps of their making, and values that are kept of them.

    Args:
        steps: A value that is copied is one; an evaluation has its own.
        values: As an evaluation weighs them: an item is one, and 8 characters are.
    """

    def __init__(self, steps: int = MAX_PLAN_STEPS, values: int = MAX_PLAN_VALUES) -> None:
        self._steps, self._values = steps, values

    def spend(self, steps: int, values: int) -> None:
        """Take from both.

        Raises:
            SpecError: If one is used up.
        """
        self._steps -= steps
        self._values -= values
        if self._steps < 0:
            raise SpecError(
                f"config: the trials of this spec take more than {MAX_PLAN_STEPS:,} steps to"
                f" plan{_LESS}"
            )
        if self._values < 0:
            raise SpecError(
                f"config: the trials of this spec hold more than {MAX_PLAN_VALUES:,} values{_LESS}"
            )


class _LimitError(ValueError):
    """A bound of the language is exceeded."""


def _short(text: str, length: int = 60) -> str:
    return text if len(text) <= length else f"{text[: length - 3]}..."


def _bounded(length: int) -> int:
    if length > MAX_LENGTH:
        raise _LimitError(f"a value would have more than {MAX_LENGTH:,} items")
    return length


def _extent(shape: Iterable[int]) -> int:
    """The items of an array, where an axis of none counts as one.

    It still makes a list of lists as long as the others.
    """
    return _bounded(math.prod(max(1, length) for length in shape))


def _is_array(value: _Value) -> bool:
    numpy = sys.modules.get("numpy")  # no array can exist before numpy is imported
    return numpy is not None and isinstance(value, numpy.ndarray)


def _weight(value: _Value) -> int:
    if value is None or isinstance(value, float):
        return 1
    if isinstance(value, int):
        if value.bit_length() > MAX_BITS:
            raise _LimitError(f"an integer would have more than {MAX_BITS} bits")
        return 1 + value.bit_length() // 64
    if isinstance(value, str):
        return 1 + _bounded(len(value)) // 8
    if isinstance(value, (list, tuple, dict)):
        _bounded(len(value))
        return 1  # the items are weighed one by one
    if _is_array(value) and value.dtype.kind in "biuf":
        return 1 + _extent(value.shape)
    raise TypeError(f"a value of type {type(value).__name__} is not part of the eval language")


class _Run:
    """One evaluation.

    Its inputs, its generators, the comprehension's names, and what is left of the budget.
    """

    def __init__(self, stream: str, index: int, lookup: Lookup) -> None:
        self.seed = int.from_bytes(
            hashlib.sha256(stream.encode("utf-8", "surrogatepass")).digest(), "big"
        )
        self.index = index
        self.lookup = lookup
        self.settings: dict[Path, _Value] = {}
        self.names: dict[str, _Value] = {}
        self.steps = MAX_STEPS

    @functools.cached_property
    def random(self) -> random.Random:
        self.spend(_OF_A_GENERATOR)
        return random.Random(self.seed)  # noqa: S311  hyperparameters, no secrets

    @functools.cached_property
    def numpy_random(self) -> _Value:
        import numpy as np

        self.spend(_OF_A_GENERATOR)
        return np.random.RandomState(self.seed % 2**32)

    def refer(self, path: Path) -> _Value:
        if path not in self.settings:
            self.settings[path] = value = self.lookup(path)
            self.weigh(value)
        return self.settings[path]

    def spend(self, steps: int) -> None:
        self.steps -= steps
        if self.steps < 0:
            raise _LimitError(f"it takes more than {MAX_STEPS:,} steps")

    def weigh(self, *values: _Value) -> None:
        """Pay for all that `values` hold.

        Shared parts count each time, as whoever reads them meets them each time.
        """
        pending = list(values)
        while pending:
            value = pending.pop()
            self.spend(_weight(value))
            if isinstance(value, dict):
                pending.extend(value)
                pending.extend(value.values())
            elif isinstance(value, (list, tuple)):
                pending.extend(value)


def _listed(value: _Value) -> _Value:
    """An array as lists. Containers hold no arrays.

    A comparison of two such lists would broadcast beyond all bounds.
    """
    return value.tolist() if _is_array(value) else value


def _items(value: _Value) -> list[_Value]:
    if _is_array(value):
        return [_from_numpy(item) for item in value]
    if isinstance(value, (list, tuple, str, dict)):
        return list(value)
    raise TypeError(f"a value of type {type(value).__name__} has no items")


def _plain(value: _Value) -> object:
    value = _listed(value)
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return {key: _plain(item) for key, item in value.items()} if isinstance(value, dict) else value


# --- numpy
# -------------------------------------------------------------------------------------------------


def _from_numpy(value: _Value) -> _Value:
    """A NumPy scalar as Python's own: they wrap around and divide by zero differently."""
    return value.item() if getattr(value, "ndim", None) == 0 else value


def _operand(value: _Value) -> _Value:
    """`value` as NumPy may see it: neither texts nor integers that need an array of objects."""
    if _is_array(value) or value is None or isinstance(value, float):
        return value
    if isinstance(value, int):
        if value.bit_length() > 63:
            raise _LimitError("an integer for numpy would have more than 64 bits")
        return value
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"numpy takes numbers here, not {type(value).__name__}")
    import numpy as np

    array = np.asarray([_operand(item) for item in value])
    if array.dtype.kind not in "bif":
        raise TypeError("numpy takes numbers here")
    return array


def _elementwise(
    run: _Run, operation: Callable[..., _Value], *args: _Value, **kwargs: _Value
) -> _Value:
    import numpy as np

    args = tuple(_operand(value) for value in args)
    kwargs = {key: _operand(value) for key, value in kwargs.items()}
    shape = np.broadcast_shapes(*(np.shape(value) for value in (*args, *kwargs.values())))
    run.spend(50 + _extent(shape))
    with np.errstate(all="raise", under="ignore"):
        return _from_numpy(operation(*args, **kwargs))


def _numpy_elementwise(name: str, run: _Run, *args: _Value, **kwargs: _Value) -> _Value:
    import numpy as np

    return _elementwise(run, getattr(np, name), *args, **kwargs)


def _numpy_reduce(name: str, run: _Run, a: _Value, axis: int | None = None) -> _Value:
    import numpy as np

    if not np.size(array := _operand(a)):
        raise ValueError(f"np.{name} of no items")
    return _elementwise(run, functools.partial(getattr(np, name), axis=axis), array)


def _numpy_grid(name: str, run: _Run, **given: _Value) -> _Value:
    given = {key: _parameter(value) for key, value in given.items()}
    given["num"] = _bounded(_whole(given.get("num", 50)))
    run.spend(given["num"])
    return _numpy_elementwise(name, run, **given)


def _digits(count: _Value) -> _Value:
    if count is not None and abs(count) > 400:  # round(1, -n) computes 10**n
        raise _LimitError("round takes at most 400 digits")
    return count


def _numpy_round(run: _Run, a: _Value, decimals: _Value = 0) -> _Value:
    return _numpy_elementwise("round", run, a, _digits(decimals))


def _numpy_arange(run: _Run, start: _Value, stop: _Value = None, step: _Value = 1) -> _Value:
    first, last = (0, start) if stop is None else (start, stop)
    run.spend(_bounded(math.ceil((_parameter(last) - _parameter(first)) / _parameter(step))))
    return _numpy_elementwise("arange", run, first, last, step)


def _numpy_array(run: _Run, **given: _Value) -> _Value:
    import numpy as np

    return _elementwise(run, np.array, given["object"])


# --- random
# -------------------------------------------------------------------------------------------------


def _parameter(value: _Value) -> _Value:
    if not isinstance(value, (int, float)):
        raise TypeError(f"expected a number, got {type(value).__name__}")
    if not abs(value) <= MAX_PARAMETER:
        raise ValueError(
            f"expected a finite number of at most {MAX_PARAMETER:g}, got {_short(str(value))}"
        )
    return value


def _whole(value: _Value) -> int:
    if int(_parameter(value)) != value:
        raise ValueError(f"expected a whole number, got {value}")
    return int(value)


def _random(name: str, run: _Run, **given: _Value) -> _Value:
    convert = _whole if name in ("randint", "randrange") else _parameter
    for key, value in given.items():
        given[key] = convert(value) if isinstance(value, (int, float)) else _listed(value)
    if "k" in given:
        given["k"] = _bounded(_whole(given["k"]))
        run.spend(max(0, given["k"]))
    return getattr(run.random, name)(**given)


def _size(run: _Run, size: _Value) -> _Value:
    if size is None:
        return None
    shape = [
        _whole(length)
        for length in (_items(size) if not isinstance(size, (int, float)) else [size])
    ]
    if any(length < 0 for length in shape):
        raise ValueError("a size is negative")
    run.spend(_extent(shape))
    return tuple(shape)


def _numpy_random(name: str, run: _Run, **given: _Value) -> _Value:
    run.spend(50)
    size = _size(run, given.pop("size", None))
    if name == "randint":  # its default type differs between platforms
        given = {key: _whole(value) for key, value in given.items() if value is not None} | {
            "dtype": "int64"
        }
        return _from_numpy(run.numpy_random.randint(**given, size=size))
    given = {key: _parameter(value) for key, value in given.items()}
    if name == "geometric" and given["p"] < 1e-9:
        # NumPy returns what the processor makes of it
        raise ValueError("p is below 1e-9: a draw may not fit into 64 bits")
    return _from_numpy(getattr(run.numpy_random, name)(**given, size=size))


def _numpy_rand(name: str, run: _Run, *sizes: _Value) -> _Value:
    return _numpy_random(name, run, size=list(sizes) if sizes else None)


def _pool(run: _Run, value: _Value) -> list[_Value]:
    count = _bounded(_whole(value)) if isinstance(value, (int, float)) else 0
    run.spend(50 + max(0, count))
    return list(range(count)) if isinstance(value, (int, float)) else _items(_listed(value))


def _pick(items: list[_Value], places: _Value) -> _Value:
    """NumPy would turn mixed items into texts.

    Taking them by place draws the same ones and leaves them as they are.
    """
    if isinstance(places, list):
        return [_pick(items, place) for place in places]
    return items[places]


def _numpy_pick(items: list[_Value], places: _Value) -> _Value:
    picked = _pick(items, _listed(places))
    numbers = isinstance(picked, list) and all(isinstance(item, (int, float)) for item in items)
    return _operand(picked) if numbers else picked


def _numpy_choice(
    run: _Run, a: _Value, size: _Value = None, replace: _Value = True, p: _Value = None
) -> _Value:
    items = _pool(run, a)
    return _numpy_pick(
        items, run.numpy_random.choice(len(items), _size(run, size), bool(replace), _operand(p))
    )


def _numpy_permutation(run: _Run, x: _Value) -> _Value:
    items = _pool(run, x)
    return _numpy_pick(items, run.numpy_random.permutation(len(items)))


# --- functions and operators
# ---------------------------------------------------------------------------------------


def _round(number: _Value, ndigits: _Value = None) -> _Value:
    return round(number, _digits(ndigits))


def _number(kind: type[int] | type[float], x: _Value, *base: _Value) -> _Value:
    if isinstance(x, str) and len(x) > MAX_BITS:  # reading digits takes quadratic time
        raise _LimitError(f"a number would have more than {MAX_BITS} characters")
    return kind(x, *base)


def _range(*args: int) -> list[int]:
    _bounded(len(range(*args)))
    return list(range(*args))


def _sum(values: _Value, start: _Value = 0) -> _Value:
    """Python's sum() rounds differently from 3.12 on, and takes quadratic time for lists."""
    if not all(isinstance(item, (int, float)) for item in (*_items(values), start)):
        raise TypeError("sum adds numbers only")
    return functools.reduce(operator.add, _items(values), start)


def _contains(left: _Value, right: _Value) -> bool:
    return _listed(left) in _listed(right)


def _lacks(left: _Value, right: _Value) -> bool:
    return not _contains(left, right)


def _check_operands(operation: Callable[..., _Value], left: _Value, right: _Value) -> None:
    if operation is operator.mod and isinstance(left, str):
        raise TypeError("formatting with % is not part of the eval language")
    if not isinstance(right, int):
        left, right = right, left
    if (
        operation is operator.mul
        and isinstance(right, int)
        and isinstance(left, (str, list, tuple))
    ):
        _bounded(len(left) * right)


def _check_integers(operation: Callable[..., _Value], left: int, right: int) -> None:
    bits = (
        left.bit_length() * right
        if operation is operator.pow
        else right
        if operation is operator.lshift
        else 0
    )
    if bits > MAX_BITS:
        raise _LimitError(f"an integer would have more than {MAX_BITS} bits")


def _operate(run: _Run, operation: Callable[..., _Value], *operands: _Value) -> _Value:
    run.weigh(*operands)
    if operation not in (_contains, _lacks) and any(_is_array(value) for value in operands):
        result = _elementwise(run, operation, *operands)
    else:
        if all(isinstance(value, int) for value in operands) and len(operands) == 2:
            _check_integers(operation, *operands)
        elif len(operands) == 2:
            _check_operands(operation, *operands)
        result = operation(*operands)
    run.weigh(result)
    return result


@dataclass(frozen=True)
class _Function:
    """A function of the language.

    In `signature`, `?` marks an optional parameter and `*` the rest of them.
    """

    signature: str
    call: Callable[..., _Value]

    @property
    def parameters(self) -> list[str]:
        return [word.strip("*?") for word in self.signature.split()]

    @property
    def required(self) -> list[str]:
        return [word for word in self.signature.split() if word.isidentifier()]


def _python(signature: str, function: Callable[..., _Value]) -> _Function:
    return _Function(
        signature, lambda _run, *args, **kwargs: function(*map(_listed, args), **kwargs)
    )


def _named(signature: str, call: Callable[..., _Value]) -> _Function:
    """A function whose `call` gets every argument by name."""
    names = signature.replace("?", "").split()
    return _Function(
        signature,
        lambda run, *args, **kwargs: call(run, **dict(zip(names, args, strict=False)), **kwargs),
    )


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


def _table(
    module: str, rows: dict[str, str], make: Callable[[str, str], _Function]
) -> dict[str, _Function]:
    names = ((signature, name) for signature, row in rows.items() for name in row.split())
    return {f"{module}.{name}": make(signature, name) for signature, name in names}


_FUNCTIONS: dict[str, _Function] = {
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
    "pow": _Function("base exp", lambda run, base, exp: _operate(run, operator.pow, base, exp)),
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
        lambda signature, name: _named(signature, functools.partial(_random, name)),
    ),
    **_table(
        "np.random",
        _NUMPY_RANDOM,
        lambda signature, name: _named(signature, functools.partial(_numpy_random, name)),
    ),
    "np.random.rand": _Function("*sizes", functools.partial(_numpy_rand, "random_sample")),
    "np.random.randn": _Function("*sizes", functools.partial(_numpy_rand, "standard_normal")),
    "np.random.choice": _Function("a size? replace? p?", _numpy_choice),
    "np.random.permutation": _Function("x", _numpy_permutation),
    **_table(
        "np",
        _NUMPY_ELEMENTWISE,
        lambda signature, name: _Function(signature, functools.partial(_numpy_elementwise, name)),
    ),
    **_table(
        "np",
        _NUMPY_REDUCE,
        lambda signature, name: _Function(signature, functools.partial(_numpy_reduce, name)),
    ),
    **_table(
        "np",
        _NUMPY_GRID,
        lambda signature, name: _named(signature, functools.partial(_numpy_grid, name)),
    ),
    "np.arange": _Function("start stop? step?", _numpy_arange),
    "np.round": _Function("a decimals?", _numpy_round),
    "np.array": _named("object", _numpy_array),
}
_CONSTANTS = {f"math.{name}": getattr(math, name) for name in ("pi", "e", "inf", "tau", "nan")}
_CONSTANTS |= {f"np.{name}": getattr(math, name) for name in ("pi", "e", "inf", "nan")}
_RESERVED = frozenset(name.split(".")[0] for name in _FUNCTIONS) | {"numpy", "spec", "_i"}
_OPERATORS: dict[type[ast.AST], Callable[..., _Value]] = {
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


# --- from syntax to closures
# ---------------------------------------------------------------------------------------

_Code: TypeAlias = Callable[[_Run], _Value]


@dataclass(frozen=True)
class _Scope:
    """The names that comprehensions bind around a node.

    And all references of the expression so far.
    """

    names: frozenset[str]
    references: set[Path]


def _refuse(what: str) -> ExpressionError:
    return ExpressionError(f"{what} is not part of the eval language")


def _operation(node: ast.AST) -> Callable[..., _Value]:
    if type(node) not in _OPERATORS:
        raise _refuse(_REFUSED.get(type(node), f"the operator {type(node).__name__}"))
    return _OPERATORS[type(node)]


def _build(node: ast.AST, scope: _Scope) -> _Code:
    builder = _BUILDERS.get(type(node))
    if builder is None:
        raise _refuse(_REFUSED.get(type(node), f"the syntax {type(node).__name__}"))
    return builder(node, scope)


def _constant(node: ast.Constant, _scope: _Scope) -> _Code:
    value = node.value
    if value is not None and type(value) not in (bool, int, float, str):
        raise _refuse("..." if value is ... else f"a {type(value).__name__}")
    if isinstance(value, int) and value.bit_length() > MAX_BITS:
        raise ExpressionError(f"an integer has more than {MAX_BITS} bits")
    return lambda run: value


def _dotted(node: ast.AST) -> str | None:
    parts: list[str] = []
    while isinstance(node, ast.Attribute):
        parts.append(node.attr)
        node = node.value
    if not isinstance(node, ast.Name):
        return None
    root = "np" if node.id == "numpy" else node.id
    return ".".join((root, *reversed(parts)))


def _spec_path(node: ast.AST) -> Path | None:
    """`("config", "a", 0)` for `spec.config.a[0]`.

    None for what is no constant path below `spec`.
    """
    parts: list[str | int] = []
    while isinstance(node, (ast.Attribute, ast.Subscript)):
        key = node.attr if isinstance(node, ast.Attribute) else getattr(node.slice, "value", None)
        if isinstance(key, bool) or not isinstance(key, (str, int)):
            return None
        parts.append(key)
        node = node.value
    return tuple(reversed(parts)) if isinstance(node, ast.Name) and node.id == "spec" else None


def _reference(path: Path, scope: _Scope) -> _Code:
    if len(path) < 2 or path[0] != "config":
        raise ExpressionError("spec has only settings, written spec.config.<name>")
    if dunder := [part for part in path if str(part).startswith("__")]:
        raise _refuse(f"the name {_short(str(dunder[0]))}")
    scope.references.add(path[1:])
    return lambda run: run.refer(path[1:])


def _name(node: ast.Name | ast.Attribute, scope: _Scope) -> _Code:
    name = _dotted(node)
    path = _spec_path(node)
    if path is not None:
        return _reference(path, scope)
    if name is None or ("." in name and name.split(".")[0] in scope.names):
        raise _refuse(f"the attribute .{_short(getattr(node, 'attr', ''))}")
    if name in scope.names:
        return lambda run: run.names[name]
    if name == "_i":
        return lambda run: run.index
    return _named_constant(name, scope)


def _named_constant(name: str, scope: _Scope) -> _Code:
    if name in _CONSTANTS:
        value = _CONSTANTS[name]
        return lambda run: value
    if name in _FUNCTIONS:
        raise ExpressionError(f"{name} is a function; call it: {name}(...)")
    hint = did_you_mean(name, [*_FUNCTIONS, *_CONSTANTS, *scope.names, "spec", "_i"])
    if not hint and "." not in name:
        hint = f"; a setting is written spec.config.{_short(name)}"
    raise ExpressionError(f"{_short(name)} is not a name of the eval language{hint}")


def _sequence(
    kind: type[list[_Value]] | type[tuple[_Value, ...]], node: ast.List | ast.Tuple, scope: _Scope
) -> _Code:
    items = [_build(item, scope) for item in node.elts]

    def code(run: _Run) -> _Value:
        value = kind(_listed(item(run)) for item in items)
        run.weigh(value)
        return value

    return code


def _dict(node: ast.Dict, scope: _Scope) -> _Code:
    if None in node.keys:
        raise _refuse("unpacking with **")
    items = [
        (_build(key, scope), _build(value, scope))
        for key, value in zip(node.keys, node.values, strict=True)
        if key
    ]

    def code(run: _Run) -> _Value:
        pairs = [(key(run), _listed(value(run))) for key, value in items]
        if not all(isinstance(key, (str, int, float)) for key, _ in pairs):
            raise TypeError("the keys of a dict are texts or numbers")
        run.weigh(value := dict(pairs))
        return value

    return code


def _unary(node: ast.UnaryOp, scope: _Scope) -> _Code:
    operation, operand = _operation(node.op), _build(node.operand, scope)
    return lambda run: _operate(run, operation, operand(run))


def _binary(node: ast.BinOp, scope: _Scope) -> _Code:
    operation, left, right = (
        _operation(node.op),
        _build(node.left, scope),
        _build(node.right, scope),
    )
    return lambda run: _operate(run, operation, left(run), right(run))


def _boolean(node: ast.BoolOp, scope: _Scope) -> _Code:
    values = [_build(value, scope) for value in node.values]
    stops = isinstance(node.op, ast.Or)

    def code(run: _Run) -> _Value:
        for value in values[:-1]:
            if bool(result := value(run)) is stops:
                return result
        return values[-1](run)

    return code


def _compare(node: ast.Compare, scope: _Scope) -> _Code:
    first = _build(node.left, scope)
    rest = [
        (_operation(op), _build(right, scope))
        for op, right in zip(node.ops, node.comparators, strict=True)
    ]

    def code(run: _Run) -> _Value:
        left = first(run)
        for place, (operation, operand) in enumerate(rest, start=1):
            right = operand(run)
            result = _operate(run, operation, left, right)
            if place == len(rest) or not result:
                break
            left = right
        return result

    return code


def _conditional(node: ast.IfExp, scope: _Scope) -> _Code:
    test, body, orelse = (_build(part, scope) for part in (node.test, node.body, node.orelse))
    return lambda run: body(run) if test(run) else orelse(run)


def _index(node: ast.AST, scope: _Scope) -> _Code:
    if isinstance(node, ast.Tuple):
        parts = [_index(part, scope) for part in node.elts]
        return lambda run: tuple(part(run) for part in parts)
    if not isinstance(node, ast.Slice):
        return _build(node, scope)
    ends = [_build(end, scope) if end else None for end in (node.lower, node.upper, node.step)]
    return lambda run: slice(*(end(run) if end else None for end in ends))


def _subscript(node: ast.Subscript, scope: _Scope) -> _Code:
    if (path := _spec_path(node)) is not None:
        return _reference(path, scope)
    container, index = _build(node.value, scope), _index(node.slice, scope)

    def code(run: _Run) -> _Value:
        value, place = container(run), index(run)
        places = place if isinstance(place, tuple) and _is_array(value) else [place]
        # Other indices of an array (None, booleans, lists) can make a larger one.
        kinds = {int, slice} if _is_array(value) else {str, bool, int, float, slice}
        if not {type(part) for part in places} <= kinds:
            raise TypeError(f"an index is a number or a slice, not {type(place).__name__}")
        result = _from_numpy(value[place])
        if isinstance(place, (slice, tuple)):
            run.weigh(result)
        return result

    return code


def _targets(node: ast.AST) -> list[str]:
    targets = node.elts if isinstance(node, (ast.Tuple, ast.List)) else [node]
    for target in targets:
        if not isinstance(target, ast.Name):
            raise _refuse("a loop target that is no name or tuple of names")
        if target.id in _RESERVED or target.id.startswith("__"):
            raise ExpressionError(f"{_short(target.id)} cannot be the name of a loop")
    return [target.id for target in targets if isinstance(target, ast.Name)]


@dataclass(frozen=True)
class _Clause:
    """`for names in source if conditions` of a comprehension.

    `unpack` where the names are a tuple.
    """

    source: _Code
    names: list[str]
    unpack: bool
    conditions: list[_Code]

    def bind(self, run: _Run, item: _Value) -> bool:
        values = _items(item) if self.unpack else [item]
        if len(values) != len(self.names):
            raise ValueError(f"expected {len(self.names)} values to unpack, got {len(values)}")
        run.names.update(zip(self.names, values, strict=True))
        return all(condition(run) for condition in self.conditions)


def _turns(run: _Run, clauses: list[_Clause], cost: int) -> Iterator[None]:
    if not clauses:
        yield
        return
    for item in _items(clauses[0].source(run)):
        run.spend(cost)
        if clauses[0].bind(run, item):
            yield from _turns(run, clauses[1:], cost)


def _comprehension(node: ast.ListComp | ast.GeneratorExp, scope: _Scope) -> _Code:
    cost = sum(1 for _ in ast.walk(node))
    clauses = []
    if len(node.generators) > 5 or any(generator.is_async for generator in node.generators):
        raise _refuse("a comprehension of more than 5 loops, or an asynchronous one,")
    for generator in node.generators:
        source, names = _build(generator.iter, scope), _targets(generator.target)
        scope = _Scope(scope.names | set(names), scope.references)
        conditions = [_build(condition, scope) for condition in generator.ifs]
        clauses.append(
            _Clause(source, names, not isinstance(generator.target, ast.Name), conditions)
        )
    element = _build(node.elt, scope)

    def code(run: _Run) -> _Value:
        outer, run.names = run.names, dict(run.names)
        value = [_listed(element(run)) for _ in _turns(run, clauses, cost)]
        run.names = outer
        run.weigh(value)
        return value

    return code


def _check_arguments(name: str, function: _Function, node: ast.Call) -> None:
    names = function.parameters
    rest = names[0] if function.signature.startswith("*") else None
    keywords = [keyword.arg or "**" for keyword in node.keywords]
    if "**" in keywords or any(isinstance(arg, ast.Starred) for arg in node.args):
        raise _refuse("unpacking with *")
    if not rest and len(node.args) > len(names):
        raise ExpressionError(f"{name} takes at most {len(names)} arguments, got {len(node.args)}")
    given = [rest] if rest else [*names[: len(node.args)]]
    for keyword in keywords:
        if keyword not in names:
            raise ExpressionError(
                f"{name} takes no argument {_short(keyword)!r}{did_you_mean(keyword, names)}"
            )
        if keyword in given:
            raise ExpressionError(f"{name} gets the argument {keyword!r} twice")
        given.append(keyword)
    if missing := [name for name in function.required if name not in given]:
        raise ExpressionError(f"{name} needs the argument {missing[0]!r}")


def _call(node: ast.Call, scope: _Scope) -> _Code:
    name = _dotted(node.func)
    if name is None or name.split(".")[0] in scope.names:
        raise _refuse(
            f"the method .{_short(node.func.attr)}"
            if isinstance(node.func, ast.Attribute)
            else "calling a value"
        )
    function = _FUNCTIONS.get(name)
    if function is None:
        raise ExpressionError(
            f"{_short(name)} is not a function of the eval language{did_you_mean(name, _FUNCTIONS)}"
        )
    _check_arguments(name, function, node)
    args = [_build(arg, scope) for arg in node.args]
    kwargs = {keyword.arg: _build(keyword.value, scope) for keyword in node.keywords if keyword.arg}

    def code(run: _Run) -> _Value:
        positional = [arg(run) for arg in args]
        named = {key: arg(run) for key, arg in kwargs.items()}
        run.spend(5)
        run.weigh(*positional, *named.values())
        run.weigh(result := function.call(run, *positional, **named))
        return result

    return code


_BUILDERS: dict[type[ast.AST], Callable[[Any, _Scope], _Code]] = {
    ast.Constant: _constant,
    ast.Name: _name,
    ast.Attribute: _name,
    ast.List: functools.partial(_sequence, list),
    ast.Tuple: functools.partial(_sequence, tuple),
    ast.Dict: _dict,
    ast.UnaryOp: _unary,
    ast.BinOp: _binary,
    ast.BoolOp: _boolean,
    ast.Compare: _compare,
    ast.IfExp: _conditional,
    ast.Subscript: _subscript,
    ast.ListComp: _comprehension,
    ast.GeneratorExp: _comprehension,
    ast.Call: _call,
}
_REFUSED: dict[type[ast.AST], str] = {
    ast.Lambda: "lambda",
    ast.JoinedStr: "an f-string",
    ast.NamedExpr: "an assignment (:=)",
    ast.Starred: "unpacking with *",
    ast.Await: "await",
    ast.Yield: "yield",
    ast.YieldFrom: "yield",
    ast.Set: "a set",
    ast.SetComp: "a set comprehension",
    ast.DictComp: "a dict comprehension",
    ast.MatMult: "the operator @",
    ast.Is: "the operator 'is' (use ==)",
    ast.IsNot: "the operator 'is not' (use !=)",
}


def _depth(tree: ast.AST) -> int:
    depth, level = 0, [tree]
    while level:
        depth, level = depth + 1, [child for node in level for child in ast.iter_child_nodes(node)]
    return depth


def _syntax(source: str) -> ast.expr:
    if len(source) > MAX_SOURCE:
        raise ExpressionError(
            f"an expression has at most {MAX_SOURCE:,} characters, this one {len(source):,}"
        )
    try:
        with warnings.catch_warnings():
            # What one version of Python warns of, the next one refuses
            warnings.simplefilter("error")
            tree = ast.parse(source.strip(), mode="eval")
    except SyntaxError as error:
        raise ExpressionError(f"{_short(source)!r} is not an expression: {error.msg}") from None
    except (MemoryError, RecursionError, ValueError, Warning) as error:
        raise ExpressionError(
            f"{_short(source)!r} is not an expression: {_short(str(error) or 'too deeply nested')}"
        ) from None
    if _depth(tree) > MAX_DEPTH:
        raise ExpressionError(f"an expression is nested at most {MAX_DEPTH} deep")
    return tree.body


@dataclass(frozen=True)
class Expression:
    """A checked expression.

    Attributes:
        source: The text as written in the spec.
        references: The settings that it reads, as paths below `spec.config`.
    """

    source: str
    references: frozenset[Path]
    _code: _Code = field(repr=False, compare=False)

    @classmethod
    def parse(cls, source: str) -> Expression:
        """Check `source` and make it ready to be evaluated.

        Raises:
            ExpressionError: `source` is not in the language; the message says why, and the nearest
                right thing.
        """
        tree = _syntax(source)
        scope = _Scope(frozenset(), set())
        code = _build(tree, scope)
        return cls(source, frozenset(scope.references), code)

    def evaluate(
        self, *, stream: str, index: int, lookup: Lookup, budget: Budget | None = None
    ) -> object:
        """The value for one trial: None, bool, int, float, str, list or dict.

        Tuples and arrays become lists.

        Args:
            stream: Seeds `random` and `np.random`; the same text gives the same value on every
                machine.
            index: The value of `_i`.
            lookup: Gives the value of a setting; an ExpressionError that it raises passes through.
            budget: Of the plan, from which the evaluation's steps are taken, and its value.

        Raises:
            ExpressionError: The evaluation failed or exceeded a bound; the message quotes the
                expression.
        """
        run = _Run(stream, index, lookup)
        try:
            value = self._code(run)
            left = run.steps
            run.weigh(value)
            if budget:
                budget.spend(MAX_STEPS - run.steps + _OF_AN_EVALUATION, left - run.steps)
            return _plain(value)
        except ExpressionError:
            raise
        except _FAILURES as error:
            kind = "" if isinstance(error, _LimitError) else f"{type(error).__name__}: "
            raise ExpressionError(
                f"{_short(self.source)!r} failed: {kind}{_short(str(error), 200)}"
            ) from error

    def __reduce__(self) -> tuple[Callable[[str], Expression], tuple[str]]:
        return Expression.parse, (self.source,)
