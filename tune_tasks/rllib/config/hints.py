"""Type hints of RLlib's settings: matches a value from a spec with one, and says it in words. Pure.

pydantic cannot do it: RLlib's hints name classes and callables that a strict `TypeAdapter` refuses,
and a list from YAML has to match a tuple.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, Union, get_args, get_origin

# A `Union`, because RLlib's own hints are, and `float | list` has another origin.
Schedule = Union[float, list[list[float]]]  # noqa: UP007
"""A number, or `[[timestep, value], …]` with values in between interpolated."""

_WORDS: dict[object, str] = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "a text",
    dict: "a mapping",
    list: "a list",
    tuple: "a list",
    type(None): "null",
}
_SIMPLE: dict[object, Callable[[object], bool]] = {
    bool: lambda value: isinstance(value, bool),
    int: lambda value: isinstance(value, int) and not isinstance(value, bool),
    float: lambda value: isinstance(value, (int, float)) and not isinstance(value, bool),
    str: lambda value: isinstance(value, str),
    type(None): lambda value: value is None,
}


def matches_type(value: object, hint: Any) -> bool:
    """Return whether a value, as YAML or JSON gives it, is of the hinted type.

    True if there is nothing to check in the hint.
    """
    origin = get_origin(hint) or hint
    if origin is Any:  # before the classes, because from Python 3.11 on `Any` is a class
        return True
    if origin in _SIMPLE:
        return _SIMPLE[origin](value)
    if origin in (Union, types.UnionType):
        return any(matches_type(value, part) for part in get_args(hint))
    if isinstance(origin, type):
        return _matches_class(value, origin, get_args(hint))
    if origin is typing.Callable:
        return callable(value)
    return True


def _matches_class(value: Any, origin: type, parts: tuple[Any, ...]) -> bool:
    if origin is tuple:
        return _is_list(value) and _matches_tuple(value, parts)
    if issubclass(origin, Mapping):
        return isinstance(value, Mapping)
    if issubclass(origin, Collection):
        return _is_list(value) and _matches_items(value, parts)
    if origin in (type, Callable):
        return callable(value)
    return isinstance(value, origin)


def _matches_items(values: Sequence[object], parts: tuple[Any, ...]) -> bool:
    return not parts or all(matches_type(value, parts[0]) for value in values)


def _matches_tuple(values: Sequence[object], parts: tuple[Any, ...]) -> bool:
    if not parts or parts[-1] is ...:
        return _matches_items(values, parts)
    return len(values) == len(parts) and all(map(matches_type, values, parts))


def _is_list(value: object) -> bool:
    return isinstance(value, (list, tuple))


def describe_type(hint: Any) -> str:
    """The hint in words: `a whole number or a text`."""
    parts = _alternatives(hint)
    if _is_schedule(parts):
        return "a number, or a schedule such as [[0, 0.001], [100000, 0.0001]]"
    given = [get_origin(part) or part for part in parts if part is not type(None)]
    words = dict.fromkeys(_WORDS.get(kind, "a Python object") for kind in given)
    return " or ".join(words)


def _alternatives(hint: Any) -> tuple[Any, ...]:
    if get_origin(hint) in (Union, types.UnionType):
        return get_args(hint)
    return (hint,)


def _is_schedule(parts: tuple[Any, ...]) -> bool:
    return float in parts and any(get_origin(part) is list for part in parts)
