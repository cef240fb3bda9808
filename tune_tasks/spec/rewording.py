"""Other tools' words for a search domain, in ours. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tune_tasks.spec.domains import DOMAINS

_OURS = {
    "uniform": "uniform",
    "loguniform": "loguniform",
    "log_uniform_values": "loguniform",
    "int_uniform": "int",
    "quniform": "quniform",
    "qloguniform": "qloguniform",
}
"""A domain between numbers, and what it is here."""
_WITHOUT_THE_END = {"randint": "int", "lograndint": "logint"}
"""Domains of whole numbers that lack their upper end, and what they are here."""
_LISTED = {"choice": "choice", "choices": "choice", "grid_search": "grid_search"}
"""Domains that list their values, and what they are here."""


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
    arguments = [part.replace("'", '"') for part in example.arguments]
    domain = example.domain
    if domain in _LISTED:
        return f"{{{_LISTED[domain]}: {_list(arguments)}}}"
    if domain in _WITHOUT_THE_END and len(arguments) == 2:
        return _with_the_end(_WITHOUT_THE_END[domain], *arguments)
    if domain in _OURS and len(arguments) == _count(domain):
        return f"{{{_OURS[domain]}: [{', '.join(arguments)}]}}"
    return None


def _count(domain: str) -> int:
    return len(DOMAINS[_OURS[domain]].arguments)


def _with_the_end(domain: str, low: str, high: str) -> str | None:
    if not high.isdecimal():
        return None
    return f"{{{domain}: [{low}, {int(high) - 1}]}}"


def _list(arguments: Sequence[str]) -> str:
    if len(arguments) == 1 and arguments[0].startswith("["):
        return arguments[0]
    return f"[{', '.join(arguments)}]"
