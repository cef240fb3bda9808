"""A trial whose config changes as a schedule says. Pure.

The schedule of `scheduler: {replay: …}` gives a trial several stages: stage 0 has the config of the
spec, each later one other values of some of its settings. Which one a trial has come to is a
coordinate of its point.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tune_tasks.model.paths import NodePath, dotted, nodes
from tune_tasks.spec.resolution import Point
from tune_tasks.spec.scheduling import ReplayOptions
from tune_tasks.spec.search_space import Resolved, SearchSpace

STAGE = "@stage"
"""The coordinate that says which stage a trial has come to; without one it is stage 0."""


class Stages:
    """The stages of an experiment's trials; a single one if there is no schedule.

    Args:
        config: The config of the spec.
        space: Its search space.
        replay: The schedule; None if there is none.
    """

    def __init__(
        self, config: Mapping[str, Any], space: SearchSpace, replay: ReplayOptions | None
    ) -> None:
        steps = replay.schedule if replay else []
        self._changes: list[dict[str, Any]] = [{}]
        for step in steps:
            self._changes.append({**self._changes[-1], **step.config})
        paths = dict(settings(config))
        self._paths = [paths[name] for name in self._changes[-1]]
        later = (SearchSpace(changed(config, each)) for each in self._changes[1:])
        self.spaces: Sequence[SearchSpace] = [space, *later]

    @property
    def later(self) -> range:
        """The stages after the first one."""
        return range(1, len(self.spaces))

    def of(self, point: Point) -> int:
        """The stage of a trial with this point: an edit may have left out the last ones."""
        return min(int(point.get(STAGE, 0)), len(self.spaces) - 1)

    def change(self, stage: int) -> Mapping[str, Any]:
        """What differs in a stage from the config of the spec, by dotted path."""
        return self._changes[stage]

    def staged(self, resolved: Resolved, stage: int) -> Resolved:
        """What a trial tries, with what the schedule changes beside what is searched."""
        if not self.later:
            return resolved
        config = resolved.config
        scheduled = {dotted(path): _at(config, path) for path in self._paths}
        point = {**resolved.point, **({STAGE: stage} if stage else {})}
        searched = dict(sorted({**resolved.searched, **scheduled}.items()))
        return replace(resolved, searched=searched, point=point)


def settings(config: Mapping[str, Any]) -> Iterator[tuple[str, NodePath]]:
    """Yield everything in a config by its dotted path."""
    return ((dotted(path), path) for path, _ in nodes(config) if path)


def changed(config: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a config with other values at some dotted paths."""
    new = copy.deepcopy(dict(config))
    paths = dict(settings(config))
    for name, value in values.items():
        *above, last = paths[name]
        _at(new, above)[last] = copy.deepcopy(value)
    return new


def _at(config: Any, path: Sequence[str | int]) -> Any:
    for key in path:
        config = config[key]
    return config
