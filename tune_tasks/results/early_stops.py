"""How many trials were stopped early, and where. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

_MOST_ROWS = 10


@dataclass(frozen=True)
class EndedRun:
    """A trial that has ended.

    Attributes:
        iterations: How many reports it has come to: its last `training_iteration`.
        is_stopped: Whether a scheduler has stopped it early.
    """

    iterations: int
    is_stopped: bool


@dataclass(frozen=True)
class StopsAt:
    """How many trials were stopped at an iteration, or between two.

    Attributes:
        first: The iteration.
        last: The same, or the last one of several.
        reached: How many trials have come as far as `first`.
        stopped: How many of these were stopped there.
    """

    first: int
    last: int
    reached: int
    stopped: int

    @property
    def where(self) -> str:
        """The iterations, for people."""
        return str(self.first) if self.first == self.last else f"{self.first} to {self.last}"

    def as_json(self) -> dict[str, Any]:
        """The row as `--json` prints it."""
        return asdict(self)


def early_stops(runs: Iterable[EndedRun]) -> list[StopsAt]:
    """Where trials were stopped early; empty if none was.

    A scheduler with rungs stops at a few iterations, and each of them has a row. If there are many,
    each row has about twice as many iterations as the one before.
    """
    runs = list(runs)
    places = sorted({run.iterations for run in runs if run.is_stopped})
    spans: Sequence[tuple[int, int]] = [(place, place) for place in places]
    if len(places) > _MOST_ROWS:
        spans = list(_doubling(places[-1]))
    rows = (_row(runs, first, last) for first, last in spans)
    return [row for row in rows if row.stopped]


def _doubling(most: int) -> Iterator[tuple[int, int]]:
    first = 0
    while first <= most:
        last = max(2 * first - 1, first)
        yield first, min(last, most)
        first = last + 1


def _row(runs: Sequence[EndedRun], first: int, last: int) -> StopsAt:
    reached = sum(run.iterations >= first for run in runs)
    stopped = sum(run.is_stopped and first <= run.iterations <= last for run in runs)
    return StopsAt(first, last, reached, stopped)
