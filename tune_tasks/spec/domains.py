"""Domains: which values a setting may have, and how likely each of them is. Pure.

A searcher does not see values but **coordinates**: a number in [0, 1], a whole number, or the
number of a category. What they may be is the domain's `Scale`. So a searcher knows nothing of
logarithms, normal distributions or bounds that depend on other settings.
"""

from __future__ import annotations

import math
import sys
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from statistics import NormalDist
from typing import Any, ClassVar

Coordinate = float | int
_MOST = 2**53
"""Whole numbers up to here are exact as floats, too."""
_DIGITS = 12
_NEARLY = 1e-9
_TAIL = 1e-12
"""Of a normal distribution, which has no end; this leaves seven standard deviations."""
_EXPONENTS = range(-20, 21)
_NO_EXPONENTS = "bounds are values, never exponents; "


@dataclass(frozen=True)
class Unit:
    """Any number in [0, 1]."""

    def at(self, position: float) -> Coordinate:
        """The coordinate at a position in [0, 1], uniformly distributed if that is."""
        return position

    def position(self, coordinate: Coordinate) -> float:
        """The position of a coordinate: the inverse of `at`."""
        return float(coordinate)

    def nearest(self, coordinate: Coordinate) -> Coordinate:
        """The coordinate itself, or the nearest one that is allowed."""
        # Without the last digits, in which two machines may differ.
        return round(min(max(float(coordinate), 0.0), 1.0), _DIGITS)


@dataclass(frozen=True)
class Steps:
    """The whole numbers from `low` to `high`, both included.

    Attributes:
        log: Whether each factor is as likely as another, and not each number; `low` is positive.
    """

    low: int
    high: int
    log: bool = False

    def at(self, position: float) -> Coordinate:
        """The coordinate at a position in [0, 1]."""
        if not self.log:
            return self.nearest(self.low + math.floor(position * (self.high - self.low + 1)))
        low, high = self._logs
        return self.nearest(round(math.exp(low + position * (high - low))))

    def position(self, coordinate: Coordinate) -> float:
        """A position of a coordinate: in the middle of those that `at` takes for it."""
        if not self.log:
            return (coordinate - self.low + 0.5) / (self.high - self.low + 1)
        low, high = self._logs
        return (math.log(coordinate) - low) / (high - low)

    @cached_property
    def _logs(self) -> tuple[float, float]:
        return math.log(self.low - 0.5), math.log(self.high + 0.5)

    def nearest(self, coordinate: Coordinate) -> Coordinate:
        """The coordinate itself, or the nearest one that is allowed."""
        return min(max(round(coordinate), self.low), self.high)


@dataclass(frozen=True)
class Categories:
    """The numbers of categories, 0 to `count` - 1, of which none is nearer to another."""

    count: int

    def at(self, position: float) -> Coordinate:
        """The coordinate at a position in [0, 1]."""
        return self.nearest(math.floor(position * self.count))

    def position(self, coordinate: Coordinate) -> float:
        """A position of a coordinate: in the middle of those that `at` takes for it."""
        return (coordinate + 0.5) / self.count

    def nearest(self, coordinate: Coordinate) -> Coordinate:
        """The coordinate itself, or the nearest one that is allowed."""
        return min(max(round(coordinate), 0), self.count - 1)


Scale = Unit | Steps | Categories


class Domain(ABC):
    """A kind of domain, such as `uniform`; what it is given stands beside it in the spec.

    Attributes:
        name: What a spec calls it.
        arguments: What it is given, for messages.
    """

    name: ClassVar[str]
    arguments: ClassVar[tuple[str, ...]] = ("low", "high")

    def problem(self, given: Sequence[Any]) -> str:
        """What is wrong with what the domain is given; empty if nothing is."""
        if len(given) != len(self.arguments) or not all(map(_is_number, given)):
            return f"expected [{', '.join(self.arguments)}], finite numbers, got {given}"
        return self._problem(*given)

    @abstractmethod
    def _problem(self, *given: Any) -> str:
        """What is wrong with numbers of the right count."""

    def scale(self, *_given: Any) -> Scale:
        """What a searcher may choose from."""
        return Unit()

    @abstractmethod
    def value(self, coordinate: Coordinate, *given: Any) -> Any:
        """The value at a coordinate of the scale."""

    @abstractmethod
    def coordinate(self, value: Any, *given: Any) -> Coordinate | None:
        """The coordinate of a value: the inverse of `value`; None if the domain has no such value.

        Args:
            value: Anything.
            given: What the domain is given.
        """


class _Between(Domain):
    """A domain between two bounds."""

    def _problem(self, *given: Any) -> str:
        low, high = given[:2]
        return "" if low <= high else f"expected low <= high, got {list(given)}"


class Uniform(_Between):
    """Each number as likely as another."""

    name = "uniform"

    def value(self, coordinate: Coordinate, *given: Any) -> float:
        """The number at a coordinate."""
        low, high = map(float, given)
        number = low * (1 - coordinate) + high * coordinate
        return min(max(number, low), high)

    def coordinate(self, value: Any, *given: Any) -> Coordinate | None:
        """Where a number is between the bounds."""
        low, high = map(float, given)
        if not _is_within(value, low, high):
            return None
        return 0.5 if low == high else (value / 2 - low / 2) / (high / 2 - low / 2)


class LogUniform(_Between):
    """Each factor as likely as another: from 0.001 to 0.01 as likely as from 0.01 to 0.1."""

    name = "loguniform"

    def _problem(self, *given: Any) -> str:
        return super()._problem(*given) or _problem_of_log(*given[:2])

    def value(self, coordinate: Coordinate, *given: Any) -> float:
        """The number at a coordinate."""
        low, high = given
        return _between_logs(coordinate, low, high)

    def coordinate(self, value: Any, *given: Any) -> Coordinate | None:
        """Where a number is between the bounds, on a logarithmic scale."""
        return _log_position(value, *given)


class QUniform(_Between):
    """Each of the numbers low, low + q, low + 2 q, … up to high as likely as another."""

    name = "quniform"
    arguments = ("low", "high", "q")

    def _problem(self, *given: Any) -> str:
        return super()._problem(*given) or _problem_of_step(*given)

    def scale(self, *given: Any) -> Scale:
        """The number of the step."""
        low, high, q = given
        return Steps(0, math.floor((high - low) / q + _NEARLY))

    def value(self, coordinate: Coordinate, *given: Any) -> Any:
        """The number at a step."""
        low, high, q = given
        return min(max(_exact(low, q, int(coordinate)), low), high)

    def coordinate(self, value: Any, *given: Any) -> Coordinate | None:
        """The step of a number."""
        low, high, q = given
        return _step(value, low, high, q)


class QLogUniform(_Between):
    """As `loguniform`, and then the nearest of low, low + q, low + 2 q, and so on."""

    name = "qloguniform"
    arguments = ("low", "high", "q")

    def _problem(self, *given: Any) -> str:
        problems = super()._problem(*given), _problem_of_log(*given[:2]), _problem_of_step(*given)
        return next(filter(None, problems), "")

    def value(self, coordinate: Coordinate, *given: Any) -> Any:
        """The number at a coordinate."""
        low, high, q = given
        number = _between_logs(coordinate, low, high)
        most = math.floor((high - low) / q + _NEARLY)
        return min(max(_exact(low, q, min(round((number - low) / q), most)), low), high)

    def coordinate(self, value: Any, *given: Any) -> Coordinate | None:
        """Where a number is between the bounds, on a logarithmic scale."""
        low, high, q = given
        return None if _step(value, low, high, q) is None else _log_position(value, low, high)


class Int(_Between):
    """Each whole number as likely as another; both ends are included."""

    name = "int"

    def _problem(self, *given: Any) -> str:
        return super()._problem(*given) or _problem_of_whole(*given)

    def scale(self, *given: Any) -> Scale:
        """The number itself."""
        low, high = given
        return Steps(int(low), int(high))

    def value(self, coordinate: Coordinate, *_given: Any) -> int:
        """The number."""
        return int(coordinate)

    def coordinate(self, value: Any, *given: Any) -> Coordinate | None:
        """The number."""
        low, high = given
        is_whole = _is_within(value, low, high) and value == int(value)
        return int(value) if is_whole else None


class LogInt(Int):
    """Whole numbers, each factor as likely as another; both ends are included."""

    name = "logint"

    def _problem(self, *given: Any) -> str:
        problem = super()._problem(*given)
        low, high = given
        if problem or low > 0:
            return problem
        return f"{_NO_EXPONENTS if low < 0 else ''}expected bounds from 1 on, got [{low}, {high}]"

    def scale(self, *given: Any) -> Scale:
        """The number itself."""
        low, high = given
        return Steps(int(low), int(high), log=True)


class Normal(Domain):
    """A normal distribution."""

    name = "normal"
    arguments = ("mean", "standard deviation")

    def _problem(self, *given: Any) -> str:
        deviation = given[1]
        if deviation <= 0:
            return f"expected a positive standard deviation, got {deviation!r}"
        if self._is_finite(*given):
            return ""
        return f"{' and '.join(self.arguments)} are too large: {list(given)}"

    def _is_finite(self, *given: Any) -> bool:
        try:
            return all(math.isfinite(self.value(end, *given)) for end in (0, 1))
        except OverflowError:
            return False

    def value(self, coordinate: Coordinate, *given: Any) -> float:
        """The quantile at a coordinate."""
        mean, deviation = given
        inside = min(max(coordinate, _TAIL), 1 - _TAIL)
        return NormalDist(mean, deviation).inv_cdf(inside)

    def coordinate(self, value: Any, *given: Any) -> Coordinate | None:
        """How many of the numbers are smaller."""
        mean, deviation = given
        return NormalDist(mean, deviation).cdf(value) if _is_number(value) else None


class LogNormal(Normal):
    """A distribution whose logarithm is normal."""

    name = "lognormal"
    arguments = ("mean of the logarithm", "standard deviation of the logarithm")

    def value(self, coordinate: Coordinate, *given: Any) -> float:
        """The quantile at a coordinate."""
        return math.exp(super().value(coordinate, *given))

    def coordinate(self, value: Any, *given: Any) -> Coordinate | None:
        """How many of the numbers are smaller."""
        is_positive = _is_number(value) and value > 0
        return super().coordinate(math.log(value), *given) if is_positive else None


class Choice(Domain):
    """One of some options, each as likely as another. What it is given are the options.

    Numbers in rising order are ordinal: 16 is nearer to 32 than to 128. Others are categories.
    """

    name = "choice"
    arguments = ("option", "…")

    def problem(self, given: Sequence[Any]) -> str:
        """What is wrong with the options; empty if nothing is."""
        return "" if given else "expected a list of at least one value, got []"

    def _problem(self, *given: Any) -> str:
        return ""

    def scale(self, *given: Any) -> Scale:
        """The number of the option."""
        if all(map(_is_number, given)) and all(one < other for one, other in pairwise(given)):
            return Steps(0, len(given) - 1)
        return Categories(len(given))

    def value(self, coordinate: Coordinate, *given: Any) -> Any:
        """The option."""
        return given[int(coordinate)]

    def coordinate(self, value: Any, *given: Any) -> Coordinate | None:
        """The number of the option."""
        alike = (i for i, each in enumerate(given) if is_same(each, value))
        return next(alike, None)


_ALL: list[Domain] = [
    Choice(),
    Uniform(),
    LogUniform(),
    QUniform(),
    QLogUniform(),
    Int(),
    LogInt(),
    Normal(),
    LogNormal(),
]
DOMAINS: Mapping[str, Domain] = {domain.name: domain for domain in _ALL}
"""By name."""


def is_same(one: object, other: object) -> bool:
    """Whether two values of a spec are the same; 1 is not true, and 1.0 is 1."""
    are_numbers = _is_number(one) and _is_number(other)
    return one == other and (are_numbers or type(one) is type(other))


def _is_within(value: Any, low: float, high: float) -> bool:
    return _is_number(value) and low <= value <= high


def _step(value: Any, low: float, high: float, q: float) -> int | None:
    """The number of a step; None if a value is no step."""
    if not _is_within(value, low, high + abs(q) * _NEARLY):
        return None
    steps = (value - low) / q
    return round(steps) if abs(steps - round(steps)) < _NEARLY * max(1.0, steps) else None


def _log_position(value: Any, low: float, high: float) -> float | None:
    if not _is_within(value, low, high):
        return None
    if low == high:
        return 0.5
    return (math.log(value) - math.log(low)) / (math.log(high) - math.log(low))


def _is_number(value: object) -> bool:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) <= sys.float_info.max


def _problem_of_log(low: float, high: float) -> str:
    if low > 0:
        return ""
    hint = _NO_EXPONENTS if low < 0 else ""
    if hint and {low, high} <= set(_EXPONENTS):
        meant = f"[{10.0**low:g}, {10.0**high:g}]"
        return f"{hint}for 10^{low} to 10^{high} write {meant}"
    return f"{hint}expected bounds above 0, got [{low}, {high}]"


def _problem_of_step(low: float, high: float, q: float) -> str:
    if q <= 0:
        return f"expected a positive q, got {q!r}"
    return "" if (high - low) / q < _MOST else f"q is too small: {q!r}"


def _problem_of_whole(*given: float) -> str:
    are_whole = all(number == round(number) and abs(number) <= _MOST for number in given)
    return "" if are_whole else f"expected whole numbers, got {list(given)}"


def _between_logs(position: float, low: float, high: float) -> float:
    number = math.exp(math.log(low) + position * (math.log(high) - math.log(low)))
    return min(max(number, float(low)), float(high))


def _exact(low: float, q: float, steps: int) -> Any:
    """The number after so many steps, without the last digits, which floats get wrong."""
    number = low + steps * q
    return number if isinstance(number, int) else float(f"{number:.{_DIGITS}g}")
