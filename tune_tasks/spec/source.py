"""A spec as plain data, with the place of every part of it. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tune_tasks.errors import Location
from tune_tasks.model.paths import NodePath

KEY = "\0key"
"""Ends the path of a key, whose value's path is the same without it."""
MAX_DEPTH = 64
"""Levels of nesting."""
_MAX_BITS = 14_284
"""Every number of more bits has more than the 4,300 digits that Python writes."""


@dataclass
class Source:
    """Plain data and where each part of it was written.

    Attributes:
        name: The file, or what stands for one.
        data: Dicts, lists and scalars.
        places: Location of each value by its path; of a key by its path with `KEY` appended.
        warnings: What YAML 1.1 or Python would read otherwise, by its place.
    """

    name: str
    data: Any
    places: dict[NodePath, Location] = field(default_factory=dict)
    warnings: dict[Location, str] = field(default_factory=dict)

    def at(self, path: NodePath, *, key: bool = False) -> Location | None:
        """Return where the value at `path` was written, or its key; else the nearest known parent.

        Args:
            path: The path.
            key: Whether the key is meant; for an item of a list, which has none, the value is.
        """
        key_path = (*path, KEY)
        if key and key_path in self.places:
            return self.places[key_path]
        while path and path not in self.places:
            path = path[:-1]
        return self.places.get(path)


def check_digits(number: int) -> None:
    """Check that Python can write a whole number in digits, as messages and JSON do.

    Raises:
        ValueError: If it has too many digits.
    """
    if number.bit_length() > _MAX_BITS:
        raise ValueError("too many digits")
