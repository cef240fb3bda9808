"""Resolves what a config searches: its `grid_search` and `eval` values. Pure.

The same config, index and stream give the same values.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise, product
from typing import Any

from tune_tasks.errors import ExpressionError, Location, SpecError
from tune_tasks.model.masking import masked_by_path
from tune_tasks.model.paths import NodePath, dotted, nodes
from tune_tasks.spec.expressions.language import Expression
from tune_tasks.spec.expressions.plan_budget import PlanBudget

Locate = Callable[[NodePath], Location | None]

DRAWN = object()
"""In place of an option that is not known before its trial is."""

_MARKERS = ("grid_search", "eval")
_MOST_COMBINATIONS = 1_000
"""Looked at for one config: where options are alike, or are drawn, several may have given it."""


@dataclass(frozen=True)
class _Grid:
    """A `grid_search`: one of `options`."""

    options: tuple[Any, ...]


@dataclass(frozen=True)
class _Eval:
    """An `eval`, with the place of its text."""

    expression: Expression
    place: Location | None


class SearchSpace:
    """A config with its searched parts parsed.

    Args:
        config: The config of an experiment.
        locate: The place of a value by its path within the config, for messages.

    Raises:
        SpecError: If a `grid_search` or an `eval` is malformed.
    """

    def __init__(self, config: Mapping[str, Any], locate: Locate = lambda _: None) -> None:
        self._locate = locate
        self._grids: dict[NodePath, _Grid] = {}
        self._searched: list[NodePath] = []
        self._tree = self._parse(config, (), in_grid=False)
        self._searched.sort(key=dotted)
        self._expect_distinct_names()
        paths = sorted(self._grids, key=dotted)
        self._dimensions = [(path, self._grids[path].options) for path in paths]

    @property
    def grid_size(self) -> int:
        """Number of grid combinations; 1 if there is no grid."""
        return math.prod(len(options) for _, options in self._dimensions)

    @property
    def searched(self) -> Sequence[NodePath]:
        """The paths of what is searched, sorted."""
        return self._searched

    def resolve(
        self,
        index: int,
        stream: str,
        budget: PlanBudget | None = None,
        combination: int | None = None,
    ) -> tuple[dict[str, Any], dict[str, Any]]:
        """The config of trial `index`, and its searched part by dotted path.

        Args:
            index: Any integer >= 0.
            stream: Names the stream of random numbers; each `eval` has one of its own below it.
            budget: The plan's, from which the resolving is paid; None if it was paid before.
            combination: Of the grid, modulo its size, the first path varying fastest; None: the
                index.

        Raises:
            ExpressionError: If an `eval` fails for this trial, or the budget is used up.
        """
        if combination is None:
            combination = index
        choices = self._choices(combination)
        resolution = _Resolution(self._tree, choices, index, stream, budget)
        config = resolution.value(self._tree, ())
        if budget:
            budget.spend(resolution.copied, resolution.copied)
        return config, {dotted(path): _descend(config, path) for path in self._searched}

    def options(self) -> Iterator[tuple[NodePath, list[Any]]]:
        """The path and the options of each grid; `DRAWN` is one that has an `eval` in it."""
        for path, options in self._dimensions:
            yield path, [DRAWN if _draws(option) else option for option in options]

    def combinations(self, positions: Mapping[NodePath, Sequence[int]]) -> Iterator[int]:
        """The combinations of the options at some positions of each grid, the first ones."""
        every = product(*(positions[path] for path, _ in self._dimensions))
        return map(self._combination, islice(every, _MOST_COMBINATIONS))

    def _combination(self, positions: Sequence[int]) -> int:
        combination = 0
        grids = zip(positions, self._dimensions, strict=True)
        for position, (_, options) in reversed(list(grids)):
            combination = combination * len(options) + position
        return combination

    def _choices(self, combination: int) -> dict[NodePath, Any]:
        choices = {}
        for path, options in self._dimensions:
            combination, position = divmod(combination, len(options))
            choices[path] = options[position]
        return choices

    def _expect_distinct_names(self) -> None:
        for one, other in pairwise(self._searched):
            name = dotted(one)
            if name == dotted(other):
                message = f"config.{name}: two searched keys have this name"
                raise SpecError(message, self._locate(other))

    def _parse(self, node: Any, path: NodePath, *, in_grid: bool) -> Any:
        if isinstance(node, Mapping):
            for marker in _MARKERS:
                if marker in node:
                    return self._parse_marker(marker, node, path, in_grid=in_grid)
            return {
                key: self._parse(value, (*path, key), in_grid=in_grid)
                for key, value in node.items()
            }
        if isinstance(node, list):
            return [self._parse(value, (*path, i), in_grid=in_grid) for i, value in enumerate(node)]
        return node

    def _parse_marker(
        self, marker: str, node: Mapping[str, Any], path: NodePath, *, in_grid: bool
    ) -> _Grid | _Eval:
        place = self._locate(path)
        if not path:
            message = f"config: {marker} stands for a value of config, not for config itself"
            raise SpecError(message, place)
        name = f"config.{dotted(path)}"
        for key in node:
            if key != marker:
                message = f"{name}: {marker} stands alone; {key!r} beside it is not expected"
                raise SpecError(message, place)
        if not in_grid:
            self._searched.append(path)
        if marker == "eval":
            return self._parse_eval(node["eval"], path, name)
        return self._parse_grid(node["grid_search"], path, name, in_grid=in_grid)

    def _parse_eval(self, source: object, path: NodePath, name: str) -> _Eval:
        place = self._locate((*path, "eval"))
        if not isinstance(source, str):
            got = _shown(source, path)
            raise SpecError(f"{name}.eval: expected an expression as text, got {got}", place)
        try:
            return _Eval(Expression.parse(source), place)
        except ExpressionError as exc:
            raise ExpressionError(f"{name}.eval: {exc.message}", place) from None

    def _parse_grid(self, options: object, path: NodePath, name: str, *, in_grid: bool) -> _Grid:
        place = self._locate((*path, "grid_search"))
        if in_grid:
            problem = "a grid_search within the values of another is not supported; use two keys"
            raise SpecError(f"{name}: {problem}", place)
        if not isinstance(options, list) or not options:
            problem = f"expected a list of at least one value, got {_shown(options, path)}"
            raise SpecError(f"{name}.grid_search: {problem}", place)
        grid = _Grid(tuple(self._parse(option, path, in_grid=True) for option in options))
        self._grids[path] = grid
        return grid


def _draws(option: Any) -> bool:
    """Whether an option of a grid has an `eval` in it."""
    return any(isinstance(node, _Eval) for _, node in nodes(option))


def _shown(value: object, path: NodePath) -> str:
    """A value as a message shows it: masked if its name says that it is a secret."""
    (masked,) = masked_by_path({dotted(path): value}).values()
    return repr(masked)


class _Resolution:
    """The resolving of one trial.

    An `eval` is evaluated when it is asked for, and once, because others may refer to it.

    Attributes:
        copied: The values that were copied so far.
    """

    def __init__(
        self,
        tree: Any,
        choices: Mapping[NodePath, Any],
        index: int,
        stream: str,
        budget: PlanBudget | None = None,
    ) -> None:
        self.copied = 0
        self._tree = tree
        self._choices = choices
        self._index = index
        self._stream = stream
        self._budget = budget
        self._values: dict[NodePath, Any] = {}
        self._open: list[NodePath] = []
        self._blamed = False

    def value(self, node: Any, path: NodePath) -> Any:
        """A fresh copy of `node` without anything unresolved."""
        if isinstance(node, _Grid):
            return self.value(self._choices[path], path)
        if isinstance(node, _Eval):
            return self._evaluate(node, path)
        self.copied += 1
        if isinstance(node, dict):
            return {key: self.value(child, (*path, key)) for key, child in node.items()}
        if isinstance(node, list):
            return [self.value(child, (*path, i)) for i, child in enumerate(node)]
        return node

    def _evaluate(self, node: _Eval, path: NodePath) -> Any:
        if path in self._values:
            return self._values[path]
        if path in self._open:
            ring = [*self._open[self._open.index(path) :], path]
            shown = " → ".join(f"config.{dotted(each)}" for each in ring)
            raise ExpressionError(f"it refers to itself: {shown}")
        self._open.append(path)
        try:
            stream = f"{self._stream}/{dotted(path)}"
            value = node.expression.evaluate(
                stream=stream, index=self._index, lookup=self._lookup, budget=self._budget
            )
        except ExpressionError as exc:
            if self._blamed:  # because it names an `eval` that this one refers to
                raise
            self._blamed = True
            raise ExpressionError(
                f"config.{dotted(path)}.eval: {exc.message} (trial {self._index})", node.place
            ) from None
        finally:
            self._open.pop()
        self._values[path] = value
        return value

    def _lookup(self, path: NodePath) -> Any:
        """The value of a setting that an `eval` refers to; only what leads there is resolved."""
        node: Any = self._tree
        done: NodePath = ()
        for part in path:
            if isinstance(node, _Grid):
                node = self._choices[done]
            if isinstance(node, _Eval):
                return _descend(self._evaluate(node, done), path[len(done) :])
            node = _descend(node, (part,))
            done = (*done, part)
        return self.value(node, done)


def _descend(value: Any, path: NodePath) -> Any:
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            raise ExpressionError(f"spec.config has no {dotted(path)!r}") from None
    return value
