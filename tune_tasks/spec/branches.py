"""Which branch of a choice can have what is wanted of a trial. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

from tune_tasks.model.paths import children
from tune_tasks.spec.domains import Choice, is_same
from tune_tasks.spec.search_nodes import Eval, Parameter


class Found(Enum):
    """What an option has at the path of a wanted value."""

    SAME = auto()
    """The value itself."""
    IN_DOMAIN = auto()
    """Something searched that may be the value."""
    NOT_IN_DOMAIN = auto()
    """Something searched that is never the value."""
    OTHER = auto()
    """Another value, which is not searched."""


_HAD = (Found.SAME, Found.IN_DOMAIN)


@dataclass(frozen=True)
class Branch:
    """An option of a choice, and how it has what is wanted below it.

    Attributes:
        number: Of the option.
        found: By dotted path; without those that the option lacks.
    """

    number: int
    found: Mapping[str, Found]

    @property
    def is_allowed(self) -> bool:
        """Whether it has no other value in place of a wanted one."""
        return Found.OTHER not in self.found.values()

    @property
    def hits(self) -> int:
        """How many of the wanted values it can have."""
        return sum(each in _HAD for each in self.found.values())

    @property
    def rank(self) -> tuple[bool, int, int]:
        """The greater, the nearer is the option to what is wanted."""
        return self.is_allowed, self.hits, len(self.found)


def branches(options: Sequence[Any], name: str, wanted: Mapping[str, Any]) -> list[Branch]:
    """How each option of a choice has what is wanted, in their order.

    Args:
        options: Parsed.
        name: The dotted path of the choice.
        wanted: Values by dotted path; those below `name` count.
    """
    return [Branch(number, _found(each, name, wanted)) for number, each in enumerate(options)]


def _found(node: Any, name: str, wanted: Mapping[str, Any]) -> dict[str, Found]:
    """What a part of an option has at the paths of what is wanted there and below."""
    if isinstance(node, Parameter):
        return _found_in(node, name, wanted)
    if isinstance(node, Eval):
        return {}
    if name in wanted:
        return {name: Found.SAME if is_same(node, wanted[name]) else Found.OTHER}
    below = {key: value for key, value in wanted.items() if key.startswith(f"{name}.")}
    parts = children(node) if below else ()
    return {k: v for key, part in parts for k, v in _found(part, f"{name}.{key}", below).items()}


def _found_in(parameter: Parameter, name: str, wanted: Mapping[str, Any]) -> dict[str, Found]:
    if name in wanted:
        return {name: _searched(_may_be(parameter, wanted[name]))}
    if not isinstance(parameter.domain, Choice):
        return {}
    nearest = max(branches(parameter.given, name, wanted), key=lambda branch: branch.rank)
    return {key: _searched(found in _HAD) for key, found in nearest.found.items()}


def _searched(is_in_domain: bool) -> Found:
    return Found.IN_DOMAIN if is_in_domain else Found.NOT_IN_DOMAIN


def _may_be(parameter: Parameter, value: Any) -> bool:
    # Bounds that depend on other settings are not known before the trial is
    given = parameter.given
    return parameter.is_dependent or parameter.domain.coordinate(value, *given) is not None
