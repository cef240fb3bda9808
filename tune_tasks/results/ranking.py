"""Which trial of an experiment is the best, and by which metric. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol, TypeVar

from tune_tasks.model.objective import Objective, choose_objective


class Scored(Protocol):
    """A trial with values of metrics."""

    @property
    def index(self) -> int:
        """Its number; of equal trials the first is the best."""

    def metric(self, name: str) -> float | None:
        """The finite value of a metric, or None."""


_Scored = TypeVar("_Scored", bound=Scored)


def ranked(trials: Iterable[_Scored], objective: Objective) -> list[_Scored]:
    """Return the trials that have a value of the metric, best first."""
    scored: list[tuple[float, int, _Scored]] = []
    for trial in trials:
        value = trial.metric(objective.metric)
        if value is not None:
            scored.append((objective.sort_key(value), trial.index, trial))
    scored.sort(key=lambda entry: entry[:2])
    return [trial for _, _, trial in scored]


def best_of(trials: Iterable[_Scored], objective: Objective) -> _Scored | None:
    """Return the trial with the best value of the metric; None if no trial has a value."""
    return next(iter(ranked(trials, objective)), None)


def objective_of(wanted: Objective | None, trials: Sequence[Scored]) -> Objective | None:
    """Return what 'best' goes by: the spec's objective, or the first default that was reported.

    Args:
        wanted: The objective that the spec names, if it names one.
        trials: The experiment's trials.
    """

    def is_reported(default: Objective) -> bool:
        return any(trial.metric(default.metric) is not None for trial in trials)

    return choose_objective(wanted, is_reported)
