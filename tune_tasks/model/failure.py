"""Why an attempt has failed: what it raised, or what ended its process. Pure."""

from __future__ import annotations

import re
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from tune_tasks.model.text import showable

_LOOKED_AT = 10_000
"""Characters of a message that rules and reports look at."""
_ANY = "…"
# What differs between two trials that fail alike: addresses, ids, paths, numbers. No alternative
# can be matched in two ways, because the text may be anything.
_VARYING = re.compile(
    r"0x[0-9a-fA-F]+"
    r"|\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b"
    r"|\b[0-9a-f]{8,}\b"
    r"|(?:[/\\][\w.=,+~-]+)+"
    r"|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?"
)


class FailureCause(StrEnum):
    """What has made an attempt fail."""

    EXCEPTION = "exception"
    """`train()` raised, exited, or returned without a report."""
    OUT_OF_MEMORY = "out_of_memory"
    """The machine ended its process for lack of memory."""
    MACHINE_LOST = "machine_lost"
    """The machine has gone, with the process."""
    PROCESS_DIED = "process_died"
    """The process ended itself, crashed in native code, or was killed."""


ENDS_OF_PROCESSES = tuple(cause for cause in FailureCause if cause is not FailureCause.EXCEPTION)
"""The causes that are no exception: they can be named where a regular expression may stand."""


@dataclass(frozen=True)
class Failure:
    """Why an attempt has failed.

    Attributes:
        cause: What has made it fail.
        message: The exception's own, or what is known of the process's end.
        types: The class of the exception and its bases, but for `object`, as a traceback names
            them; empty if nothing was raised.
    """

    cause: FailureCause
    message: str
    types: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "message", showable(self.message[:_LOOKED_AT]))
        object.__setattr__(self, "types", tuple(showable(name) for name in self.types))

    def __str__(self) -> str:
        return next(self.texts())

    def texts(self) -> Iterator[str]:
        """Yield what a rule's regular expression is held against.

        `ExceptionType: message`, with the exception's own class and then with each of its bases,
        as `except` takes them; of a process's end `cause: message`.
        """
        for name in self.types:
            yield f"{name}: {self.message}" if self.message else name
        if self.cause is not FailureCause.EXCEPTION:
            yield f"{self.cause}: {self.message}"
        elif not self.types:
            yield self.message

    @property
    def alike(self) -> str:
        """The same for all failures that differ by addresses, paths and numbers alone."""
        if self.cause in (FailureCause.OUT_OF_MEMORY, FailureCause.MACHINE_LOST):
            return str(self.cause)  # Ray's message names the machine, and how full it was
        return _VARYING.sub(_ANY, str(self))

    @classmethod
    def of(cls, exc: BaseException) -> Failure:
        """Return the failure of code that has raised `exc`."""
        types = [_name(kind) for kind in type(exc).__mro__ if kind is not object]
        shown = traceback.TracebackException(type(exc), exc, None, lookup_lines=False)
        message = str(shown)  # it bears with exceptions that cannot say what they are
        return cls(FailureCause.EXCEPTION, message, tuple(types))

    @classmethod
    def from_data(cls, data: Mapping[str, Any]) -> Failure:
        """Return the failure that `dataclasses.asdict` has made plain data of.

        Raises:
            ValueError, TypeError, KeyError: If the data are not a failure's.
        """
        types = data["types"]
        texts = [data["message"], *types]
        if not all(isinstance(text, str) for text in texts):
            raise ValueError("not a failure: not every value has its type")
        return cls(FailureCause(data["cause"]), data["message"], tuple(types))


def _name(kind: type) -> str:
    """The name of an exception's class as a traceback has it."""
    if kind.__module__ in ("builtins", "__main__"):
        return kind.__qualname__
    return f"{kind.__module__}.{kind.__qualname__}"
