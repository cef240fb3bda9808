"""Resolves the config of one trial: what its searched parts are. Pure."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeVar

from tune_tasks.errors import ExpressionError, Location
from tune_tasks.model.masking import without_secrets
from tune_tasks.model.paths import NodePath, dotted
from tune_tasks.spec.domains import Coordinate, Scale
from tune_tasks.spec.expressions.plan_budget import PlanBudget
from tune_tasks.spec.search_nodes import Condition, Eval, Grid, Parameter
from tune_tasks.spec.wanted import NOTHING, Wanted

Choose = Callable[[str, Scale], Coordinate | None]
"""A searcher's word: the coordinate of a parameter; None to have it drawn."""
Point = Mapping[str, Coordinate]
"""The coordinates of a trial's parameters, by name."""
_ABSENT = object()
_Key = TypeVar("_Key")
_Find = Callable[[], Any]


class _MissingError(ExpressionError):
    """A setting that is referred to is not there."""


def chosen(point: Point) -> Choose:
    """Have the parameters as a point has them; those that it lacks are drawn."""
    return lambda name, _scale: point.get(name)


def drawn(_name: str, _scale: Scale) -> None:
    """Have every parameter drawn."""


class Resolution:
    """The resolving of one trial.

    What is searched is found out when it is asked for, and once, because others may refer to it.

    Args:
        tree: The parsed config.
        grid: The chosen option of each grid.
        index: The trial's.
        stream: Names the stream of random numbers; each part has one of its own below it.
        choose: Says what a parameter is.
        budget: From which the evaluations are paid; None if they were paid before.
        wanted: Values that somebody has said, which `choose` is not asked for.

    Attributes:
        copied: The values that were copied so far.
        point: The coordinates of the parameters that were resolved so far.
    """

    def __init__(
        self,
        tree: Any,
        grid: Mapping[NodePath, Any],
        index: int,
        stream: str,
        choose: Choose = drawn,
        budget: PlanBudget | None = None,
        wanted: Wanted = NOTHING,
    ) -> None:
        self._wanted = wanted
        self.copied = 0
        self.point: dict[str, Coordinate] = {}
        self._tree = tree
        self._grid = grid
        self._index = index
        self._stream = stream
        self._choose = choose
        self._budget = budget
        self._values: dict[NodePath, Any] = {}
        self._chosen: dict[Parameter, Any] = {}
        self._open: list[NodePath] = []
        self._blamed = False

    def value(self, node: Any, path: NodePath) -> Any:
        """A fresh copy of `node` without anything unresolved."""
        node = self._opened(node, path)
        if isinstance(node, Eval):
            return self._evaluated(node, path)
        self.copied += 1
        if isinstance(node, dict):
            values = ((key, self.value(child, (*path, key))) for key, child in node.items())
            return {key: value for key, value in values if value is not _ABSENT}
        if isinstance(node, list):
            return [self.value(child, (*path, i)) for i, child in enumerate(node)]
        return node

    def _opened(self, node: Any, path: NodePath) -> Any:
        """What is chosen in place of a node: an option, a number, or that it is absent."""
        while isinstance(node, (Grid, Parameter)):
            node = self._grid[path] if isinstance(node, Grid) else self._choice(node, path)
        return node

    def _once(self, known: dict[_Key, Any], key: _Key, path: NodePath, find: _Find) -> Any:
        if key in known:
            return known[key]
        if path in self._open:
            ring = [*self._open[self._open.index(path) :], path]
            shown = " → ".join(f"config.{dotted(each)}" for each in ring)
            raise ExpressionError(f"it refers to itself: {shown}")
        self._open.append(path)
        try:
            known[key] = find()
        finally:
            self._open.pop()
        return known[key]

    # ── Expressions ─────

    def _evaluated(self, node: Eval, path: NodePath) -> Any:
        return self._once(self._values, path, path, lambda: self._evaluate(node, path))

    def _evaluate(self, node: Eval, path: NodePath) -> Any:
        stream = f"{self._stream}/{dotted(path)}"
        with self._blaming(f"config.{dotted(path)}.eval", node.place):
            return node.expression.evaluate(
                stream=stream, index=self._index, lookup=self._lookup, budget=self._budget
            )

    @contextlib.contextmanager
    def _blaming(self, what: str, place: Location | None) -> Iterator[None]:
        """Name the part that an error is about, unless it comes from what that part refers to."""
        try:
            yield
        except RecursionError:
            raise ExpressionError("too many settings refer to one another") from None
        except ExpressionError as exc:
            if self._blamed:
                raise
            self._blamed = True
            message = f"{what}: {exc.message} (trial {self._index})"
            raise ExpressionError(message, place) from None

    def _lookup(self, path: NodePath) -> Any:
        """The value of a setting that is referred to; only what leads there is resolved."""
        node = self._tree
        done: NodePath = ()
        for part in path:
            node = self._opened(node, done)
            if isinstance(node, Eval):
                return descend(self._evaluated(node, done), path[len(done) :])
            node = descend(node, (part,))
            done = (*done, part)
        value = self.value(node, done)
        if value is _ABSENT:
            raise _MissingError(f"spec.config has no {dotted(path)!r} in this trial")
        return value

    # ── Parameters ─────

    def _choice(self, node: Parameter, path: NodePath) -> Any:
        return self._once(self._chosen, node, path, lambda: self._choose_blamed(node, path))

    def _choose_blamed(self, node: Parameter, path: NodePath) -> Any:
        with self._blaming(f"config.{dotted(path)}", node.place):
            return self._choose_for(node, path)

    def _choose_for(self, node: Parameter, path: NodePath) -> Any:
        if not all(map(self._holds, node.when)):
            return _ABSENT
        if not node.is_dependent:
            return self._value_of(node, path, node.given)
        given = [self._bound(node, path, place) for place in range(len(node.given))]
        problem = node.domain.problem(given)
        if problem:
            problem = without_secrets(problem, [path, *node.references])
            raise ExpressionError(f"{node.domain.name}: {problem}")
        return self._value_of(node, path, given)

    def _holds(self, condition: Condition) -> bool:
        try:
            return condition.holds(self._lookup(condition.path))
        except _MissingError:
            return False

    def _bound(self, node: Parameter, path: NodePath, place: int) -> Any:
        return self.value(node.given[place], (*path, node.domain.name, place))

    def _value_of(self, node: Parameter, path: NodePath, given: Sequence[Any]) -> Any:
        scale = node.scale
        wanted = self._wanted.coordinate(node, path, given)
        if wanted is not None:
            position = node.domain.scale(*given).position(wanted)
            self.point[node.name] = scale.nearest(position if node.is_dependent else wanted)
            return self._wanted.value(path, node.domain.value(wanted, *given))
        chosen = self._choose(node.name, scale)
        if chosen is None:
            chosen = scale.at(position_of(f"{self._stream}/{node.name}"))
        coordinate = scale.nearest(chosen)
        self.point[node.name] = coordinate
        if node.is_dependent:
            # A relative position: the bounds are others in the next trial.
            coordinate = node.domain.scale(*given).at(coordinate)
        return node.domain.value(coordinate, *given)


def position_of(stream: str) -> float:
    """A number in [0, 1), the same on every machine for the same stream."""
    digest = hashlib.sha256(stream.encode("utf-8", "surrogatepass")).digest()
    return int.from_bytes(digest[:8], "big") / 2**64 % 1.0


def descend(value: Any, path: NodePath) -> Any:
    """What a path leads to.

    Raises:
        ExpressionError: If there is nothing.
    """
    for part in path:
        try:
            value = value[part]
        except (KeyError, IndexError, TypeError):
            raise _MissingError(f"spec.config has no {dotted(path)!r}") from None
    return value
