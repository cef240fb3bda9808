"""How a member of a population changes what it has taken from another. Pure.

Source: Jaderberg et al., "Population Based Training of Neural Networks", 2017 (arXiv:1711.09846),
section 3.2: a value is drawn anew, or multiplied by a factor. Here it always stays in its domain:

- numbers are multiplied and clipped to the domain's bounds; whole numbers, and those in steps, move
  by one step at least, if they are not at their bound;
- an ordinal (numbers in rising order) moves to its neighbour;
- a category is drawn anew, or kept;
- where bounds depend on other settings, it is the position between them that is multiplied.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass

from tune_tasks.spec.domains import Categories, Choice, Coordinate, QLogUniform, QUniform, Steps
from tune_tasks.spec.resolution import Point
from tune_tasks.spec.search_nodes import Parameter

Draw = Callable[[str], float]
"""A random number in [0, 1) for a purpose; the same each time for the same purpose."""
_HALVINGS = 60


def path_of(parameter: Parameter) -> str:
    """The dotted path of a parameter, which several branches may have."""
    return parameter.name.partition("#")[0]


@dataclass(frozen=True)
class Explorer:
    """Changes points.

    Attributes:
        parameters: Of the space.
        mutated: The dotted paths of those that are changed.
        resample: The probability that a value is drawn anew.
        factors: Otherwise it is multiplied by one of these, above 0.
    """

    parameters: Sequence[Parameter]
    mutated: Collection[str]
    resample: float
    factors: Sequence[float]

    def explored(self, point: Point, draw: Draw) -> dict[str, Coordinate]:
        """Another point near to a point.

        Args:
            point: What is changed. What it lacks stays away.
            draw: Where chance comes from.
        """
        changed = dict(point)
        for parameter in self._changed(point):
            changed[parameter.name] = self._moved(parameter, point[parameter.name], draw)
        return changed

    def _changed(self, point: Point) -> Iterable[Parameter]:
        return (p for p in self.parameters if p.name in point and path_of(p) in self.mutated)

    def _moved(self, parameter: Parameter, coordinate: Coordinate, draw: Draw) -> Coordinate:
        scale = parameter.scale
        if draw(f"whether/{parameter.name}") < self.resample:
            return scale.at(draw(f"anew/{parameter.name}"))
        if isinstance(scale, Categories):
            return coordinate
        place = int(draw(f"factor/{parameter.name}") * len(self.factors))
        return scale.nearest(_multiplied(parameter, coordinate, self.factors[place]))


def _multiplied(parameter: Parameter, coordinate: Coordinate, factor: float) -> Coordinate:
    """The coordinate of the value times the factor, which may be beyond the bounds."""
    if isinstance(parameter.domain, Choice):
        return coordinate + _sign(factor - 1)
    if parameter.is_dependent:
        return coordinate * factor
    value = parameter.domain.value(coordinate, *parameter.given)
    target = value * factor
    direction = _sign(target - value) or _sign(factor - 1)
    if isinstance(parameter.scale, Steps):
        moved = _step_at(parameter, target)
        return moved if moved != coordinate else coordinate + direction
    if isinstance(parameter.domain, QLogUniform):
        target = _another_step(parameter, value, target, direction)
    return _coordinate_at(parameter, target)


def _another_step(parameter: Parameter, value: float, target: float, direction: int) -> float:
    """The step that is nearest to a number, and not the one of a value, between the bounds."""
    low, high, size = parameter.given
    step = round((target - low) / size)
    if step == round((value - low) / size):
        step += direction
    return float(min(max(low + step * size, low), high))


def _step_at(parameter: Parameter, target: float) -> int:
    """The step that is nearest to a number: `quniform` counts them from its low end."""
    if not isinstance(parameter.domain, QUniform):
        return round(target)
    low, _, step = parameter.given
    steps: float = (target - low) / step
    return round(steps)


def _coordinate_at(parameter: Parameter, target: float) -> float:
    """Where in [0, 1] a number is; values rise with their coordinates."""
    low, high = 0.0, 1.0
    found = parameter.domain.coordinate(target, *parameter.given)
    if found is not None:
        return found
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if parameter.domain.value(middle, *parameter.given) < target:
            low = middle
        else:
            high = middle
    return high


def _sign(number: float) -> int:
    return int(math.copysign(1, number)) if number else 0
