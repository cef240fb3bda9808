"""What an expression draws, as far as a domain can say it. Pure.

Each kind knows what becomes of it if it is scaled, rounded, or an exponent, and which domain it is.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tune_tasks.convert.exact import exact, raised

Domain = dict[str, list[Any]]
"""A domain as a spec has it: `{"uniform": [0, 1]}`."""
_MOST_OPTIONS = 100


class NoDomainError(ValueError):
    """No domain of ours says the same."""


@dataclass(frozen=True, kw_only=True)
class Drawn(ABC):
    """A random value.

    Attributes:
        note: In what the domain differs from the expression; empty if in nothing.
    """

    note: str = ""

    @abstractmethod
    def domain(self) -> Domain:
        """The domain that it is."""

    def scaled(self, _factor: float, _offset: float) -> Drawn:
        """The value times a factor, which is not 0, plus an offset.

        Raises:
            NoDomainError: If no domain says that, as in the methods that follow.
        """
        raise NoDomainError

    def exponent_of(self, _base: float) -> Drawn:
        """A positive base to the power of the value."""
        raise NoDomainError

    def cut(self) -> Drawn:
        """The value without its fraction, as Python's `int()` does it."""
        raise NoDomainError

    def rounded(self, _digits: int) -> Drawn:
        """The value rounded to so many digits behind the point."""
        raise NoDomainError


@dataclass(frozen=True)
class Flat(Drawn):
    """Each number between two is as likely as another."""

    low: float
    high: float

    def domain(self) -> Domain:
        """See `Drawn`."""
        return {"uniform": [self.low, self.high]}

    def scaled(self, factor: float, offset: float) -> Drawn:
        """See `Drawn`."""
        return Flat(*sorted(exact(end * factor + offset) for end in (self.low, self.high)))

    def exponent_of(self, base: float) -> Drawn:
        """See `Drawn`."""
        return Log(*sorted(raised(base, end) for end in (self.low, self.high)))

    def cut(self) -> Drawn:
        """See `Drawn`."""
        if self.low < 0:
            raise NoDomainError  # what is around 0 would be twice as likely
        first, last = math.floor(self.low), max(math.ceil(self.high) - 1, math.floor(self.low))
        is_even = first == self.low and last + 1 == self.high
        return Steps(first, last, note="" if is_even else "its ends were less likely than the rest")

    def rounded(self, digits: int) -> Drawn:
        """See `Drawn`."""
        first, last = round(self.low, digits or None), round(self.high, digits or None)
        step = 10**-digits if digits else 1
        return Steps(first, last, step, note="its ends were half as likely as the rest")


@dataclass(frozen=True)
class Steps(Drawn):
    """Each of the numbers `first`, `first + step`, …, `last` is as likely as another."""

    first: float
    last: float
    step: float = 1

    def domain(self) -> Domain:
        """See `Drawn`."""
        if self._is_whole and self.step == 1:
            return {"int": [self.first, self.last]}
        return {"quniform": [self.first, self.last, self.step]}

    @property
    def _is_whole(self) -> bool:
        return all(isinstance(number, int) for number in (self.first, self.last, self.step))

    def scaled(self, factor: float, offset: float) -> Drawn:
        """See `Drawn`."""
        first, last = sorted(exact(end * factor + offset) for end in (self.first, self.last))
        return Steps(first, last, exact(abs(self.step * factor)), note=self.note)

    def exponent_of(self, base: float) -> Drawn:
        """See `Drawn`."""
        count = round((self.last - self.first) / self.step) + 1
        if count > _MOST_OPTIONS:
            raise NoDomainError
        options = [raised(base, exact(self.first + i * self.step)) for i in range(count)]
        return Options(sorted(options), note=self.note)

    def cut(self) -> Drawn:
        """See `Drawn`."""
        if self._is_whole:
            return self
        raise NoDomainError


@dataclass(frozen=True)
class Log(Drawn):
    """Each factor between two numbers is as likely as another."""

    low: float
    high: float

    def domain(self) -> Domain:
        """See `Drawn`."""
        return {"loguniform": [self.low, self.high]}

    def scaled(self, factor: float, offset: float) -> Drawn:
        """See `Drawn`."""
        if factor < 0 or offset:
            raise NoDomainError
        return Log(exact(self.low * factor), exact(self.high * factor))

    def cut(self) -> Drawn:
        """See `Drawn`."""
        first, last = math.floor(self.low), math.ceil(self.high) - 1
        note = "it was rounded down, and is rounded to the nearest now"
        return LogSteps(first, max(first, last), note=note)

    def rounded(self, digits: int) -> Drawn:
        """See `Drawn`."""
        if digits:
            raise NoDomainError
        return LogSteps(round(self.low), round(self.high))


@dataclass(frozen=True)
class LogSteps(Drawn):
    """Whole numbers, of which each factor is as likely as another."""

    first: int
    last: int

    def domain(self) -> Domain:
        """See `Drawn`."""
        return {"logint": [self.first, self.last]}

    def cut(self) -> Drawn:
        """See `Drawn`."""
        return self


@dataclass(frozen=True)
class Bell(Drawn):
    """A normal distribution."""

    mean: float
    deviation: float

    def domain(self) -> Domain:
        """See `Drawn`."""
        return {"normal": [self.mean, self.deviation]}

    def scaled(self, factor: float, offset: float) -> Drawn:
        """See `Drawn`."""
        return Bell(exact(self.mean * factor + offset), exact(abs(self.deviation * factor)))

    def exponent_of(self, base: float) -> Drawn:
        """See `Drawn`."""
        factor = math.log(base)
        return LogBell(exact(self.mean * factor), exact(abs(self.deviation * factor)))


@dataclass(frozen=True)
class LogBell(Drawn):
    """A distribution whose logarithm is normal."""

    mean: float
    deviation: float

    def domain(self) -> Domain:
        """See `Drawn`."""
        return {"lognormal": [self.mean, self.deviation]}

    def scaled(self, factor: float, offset: float) -> Drawn:
        """See `Drawn`."""
        if factor < 0 or offset:
            raise NoDomainError
        return LogBell(exact(self.mean + math.log(factor)), self.deviation)


@dataclass(frozen=True)
class Options(Drawn):
    """Each of some values is as likely as another."""

    values: list[Any] = field(default_factory=list)

    def domain(self) -> Domain:
        """See `Drawn`."""
        return {"choice": self.values}

    def scaled(self, factor: float, offset: float) -> Drawn:
        """See `Drawn`."""
        return self.each(lambda value: exact(value * factor + offset))

    def exponent_of(self, base: float) -> Drawn:
        """See `Drawn`."""
        return self.each(lambda value: raised(base, value))

    def cut(self) -> Drawn:
        """See `Drawn`."""
        return self.each(int)

    def rounded(self, digits: int) -> Drawn:
        """See `Drawn`."""
        return self.each(lambda value: round(value, digits or None))

    def each(self, change: Callable[[Any], Any]) -> Options:
        """The options with each of them changed; all have to be numbers."""
        if not all(type(value) in (int, float) for value in self.values):
            raise NoDomainError
        return Options([change(value) for value in self.values], note=self.note)


@dataclass(frozen=True)
class Dependent(Drawn):
    """A domain whose bounds follow from other settings."""

    name: str
    bounds: list[Any] = field(default_factory=list)

    def domain(self) -> Domain:
        """See `Drawn`."""
        return {self.name: self.bounds}
