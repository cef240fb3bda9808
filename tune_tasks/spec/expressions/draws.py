"""The functions of the eval language that draw: Python's `random` and NumPy's `np.random`.

Each evaluation has generators of its own, so a draw depends on the seed and the trial alone.
"""

from __future__ import annotations

from tune_tasks.spec.expressions.values import (
    Run,
    Value,
    as_parameter,
    as_whole,
    bounded,
    extent,
    from_numpy,
    items_of,
    listed,
)
from tune_tasks.spec.expressions.with_numpy import as_operand

_OF_A_POOL = 50


def draw(name: str, run: Run, **given: Value) -> Value:
    """Call a function of `random`."""
    convert = as_whole if name in ("randint", "randrange") else as_parameter
    for key, value in given.items():
        given[key] = convert(value) if isinstance(value, (int, float)) else listed(value)
    if "k" in given:
        given["k"] = bounded(as_whole(given["k"]))
        run.spend(max(0, given["k"]))
    return getattr(run.random, name)(**given)


def draw_with_numpy(name: str, run: Run, **given: Value) -> Value:
    """Call a function of `np.random`."""
    run.spend(50)
    size = _size(run, given.pop("size", None))
    if name == "randint":  # its default type differs between platforms
        whole = {key: as_whole(value) for key, value in given.items() if value is not None}
        return from_numpy(run.numpy_random.randint(**whole, size=size, dtype="int64"))
    given = {key: as_parameter(value) for key, value in given.items()}
    if name == "geometric" and given["p"] < 1e-9:
        # NumPy returns what the processor makes of it
        raise ValueError("p is below 1e-9: a draw may not fit into 64 bits")
    return from_numpy(getattr(run.numpy_random, name)(**given, size=size))


def rand(name: str, run: Run, *sizes: Value) -> Value:
    """Call one of those whose arguments are the sizes: rand and randn."""
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
    lengths = [size] if isinstance(size, (int, float)) else items_of(size)
    shape = tuple(as_whole(length) for length in lengths)
    if any(length < 0 for length in shape):
        raise ValueError("a size is negative")
    run.spend(extent(shape))
    return shape


def _pool(run: Run, value: Value) -> list[Value]:
    """What is drawn from: the items of a value, or for a number the numbers below it."""
    if not isinstance(value, (int, float)):
        run.spend(_OF_A_POOL)
        return items_of(listed(value))
    count = bounded(as_whole(value))
    run.spend(_OF_A_POOL + max(0, count))
    return list(range(count))


def _picked(items: list[Value], places: Value) -> Value:
    picked = _pick(items, listed(places))
    numbers = isinstance(picked, list) and all(isinstance(item, (int, float)) for item in items)
    return as_operand(picked) if numbers else picked


def _pick(items: list[Value], places: Value) -> Value:
    """The items at the places that NumPy has drawn.

    NumPy draws places, not items, because it would turn items of several types into texts.
    """
    if isinstance(places, list):
        return [_pick(items, place) for place in places]
    return items[places]
