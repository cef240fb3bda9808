"""What a searcher may know of a trial. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from tune_tasks.spec.domains import Coordinate


class Fate(StrEnum):
    """What has become of a trial so far."""

    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"
    """A scheduler has ended it early."""
    FAILED = "failed"


@dataclass(frozen=True)
class Observation:
    """A trial as a searcher sees it.

    Attributes:
        index: The trial's; negative if it is one of an earlier sweep.
        point: The coordinates of its parameters, by name; those that it lacks are not there.
        fate: What has become of it.
        value: The objective's last value; None if it has none that is finite.
        step: Where it was stopped, on the scheduler's scale; None if it was not.
    """

    index: int
    point: Mapping[str, Coordinate]
    fate: Fate
    value: float | None = None
    step: float | None = None


def lessons(
    history: Iterable[Observation], *, is_greater_better: bool, ignores_failures: bool
) -> Iterator[tuple[Observation, float]]:
    """The trials that have ended and teach something, each with its value.

    Those that have failed, and those without a finite value, are as bad as the worst so far: a
    model that does not hear of them proposes their like again.

    Args:
        history: The trials.
        is_greater_better: Whether the greatest value is the best.
        ignores_failures: Whether failed trials teach nothing.
    """
    ended = [each for each in history if each.fate is not Fate.RUNNING]
    values = {e.index: e.value for e in ended if e.value is not None and e.fate is not Fate.FAILED}
    if not values:
        return
    worst = min(values.values()) if is_greater_better else max(values.values())
    for each in ended:
        if each.index in values:
            yield each, values[each.index]
        elif not ignores_failures:
            yield each, worst
