"""A mapping of the file that is converted: its values by type, errors with their places. Pure.

It notes which keys were asked for, so that nothing is left out in silence.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from typing import Any

from tune_tasks.errors import SpecError, did_you_mean
from tune_tasks.model.masking import short
from tune_tasks.model.paths import NodePath, dotted
from tune_tasks.spec.source import Source

_MOST = 2**53
"""Whole numbers up to here are exact as floats, too."""


class Given:
    """A mapping of a file.

    Args:
        source: The file.
        path: Of the mapping in it.

    Raises:
        SpecError: If there is no mapping at the path.
    """

    def __init__(self, source: Source, path: NodePath = ()) -> None:
        value = source.data
        for part in path:
            value = value[part]
        self.path = path
        self._source = source
        self._asked: set[str] = set()
        if not isinstance(value, dict):
            raise self.error(f"expected a mapping, got {short(value, path)}")
        self._values: dict[str, Any] = value

    def __contains__(self, key: str) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def error(self, problem: str, *keys: str | int, of_key: bool = False) -> SpecError:
        """An error at a place below the mapping.

        Args:
            problem: What is wrong.
            keys: The path below the mapping.
            of_key: Whether the key is meant, and not its value.
        """
        path = (*self.path, *keys)
        return SpecError(f"{dotted(path) or 'file'}: {problem}", self._source.at(path, key=of_key))

    def cited(self, key: str) -> str:
        """What a comment calls a key: its path and its line in the file."""
        path = (*self.path, key)
        place = self._source.at(path, key=True)
        return f"{dotted(path)} (line {place.line})" if place else dotted(path)

    def rest(self) -> list[str]:
        """The keys that nobody has asked for; null is as good as absent."""
        return [key for key, value in self._values.items() if key not in self._asked]

    def take(self, key: str) -> Any:
        """The value of a key, of any type; None if it is absent."""
        self._asked.add(key)
        return self._values.get(key)

    def expect(self, key: str) -> None:
        """Check that a key is there.

        Raises:
            SpecError: If it is not.
        """
        if self._values.get(key) is None:
            raise self.error(f"lacks the key {key!r}{did_you_mean(key, self.rest())}")

    def below(self, *keys: str) -> Given | None:
        """The mapping at a key, or below several; None if it is absent.

        Raises:
            SpecError: If it is anything else.
        """
        if self.take(keys[0]) is None:
            return None
        inner = Given(self._source, (*self.path, keys[0]))
        return inner.below(*keys[1:]) if len(keys) > 1 else inner

    def each_below(self, key: str) -> list[Given]:
        """The mappings of the list at a key, which has to have something in it.

        Raises:
            SpecError: If it is anything else.
        """
        return [Given(self._source, (*self.path, key, i)) for i, _ in enumerate(self.listed(key))]

    def number(self, key: str, default: float | None = None) -> Any:
        """The finite number at a key; without a default it has to be there.

        Raises:
            SpecError: If it is anything else.
        """
        value = self.take(key)
        if value is None and default is not None:
            return default
        self.expect(key)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            raise self._unexpected("a number", key)
        if not abs(value) <= sys.float_info.max:  # which NaN is not either
            raise self._unexpected("a finite number", key)
        return value

    def whole(self, key: str, *, least: int = 0, most: int = _MOST) -> int | None:
        """The whole number at a key; None if it is absent.

        Raises:
            SpecError: If it is anything else, or not between `least` and `most`.
        """
        value = self.take(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise self._unexpected(f"a whole number from {least} on", key)
        if value > most:
            raise self._unexpected(f"a whole number up to {most:,}", key)
        return value

    def needed_text(self, key: str, known: Iterable[str] = ()) -> str:
        """The text at a key, which has to be there; otherwise as `text`."""
        self.expect(key)
        text = self.text(key, known)
        if text is None:
            raise self._unexpected("a text", key)
        return text

    def text(self, key: str, known: Iterable[str] = ()) -> str | None:
        """The text at a key; None if it is absent or empty.

        Args:
            key: The key.
            known: What it may be; empty: anything.

        Raises:
            SpecError: If it is anything else.
        """
        value = self.take(key)
        known = list(known)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise self._unexpected("a text", key)
        if known and value not in known:
            names = ", ".join(known)
            hint = did_you_mean(value, known)
            raise self.error(f"expected one of {names}; got {value!r}{hint}", key)
        return value

    def flag(self, key: str, *, default: bool) -> bool:
        """The truth value at a key.

        Raises:
            SpecError: If it is anything else.
        """
        value = self.take(key)
        if value is None:
            return default
        if not isinstance(value, bool):
            raise self._unexpected("true or false", key)
        return value

    def listed(self, key: str) -> list[Any]:
        """The list at a key, which has to be there and to have something in it.

        Raises:
            SpecError: If it is anything else.
        """
        self.expect(key)
        value = self.take(key)
        if not isinstance(value, list) or not value:
            raise self._unexpected("a list of at least one value", key)
        return value

    def _unexpected(self, wanted: str, key: str) -> SpecError:
        got = short(self._values[key], (*self.path, key))
        return self.error(f"expected {wanted}, got {got}", key)
