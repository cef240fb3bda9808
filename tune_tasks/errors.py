"""Every error that this package raises on purpose.

    Exception
    └── TuneError                 base; `exit_code` is what the command line returns
        ├── BadInputError         the user can mend it; exit code 2, one message, no traceback
        │   ├── SpecError         a spec file or dict, with file:line:column
        │   │   └── ExpressionError   an `eval:` expression
        │   ├── UsageError        a command-line flag or a library argument
        │   ├── ConfigError       a key or value in the `config` of an RLlib algorithm
        │   ├── ResourcesError    a trial that the cluster can never place
        │   └── TrainableError    a script or callable that cannot be used as `train`
        ├── ReportError           a report that is not a valid TrainingResult; raised in the trial
        └── ServiceError          Prefect, Ray or MLflow cannot be started or reached
    BaseException
    └── TrialStopped              ends `train()`; user code that catches Exception passes it on

A message says where, what was found, what was expected, and the nearest right thing.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Location:
    """A place in a spec: `file`, and `line` and `column` counted from 1."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class TuneError(Exception):
    """Base of all errors of this package."""

    exit_code = 1


class BadInputError(TuneError):
    """Something that the user wrote is wrong; nothing was started or created."""

    exit_code = 2


class SpecError(BadInputError):
    """A spec is wrong at a place that the message names.

    Attributes:
        message: What is wrong.
        location: Where.
        others: Further mistakes, each with its own place.
    """

    def __init__(
        self, message: str, location: Location | None = None, others: tuple[SpecError, ...] = ()
    ) -> None:
        self.message = message
        self.location = location
        self.others = others
        own = f"{location}: {message}" if location else message
        super().__init__("\n".join([own, *map(str, others)]))

    @classmethod
    def of(cls, problems: Iterable[SpecError]) -> SpecError:
        """Return one error for several, in the file's order, each message once."""
        by_message: dict[str, SpecError] = {}
        for problem in problems:
            by_message |= {str(single): single for single in problem.each()}
        first, *others = sorted(by_message.values(), key=_line)
        return type(first)(first.message, first.location, tuple(others))

    def each(self) -> tuple[SpecError, ...]:
        """Return every mistake as an error of its own."""
        return (type(self)(self.message, self.location), *self.others)

    def within(self, name: str, place: Location | None = None) -> SpecError:
        """Return the same error with the experiment's name at the beginning of its message.

        Args:
            name: The experiment's name.
            place: The location of an error that has none.
        """
        others = tuple(other.within(name, place) for other in self.others)
        return type(self)(f"{name}.{self.message}", self.location or place, others)

    def __reduce__(self) -> tuple[type, tuple[str, Location | None, tuple[SpecError, ...]]]:
        return type(self), (self.message, self.location, self.others)


def _line(error: SpecError) -> tuple[int, int]:
    if error.location is None:
        return 0, 0
    return error.location.line, error.location.column


class ExpressionError(SpecError):
    """An `eval:` expression is outside the language, or failed for a trial."""


class UsageError(BadInputError):
    """A command-line flag or an argument of the library is wrong."""


class ConfigError(BadInputError):
    """A key in the `config` of an RLlib algorithm is unknown, or its value cannot be used.

    Attributes:
        key: Where in `config`, e.g. `("model", "dim")`.
        others: Further mistakes in the same `config`.
    """

    def __init__(
        self, message: str, key: tuple[str, ...], others: tuple[ConfigError, ...] = ()
    ) -> None:
        self.message = message
        self.key = key
        self.others = others
        place = ".".join(("config", *key))
        super().__init__("\n".join([f"{place}: {message}", *map(str, others)]))

    def each(self) -> tuple[ConfigError, ...]:
        """Return every mistake as an error of its own."""
        return (ConfigError(self.message, self.key), *self.others)

    def __reduce__(self) -> tuple[type, tuple[str, tuple[str, ...], tuple[ConfigError, ...]]]:
        return type(self), (self.message, self.key, self.others)


class ResourcesError(BadInputError):
    """A trial asks for more than any node of the cluster has."""


class TrainableError(BadInputError):
    """The script, entry point or callable of an experiment cannot be used."""


class ReportError(TuneError):
    """`report()` was given something that is not a valid TrainingResult."""


class ServiceError(TuneError):
    """A service that a sweep needs cannot be started or reached."""


class TrialStopped(BaseException):
    """Raised inside `train()` when the trial is to end.

    A BaseException, as `KeyboardInterrupt` is, so that `except Exception` in user code passes it on
    and `finally` blocks run.
    """


def nearest(name: str, candidates: Iterable[str]) -> str | None:
    """Return the candidate that `name` was most likely meant to be, or None."""
    by_lower = {candidate.lower(): candidate for candidate in reversed(list(candidates))}
    matches = difflib.get_close_matches(name.lower(), by_lower, n=1, cutoff=0.6)
    return by_lower[matches[0]] if matches else None


def did_you_mean(name: str, candidates: Iterable[str]) -> str:
    """Return `"; did you mean 'x'?"` for the nearest candidate, or an empty string."""
    match = nearest(name, candidates)
    return f"; did you mean {match!r}?" if match else ""
