"""What a config searches: its `grid_search`, its `eval`s and its domains. Pure.

The same config, index and stream give the same values.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise, product
from typing import Any

from tune_tasks.errors import SpecError
from tune_tasks.model.paths import NodePath, dotted, nodes
from tune_tasks.spec.domains import Choice, Coordinate, is_same
from tune_tasks.spec.expressions.plan_budget import PlanBudget
from tune_tasks.spec.resolution import Choose, Resolution, drawn
from tune_tasks.spec.search_nodes import Eval, Parameter, always_there
from tune_tasks.spec.search_parsing import Locate, SearchParser
from tune_tasks.spec.unmet import unmet
from tune_tasks.spec.wanted import Wanted

DRAWN = object()
"""In place of an option that is not known before its trial is."""

_MOST_COMBINATIONS = 1_000
"""Looked at for one config: where options are alike, or are drawn, several may have given it."""
_ABSENT = object()


@dataclass(frozen=True)
class Resolved:
    """What a trial tries.

    Attributes:
        config: Its config.
        searched: What is searched of it, by dotted path.
        point: The coordinates of its parameters, by name.
    """

    config: dict[str, Any]
    searched: dict[str, Any]
    point: dict[str, Coordinate]


class SearchSpace:
    """A config with its searched parts parsed.

    Args:
        config: The config of an experiment.
        locate: The place of a value by its path within the config, for messages.

    Raises:
        SpecError: If a searched part is malformed.
    """

    def __init__(self, config: Mapping[str, Any], locate: Locate = lambda _: None) -> None:
        parsed = SearchParser(config, locate)
        self._tree = parsed.tree
        self._groups = parsed.groups
        self._parameters = parsed.parameters
        self._searched = sorted(set(parsed.searched), key=dotted)
        self._expect_distinct_names(locate)
        paths = sorted(parsed.grids, key=dotted)
        self._dimensions = [(path, parsed.grids[path].options) for path in paths]

    @property
    def grid_size(self) -> int:
        """Number of grid combinations; 1 if there is no grid."""
        return math.prod(len(options) for _, options in self._dimensions)

    @property
    def parameters(self) -> Sequence[Parameter]:
        """All that have domains, those of every branch."""
        return self._parameters

    def unmet(self) -> Iterator[tuple[Parameter, str]]:
        """What a `when` keeps away from every trial, and why."""
        return unmet(self._tree, self._parameters)

    def evals_that_draw(self) -> Iterator[NodePath]:
        """The paths of the values that an `eval` draws, those in options apart."""
        for path, node in nodes(self._tree):
            if isinstance(node, Eval) and node.expression.draws:
                yield path

    @property
    def searched(self) -> Sequence[NodePath]:
        """The paths of what is searched, sorted. A trial may lack some, and has no others."""
        return self._searched

    @property
    def always(self) -> set[NodePath]:
        """The paths of the settings that every trial has; a list is one setting."""
        return always_there(self._tree)

    @property
    def evals(self) -> Sequence[str]:
        """The dotted paths of the `eval`s, those in options apart."""
        return [dotted(path) for path, node in nodes(self._tree) if isinstance(node, Eval)]

    @property
    def grids(self) -> Sequence[str]:
        """The dotted paths of the grids."""
        return [dotted(path) for path, _ in self._dimensions]

    def options_by_name(self) -> dict[str, Sequence[Any]]:
        """The options of grids and choices, by dotted path; those of all branches."""
        options: dict[str, list[Any]] = {
            dotted(path): list(each) for path, each in self._dimensions
        }
        for parameter in self._parameters:
            if isinstance(parameter.domain, Choice):
                name = parameter.name.partition("#")[0]
                options.setdefault(name, []).extend(parameter.given)
        return dict(options)

    def resolve(
        self,
        index: int,
        stream: str,
        budget: PlanBudget | None = None,
        combination: int | None = None,
        choose: Choose = drawn,
        wanted: Wanted | None = None,
    ) -> Resolved:
        """What trial `index` tries.

        Args:
            index: Any integer >= 0.
            stream: Names the stream of random numbers; each searched part has one of its own.
            budget: The plan's, from which the resolving is paid; None if it was paid before.
            combination: Of the grid, modulo its size, the first path varying fastest; None: the
                index.
            choose: Says what the parameters are; by default all of them are drawn.
            wanted: Values that take the place of what `choose` says.

        Raises:
            ExpressionError: If an `eval` or a bound fails for this trial, if it cannot have what is
                wanted, or the budget is used up.
        """
        if combination is None:
            combination = index
        grid = self._chosen(combination)
        said = wanted or Wanted({})
        resolution = Resolution(self._tree, grid, index, stream, choose, budget, said)
        config = resolution.value(self._tree, ())
        said.expect_used(map(dotted, self._searched))
        if budget:
            budget.spend(resolution.copied, resolution.copied)
        return Resolved(config, dict(self.searched_of(config)), resolution.point)

    def searched_of(self, config: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """What a config, maybe of another space, has at the paths of what is searched here."""
        for path in self._searched:
            value = _at(config, path)
            is_group = path in self._groups and isinstance(value, Mapping)
            if value is not _ABSENT and not is_group:
                yield dotted(path), value

    def options(self) -> Iterator[tuple[NodePath, list[Any]]]:
        """The path and the options of each grid; `DRAWN` is one that has an `eval` in it."""
        for path, options in self._dimensions:
            yield path, [DRAWN if _draws(option) else option for option in options]

    def combinations(self, positions: Mapping[NodePath, Sequence[int]]) -> Iterator[int]:
        """The combinations of the options at some positions of each grid, the first ones."""
        every = product(*(positions[path] for path, _ in self._dimensions))
        return map(self._combination, islice(every, _MOST_COMBINATIONS))

    def cells_with(self, values: Mapping[str, Any]) -> Iterator[int]:
        """The combinations that may have some values, by dotted path; the first ones.

        One whose option is drawn may have any value.
        """
        positions = {
            path: [i for i, each in enumerate(options) if _may_be(each, values.get(dotted(path)))]
            for path, options in self.options()
        }
        return self.combinations(positions)

    def _combination(self, positions: Sequence[int]) -> int:
        combination = 0
        grids = zip(positions, self._dimensions, strict=True)
        for position, (_, options) in reversed(list(grids)):
            combination = combination * len(options) + position
        return combination

    def _chosen(self, combination: int) -> dict[NodePath, Any]:
        chosen = {}
        for path, options in self._dimensions:
            combination, position = divmod(combination, len(options))
            chosen[path] = options[position]
        return chosen

    def _expect_distinct_names(self, locate: Locate) -> None:
        for one, other in pairwise(self._searched):
            name = dotted(one)
            if name == dotted(other):
                message = f"config.{name}: two searched keys have this name"
                raise SpecError(message, locate(other))


def _may_be(option: Any, value: Any) -> bool:
    return option is DRAWN or is_same(option, value)


def _draws(option: Any) -> bool:
    """Whether an option of a grid has something in it that is drawn."""
    return any(isinstance(node, (Eval, Parameter)) for _, node in nodes(option))


def _at(config: Any, path: NodePath) -> Any:
    for part in path:
        try:
            config = config[part]
        except (KeyError, IndexError, TypeError):
            return _ABSENT
    return config
