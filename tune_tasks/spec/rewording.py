"""Other tools' words for a search domain, in ours. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

_LOG_UNIFORM = "math.exp(random.uniform(math.log({}), math.log({})))"
_DRAWN = {
    "uniform": "random.uniform({}, {})",
    "loguniform": _LOG_UNIFORM,
    "log_uniform_values": _LOG_UNIFORM,
    "int_uniform": "random.randint({}, {})",
    "randint": "random.randrange({}, {})",
}
"""A domain between two numbers, and the expression that draws from it."""
_LISTED = ("choice", "grid_search")
"""Domains that list their values."""


@dataclass(frozen=True)
class Example:
    """A domain in another tool's words.

    Attributes:
        domain: Its name there.
        arguments: Its arguments as written in Python.
    """

    domain: str
    arguments: Sequence[str]

    @classmethod
    def of_values(cls, domain: str, values: Sequence[Any]) -> Example:
        """The domain with these values for arguments."""
        return cls(domain, list(map(repr, values)))

    @classmethod
    def of_call(cls, domain: str, arguments: str) -> Example:
        """The domain with the arguments of a call; a list is one argument."""
        arguments = arguments.strip()
        if arguments.startswith("["):
            return cls(domain, [arguments])
        return cls(domain, [part.strip() for part in arguments.split(",")])


def in_our_words(example: Example) -> str | None:
    """The same as a value of a spec; None if we have nothing as short."""
    # Because the value stands in single quotes.
    arguments = [part.replace("'", '"') for part in example.arguments]
    if example.domain in _LISTED:
        return f"{{grid_search: {_list(arguments)}}}"
    if example.domain in _DRAWN and len(arguments) == 2:
        expression = _DRAWN[example.domain].format(*arguments)
        return f"{{eval: '{expression}'}}"
    return None


def _list(arguments: Sequence[str]) -> str:
    if len(arguments) == 1 and arguments[0].startswith("["):
        return arguments[0]
    return f"[{', '.join(arguments)}]"
