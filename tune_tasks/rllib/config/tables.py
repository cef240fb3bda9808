"""A short way to write tables in which many names have one value."""

from __future__ import annotations

from typing import TypeVar

Value = TypeVar("Value")


def each(names: str, value: Value) -> dict[str, Value]:
    """The same value for each name.

    Args:
        names: The names, with white space between them.
        value: Their value.
    """
    return dict.fromkeys(names.split(), value)
