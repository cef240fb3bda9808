"""The functions of the eval language that draw: Python's `random` and NumPy's `np.random`.

Each evaluation has generators of its own, so a draw depends on the seed and the trial alone.
"""

from __future__ import annotations

from collections.abc import Callable

from tune_tasks.spec.expressions.run import Run
from tune_tasks.spec.expressions.values import (
    Value,
    as_parameter,
    as_whole,
    bounded,
    extent,
    from_numpy,
    is_number,
    items_of,
    listed,
)
from tune_tasks.spec.expressions.with_numpy import as_operand

_OF_A_DRAW_WITH_NUMPY = 50
_OF_A_POOL = 50
_LEAST_P_OF_GEOMETRIC = 1e-9


def draw(name: str, run: Run, **given: Value) -> Value:
    """Call a function of `random`."""
    convert = as_whole if name in ("randint", "randrange") else as_parameter
    arguments = {key: _argument(value, convert) for key, value in given.items()}
    if "k" in arguments:
        count = bounded(as_whole(arguments["k"]))
        run.spend(max(0, count))
        arguments["k"] = count
    return getattr(run.random, name)(**arguments)


def _argument(value: Value, convert: Callable[[Value], Value]) -> Value:
    if is_number(value):
        return convert(value)
    return listed(value)


def draw_with_numpy(name: str, run: Run, **given: Value) -> Value:
    """Call a function of `np.random`."""
    run.spend(_OF_A_DRAW_WITH_NUMPY)
    size = _size(run, given.pop("size", None))
    if name == "randint":
        return _integers(run, given, size)
    parameters = {key: as_parameter(value) for key, value in given.items()}
    if name == "geometric" and parameters["p"] < _LEAST_P_OF_GEOMETRIC:
        # Because NumPy would return what the processor makes of a number that does not fit.
        raise ValueError("p is below 1e-9: a draw may not fit into 64 bits")
    return from_numpy(getattr(run.numpy_random, name)(**parameters, size=size))


def _integers(run: Run, given: dict[str, Value], size: tuple[int, ...] | None) -> Value:
    bounds = {key: as_whole(value) for key, value in given.items() if value is not None}
    # With a type, because NumPy's default differs between platforms.
    return from_numpy(run.numpy_random.randint(**bounds, size=size, dtype="int64"))


def rand(name: str, run: Run, *sizes: Value) -> Value:
    """Call `rand` or `randn`, whose arguments are the sizes."""
    shape = list(sizes) if sizes else None
    return draw_with_numpy(name, run, size=shape)


def choice(run: Run, a: Value, size: Value = None, replace: Value = True, p: Value = None) -> Value:
    """`np.random.choice`, also of items that are not numbers."""
    items = _pool(run, a)
    shape = _size(run, size)
    places = run.numpy_random.choice(len(items), shape, bool(replace), as_operand(p))
    return _picked(items, places)


def permutation(run: Run, x: Value) -> Value:
    """`np.random.permutation`."""
    items = _pool(run, x)
    return _picked(items, run.numpy_random.permutation(len(items)))


def _size(run: Run, size: Value) -> tuple[int, ...] | None:
    """The shape of what is drawn, paid for beforehand."""
    if size is None:
        return None
    lengths = [size] if is_number(size) else items_of(size)
    shape = tuple(as_whole(length) for length in lengths)
    if any(length < 0 for length in shape):
        raise ValueError("a size is negative")
    run.spend(extent(shape))
    return shape


def _pool(run: Run, value: Value) -> list[Value]:
    """The items to draw from: those of a value; for a number, the numbers below it."""
    if not is_number(value):
        run.spend(_OF_A_POOL)
        return items_of(listed(value))
    count = bounded(as_whole(value))
    run.spend(_OF_A_POOL + max(0, count))
    return list(range(count))


def _picked(items: list[Value], places: Value) -> Value:
    """The items at the places that NumPy has drawn; many numbers are an array.

    NumPy draws places, not items, because it would turn items of several types into texts.
    """
    picked = _at(items, listed(places))
    if isinstance(picked, list) and all(is_number(item) for item in items):
        return as_operand(picked)
    return picked


def _at(items: list[Value], places: Value) -> Value:
    if isinstance(places, list):
        return [_at(items, place) for place in places]
    return items[places]
