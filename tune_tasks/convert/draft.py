"""A spec that is being written: one experiment, and what is to be said beside its keys. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tune_tasks.convert.given import Given
from tune_tasks.model.paths import NodePath
from tune_tasks.model.text import one_line
from tune_tasks.spec.domains import DOMAINS
from tune_tasks.spec.schema import TEMPLATES
from tune_tasks.spec.search_parsing import is_domain

_NAMELESS = "sweep"
_MARKERS = frozenset({"eval", "grid_search"})


MOST_OF_A_GRID = 10_000
"""Points of a range that are written out as a grid."""


@dataclass(frozen=True)
class Setting:
    """A value of a config as we write it.

    Attributes:
        value: A domain, a grid, an expression, a constant, or a mapping of settings.
        notes: What is to be said about it.
    """

    value: Any
    notes: tuple[str, ...] = ()

    def expect_valid(self, given: Given) -> None:
        """Check that a domain is one.

        Args:
            given: What it was made of.

        Raises:
            SpecError: If it is not.
        """
        if isinstance(self.value, dict) and is_domain(self.value):
            ((name, bounds),) = self.value.items()
            problem = DOMAINS[name].problem(bounds)
            if problem:
                raise given.error(f"{name}: {problem}")

    def with_notes(self, notes: Iterable[str]) -> Setting:
        """The same with more to be said."""
        return Setting(self.value, (*self.notes, *notes))


@dataclass
class Draft:
    """One experiment of ours, and the comments that go with it.

    Attributes:
        name: The experiment's.
        keys: What it says, in the order in which it is written.
        head: What is said at the top of the file.
        notes: What is said above a key, by its path within the experiment.
    """

    name: str
    keys: dict[str, Any] = field(default_factory=dict)
    head: list[str] = field(default_factory=list)
    notes: dict[NodePath, list[str]] = field(default_factory=dict)

    def put(self, key: str, value: Any, *notes: str) -> None:
        """Write a key, with what is to be said about it."""
        self.keys[key] = value
        self.note((key,), *notes)

    def note(self, path: NodePath, *notes: str) -> None:
        """Say something above a key."""
        if notes:
            self.notes.setdefault(path, []).extend(notes)

    def left_out(self, given: Given, key: str, reason: str) -> None:
        """Say at the top why a key has no counterpart."""
        self.head.append(f"{given.cited(key)}: {reason}")


def experiment_name(given: str | None, file: str) -> str:
    """An experiment's name: the one that is given, or else the file's, without what is reserved."""
    name = one_line(given or Path(file).stem).strip()
    while name.startswith(TEMPLATES):
        name = name.removeprefix("x-").lstrip("_.")
    return name or _NAMELESS


def expect_plain(given: Given, settings: Mapping[str, Any]) -> None:
    """Check that a mapping of settings is not read as something that is searched.

    Raises:
        SpecError: If the names in it are those of a domain of ours, or of a grid.
    """
    if is_domain(settings) or not _MARKERS.isdisjoint(settings):
        names = ", ".join(map(repr, settings))
        raise given.error(f"a mapping with {names} would be searched here; rename it")


def expect_free(given: Given, config: Mapping[str, Any]) -> None:
    """Check that no parameter of a file has the name of a key that we give a config.

    Raises:
        SpecError: If one has.
    """
    for key in given:
        if key in config:
            raise given.error("it is a key of ours in config; rename it", key, of_key=True)
