"""Whether a value from a spec fits the type hint of one of RLlib's settings.

And how to say what would. Pure.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Union, get_args, get_origin

# : A number, or `[[timestep, value], …]`, interpolated in between; how RLlib takes `lr` and
# `entropy_coeff`.
Schedule = Union[float, list[list[float]]]  # noqa: UP007  (`float | list` is no hint that get_origin tells from RLlib's own)

_WORDS: dict[Any, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    dict: "a mapping",
    list: "a list",
    tuple: "a list",
    type(None): "null",
}
_SIMPLE: dict[Any, Callable[[Any], bool]] = {
    bool: lambda value: isinstance(value, bool),
    int: lambda value: isinstance(value, int) and not isinstance(value, bool),
    float: lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    str: lambda value: isinstance(value, str),
    type(None): lambda value: value is None,
}


def fits(value: Any, hint: Any) -> bool:
    """Whether `value`, as YAML or JSON gives it, is of the hinted type.

    True where the hint says nothing to check.
    """
    origin = get_origin(hint) or hint
    if origin is Any:  # a class from Python 3.11 on, and none that `isinstance` takes
        return True
    if origin in _SIMPLE:
        return _SIMPLE[origin](value)
    if origin in (Union, types.UnionType):
        return any(fits(value, part) for part in get_args(hint))
    if isinstance(origin, type):
        return _fits_class(value, origin, get_args(hint))
    return callable(value) if origin is typing.Callable else True


def _fits_class(value: Any, origin: type, parts: tuple[Any, ...]) -> bool:
    if origin is tuple:
        return _is_list(value) and _fits_tuple(value, parts)
    if issubclass(origin, Mapping):
        return isinstance(value, Mapping)
    if issubclass(origin, Collection):
        return _is_list(value) and all(fits(item, part) for item in value for part in parts[:1])
    return callable(value) if origin in (type, Callable) else isinstance(value, origin)


def words(hint: Any) -> str:
    """What fits the hint, in words: `a whole number or a text`."""
    parts = _parts(hint)
    if _is_schedule(parts):
        return "a number, or a schedule such as [[0, 0.001], [100000, 0.0001]]"
    names = dict.fromkeys(
        _WORDS.get(get_origin(part) or part, "a Python object")
        for part in parts
        if part is not type(None)
    )
    return " or ".join(names)


def _parts(hint: Any) -> tuple[Any, ...]:
    return get_args(hint) if get_origin(hint) in (Union, types.UnionType) else (hint,)


def _is_schedule(parts: tuple[Any, ...]) -> bool:
    return float in parts and any(get_origin(part) is list for part in parts)


def _is_list(value: Any) -> bool:
    return isinstance(value, (list, tuple))


def _fits_tuple(value: Sequence[Any], hints: tuple[Any, ...]) -> bool:
    if not hints or hints[-1] is ...:
        return all(fits(item, hints[0]) for item in value) if hints else True
    return len(value) == len(hints) and all(map(fits, value, hints))
