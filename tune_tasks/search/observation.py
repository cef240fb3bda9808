"""What a searcher may know of a trial. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from tune_tasks.model.constraints import excess
from tune_tasks.model.objective import Mode, Objectives
from tune_tasks.spec.domains import Coordinate


class Fate(StrEnum):
    """What has become of a trial so far."""

    RUNNING = "running"
    FINISHED = "finished"
    STOPPED = "stopped"
    """A scheduler has ended it early."""
    FAILED = "failed"


class Measured(NamedTuple):
    """What trials are compared by, of one trial; as `Observation` has it."""

    value: float | None = None
    excesses: tuple[float | None, ...] = ()
    others: tuple[float, ...] = ()

    @classmethod
    def of(cls, objectives: Objectives, metrics: Mapping[str, float | None]) -> Measured:
        """Take it from the trial's last values of the metrics, the finite ones."""
        excesses = [excess(each, metrics.get(each.metric)) for each in objectives.constraints]
        values = [metrics.get(each.metric) for each in objectives.each]
        first, *others = values if values and None not in values else [None]
        known = (value for value in others if value is not None)
        return cls(first, tuple(excesses), tuple(known))


@dataclass(frozen=True, slots=True)
class Observation:
    """A trial as a searcher sees it.

    Attributes:
        index: The trial's; negative if it is one of an earlier sweep.
        point: The coordinates of its parameters, by name; those that it lacks are not there.
        fate: What has become of it.
        value: The objective's last value, of several objectives the first one's; None if one of
            them has none that is finite.
        excesses: How far it is beyond each of the constraints, as `model.constraints.excess` has
            it: more than 0 is not allowed; None if that is not known.
        others: Of several objectives, the last values of those after the first.
    """

    index: int
    point: Mapping[str, Coordinate]
    fate: Fate
    value: float | None = None
    excesses: tuple[float | None, ...] = ()
    others: tuple[float, ...] = ()

    @property
    def values(self) -> tuple[float, ...]:
        """Of all objectives; empty if one of them has none."""
        return () if self.value is None else (self.value, *self.others)

    @property
    def is_feasible(self) -> bool:
        """Whether it is known to keep to all constraints."""
        return keeps_to_all(self.excesses)


def keeps_to_all(excesses: Iterable[float | None]) -> bool:
    """Whether a trial that is so far beyond the constraints is known to keep to all of them."""
    return all(beyond is not None and beyond <= 0 for beyond in excesses)


def lessons(
    history: Iterable[Observation], modes: Sequence[Mode], *, ignores_failures: bool
) -> Iterator[tuple[Observation, tuple[float, ...]]]:
    """The trials that have ended and teach something, each with its values.

    Those that have failed, and those without a finite value, are as bad as the worst so far, in
    each objective: a model that does not hear of them proposes their like again.

    Args:
        history: The trials.
        modes: Of the objectives.
        ignores_failures: Whether failed trials teach nothing.
    """
    ended = [each for each in history if each.fate is not Fate.RUNNING]
    values = {e.index: e.values for e in ended if e.values and e.fate is not Fate.FAILED}
    if not values:
        return
    columns = zip(modes, zip(*values.values(), strict=True), strict=True)
    worst = tuple(min(column) if mode == "max" else max(column) for mode, column in columns)
    for each in ended:
        if each.index in values:
            yield each, values[each.index]
        elif not ignores_failures:
            yield each, worst


def violations(history: Iterable[Observation]) -> dict[int, tuple[float, ...]]:
    """How far each trial that has ended is beyond the constraints, by its index.

    What is not known, because a trial has failed or its value is not finite, is as bad as the worst
    so far, or as being beyond by the bound itself if nothing is beyond.

    Args:
        history: The trials.

    Returns:
        As `Observation.excesses` has them, with no gaps; nothing if there are no constraints.
    """
    ended = (each for each in history if each.excesses and each.fate is not Fate.RUNNING)
    known = {each.index: _known_excesses(each) for each in ended}
    worst = [_worst(column) for column in zip(*known.values(), strict=True)]
    return {
        index: tuple(w if value is None else value for value, w in zip(values, worst, strict=True))
        for index, values in known.items()
    }


def _known_excesses(each: Observation) -> tuple[float | None, ...]:
    if each.fate is Fate.FAILED:
        return (None,) * len(each.excesses)
    return each.excesses


def _worst(excesses: Iterable[float | None]) -> float:
    return max((each for each in excesses if each is not None and each > 0), default=1.0)
