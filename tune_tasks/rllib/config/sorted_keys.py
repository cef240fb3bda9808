"""The keys of a `config`, sorted by what they set, and what was found to be wrong with them."""

from __future__ import annotations

import contextlib
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tune_tasks.errors import ConfigError
from tune_tasks.rllib.config.keys_2017 import Part

Key = tuple[str, ...]


@dataclass(frozen=True)
class Entry:
    """A value, and the key in `config` that has it."""

    key: Key
    value: Any


@dataclass
class SortedKeys:
    """The keys of a `config`, sorted by what they set.

    Attributes:
        parts: For each part, the names there and their entries.
        arguments: The environment's keyword arguments.
        problems: What was found to be wrong.
    """

    parts: dict[Part, dict[str, Entry]] = field(default_factory=lambda: defaultdict(dict))
    arguments: Mapping[str, Any] = field(default_factory=dict)
    problems: list[ConfigError] = field(default_factory=list)

    @property
    def settings(self) -> dict[str, Entry]:
        """The entries that are settings of RLlib's config."""
        return self.parts[Part.SETTING]

    @contextlib.contextmanager
    def noting(self) -> Iterator[None]:
        """Note a ConfigError of the context, and go on after the context."""
        try:
            yield
        except ConfigError as error:
            said = set(map(str, self.problems))
            self.problems += [problem for problem in error.each() if str(problem) not in said]

    def check(self) -> None:
        """Raise one ConfigError for everything that was found to be wrong."""
        if self.problems:
            first, *others = self.problems
            raise ConfigError(first.message, first.key, tuple(others))

    def put(self, part: Part, name: str, entry: Entry) -> None:
        """Enter a value.

        Raises:
            ConfigError: If another key has set the same thing.
        """
        other = self.parts[part].get(name)
        if other is not None:
            raise ConfigError(
                f"sets the same as config.{'.'.join(other.key)}; give one of them", entry.key
            )
        self.parts[part][name] = entry
