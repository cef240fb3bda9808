"""The values of the eval language: what they may be, and how they become others."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable
from typing import Any, TypeAlias

MAX_LENGTH = 100_000
"""Items or characters of one value."""
MAX_BITS = 4096
"""Bits of an integer."""
# Because some loops of `random` never end once their terms overflow.
_MAX_PARAMETER = 1e100
# Because round(1, -n) computes 10**n.
_MAX_DIGITS = 400
Value: TypeAlias = Any
"""None, bool, int, float, str, list, tuple, dict or a numeric array."""
FAILURES = (
    ArithmeticError,
    AttributeError,
    LookupError,
    MemoryError,
    RuntimeError,
    TypeError,
    ValueError,
    Warning,
)
"""The errors of an evaluation whose expression is at fault."""


class LimitError(ValueError):
    """A bound of the language is exceeded."""


def bounded(length: int) -> int:
    """The length, if a value may have it."""
    if length > MAX_LENGTH:
        raise LimitError(f"a value would have more than {MAX_LENGTH:,} items")
    return length


def extent(shape: Iterable[int]) -> int:
    """The number of items of an array; an axis without items counts as one.

    As a list, an array of shape (1000, 0) still is 1000 lists.
    """
    return bounded(math.prod(max(1, length) for length in shape))


def is_array(value: Value) -> bool:
    """Return whether a value is an array of NumPy."""
    # Not imported here, because that takes long, and without it nobody has made an array.
    numpy = sys.modules.get("numpy")
    return numpy is not None and isinstance(value, numpy.ndarray)


def listed(value: Value) -> Value:
    """An array as lists, any other value as it is.

    Containers hold no arrays, because comparing two such containers would broadcast without bounds.
    """
    return value.tolist() if is_array(value) else value


def is_number(value: Value) -> bool:
    """Return whether a value is a number of Python."""
    return isinstance(value, (int, float))


def from_numpy(value: Value) -> Value:
    """A scalar of NumPy as one of Python; any other value as it is.

    Because NumPy's integers wrap around, and its numbers divide by zero.
    """
    is_scalar = getattr(value, "ndim", None) == 0
    return value.item() if is_scalar else value


def items_of(value: Value) -> list[Value]:
    """The items over which a loop goes."""
    if is_array(value):
        return [from_numpy(item) for item in value]
    if isinstance(value, (list, tuple, str, dict)):
        return list(value)
    raise TypeError(f"a value of type {type(value).__name__} has no items")


def as_plain(value: Value) -> object:
    """A value as a config holds it: tuples and arrays as lists."""
    value = listed(value)
    if isinstance(value, (list, tuple)):
        return [as_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: as_plain(item) for key, item in value.items()}
    return value


def as_parameter(value: Value) -> Value:
    """A finite number, as functions of `random` and NumPy take it."""
    if not is_number(value):
        raise TypeError(f"expected a number, got {type(value).__name__}")
    if not abs(value) <= _MAX_PARAMETER:
        shown = shortened(str(value))
        raise ValueError(f"expected a finite number of at most {_MAX_PARAMETER:g}, got {shown}")
    return value


def as_whole(value: Value) -> int:
    """A whole number, also if it is written as 3.0."""
    if int(as_parameter(value)) != value:
        raise ValueError(f"expected a whole number, got {value}")
    return int(value)


def checked_digits(count: Value) -> Value:
    """The digits that a number may be rounded to."""
    if count is not None and abs(count) > _MAX_DIGITS:
        raise LimitError(f"round takes at most {_MAX_DIGITS} digits")
    return count


def shortened(text: str, length: int = 60) -> str:
    """A text as a message shows it."""
    if len(text) <= length:
        return text
    return f"{text[: length - 3]}..."
