"""A trial whose config changes as a schedule says. Pure.

The schedule of `scheduler: {replay: …}` gives a trial several stages: stage 0 has the config of the
spec, each later one other values of some of its settings. Which one a trial has come to is a
coordinate of its point.
"""

from __future__ import annotations

import contextlib
import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tune_tasks.errors import ExpressionError, Location, SpecError
from tune_tasks.model.differences import flat
from tune_tasks.model.paths import NodePath, dotted, nodes
from tune_tasks.spec.resolution import Point
from tune_tasks.spec.scheduling import ReplayOptions
from tune_tasks.spec.search_space import Resolved, SearchSpace

STAGE = "@stage"
"""The coordinate that says which stage a trial has come to; without one it is stage 0."""
LocateStep = Callable[[int], Location | None]
"""Gives the place of a step of a schedule by its number."""


class Stages:
    """The stages of an experiment's trials; a single one if there is no schedule.

    Args:
        config: The config of the spec.
        space: Its search space.
        replay: The schedule; None if there is none.
        locate: The place of a step by its number, for messages.

    Raises:
        SpecError: If what is searched refers to something that a step takes away.
    """

    def __init__(
        self,
        config: Mapping[str, Any],
        space: SearchSpace,
        replay: ReplayOptions | None,
        locate: LocateStep = lambda _: None,
    ) -> None:
        self._steps = replay.schedule if replay else []
        self._locate = locate
        self._paths: dict[NodePath, None] = {}  # a set that keeps the order
        self.spaces: list[SearchSpace] = [space]
        for stage, step in enumerate(self._steps, 1):
            # A step may change what an earlier one has brought
            self._paths |= dict.fromkeys(path for path, _ in located(config, step.config))
            config = changed(config, step.config)
            with self.blaming(stage, SpecError):
                self.spaces.append(SearchSpace(config))

    @property
    def later(self) -> range:
        """The stages after the first one."""
        return range(1, len(self.spaces))

    def of(self, point: Point) -> int:
        """The stage of a trial with this point: an edit may have left out the last ones."""
        return min(int(point.get(STAGE, 0)), len(self.spaces) - 1)

    @contextlib.contextmanager
    def blaming(self, stage: int, problem: type[SpecError] = ExpressionError) -> Iterator[None]:
        """Say of a problem that it is one of a later stage, and where that begins."""
        try:
            yield
        except problem as exc:
            step = self._steps[stage - 1]
            message = f"{exc.message} (from `at: {step.at:g}` of the schedule on)"
            raise type(exc)(message, self._locate(stage - 1)) from None

    def staged(self, resolved: Resolved, stage: int) -> Resolved:
        """What a trial tries, with what the schedule changes beside what is searched."""
        if not self.later:
            return resolved
        config = resolved.config
        scheduled = {dotted(path): _at(config, path) for path in self._paths if _has(config, path)}
        point = {**resolved.point, **({STAGE: stage} if stage else {})}
        searched = dict(sorted({**resolved.searched, **flat(scheduled)}.items()))
        return replace(resolved, searched=searched, point=point)


def settings(config: Mapping[str, Any]) -> Iterator[tuple[str, NodePath]]:
    """Yield everything in a config by its dotted path."""
    return ((dotted(path), path) for path, _ in nodes(config) if path)


def located(config: Mapping[str, Any], values: Mapping[str, Any]) -> Iterator[tuple[NodePath, Any]]:
    """Yield the path that each of some dotted paths stands for in a config, with its new value."""
    paths = dict(settings(config))
    return ((paths[name], value) for name, value in values.items())


def changed(config: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a config with other values at some dotted paths, none within another."""
    new = copy.deepcopy(dict(config))
    for (*above, last), value in located(config, values):
        _at(new, above)[last] = copy.deepcopy(value)
    return new


def _has(config: Any, path: NodePath) -> bool:
    """Whether a config has something at a path. A text has no parts."""
    for key in path:
        if isinstance(config, list):
            config = dict(enumerate(config))
        if not isinstance(config, Mapping) or key not in config:
            return False
        config = config[key]
    return True


def _at(config: Any, path: Sequence[str | int]) -> Any:
    for key in path:
        config = config[key]
    return config
