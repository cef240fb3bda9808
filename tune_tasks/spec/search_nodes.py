"""The searched parts of a config, once they are parsed. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tune_tasks.errors import Location
from tune_tasks.model.paths import NodePath
from tune_tasks.model.stopping import Criterion
from tune_tasks.spec.domains import Choice, Domain, Scale, Unit, is_same
from tune_tasks.spec.expressions.language import Expression


@dataclass(frozen=True)
class Grid:
    """A `grid_search`: one of `options`."""

    options: tuple[Any, ...]


@dataclass(frozen=True)
class Eval:
    """An `eval`, with the place of its text."""

    expression: Expression
    place: Location | None


@dataclass(frozen=True)
class Condition:
    """A part of a `when`: what another setting has to be.

    Attributes:
        path: The other setting's.
        comparison: Of its value with a number; None: it has to be one of `values`.
    """

    path: NodePath
    comparison: Criterion | None = None
    values: Sequence[Any] = ()

    def holds(self, value: object) -> bool:
        """Whether the other setting is as it has to be."""
        if self.comparison is None:
            return any(is_same(value, each) for each in self.values)
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            return False
        return self.comparison.met_by(value)


@dataclass(frozen=True, eq=False)
class Parameter:
    """A setting that has a domain.

    Attributes:
        name: What a searcher calls it: its dotted path. Where branches of a `choice` have different
            domains at one path, those after the first have a number behind it.
        domain: The kind of domain.
        given: What the domain is given: numbers, `Eval`s, or the parsed options of a choice.
        when: Its conditions; the setting is absent unless all of them hold.
        in_option: Whether it is a part of an option, so that some trials do not have it.
        place: Of the domain in the spec.
    """

    name: str
    domain: Domain
    given: tuple[Any, ...]
    when: tuple[Condition, ...]
    in_option: bool
    place: Location | None

    @property
    def is_dependent(self) -> bool:
        """Whether its bounds follow from other settings."""
        is_choice = isinstance(self.domain, Choice)
        return not is_choice and any(isinstance(each, Eval) for each in self.given)

    @property
    def references(self) -> list[NodePath]:
        """The settings that its bounds refer to."""
        bounds = (each.expression.references for each in self.given if isinstance(each, Eval))
        return [path for paths in bounds for path in paths]

    @property
    def is_conditional(self) -> bool:
        """Whether some trials do not have it."""
        return self.in_option or bool(self.when)

    @property
    def scale(self) -> Scale:
        """What a searcher may choose from: a relative position, if the bounds depend."""
        return Unit() if self.is_dependent else self.domain.scale(*self.given)


def always_there(node: Any) -> set[NodePath]:
    """The paths, below a part of a parsed config, of the settings that every trial has.

    What a list holds is one setting.
    """
    if isinstance(node, Parameter) and node.when:
        return set()
    if isinstance(node, Parameter) and isinstance(node.domain, Choice):
        return _in_all(node.given)
    if isinstance(node, Grid):
        return _in_all(node.options)
    if isinstance(node, Mapping):
        return {(key, *path) for key, child in node.items() for path in always_there(child)}
    return {()}


def _in_all(options: Iterable[Any]) -> set[NodePath]:
    return set.intersection(*map(always_there, options))
