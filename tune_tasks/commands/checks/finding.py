"""What a check finds. Plain data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from tune_tasks.model.text import one_line


class Level(StrEnum):
    """How a finding is to be taken."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True)
class Finding:
    """What a check has found.

    Attributes:
        about: What was looked at, in a word or two.
        found: How it is.
        advice: What to do; empty if there is nothing to do.
    """

    level: Level
    about: str
    found: str
    advice: str = ""

    def line(self) -> str:
        """The finding in one line, for people."""
        advice = f"; {self.advice}" if self.advice else ""
        return one_line(f"{self.level:8}{self.about}: {self.found}{advice}", 1_000)


def ok(about: str, found: str) -> Finding:
    """Something is as it should be."""
    return Finding(Level.OK, about, found)


def warning(about: str, found: str, advice: str) -> Finding:
    """Something may cause trouble, or should be tidied up."""
    return Finding(Level.WARNING, about, found, advice)


def problem(about: str, found: str, advice: str) -> Finding:
    """Something keeps sweeps from running."""
    return Finding(Level.PROBLEM, about, found, advice)
