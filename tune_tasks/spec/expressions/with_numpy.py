"""The functions of the eval language that NumPy computes.

NumPy is imported by the first call, because most specs do without it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence

from tune_tasks.spec.expressions.run import Run
from tune_tasks.spec.expressions.values import (
    LimitError,
    Value,
    as_parameter,
    as_whole,
    bounded,
    checked_digits,
    extent,
    from_numpy,
    is_array,
)

_OF_AN_OPERATION = 50


def as_operand(value: Value) -> Value:
    """A value as NumPy may see it: no text, and no integer that needs an array of objects."""
    if is_array(value) or value is None or isinstance(value, float):
        return value
    if isinstance(value, int):
        if value.bit_length() > 63:
            raise LimitError("an integer for numpy would have more than 64 bits")
        return value
    if isinstance(value, (list, tuple)):
        return _as_array(value)
    raise TypeError(f"numpy takes numbers here, not {type(value).__name__}")


def _as_array(values: Sequence[Value]) -> Value:
    import numpy as np

    array = np.asarray([as_operand(value) for value in values])
    if array.dtype.kind not in "bif":
        raise TypeError("numpy takes numbers here")
    return array


def elementwise(run: Run, operation: Callable[..., Value], *args: Value, **kwargs: Value) -> Value:
    """The result of an operation on all items, paid for beforehand."""
    import numpy as np

    operands = [as_operand(value) for value in args]
    named = {key: as_operand(value) for key, value in kwargs.items()}
    shapes = [np.shape(value) for value in (*operands, *named.values())]
    run.spend(_OF_AN_OPERATION + extent(np.broadcast_shapes(*shapes)))
    with np.errstate(all="raise", under="ignore"):
        return from_numpy(operation(*operands, **named))


def call_elementwise(name: str, run: Run, *args: Value, **kwargs: Value) -> Value:
    """Call a function of NumPy that works item by item."""
    import numpy as np

    return elementwise(run, getattr(np, name), *args, **kwargs)


def reduce(name: str, run: Run, a: Value, axis: int | None = None) -> Value:
    """Call a function of NumPy that makes one value of many."""
    import numpy as np

    array = as_operand(a)
    if not np.size(array):
        raise ValueError(f"np.{name} of no items")
    reduction = functools.partial(getattr(np, name), axis=axis)
    return elementwise(run, reduction, array)


def grid(name: str, run: Run, **given: Value) -> Value:
    """Call linspace, logspace or geomspace, whose result has `num` items."""
    arguments = {key: as_parameter(value) for key, value in given.items()}
    count = bounded(as_whole(arguments.pop("num", 50)))
    run.spend(count)
    return call_elementwise(name, run, **arguments, num=count)


def rounded(run: Run, a: Value, decimals: Value = 0) -> Value:
    """`np.round`."""
    return call_elementwise("round", run, a, checked_digits(decimals))


def arange(run: Run, start: Value, stop: Value = None, step: Value = 1) -> Value:
    """`np.arange`, whose length is checked beforehand."""
    if stop is None:
        stop = start
        start = 0
    distance = as_parameter(stop) - as_parameter(start)
    run.spend(bounded(math.ceil(distance / as_parameter(step))))
    return call_elementwise("arange", run, start, stop, step)


def make_array(run: Run, **given: Value) -> Value:
    """`np.array`."""
    import numpy as np

    return elementwise(run, np.array, given["object"])
