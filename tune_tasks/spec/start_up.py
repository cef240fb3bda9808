"""What trials try before anything is known: points that cover the space, or random ones. Pure.

A trial's point follows from the seed and its round alone, so that a plan can show it.
"""

from __future__ import annotations

import math
import random
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

from tune_tasks.spec.domains import Categories, Coordinate, Scale, Steps, Unit
from tune_tasks.spec.resolution import Choose, drawn
from tune_tasks.spec.search import Search
from tune_tasks.spec.search_space import SearchSpace

_MOST_DIMENSIONS = 1_000
"""Of parameters; what is beyond is drawn."""
_BLOCK = 256
"""Points that are made at once."""
_BITS = 30
"""Of a coordinate, and of the number of points."""


class StartUp:
    """The first points of a search, or all of them if it learns nothing.

    Args:
        search: The experiment's.
        space: What is searched.
        seed: In [0, 2**32).
    """

    def __init__(self, search: Search, space: SearchSpace, seed: int) -> None:
        scales = {each.name: each.scale for each in space.parameters}
        self._points = _points(search, scales, seed)

    def chooser(self, round_: int) -> Choose:
        """What the trials of a round try; those of all cells of the grid try the same."""
        return self._points.chooser(round_) if self._points else drawn


def _points(search: Search, scales: Mapping[str, Scale], seed: int) -> Points | None:
    if search.algorithm == "random" or not scales:
        return None
    if search.learns:
        return LatinHypercube(list(scales), seed, search.startup_trials, scales)
    return Sobol(list(scales), seed)


class Points(ABC):
    """Points that cover a space more evenly than random ones.

    Args:
        names: The parameters, one dimension each, those of all branches.
        seed: Of all randomness.
        block: How many points are made at once.
    """

    def __init__(self, names: Sequence[str], seed: int, block: int = _BLOCK) -> None:
        kept = sorted(set(names))[:_MOST_DIMENSIONS]
        self._dimensions = {name: i for i, name in enumerate(kept)}
        self._seed = seed
        self._size = block
        self._blocks: dict[int, list[list[float]]] = {}

    def chooser(self, number: int) -> Choose:
        """What point 0, 1, 2, … says of each parameter."""
        point = self._point(number)

        def choose(name: str, scale: Scale) -> Coordinate | None:
            dimension = self._dimensions.get(name)
            return None if dimension is None else scale.at(point[dimension])

        return choose

    def _point(self, number: int) -> list[float]:
        block, place = divmod(number, self._size)
        if block not in self._blocks:
            # One is kept: trials are asked for in order.
            self._blocks = {block: self._block(block)}
        return self._blocks[block][place]

    @abstractmethod
    def _block(self, number: int) -> list[list[float]]:
        """The points of a block."""


class Sobol(Points):
    """Scrambled Sobol points (Owen 1998): even also if more are added."""

    def _block(self, number: int) -> list[list[float]]:
        from scipy.stats import qmc  # takes half a second

        sequence = qmc.Sobol(len(self._dimensions), rng=self._seed, bits=_BITS)
        if number:
            sequence.fast_forward(number * self._size)
        points: list[list[float]] = sequence.random(self._size).tolist()
        return points


class LatinHypercube(Points):
    """A Latin hypercube (McKay et al. 1979): even in each parameter, and at random otherwise.

    So few Sobol points are not even in pairs of many parameters: 16 points of nine parameters leave
    out half of the combinations of 8 % of the pairs, and a model learns from them that two
    parameters are one.

    Args:
        names: See `Points`.
        seed: See `Points`.
        count: How many points it is to have; those beyond have another one.
        scales: Of the parameters. If all are finite, a point that says the same as an earlier one
            is drawn again, as long as there is something else.
    """

    def __init__(
        self, names: Sequence[str], seed: int, count: int, scales: Mapping[str, Scale] | None = None
    ) -> None:
        super().__init__(names, seed, min(count, _BLOCK))
        self._scales = [(scales or {}).get(name, Unit()) for name in self._dimensions]

    def _block(self, number: int) -> list[list[float]]:
        from scipy.stats import qmc  # takes half a second

        cube = qmc.LatinHypercube(len(self._dimensions), rng=[self._seed, number])
        points: list[list[float]] = cube.random(self._size).tolist()
        size = math.prod(map(_count, self._scales))
        return points if math.isinf(size) else self._distinct(points, size, number)

    def _distinct(self, points: list[list[float]], size: float, number: int) -> list[list[float]]:
        draw = random.Random(f"{self._seed}/{number}").random  # noqa: S311 - no secret
        distinct: dict[tuple[Coordinate, ...], list[float]] = {}
        for drawn_first in points[: min(len(points), int(size))]:
            point = drawn_first
            while (said := self._said(point)) in distinct:
                point = [draw() for _ in point]
            distinct[said] = point
        return [*distinct.values(), *points[len(distinct) :]]

    def _said(self, point: list[float]) -> tuple[Coordinate, ...]:
        each = zip(self._scales, point, strict=True)
        return tuple(scale.at(position) for scale, position in each)


def _count(scale: Scale) -> float:
    """How many values a parameter has."""
    if isinstance(scale, Steps):
        return scale.high - scale.low + 1
    return scale.count if isinstance(scale, Categories) else math.inf
